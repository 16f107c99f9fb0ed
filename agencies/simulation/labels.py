"""How a busy analyst labels a portion, from the label that its kind starts from.

- An agency has habits: for each portion of each kind a few ready labels and distribution lists, which its analysts take
  as they are; now and then one sets a label by hand, and slips more easily.
- Mostly labels are right; sometimes a list is too wide, a caveat dropped, a purpose forgotten: that is what the two
  locks are for. Who stands in a portion is always told as it is.
- Each candidate is addressed or not by its own id, so that one agency more or less in the directory changes nothing for
  the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from random import Random
from typing import Final, TypeVar

from agencies.simulation.people import Part
from agencies.simulation.story import Story
from schemas.codes import (
    AgencyRole,
    Caveat,
    HandlingCode,
    InformationGrade,
    Kind,
    PortionName,
    Purpose,
    SourceGrade,
    SpecialCategory,
    SubjectCategory,
    Tlp,
)
from schemas.directory import Agency, Directory, instant_ms
from schemas.labels import Handling, Label, Routing, ordered, retain_until
from schemas.records import KINDS
from schemas.records.kind import StartLabel

_Code = TypeVar("_Code", bound=str)

CLEARABLE: Final = frozenset({SubjectCategory.SUSPECT, SubjectCategory.CONVICTED})

_LADDER: Final = (Tlp.RED, Tlp.AMBER_STRICT, Tlp.AMBER, Tlp.GREEN, Tlp.CLEAR)
_WIDE: Final = frozenset({Kind.EXPERTISE, Kind.TECHNICAL_INFORMATION, Kind.CONCEALMENT_METHOD})
_HABITS: Final = 2
_BY_HAND: Final = 0.1
#: Distribution lists: how much of the partners each holds, and how often it is taken.
_LISTS: Final = ((1.0, 2), (0.7, 3), (0.5, 3), (0.35, 2))

#: How likely an analyst addresses an agency of the role beside the list: (kind or None, portion) -> chance.
_SOURCE_STATE: Final[dict[tuple[Kind | None, PortionName], float]] = {
    (Kind.EXPERTISE, PortionName.BASE): 0.6,
    (Kind.DEBRIEF, PortionName.PERSONS): 0.15,
    (Kind.INFORMATION_RESPONSE, PortionName.BASE): 0.1,
    (None, PortionName.BASE): 0.35,
    (None, PortionName.SOURCES): 0.1,
    (None, PortionName.PERSONS): 0.1,
    (None, PortionName.REMOVAL): 0.1,
}
_PLATFORM: Final[dict[tuple[Kind | None, PortionName], float]] = {
    (None, PortionName.REFERRAL): 1.0,
    (Kind.ONLINE_ADVERT, PortionName.BASE): 0.15,
    (Kind.ONLINE_ADVERT, PortionName.PERSONS): 0.05,
    (None, PortionName.BASE): 0.02,
}
_COMMUNITY: Final[dict[tuple[Kind | None, PortionName], float]] = {
    (Kind.JOINT_OPERATION, PortionName.BASE): 0.6,
    (Kind.JOINT_OPERATION, PortionName.PERSONS): 0.4,
    (None, PortionName.BASE): 0.3,
    (None, PortionName.SOURCES): 0.2,
    (None, PortionName.PERSONS): 0.2,
    (None, PortionName.FINANCIAL): 0.4,
    (None, PortionName.REFERRAL): 0.1,
}


def _chance(of: dict[tuple[Kind | None, PortionName], float], kind: Kind, portion: PortionName) -> float:
    return of.get((kind, portion), of.get((None, portion), 0.0))


def _team_chance(team: str, kind: Kind, portion: PortionName) -> float:
    """An analyst goes by what a community is called."""
    if "expertise" in team:
        return 0.6 if kind in _WIDE and portion is PortionName.BASE else 0.04
    if "money" in team:
        return 0.6 if portion is PortionName.FINANCIAL else 0.08
    return _chance(_COMMUNITY, kind, portion)


def _falls(key: str, chance: float) -> bool:
    """A coin that falls the same way for the same key, in every process."""
    return int.from_bytes(blake2b(key.encode(), digest_size=4).digest()) < chance * 2**32


@dataclass(frozen=True, slots=True)
class _Habit:
    """Where a label's choices come from: equal keys give equal choices. `slips`: how likely each goes wrong."""

    record: str
    portion: str
    slips: float

    def stream(self, what: str) -> Random:
        return Random(f"{self.portion}/{what}")  # noqa: S311  # a simulation wants a seeded generator


