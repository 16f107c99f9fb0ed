"""`debrief`: what a person told after a crossing. It bears persons, and most of them are protected.

UN Smuggling Protocol Art. 5 and 16: a smuggled migrant is not liable for having been smuggled, and
protection comes first. Routes and means stand in the base, which names nobody.
"""

from typing import Annotated, Literal

from pydantic import Field

from schemas.codes import Kind, PortionName
from schemas.model import Model
from schemas.records.kind import Instant, KindSpec, LongText, Person, PortionSpec, ShortText


class DebriefBase(Model):
    """Route and means, without anybody who could be recognised."""

    summary: LongText
    embarked: ShortText
    landed: ShortText
    transport: Literal["small_boat", "lorry", "train", "on_foot", "air"]
    paid_eur: Annotated[int, Field(ge=0, le=1_000_000)]
    interviewed_at: Instant


class DebriefPersons(Model):
    """The person heard and persons they named."""

    persons: Annotated[tuple[Person, ...], Field(min_length=1, max_length=20)]
    account: LongText


class DebriefSources(Model):
    """Who conducted the interview, and what they think of it."""

    interviewer: ShortText
    assessment: LongText


DEBRIEF = KindSpec(
    Kind.DEBRIEF,
    {
        PortionName.BASE: PortionSpec(DebriefBase),
        PortionName.PERSONS: PortionSpec(DebriefPersons, bears_persons=True),
        PortionName.SOURCES: PortionSpec(DebriefSources),
    },
)
