"""What our ledger shows, as a store keeps it, and the receipts that are held against it.

- All in the caller's transaction: what was taken in, how far, each comparison and its alarm. So a restart goes on
  from there, and what was told is not told again.
- A chain is kept in pieces of digests, from the first number that its recipient has not receipted: a receipt of what
  was receipted before is held against the chain's length alone.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec
from sqlalchemy import Connection, Row, delete, func, insert, select, text, update

from agencies.errors import PositionMoved
from agencies.shown import Holders, Kept, Lacks, News
from agencies.store.alarms import keep_alarm
from agencies.store.database import insert_new, insert_or_set
from agencies.store.tables import (
    receipts,
    shown_chains,
    shown_holders,
    shown_place,
    shown_rulings,
)
from schemas.certificate import Head
from schemas.controls import NO_HEAD
from schemas.ids import AgencyId, Digest
from schemas.verdicts import Alarm

#: Receipts that are looked at in one transaction, the oldest first.
MOST_RECEIPTS: Final = 1_000

_DIGEST: Final = 32
_NAMES: Final = 500  # that one question is asked of

_encode = msgspec.msgpack.Encoder().encode
_holders = msgspec.msgpack.Decoder(dict[AgencyId, bytes])


class Place(NamedTuple):
    """How far the ledger was taken in: its topic's next offset, the next leaf's number, the version active there."""

    offset: int
    leaves: int
    version: Digest | None


class Resumed(NamedTuple):
    """What was taken in before: how far, and where each chain stood."""

    place: Place
    heads: dict[AgencyId, Head]


class Settled(NamedTuple):
    """What comparing came to: contradictions in words, receipts that must wait, and whether there may be more."""

    told: list[str]
    waiting: frozenset[bytes]
    more: bool


def resume(connection: Connection, topic: str) -> Resumed:
    """What is kept of the ledger on this topic; a place is made at first sight."""
    connection.execute(insert_new(connection, shown_place), {"topic": topic, "offset": 0, "leaves": 0})
    row = connection.execute(select(shown_place).where(shown_place.c.topic == topic)).one()
    version = None if row.version is None else Digest(bytes(row.version))
    newest = select(shown_chains.c.recipient, func.max(shown_chains.c.upto)).group_by(
        shown_chains.c.recipient
    )
    heads = {}
    for recipient, upto in connection.execute(newest).all():
        digest = _digest_at(connection, recipient, upto)
        if digest is not None:
            heads[AgencyId(recipient)] = Head(int(upto), digest)
    return Resumed(Place(int(row.offset), int(row.leaves), version), heads)


def kept(connection: Connection, lacks: Lacks) -> Kept:
    """What is kept of rulings and records that were named."""
    rulings: dict[Digest, bytes] = {}
    for names in _pieces(lacks.rulings):
        found = select(shown_rulings).where(shown_rulings.c.digest.in_(names))
        rulings |= {Digest(bytes(r.digest)): bytes(r.bytes) for r in connection.execute(found)}
    holders: dict[bytes, Holders] = {}
    for names in _pieces(lacks.records):
        held = select(shown_holders).where(shown_holders.c.record_id.in_(names))
        holders |= {bytes(r.record_id): _parse_holders(bytes(r.holders)) for r in connection.execute(held)}
    return Kept(rulings, holders)


def settle(
    connection: Connection,
    topic: str,
    before: Place,
    after: Place,
    news: News,
    heads: Mapping[AgencyId, Head],
    ripe: Collection[bytes],
) -> Settled:
    """Keep what was taken in, and compare the receipts that the ledger speaks of by now.

    `heads`: where each chain stands; `ripe`: ids of receipts since whose arrival the ledger was read to its end, so
    what it does not show by now was not delivered when they were written. Raises: `PositionMoved`.
    """
    if after != before:
        _move(connection, topic, before, after)
    _write(connection, news, heads)
    told, waiting, done, agreed = [], set(), [], dict[str, int]()
    found = _open(connection)
    for r in found:
        receipt_id, recipient, upto = bytes(r.id), str(r.recipient), int(r.upto)
        shown = heads[AgencyId(recipient)].number if AgencyId(recipient) in heads else 0
        says = f"'{recipient}' says that it stored numbers {int(r.after) + 1} to {upto} of our lane"
        if upto <= shown:
            digest = _digest_at(connection, recipient, upto)
            head = bytes(r.head)
            if digest is not None and head not in (digest, NO_HEAD):
                ours = f"by our ledger number {upto} is {digest.hex()[:16]}"
                told.append(f"{says}, the last of them certificate {head.hex()[:16]}: {ours}")
            agreed[recipient] = max(upto, agreed.get(recipient, 0))
        elif receipt_id in ripe:
            told.append(f"{says}: by our ledger {shown} were delivered to it")
        else:
            waiting.add(receipt_id)
            continue
        done.append(receipt_id)
    for names in _pieces(done):
        connection.execute(update(receipts).where(receipts.c.id.in_(names)).values(compared=1))
    for detail in told:
        keep_alarm(connection, Alarm.RECEIPT_DIFFERS, detail)
    for recipient, upto in agreed.items():
        # The piece that holds its last number stays: it is where the chain goes on, if it was the newest
        passed = (shown_chains.c.recipient == recipient) & (shown_chains.c.upto < upto)
        connection.execute(delete(shown_chains).where(passed))
    return Settled(told, frozenset(waiting), bool(done) and len(found) == MOST_RECEIPTS)


def _open(connection: Connection) -> Sequence[Row[bytes, str, int, int, bytes]]:
    """Receipts that are not compared yet, the oldest first."""
    columns = (receipts.c.id, receipts.c.recipient, receipts.c.after, receipts.c.upto, receipts.c.head)
    order = (receipts.c.received_at_ms, receipts.c.upto)
    return connection.execute(
        select(*columns).where(text("compared = 0")).order_by(*order).limit(MOST_RECEIPTS)
    ).all()


def _write(connection: Connection, news: News, heads: Mapping[AgencyId, Head]) -> None:
    if news.digests:
        rows = [
            {"recipient": recipient, "upto": heads[recipient].number, "digests": b"".join(digests)}
            for recipient, digests in news.digests.items()
        ]
        connection.execute(insert(shown_chains), rows)
    if news.rulings:
        rulings = [{"digest": digest, "bytes": data} for digest, data in news.rulings.items()]
        connection.execute(insert_new(connection, shown_rulings), rulings)
    if news.holders:
        held = [{"record_id": r, "holders": _encode(holders)} for r, holders in news.holders.items()]
        connection.execute(insert_or_set(connection, shown_holders, "holders"), held)


def _move(connection: Connection, topic: str, before: Place, after: Place) -> None:
    where = (shown_place.c.topic == topic) & (shown_place.c.offset == before.offset)
    moved = connection.execute(update(shown_place).where(where).values(after._asdict()))
    if moved.rowcount != 1:  # compare-and-set: another process took this in, too
        raise PositionMoved(f"place in '{topic}' is not {before.offset} any more")


def _digest_at(connection: Connection, recipient: str, number: int) -> Digest | None:
    """The certificate's digest at a number of a chain; None where it is not kept any more."""
    piece = connection.execute(
        select(shown_chains.c.upto, shown_chains.c.digests)
        .where(shown_chains.c.recipient == recipient, shown_chains.c.upto >= number)
        .order_by(shown_chains.c.upto)
        .limit(1)
    ).first()
    if piece is None:
        return None
    digests = bytes(piece.digests)
    start = len(digests) - (int(piece.upto) - number + 1) * _DIGEST
    return Digest(digests[start : start + _DIGEST]) if start >= 0 else None


def _parse_holders(data: bytes) -> Holders:
    return {agency: Digest(manifest) for agency, manifest in _holders.decode(data).items()}


def _pieces(names: Iterable[bytes]) -> Iterable[list[bytes]]:
    listed = sorted(names)
    return (listed[at : at + _NAMES] for at in range(0, len(listed), _NAMES))
