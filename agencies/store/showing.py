"""What our ledger shows, as a store keeps it: how far it was taken in, and each recipient's chain.

- All in the caller's transaction, the place with what was taken in up to there: a restart goes on from it.
- A chain is kept in pieces of digests, from the last number that its recipient agreed about, but no more than so many
  of the newest: each names the one before it, so a receipt of a newer number speaks of the older ones, too. A receipt
  of what is kept no longer is held against the chain's length alone.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

import msgspec
from sqlalchemy import Connection, delete, func, insert, select, update

from agencies.errors import PositionMoved
from agencies.shown import Holders, Kept, Lacks, News
from agencies.store.database import insert_new, insert_or_set
from agencies.store.tables import shown_chains, shown_holders, shown_place, shown_rulings
from schemas.certificate import Head
from schemas.ids import AgencyId, Digest

#: Digests of a chain that are kept, whatever its recipient says or does not say: 3.2 MB.
MOST_DIGESTS: Final = 100_000

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
        digest = digest_at(connection, recipient, upto)
        if digest is not None:
            heads[AgencyId(recipient)] = Head(int(upto), digest)
    return Resumed(Place(int(row.offset), int(row.leaves), version), heads)


def kept(connection: Connection, lacks: Lacks) -> Kept:
    """What is kept of rulings and records that were named."""
    rulings: dict[Digest, bytes] = {}
    for names in pieces(lacks.rulings):
        found = select(shown_rulings).where(shown_rulings.c.digest.in_(names))
        rulings |= {Digest(bytes(r.digest)): bytes(r.bytes) for r in connection.execute(found)}
    holders: dict[bytes, Holders] = {}
    for names in pieces(lacks.records):
        held = select(shown_holders).where(shown_holders.c.record_id.in_(names))
        holders |= {bytes(r.record_id): _parse_holders(bytes(r.holders)) for r in connection.execute(held)}
    return Kept(rulings, holders)


def keep(
    connection: Connection,
    topic: str,
    before: Place,
    after: Place,
    news: News,
    heads: Mapping[AgencyId, Head],
) -> None:
    """Keep what was taken in. `heads`: where each chain stands. Raises: `PositionMoved`."""
    if after != before:
        _move(connection, topic, before, after)
    _write(connection, news, heads)


def drop_before(connection: Connection, recipient: AgencyId, number: int) -> None:
    """Keep a chain from this number on, or from a little before: pieces go whole, and the last one stays."""
    passed = (shown_chains.c.recipient == recipient) & (shown_chains.c.upto < number)
    connection.execute(delete(shown_chains).where(passed))


def _write(connection: Connection, news: News, heads: Mapping[AgencyId, Head]) -> None:
    if news.digests:
        rows = [
            {"recipient": recipient, "upto": heads[recipient].number, "digests": b"".join(digests)}
            for recipient, digests in news.digests.items()
        ]
        connection.execute(insert(shown_chains), rows)
        for recipient in news.digests:
            drop_before(connection, recipient, heads[recipient].number - MOST_DIGESTS + 1)
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


def digest_at(connection: Connection, recipient: str, number: int) -> Digest | None:
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


def pieces(names: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Names in lists of which one question is asked each."""
    listed = sorted(names)
    return (listed[at : at + _NAMES] for at in range(0, len(listed), _NAMES))
