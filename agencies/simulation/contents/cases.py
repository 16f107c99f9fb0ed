"""Cases of people: what they told after a crossing, and what becomes of a return."""

from datetime import timedelta
from random import Random
from typing import Literal

from agencies.simulation import numbers
from agencies.simulation.contents.writers import BASE, PERSONS, SOURCES, Writers
from agencies.simulation.story import Story
from schemas.codes import UNKNOWN_STATE, ProtectionGround
from schemas.records.debrief import DebriefBase, DebriefPersons, DebriefSources
from schemas.records.return_case import ReturnCaseBase, ReturnCasePersons


def debrief(s: Story) -> Writers:
    def base(r: Random) -> DebriefBase:
        last = s.route[-1]
        return DebriefBase(
            summary=s.text(r, "debrief"),
            embarked=last.start.name,
            landed=last.end.name,
            transport=last.transport,
            paid_eur=sum(hop.fare_eur for hop in s.route),
            interviewed_at=s.seen,
        )

    return {
        BASE: base,
        PERSONS: lambda r: DebriefPersons(persons=s.persons(r), account=s.text(r, "account")),
        SOURCES: lambda r: DebriefSources(
            interviewer=f"Officer {r.randrange(100, 1000)}", assessment=s.text(r, "assessment", 1500)
        ),
    }


def return_case(s: Story) -> Writers:
    """To the state that the people come from; where that is not known, to the one that the route begins in."""

    def base(r: Random) -> ReturnCaseBase:
        origin = s.cast[0].state if s.cast else UNKNOWN_STATE
        stage = r.choice(("opened", "identification", "documents_requested", "documents_issued"))
        planned = s.now.replace(minute=0, second=0) + timedelta(days=r.randrange(5, 60))
        return ReturnCaseBase(
            summary=s.text(r, "return"),
            reference=f"{s.home}-R{s.now.year}/{numbers.digits(r, 5)}",
            agreement=f"Returns agreement, {s.home} with the state of destination",
            destination=s.route[0].start.state if origin == UNKNOWN_STATE else origin,
            stage=stage,
            voluntary=r.random() < 0.4,
            planned_for=planned if stage == "documents_issued" else None,
            opened_at=s.seen,
        )

    def persons(r: Random) -> ReturnCasePersons:
        decision: Literal["pending", "refused_and_final", "not_applied_for"]
        seeking = any(part.ground is ProtectionGround.SEEKING_PROTECTION for part in s.cast)
        decision = "pending" if seeking else r.choice(("refused_and_final", "not_applied_for"))
        needs = s.text(r, "needs", 500) if r.random() < 0.3 else None
        return ReturnCasePersons(persons=s.persons(r), protection_decision=decision, needs=needs)

    return {BASE: base, PERSONS: persons}