def habitual_label(story: Story, kind: Kind, portion: PortionName, seed: int, directory: Directory) -> Label:
    """The label that an analyst of the story's agency sets on the portion."""
    spec = KINDS[kind].portion(portion)
    if story.stream(f"by-hand/{portion}").random() < _BY_HAND:
        habit = _Habit(story.key, f"{story.key}/{portion}", 0.4)
    else:
        record = f"{seed}/{story.agency.id}/habits/{kind}/{story.stream('habit').randrange(_HABITS)}"
        habit = _Habit(record, f"{record}/{portion}", 0.12)
    handling = _handling(habit, story, spec.start, story.cast if spec.bears_persons else ())
    return Label(handling, _routing(habit, story, kind, portion, seed, directory))


def _handling(habit: _Habit, story: Story, start: StartLabel, cast: Sequence[Part]) -> Handling:
    own, usual = story.stream("label"), habit.stream("handling")
    subjects = ordered(part.category for part in cast)
    grounds = ordered(part.ground for part in cast if part.ground is not None)
    origins = ordered(part.state for part in cast)
    clearable = bool(subjects) and CLEARABLE.issuperset(subjects) and not grounds

    def slip(right: tuple[_Code, ...], *wrong: tuple[_Code, ...]) -> tuple[_Code, ...]:
        return ordered(usual.choice(wrong) if usual.random() < habit.slips else right)

    step = usual.choice((1, 1, -1)) if usual.random() < habit.slips else 0
    more = usual.choice((Purpose.INVESTIGATION, Purpose.PROSECUTION, Purpose.EXPERTISE))
    code, caveat = usual.choice(list(HandlingCode)), usual.choice(list(Caveat))
    return Handling(
        _LADDER[min(max(_LADDER.index(start.tlp) + step, 0), len(_LADDER) - 1)],
        slip(start.handling_codes, (code,), (code,), (*start.handling_codes, code)),
        usual.choices(list(SourceGrade), [3, 5, 2, 1])[0],
        usual.choices(list(InformationGrade), [2, 4, 3, 1])[0],
        slip(start.purposes, *[start.purposes[:1], (*start.purposes, more)] * 3, ()),
        subjects,
        (SpecialCategory.HEALTH,) if grounds and own.random() < 0.15 else (),
        slip(start.caveats, start.caveats[1:], start.caveats[1:], (*start.caveats, caveat)),
        grounds,
        bool(subjects) and own.random() < _cleared(clearable, origins),
        origins,
        retain_until(instant_ms(story.now), 0 if own.random() < 0.01 else start.retain_days),
    )


def _cleared(clearable: bool, origins: Sequence[str]) -> float:
    """How often protection is lifted: seldom for who comes from a source state; by a slip, where it cannot be."""
    if not clearable:
        return 0.03
    return 0.5 if {"XA", "XB", "ZZ"} & set(origins) else 0.9


def _routing(
    habit: _Habit, story: Story, kind: Kind, portion: PortionName, seed: int, directory: Directory
) -> Routing:
    me, at_ms = story.agency, instant_ms(story.now)
    # The list is the record's; what is more delicate than the base goes by a shorter one, unless it is copied.
    number = Random(f"{habit.record}/list").choices(range(len(_LISTS)), [often for _, often in _LISTS])[0]  # noqa: S311
    if portion in {PortionName.SOURCES, PortionName.PERSONS} and not _falls(f"{habit.portion}/copied", 0.3):
        number = min(number + 1, len(_LISTS) - 1)

    def addressed(agency: Agency) -> bool:
        key = f"{habit.portion}/{agency.id}"
        match agency.role:
            case AgencyRole.SOURCE_STATE if kind is Kind.RETURN_CASE:
                concerned = any(part.state in agency.states for part in story.cast)
                return _falls(key, 0.9 if concerned else 0.05)
            case AgencyRole.SOURCE_STATE:
                return _falls(key, _chance(_SOURCE_STATE, kind, portion))
            case AgencyRole.PLATFORM:
                return _falls(key, _chance(_PLATFORM, kind, portion))
            case AgencyRole.COORDINATION:
                return _falls(key, 0.05)
            case AgencyRole.FINANCIAL if portion is PortionName.FINANCIAL:
                return True
            case _:
                return _falls(f"{seed}/{me.id}/list-{number}/{agency.id}", _LISTS[number][0])

    teams = directory.communities_of(me.id, at_ms)
    away = [o.id for o in directory.officers if o.home != me.id and directory.posted(o.id, at_ms)]
    return Routing(
        ordered(a.id for a in directory.agencies if a.id != me.id and addressed(a)),
        ordered(t for t in teams if _falls(f"{habit.portion}/{t}", _team_chance(t, kind, portion))),
        ordered(officer for officer in away if _falls(f"{habit.portion}/{officer}", 0.02)),
    )
