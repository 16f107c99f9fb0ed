"""`officer_deployment`: an officer of one agency posted to another agency or state, for a time, with stated powers.

UN Smuggling Protocol Art. 10(1) by way of liaison officers; Regulation (EU) 2019/1240 on liaison officers. It speaks of
a post, by its id in the arrangement, and never of the person who holds it.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from schemas.codes import Caveat, Kind, PortionName, Purpose, State, Tlp
from schemas.model import Model
from schemas.records.fields import AgencyName, Instant, LongText, Post
from schemas.records.kind import KindSpec, PortionSpec, StartLabel

Power = Literal[
    "exchange_information",
    "observe",
    "advise",
    "attend_interviews",
    "accompany_patrols",
    "train",
    "check_documents",
]


class OfficerDeploymentBase(Model):
    """The posting: half-open in time, `starts` belongs to it and `ends` does not."""

    summary: LongText
    post: Post
    home: AgencyName
    host: AgencyName | None = None
    posting_state: State
    starts: Instant
    ends: Instant
    powers: Annotated[tuple[Power, ...], Field(min_length=1, max_length=7)]

    @model_validator(mode="after")
    def _posted(self) -> Self:
        if self.starts >= self.ends:
            raise ValueError("expected a start before the end")
        if self.post.split("/", 1)[0] != self.home:
            raise ValueError("expected a post of the home agency")
        return self


OFFICER_DEPLOYMENT = KindSpec(
    Kind.OFFICER_DEPLOYMENT,
    "Officer deployment",
    {
        PortionName.BASE: PortionSpec(
            OfficerDeploymentBase,
            StartLabel(
                Tlp.AMBER, (Purpose.PREVENTION, Purpose.INVESTIGATION), caveats=(Caveat.NO_PRIVATE_PARTY,)
            ),
        )
    },
)
