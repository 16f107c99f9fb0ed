"""`return_case`: the return of a person under a returns agreement, behind the protection gate.

UN Smuggling Protocol Art. 18, subject to Art. 19: no one is returned, nor exposed by data, to where persecution
threatens. The base counts and dates the case; who it is about is a portion of its own, and the gate rules it.
"""

from typing import Literal

from schemas.codes import Caveat, HandlingCode, Kind, PortionName, Purpose, State, Tlp
from schemas.model import Model
from schemas.records.fields import CaseReference, Instant, LongText, ShortText
from schemas.records.kind import KindSpec, Persons, PortionSpec, StartLabel


class ReturnCaseBase(Model):
    """The case as a number, a stage and a date."""

    summary: LongText
    reference: CaseReference
    agreement: ShortText
    destination: State
    stage: Literal[
        "opened", "identification", "documents_requested", "documents_issued", "returned", "closed"
    ]
    voluntary: bool
    planned_for: Instant | None = None
    opened_at: Instant


class ReturnCasePersons(Model):
    """Whom the case is about, and what was found on non-refoulement."""

    persons: Persons
    protection_decision: Literal["pending", "refused_and_final", "not_applied_for", "granted"]
    needs: LongText | None = None
    """What the person needs on the way: health, family, escort."""


RETURN_CASE = KindSpec(
    Kind.RETURN_CASE,
    "Return case",
    {
        PortionName.BASE: PortionSpec(
            ReturnCaseBase, StartLabel(Tlp.AMBER, (Purpose.RETURN,), retain_days=180)
        ),
        PortionName.PERSONS: PortionSpec(
            ReturnCasePersons,
            StartLabel(Tlp.AMBER, (Purpose.RETURN,), (HandlingCode.H2,), (Caveat.ORCON,), 180),
            bears_persons=True,
        ),
    },
)
