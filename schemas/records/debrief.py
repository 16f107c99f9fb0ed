"""`debrief`: what a person told after a crossing. It bears persons, and most of them are protected.

UN Smuggling Protocol Art. 5 and 16: a smuggled migrant is not liable for having been smuggled, and
protection comes first. Routes and means stand in the base, which names nobody.
"""

from typing import Annotated

from pydantic import Field

from schemas.codes import Caveat, HandlingCode, Kind, PortionName, Purpose, Tlp
from schemas.model import Model
from schemas.records.fields import Instant, LongText, ShortText, Transport
from schemas.records.kind import KindSpec, Persons, PortionSpec, StartLabel


class DebriefBase(Model):
    """Route and means, without anybody who could be recognised."""

    summary: LongText
    embarked: ShortText
    landed: ShortText
    transport: Transport
    paid_eur: Annotated[int, Field(ge=0, le=1_000_000)]
    interviewed_at: Instant


class DebriefPersons(Model):
    """The person heard and persons they named."""

    persons: Persons
    account: LongText


class DebriefSources(Model):
    """Who conducted the interview, and what they think of it."""

    interviewer: ShortText
    assessment: LongText


DEBRIEF = KindSpec(
    Kind.DEBRIEF,
    "Debrief",
    {
        PortionName.BASE: PortionSpec(
            DebriefBase,
            StartLabel(Tlp.AMBER, (Purpose.PREVENTION, Purpose.INVESTIGATION, Purpose.PROTECTION)),
        ),
        PortionName.PERSONS: PortionSpec(
            DebriefPersons,
            StartLabel(
                Tlp.AMBER_STRICT,
                (Purpose.PROTECTION, Purpose.INVESTIGATION),
                (HandlingCode.H1,),
                (Caveat.ORCON,),
                180,
            ),
            bears_persons=True,
        ),
        PortionName.SOURCES: PortionSpec(
            DebriefSources,
            StartLabel(Tlp.AMBER_STRICT, (Purpose.INVESTIGATION,), caveats=(Caveat.ORCON,)),
        ),
    },
)
