"""The engine against a plain reading of the rules of `g7`, on whole records: effect and deciding rules.

A decision is one portion for one recipient. 100,000 in a normal run; as many as `ENTENTE_DECISIONS` says on demand.
"""

import os
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple, TypeVar

from broker.policy import Engine
from deploy.arrangements import SHIPPED, read_arrangement
from schemas.canonical import Domains
from schemas.codes import (
    UNKNOWN_STATE,
    Caveat,
    HandlingCode,
    InformationGrade,
    ProtectionGround,
    Purpose,
    SourceGrade,
    SpecialCategory,
    State,
    SubjectCategory,
    Tlp,
)
from schemas.directory import Directory, Suspension, instant_ms
from schemas.gate import surroundings
from schemas.ids import AgencyId, Digest
from schemas.labels import Handling, Label, Routing
from schemas.records import KINDS
from schemas.verdicts import Effect, Verdict
from tests.properties.g7_reading import Case, Sheet, read

G7 = read_arrangement(SHIPPED / "g7")
DECISIONS = int(os.environ.get("ENTENTE_DECISIONS", "100000"))
DAY_MS = 86_400_000

_C = TypeVar("_C", bound=StrEnum)


def _at(*when: int) -> int:
    return instant_ms(datetime(*when, tzinfo=UTC))  # type: ignore[arg-type,misc]


#: Agencies as a later version may have them: two that declare no exposure, another that coordinates.
CHANGED: dict[str, dict[str, object]] = {
    "at-bk": {"exposed_states": None},
    "xa-np": {"exposed_states": None},
    "ca-cbsa": {"coordinating": True},
    "gb-bsc": {"coordinating": False},
}

#: As the file says it, and as a later version may: with a suspension, and the lead of the money network gone from it.
DIRECTORIES = (
    G7.directory,
    Directory(
        agencies=tuple(a.model_copy(update=CHANGED.get(a.id, {})) for a in G7.directory.agencies),
        officers=G7.directory.officers,
        communities=tuple(
            c.model_copy(update={"members": tuple(m for m in c.members if m.agency != c.lead)})
            if c.id == "money-network"
            else c
            for c in G7.directory.communities
        ),
        suspensions=(
            Suspension(
                agency=AgencyId("xb-np"),
                start=datetime(2026, 6, 6, tzinfo=UTC),
                end=datetime(2026, 6, 7, tzinfo=UTC),
                reason="a report was passed on",
            ),
        ),
    ),
)
#: Where something begins or ends, and the days between.
TURNS = (_at(2026, 6, 3), _at(2026, 6, 5, 12), _at(2026, 6, 6), _at(2026, 6, 7))
DAYS = tuple(_at(2026, 6, day, 9) for day in range(1, 8))
ORIGINS = ["XA", "XA", "XB", "XB", "AL", "IT", "FR", "GB", UNKNOWN_STATE]
USUAL_PURPOSES = (Purpose.INVESTIGATION, Purpose.PREVENTION, Purpose.DETECTION)
#: What is usual for a portion, so that rules on it are reached; anything may be said beside it.
PURPOSES_OF = {
    "return_case": (Purpose.RETURN,),
    "referral": (Purpose.TAKEDOWN,),
    "removal": (Purpose.TAKEDOWN,),
    "financial": (Purpose.CONFISCATION, Purpose.INVESTIGATION),
    "expertise": (Purpose.EXPERTISE,),
    "technical_information": (Purpose.EXPERTISE,),
    "concealment_method": (Purpose.EXPERTISE, Purpose.DETECTION),
}


class Draft(NamedTuple):
    """A record to decide on; `version` says which of the directories holds.

    `asked` of its sheets are portions of the kind. One more may stand behind them: a record with persons in two
    portions, which no kind has yet.
    """

    version: int
    originator: AgencyId
    kind: str
    sheets: tuple[Sheet, ...]
    asked: int
    at_ms: int


class Person(NamedTuple):
    """What a label says of the persons in its portion."""

    subjects: tuple[SubjectCategory, ...] = ()
    grounds: tuple[ProtectionGround, ...] = ()
    cleared: bool = False
    origins: tuple[State, ...] = ()


