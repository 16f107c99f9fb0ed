"""Receipts held against what our ledger shows, where a store keeps both.

- All in the caller's transaction: each comparison and its alarm. So what was told is not told again.
- Each recipient is looked at for itself, and of its receipts those that can be compared now apart from those that reach
  further than is shown: what one recipient says makes no other wait, and what waits makes nothing else wait.
- A divergence is one alarm: after a fork every later receipt differs. The next contradiction of that recipient is told
  once it has agreed about a number further than any before. So there are no more alarms than deliveries and recipients,
  whatever members send.
- Only what its recipient agreed about is dropped of a chain. Numbers that could not be stored agree about nothing.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, select, update

from agencies.store.alarms import keep_alarm
from agencies.store.database import insert_or_set
from agencies.store.showing import digest_at, drop_before, pieces
from agencies.store.tables import OPEN, receipts, shown_recipients
from schemas.certificate import Head
from schemas.controls import NO_HEAD
from schemas.ids import AgencyId
from schemas.verdicts import Alarm

#: Receipts of one recipient that are compared in one transaction, and as many of it that are found waiting.
MOST_RECEIPTS: Final = 100

_Receipt = Row[bytes, str, int, int, bytes]

_COLUMNS = (receipts.c.id, receipts.c.recipient, receipts.c.after, receipts.c.upto, receipts.c.head)


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


class _Known(NamedTuple):
    """What is known of a recipient: the last number that it agreed about, and whether it has differed since."""

    agreed: int
    differs: bool


def _held(connection: Connection, recipient: AgencyId, shown: int, found: Sequence[_Receipt]) -> list[str]:
    """What these receipts contradict and is to be told; they are compared then."""
    told: list[str] = []
    before = known = _known(connection, recipient)
    for r in found:
        differs = _difference(connection, r, shown)
        if differs is None:
            continue
        if not differs:
            known = _Known(r.upto, False) if r.upto > known.agreed else known
        elif not known.differs:
            told.append(
                f"'{recipient}' says that it stored numbers {r.after + 1} to {r.upto} of our lane{differs}"
            )
            known = known._replace(differs=True)
    for names in pieces(bytes(r.id) for r in found):
        connection.execute(update(receipts).where(receipts.c.id.in_(names)).values(compared=1))
    if known != before:
        row = {"recipient": recipient, "agreed": known.agreed, "differs": int(known.differs)}
        connection.execute(insert_or_set(connection, shown_recipients, "agreed", "differs"), row)
        drop_before(connection, recipient, known.agreed)
    return told


def _difference(connection: Connection, r: _Receipt, shown: int) -> str | None:
    """What differs, in words that follow on what it says; empty if it agrees, None if nothing can be said."""
    if r.upto > shown:
        return f": by our ledger {shown} were delivered to it"
    digest, head = digest_at(connection, r.recipient, r.upto), bytes(r.head)
    if digest is None or head == NO_HEAD:
        return None
    if head == digest:
        return ""
    ours = f"by our ledger number {r.upto} is {digest.hex()[:16]}"
    return f", the last of them certificate {head.hex()[:16]}: {ours}"


def _known(connection: Connection, recipient: AgencyId) -> _Known:
    columns = (shown_recipients.c.agreed, shown_recipients.c.differs)
    row = connection.execute(select(*columns).where(shown_recipients.c.recipient == recipient)).first()
    return _Known(0, False) if row is None else _Known(int(row.agreed), bool(row.differs))


def _recipients(connection: Connection) -> Iterator[AgencyId]:
    """Of whom there are receipts that are not compared yet: a look into the index for each."""
    name = receipts.c.recipient
    last = ""
    while True:
        following = select(name).where(OPEN, name > last).order_by(name).limit(1)
        if (found := connection.scalar(following)) is None:
            return
        last = str(found)
        yield AgencyId(last)


def _open(connection: Connection, recipient: AgencyId, which: ColumnElement[bool]) -> Sequence[_Receipt]:
    """Receipts of a recipient that are not compared yet, the lowest numbers first."""
    found = select(*_COLUMNS).where(OPEN, receipts.c.recipient == recipient, which)
    return connection.execute(found.order_by(receipts.c.upto).limit(MOST_RECEIPTS)).all()


def _by_recipient(connection: Connection, ids: Collection[bytes]) -> dict[AgencyId, list[_Receipt]]:
    """Those of these receipts that are not compared yet."""
    found: dict[AgencyId, list[_Receipt]] = {}
    for names in pieces(ids):
        for r in connection.execute(select(*_COLUMNS).where(OPEN, receipts.c.id.in_(names))):
            found.setdefault(AgencyId(r.recipient), []).append(r)
    return found
