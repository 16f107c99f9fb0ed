"""Receipts: what we tell originators we stored.

- At most one a lane and second; each covers an interval (after, upto] of the chain (lane, us), with the numbers
  in it that could not be stored and why. It ends before what it cannot list: whatever it covers and does not except
  is stored. The rest follows in the next one.
- What recipients tell us is judged in `agencies.judging`, and held against our ledger in `agencies.comparing`.
"""

import asyncio
import logging
from itertools import islice

from sqlalchemy import Connection as SqlConnection
from sqlalchemy import select

from agencies.outbox import Outbox, Receipted
from agencies.sealing import Control
from agencies.store import Store
from agencies.store.tables import chains, heads, quarantine, reception_log
from schemas.clock import Clock
from schemas.controls import NO_HEAD, ControlCode, Receipt, ReceiptException, receipt_bytes
from schemas.entropy import Entropy
from schemas.ids import new_record_id
from schemas.verdicts import Alarm

log = logging.getLogger("entente.agencies.receipts")

_EVERY_S = 2.0
_MISSING = Alarm.CHAIN_BREAK
_MOST_EXCEPTIONS = 1_000
"""A receipt could list 4096, but the body of a control message has 64 KiB, and a reason up to 40 characters."""


class Receipts:
    """Writes a receipt for every lane that moved, through the outbox."""

    def __init__(
        self, store: Store, outbox: Outbox, clock: Clock, entropy: Entropy, stored: asyncio.Event
    ) -> None:
        self._store = store
        self._outbox = outbox
        self._clock = clock
        self._entropy = entropy
        self._stored = stored

    async def run(self) -> None:
        """Receipt what was stored, for ever."""
        while True:
            owed = await self._store.run(due)
            for receipt in owed:
                control = Control(
                    ControlCode.RECEIPT, new_record_id(self._clock, self._entropy), receipt_bytes(receipt)
                )
                await (await self._outbox.put_receipt(Receipted(control, receipt.lane, receipt.upto)))
            await asyncio.sleep(_EVERY_S)  # what is delivered meanwhile shares a receipt
            if not owed:  # else a receipt may have ended early
                await self._stored.wait()
            self._stored.clear()


def due(connection: SqlConnection) -> list[Receipt]:
    """A receipt for each lane whose chain has moved since the last one."""
    moved = connection.execute(
        select(chains.c.lane, chains.c.receipted, chains.c.number, chains.c.digest)
        .where(chains.c.number > chains.c.receipted)
        .order_by(chains.c.lane)
    ).all()
    return [_receipt(connection, r.lane, r.receipted, r.number, bytes(r.digest)) for r in moved]


def _receipt(connection: SqlConnection, lane: str, after: int, number: int, digest: bytes) -> Receipt:
    """From `after` up to the chain's head, or as far as the exceptions can be listed."""
    found = _exceptions(connection, lane, after, number)
    if len(found) <= _MOST_EXCEPTIONS:
        return Receipt(lane, after, number, digest, tuple(found))
    upto, head = _end(connection, lane, after, found[_MOST_EXCEPTIONS].number - 1)
    return Receipt(lane, after, upto, head, tuple(e for e in found if e.number <= upto))


def _end(connection: SqlConnection, lane: str, after: int, most: int) -> tuple[int, bytes]:
    """The last number up to `most` at which the broker signed a head, and its digest; else `most` without one."""
    signed = connection.execute(
        select(heads.c.number, heads.c.digest)
        .where(heads.c.lane == lane, heads.c.number > after, heads.c.number <= most)
        .order_by(heads.c.number.desc())
        .limit(1)
    ).first()
    return (most, NO_HEAD) if signed is None else (int(signed.number), bytes(signed.digest))


def _exceptions(connection: SqlConnection, lane: str, after: int, upto: int) -> list[ReceiptException]:
    """The numbers that are not stored, the first ones and one more than a receipt lists."""
    log_numbers = select(reception_log.c.number).where(
        reception_log.c.lane == lane, reception_log.c.number > after, reception_log.c.number <= upto
    )
    stored = {int(n) for n in connection.scalars(log_numbers)}
    reasons = {
        int(r.number): str(r.reason)
        for r in connection.execute(
            select(quarantine.c.number, quarantine.c.reason).where(
                quarantine.c.lane == lane, quarantine.c.number > after, quarantine.c.number <= upto
            )
        )
    }
    missing = (n for n in range(after + 1, upto + 1) if n not in stored)
    listed = islice(missing, _MOST_EXCEPTIONS + 1)
    return [ReceiptException(n, reasons.get(n, _MISSING)) for n in listed]