class Drawer:
    """Draws records of the kind that analysts write: mostly addressed, seldom marked; sometimes quite odd."""

    def __init__(self, seed: int) -> None:
        self.source = random.Random(seed)
        self.kinds = [k for k, spec in KINDS.items() for _ in spec.portions] + ["return_case"] * 4
        self.kinds += ["expertise", "technical_information", "concealment_method"]

    def chance(self, of: float) -> bool:
        return self.source.random() < of

    def some(self, codes: type[_C], chance: float) -> tuple[_C, ...]:
        return tuple(code for code in codes if self.source.random() < chance)

    def draft(self) -> Draft:
        version = int(self.chance(0.2))
        directory = DIRECTORIES[version]
        kind = self.source.choice(self.kinds)
        at_ms = self.source.choice(TURNS) + self.source.randint(-1, 1)
        if self.chance(0.7):
            at_ms = self.source.choice(DAYS)
        spec = KINDS[kind]
        names = [name for name in spec.portions if self.chance(0.85)] or list(spec.portions)
        routing = self.routing(directory, kind)
        sheets = []
        for name in names:
            bears = spec.portions[name].bears_persons
            person = self.person() if bears or self.chance(0.1) else Person()
            to = routing if self.chance(0.6) else self.routing(directory, kind)
            sheets.append(Sheet(name, bears, Label(self.handling(kind, name, at_ms, person), to)))
        if self.chance(0.1):
            behind = self.handling(kind, "persons", at_ms, self.person())
            sheets.append(Sheet("persons", True, Label(behind, routing)))
        originator = AgencyId("pf-social") if self.chance(0.05) else self.source.choice(directory.agency_ids)
        return Draft(version, originator, kind, tuple(sheets), len(names), at_ms)

    def person(self) -> Person:
        subjects = self.some(SubjectCategory, 0.3)
        if self.chance(0.55):
            subjects = (self.source.choice((SubjectCategory.SUSPECT, SubjectCategory.CONVICTED)),)
        grounds = () if self.chance(0.5) else self.some(ProtectionGround, 0.5)
        origins = {self.source.choice(ORIGINS) for _ in range(self.source.choice((1, 1, 2)))}
        stated = tuple(State(code) for code in sorted(origins)) if self.chance(0.97) else ()
        return Person(subjects, grounds, self.chance(0.8), stated)

    def routing(self, directory: Directory, kind: str) -> Routing:
        broad = self.chance(0.85)
        wide = 0.5 if Purpose.EXPERTISE in PURPOSES_OF.get(kind, ()) else 0.05
        chances = {"expertise-network": wide, "g7-liaison": 0.12, "money-network": 0.12}
        return Routing(
            tuple(a for a in directory.agency_ids if self.chance(0.85 if broad else 0.15)),
            tuple(c.id for c in directory.communities if self.chance(chances.get(c.id, 0.35))),
            tuple(o.id for o in directory.officers if self.chance(0.06)),
        )

    def handling(self, kind: str, name: str, at_ms: int, person: Person) -> Handling:
        purposes = PURPOSES_OF.get(name, PURPOSES_OF.get(kind, USUAL_PURPOSES)) + self.some(Purpose, 0.12)
        if self.chance(0.15):
            purposes = tuple(self.source.sample(list(Purpose), self.source.choice((0, 1, 1, 2))))
        codes = self.some(HandlingCode, 0.3) if self.chance(0.25) else ()
        today = at_ms // DAY_MS
        turning = at_ms % DAY_MS == 0 and self.chance(0.3)
        return Handling(
            self.source.choice((Tlp.AMBER, Tlp.GREEN, *Tlp)),
            codes,
            self.source.choice((SourceGrade.A, SourceGrade.B, *SourceGrade)),
            self.source.choice((InformationGrade.ONE, *InformationGrade)),
            purposes,
            person.subjects,
            self.some(SpecialCategory, 0.004),
            self.some(Caveat, 0.04),
            person.grounds,
            person.cleared,
            person.origins,
            today + (self.source.randint(0, 1) if turning or self.chance(0.03) else 365),
        )


def asked(engines: Sequence[Engine], draft: Draft) -> Iterator[tuple[int, Verdict]]:
    """The verdicts on each portion of the record, with the portion's place."""
    whole = surroundings((sheet.bears_persons, sheet.label.handling) for sheet in draft.sheets)
    for at, sheet in enumerate(draft.sheets[: draft.asked]):
        _, _, ruling = engines[draft.version].rule(
            originator=draft.originator,
            kind=draft.kind,
            portion=sheet.name,
            label=sheet.label,
            record=whole,
            at_ms=draft.at_ms,
        )
        for verdict in ruling.verdicts:
            yield at, verdict


def test_the_engine_agrees_with_a_plain_reading_of_g7() -> None:
    drawer = Drawer(20260601)
    engines = [Engine(Domains(G7.federation), G7.policy, d, Digest(b"\x02" * 32)) for d in DIRECTORIES]
    effects: Counter[Effect] = Counter()
    decided: Counter[str] = Counter()
    while effects.total() < DECISIONS:
        draft = drawer.draft()
        directory = DIRECTORIES[draft.version]
        memberships = {
            agency: frozenset(directory.communities_of(agency, draft.at_ms))
            for agency in directory.agency_ids
        }
        for at, verdict in asked(engines, draft):
            case = Case(
                directory,
                draft.originator,
                draft.kind,
                draft.sheets,
                at,
                verdict.recipient,
                memberships[verdict.recipient],
                draft.at_ms,
            )
            assert (verdict.effect, verdict.rules) == read(case), case
            assert verdict.barred is case.at_the_gate, case
            effects[verdict.effect] += 1
            decided.update(verdict.rules)
    assert sum(engine.stats.errors for engine in engines) == 0
    assert 0.3 < effects[Effect.PERMIT] / effects.total() < 0.6, effects
    assert effects[Effect.NONE] > 0.01 * effects.total(), effects
    assert decided.keys() == set(G7.policy.rules)
    assert min(decided.values()) > 50, decided.most_common()[-5:]
