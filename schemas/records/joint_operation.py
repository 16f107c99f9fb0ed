"""`joint_operation`: an operation of several agencies - aim, area, time, and whom it is directed at.

UN Smuggling Protocol Art. 11 and UN Convention Art. 19: joint investigations. Operational plans reach those only who
take part; targets are a portion of their own.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from schemas.codes import Caveat, HandlingCode, Kind, PortionName, Purpose, State, Tlp
from schemas.model import Model
from schemas.records.fields import AgencyName, Instant, LongText, ShortText
from schemas.records.kind import KindSpec, Persons, PortionSpec, StartLabel
from schemas.records.particulars import Place, Sources


class JointOperationBase(Model):
    """The plan: half-open in time, `begins` belongs to it and `ends` does not."""

    name: ShortText
    summary: LongText
    type: Literal[
        "joint_investigation_team", "action_day", "joint_patrol", "controlled_delivery", "disruption"
    ]
    lead: AgencyName
    states: Annotated[tuple[State, ...], Field(min_length=1, max_length=50)]
    areas: Annotated[tuple[Place, ...], Field(max_length=20)] = ()
    begins: Instant
    ends: Instant

    @model_validator(mode="after")
    def _forward(self) -> Self:
        if self.begins >= self.ends:
            raise ValueError("expected a beginning before the end")
        return self


class JointOperationPersons(Model):
    """Targets, and who may be met beside them."""

    persons: Persons


class JointOperationSources(Sources):
    """What the plan rests on."""


JOINT_OPERATION = KindSpec(
    Kind.JOINT_OPERATION,
    "Joint operation",
    {
        PortionName.BASE: PortionSpec(
            JointOperationBase,
            StartLabel(
                Tlp.AMBER_STRICT,
                (Purpose.INVESTIGATION, Purpose.PREVENTION),
                (HandlingCode.H2,),
                (Caveat.LAW_ENFORCEMENT_ONLY,),
            ),
        ),
        PortionName.PERSONS: PortionSpec(
            JointOperationPersons,
            StartLabel(
                Tlp.RED,
                (Purpose.INVESTIGATION, Purpose.PROSECUTION),
                (HandlingCode.H2,),
                (Caveat.LAW_ENFORCEMENT_ONLY, Caveat.ORCON),
            ),
            bears_persons=True,
        ),
        PortionName.SOURCES: PortionSpec(
            JointOperationSources,
            StartLabel(Tlp.RED, (Purpose.INVESTIGATION,), (HandlingCode.H2,), (Caveat.ORCON,)),
        ),
    },
)
