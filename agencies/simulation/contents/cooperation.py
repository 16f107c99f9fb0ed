"""Work between agencies: questions, answers, operations and postings."""

from datetime import timedelta
from random import Random
from typing import Final

from agencies.simulation.contents.writers import BASE, PERSONS, SOURCES, Writers, how
from agencies.simulation.story import Story
from agencies.simulation.world import pooled
from schemas.codes import State
from schemas.records.information_request import InformationRequestBase, InformationRequestPersons, Urgency
from schemas.records.information_response import InformationResponseBase, InformationResponseSources, Refusal
from schemas.records.joint_operation import JointOperationBase, JointOperationPersons, JointOperationSources
from schemas.records.officer_deployment import OfficerDeploymentBase, Power

_URGENT: Final = "a crossing is expected with the next calm weather"
_POWERS: Final[tuple[Power, ...]] = (
    "observe",
    "advise",
    "attend_interviews",
    "accompany_patrols",
    "train",
    "check_documents",
)


def information_request(s: Story) -> Writers:
    def base(r: Random) -> InformationRequestBase:
        urgency = r.choices(list(Urgency), [1, 2, 5])[0]
        return InformationRequestBase(
            reference=s.case,
            urgency=urgency,
            urgent_because=None if urgency is Urgency.NORMAL else _URGENT,
            question=s.text(r, "request"),
            offence="facilitation of unauthorised entry by an organised group",
            reasons=s.text(r, "reasons", 700),
            languages=("en",),
            asked_at=s.now,
        )

    return {
        BASE: base,
        PERSONS: lambda r: InformationRequestPersons(
            persons=s.persons(r), connection=s.text(r, "connection", 900)
        ),
    }


def information_response(s: Story) -> Writers:
    """The answer to the request of the story's case, whoever asked it."""

    def base(r: Random) -> InformationResponseBase:
        outcome = r.choices(("hit", "no_hit", "refused"), [5, 4, 1])[0]
        return InformationResponseBase(
            request=s.case,
            outcome=outcome,
            refused_because=r.choice(list(Refusal)) if outcome == "refused" else None,
            answer=s.text(r, outcome),
            records=(s.world.case(pooled(r, "case")),) if outcome == "hit" else (),
            answered_at=s.now,
        )

    return {BASE: base, SOURCES: lambda r: InformationResponseSources.model_validate(how(s, r))}


def joint_operation(s: Story) -> Writers:
    def base(r: Random) -> JointOperationBase:
        begins = s.now.replace(minute=0, second=0) + timedelta(days=r.randrange(1, 20), hours=r.randrange(24))
        return JointOperationBase(
            name=s.operation,
            summary=s.text(r, "operation"),
            type=r.choice(("joint_investigation_team", "action_day", "joint_patrol", "disruption")),
            lead=s.agency.id,
            states=tuple(dict.fromkeys((s.home, *(hop.end.state for hop in s.route)))),
            areas=tuple(hop.start for hop in s.route[-2:]),
            begins=begins,
            ends=begins + timedelta(hours=r.choice((12, 24, 72))),
        )

    return {
        BASE: base,
        PERSONS: lambda r: JointOperationPersons(persons=s.persons(r)),
        SOURCES: lambda r: JointOperationSources.model_validate(how(s, r)),
    }


def officer_deployment(s: Story) -> Writers:
    """A post of the agency's own in a state on the way."""

    def base(r: Random) -> OfficerDeploymentBase:
        state = State(
            r.choice([code for code in ("XA", "XB", "AL", "IT", "AT") if code not in s.agency.states])
        )
        starts = s.now.replace(hour=0, minute=0, second=0) + timedelta(days=r.randrange(1, 30))
        return OfficerDeploymentBase(
            summary=s.text(r, "deployment"),
            post=f"{s.agency.id}/liaison-{state.lower()}",
            home=s.agency.id,
            posting_state=state,
            starts=starts,
            ends=starts + timedelta(days=r.choice((30, 90, 180))),
            powers=("exchange_information", *r.sample(_POWERS, r.randrange(3))),
        )

    return {BASE: base}
