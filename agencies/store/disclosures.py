"""The disclosure log: who was shown what, why, and who was refused; written before anything is shown, never erased.

Directive (EU) 2016/680 Art. 25: the logs of consultation and disclosure make it possible to establish justification,
date and time, and the identification of the person. Rows are numbered anew for whoever looks: an officer sees their own
alone, and learns nothing of how many others there are.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, func, insert, select

from agencies.store.tables import disclosure_log
from schemas.codes import Purpose
from schemas.ids import AgencyId, OfficerId


class Act(StrEnum):
    """What an officer did."""

    READ = "read"
    SEARCH = "search"
    LIST = "list"


class Outcome(StrEnum):
    """What came of it."""

    GRANTED = "granted"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Disclosure:
    """One act. `portions`: what was shown; `reason`: why something was not, for the log alone."""

    at_ms: int
    """Real time: it is about real acts."""
    officer: OfficerId
    home: AgencyId
    act: Act
    purpose: Purpose | None
    justification: str | None
    query: str | None
    lane: str | None
    record_id: bytes | None
    manifest: bytes | None
    portions: tuple[str, ...]
    outcome: Outcome
    reason: str | None


def note(connection: Connection, one: Disclosure) -> None:
    """One row, in the caller's transaction."""
    values = {name: getattr(one, name) for name in one.__slots__}
    connection.execute(insert(disclosure_log).values({**values, "portions": json.dumps(one.portions)}))


def disclosures(
    connection: Connection, officer: OfficerId | None, limit: int, before: int | None
) -> Sequence[tuple[int, Disclosure]]:
    """The newest rows with their numbers, of one officer or of all, below a number."""
    log = disclosure_log
    number = func.row_number().over(order_by=log.c.id).label("number")
    rows = select(log, number)
    if officer is not None:
        rows = rows.where(log.c.officer == officer)
    numbered = rows.subquery()
    wanted = select(numbered).order_by(numbered.c.number.desc()).limit(limit)
    if before is not None:
        wanted = wanted.where(numbered.c.number < before)
    return [
        (
            int(r.number),
            Disclosure(
                int(r.at_ms),
                OfficerId(r.officer),
                AgencyId(r.home),
                Act(r.act),
                None if r.purpose is None else Purpose(r.purpose),
                r.justification,
                r.query,
                r.lane,
                None if r.record_id is None else bytes(r.record_id),
                None if r.manifest is None else bytes(r.manifest),
                tuple(json.loads(r.portions)),
                Outcome(r.outcome),
                r.reason,
            ),
        )
        for r in connection.execute(wanted)
    ]
