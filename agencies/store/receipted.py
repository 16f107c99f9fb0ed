"""Receipts held against what our ledger shows, where a store keeps both.

- All in the caller's transaction: each comparison and its alarm. So what was told is not told again.
- Each recipient is looked at for itself, and of its receipts those that can be compared now apart from those that reach
  further than is shown: what one recipient says makes no other wait, and what waits makes nothing else wait.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, select, text, update

from agencies.store.alarms import keep_alarm
from agencies.store.showing import digest_at, drop_before, pieces
from agencies.store.tables import receipts
from schemas.certificate import Head
from schemas.controls import NO_HEAD
from schemas.ids import AgencyId
from schemas.verdicts import Alarm

#: Receipts of one recipient that are compared in one transaction, and as many of it that are found waiting.
MOST_RECEIPTS: Final = 100

_Receipt = Row[bytes, str, int, int, bytes]

_COLUMNS = (receipts.c.id, receipts.c.recipient, receipts.c.after, receipts.c.upto, receipts.c.head)
_OPEN = text("compared = 0")  # as it stands in the index


class Compared(NamedTuple):
    """What it came to: contradictions in words, receipts that must wait, and whether more can be compared now."""

    told: list[str]
    waiting: frozenset[bytes]
    more: bool


def compare(connection: Connection, heads: Mapping[AgencyId, Head], ripe: Collection[bytes]) -> Compared:
    """Compare the receipts that the ledger speaks of by now.

    `heads`: where each chain stands; `ripe`: ids of receipts since whose arrival the ledger was read to its end, so
    what it does not show by now was not delivered when they were written.
    """
    told: list[str] = []
    waiting: set[bytes] = set()
    more = False
    late = _by_recipient(connection, ripe)
    for recipient in _recipients(connection):
        shown = heads[recipient].number if recipient in heads else 0
        within = _open(connection, recipient, receipts.c.upto <= shown)
        beyond = [r for r in late.get(recipient, ()) if r.upto > shown]
        told += _held(connection, recipient, shown, [*within, *beyond])
        waiting |= {bytes(r.id) for r in _open(connection, recipient, receipts.c.upto > shown)}
        more = more or len(within) == MOST_RECEIPTS
    for detail in told:
        keep_alarm(connection, Alarm.RECEIPT_DIFFERS, detail)
    return Compared(told, frozenset(waiting), more)


def _held(connection: Connection, recipient: AgencyId, shown: int, found: Sequence[_Receipt]) -> list[str]:
    """What these receipts contradict; they are compared then."""
    told, agreed = [], 0
    for r in found:
        says = f"'{recipient}' says that it stored numbers {r.after + 1} to {r.upto} of our lane"
        if r.upto > shown:
            told.append(f"{says}: by our ledger {shown} were delivered to it")
            continue
        digest, head = digest_at(connection, recipient, r.upto), bytes(r.head)
        if digest is not None and head not in (digest, NO_HEAD):
            ours = f"by our ledger number {r.upto} is {digest.hex()[:16]}"
            told.append(f"{says}, the last of them certificate {head.hex()[:16]}: {ours}")
        agreed = max(agreed, r.upto)
    for names in pieces(bytes(r.id) for r in found):
        connection.execute(update(receipts).where(receipts.c.id.in_(names)).values(compared=1))
    drop_before(connection, recipient, agreed)
    return told


def _recipients(connection: Connection) -> Iterator[AgencyId]:
    """Of whom there are receipts that are not compared yet: a look into the index for each."""
    name = receipts.c.recipient
    last = ""
    while True:
        following = select(name).where(_OPEN, name > last).order_by(name).limit(1)
        if (found := connection.scalar(following)) is None:
            return
        last = str(found)
        yield AgencyId(last)


def _open(connection: Connection, recipient: AgencyId, which: ColumnElement[bool]) -> Sequence[_Receipt]:
    """Receipts of a recipient that are not compared yet, the lowest numbers first."""
    found = select(*_COLUMNS).where(_OPEN, receipts.c.recipient == recipient, which)
    return connection.execute(found.order_by(receipts.c.upto).limit(MOST_RECEIPTS)).all()


def _by_recipient(connection: Connection, ids: Collection[bytes]) -> dict[AgencyId, list[_Receipt]]:
    """Those of these receipts that are not compared yet."""
    found: dict[AgencyId, list[_Receipt]] = {}
    for names in pieces(ids):
        for r in connection.execute(select(*_COLUMNS).where(_OPEN, receipts.c.id.in_(names))):
            found.setdefault(AgencyId(r.recipient), []).append(r)
    return found
