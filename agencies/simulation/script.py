"""What a scenario asks of an analyst: an act, with as much said of its portions and labels as the scenario cares for.

- An act is written from (seed, agency, name of the act) alone; what its `links` name is the world's, so that two
  agencies which never met write of the same engine.
- What a hint leaves open is the kind's start label and the protective reading: not cleared, origin unknown. There is
  no chance in the label of a hinted portion, so what a scenario expects holds for every seed.
- A correction tells the story of the act that it corrects, under a word of correction.
"""

from collections.abc import Sequence
from typing import TypeVar

from pydantic import Field

from agencies.drafting import Draft, DraftPortion
from agencies.simulation.contents import corrected, write
from agencies.simulation.habits import usual_portions
from agencies.simulation.labels import CLEARABLE, habitual_label
from agencies.simulation.people import CASTS, Part
from agencies.simulation.story import BadAct, make_story
from agencies.simulation.world import world_of
from schemas.clock import Clock
from schemas.codes import (
    UNKNOWN_STATE,
    Caveat,
    HandlingCode,
    InformationGrade,
    Kind,
    PortionName,
    ProtectionGround,
    Purpose,
    SourceGrade,
    SpecialCategory,
    State,
    SubjectCategory,
    Tlp,
)
from schemas.directory import AgencyField, Directory
from schemas.entropy import Entropy
from schemas.ids import AgencyId, CommunityId, OfficerId, RecordId, new_record_id
from schemas.labels import Handling, Label, Routing, ordered, retain_until
from schemas.model import Model
from schemas.records import KINDS

_Code = TypeVar("_Code", bound=str)


class PortionHint(Model):
    """What is fixed of a portion and its label; None leaves it to the kind's start label or the protective default."""

    name: PortionName
    to: tuple[str, ...] = ()
    """Releasable to: ids of agencies, communities and officers (with a slash), told apart by the directory."""
    tlp: Tlp | None = None
    handling_codes: tuple[HandlingCode, ...] | None = None
    purposes: tuple[Purpose, ...] | None = None
    subjects: tuple[SubjectCategory, ...] | None = None
    special: tuple[SpecialCategory, ...] | None = None
    caveats: tuple[Caveat, ...] | None = None
    grounds: tuple[ProtectionGround, ...] | None = None
    origins: tuple[State, ...] | None = None
    cleared: bool | None = None
    retain_days: int | None = None


class Act(Model):
    """One record that an agency publishes at an instant of domain time."""

    name: str
    """Unique in the scenario."""
    agency: AgencyField
    at_ms: int
    kind: Kind
    portions: tuple[PortionHint, ...] = ()
    """Empty: the analyst chooses portions and labels, as in a plan."""
    corrects: str | None = None
    """The name of the act of this agency that published the record first: this is its next revision."""
    links: dict[str, str] = Field(default_factory=dict)
    """A sort of thing in the world -> its slot, such as `engine: engine-3`; equal slots are the same thing."""


def acted_draft(
    act: Act,
    directory: Directory,
    seed: int,
    clock: Clock,
    entropy: Entropy,
    *,
    record_id: RecordId | None = None,
    revision: int = 1,
) -> Draft:
    """The act as a draft, created now; without a record id, of a new record.

    Raises: `BadAct` for a portion that the kind does not have, and for ids and links that nobody knows.
    """
    _check(act)
    now_ms = clock.now_ms()
    people = _people(act, seed)
    story = make_story(
        seed, directory.agency(act.agency), act.corrects or act.name, act.kind, now_ms, act.links, people
    )
    if act.portions:
        labels = {hint.name: _fixed_label(hint, act, people, now_ms, directory) for hint in act.portions}
    else:
        wanted = usual_portions(story, act.kind)
        labels = {name: habitual_label(story, act.kind, name, seed, directory) for name in wanted}
    contents = write(story, act.kind, labels)
    if act.corrects is not None:
        contents = {name: corrected(content, revision) for name, content in contents.items()}
    portions = tuple(DraftPortion(name, contents[name], label) for name, label in labels.items())
    return Draft(record_id or new_record_id(clock, entropy), act.kind, now_ms // 1000, portions, revision)


def _check(act: Act) -> None:
    names = [hint.name for hint in act.portions]
    strange = [name for name in names if name not in KINDS[act.kind].portions]
    if strange:
        raise BadAct(f"act '{act.name}': {act.kind} has no portion '{strange[0]}'")
    if len(set(names)) < len(names):
        raise BadAct(f"act '{act.name}': a portion stands twice")


def _people(act: Act, seed: int) -> tuple[Part, ...] | None:
    """Who stands in the record: what its first portion that bears persons says, else who is usual. None: no such one.

    Grounds of protection go to those first who are neither suspected nor convicted.
    """
    spec = KINDS[act.kind]
    hint = next((hint for hint in act.portions if spec.portion(hint.name).bears_persons), None)
    if hint is None:
        return None
    grounds = hint.grounds or ()
    subjects = hint.subjects or (CASTS[act.kind][0][1],)
    origins = hint.origins
    if origins is None:
        linked = act.links.get("person")
        origins = (State(UNKNOWN_STATE) if linked is None else world_of(seed).person(linked).state,)
    count = max(len(subjects), len(origins), len(grounds))
    categories = [subjects[at % len(subjects)] for at in range(count)]
    protected_first = sorted(range(count), key=lambda at: categories[at] in CLEARABLE)
    ground = dict(zip(protected_first, grounds, strict=False))
    return tuple(Part(categories[at], ground.get(at), origins[at % len(origins)]) for at in range(count))


def _fixed_label(
    hint: PortionHint, act: Act, people: tuple[Part, ...] | None, now_ms: int, directory: Directory
) -> Label:
    spec = KINDS[act.kind].portion(hint.name)
    start, cast = spec.start, (people or ()) if spec.bears_persons else ()

    def stated(said: Sequence[_Code] | None, else_: Sequence[_Code]) -> tuple[_Code, ...]:
        return ordered(else_ if said is None else said)

    handling = Handling(
        hint.tlp or start.tlp,
        stated(hint.handling_codes, start.handling_codes),
        SourceGrade.B,
        InformationGrade.TWO,
        stated(hint.purposes, start.purposes),
        stated(hint.subjects, [part.category for part in cast]),
        ordered(hint.special or ()),
        stated(hint.caveats, start.caveats),
        ordered(hint.grounds or ()),
        bool(hint.cleared),
        stated(hint.origins, [part.state for part in cast]),
        retain_until(now_ms, start.retain_days if hint.retain_days is None else hint.retain_days),
    )
    return Label(handling, _addressed(hint.to, act, directory))


def _addressed(to: Sequence[str], act: Act, directory: Directory) -> Routing:
    communities = {c.id for c in directory.communities}
    routing = Routing(
        ordered(AgencyId(i) for i in to if "/" not in i and i not in communities),
        ordered(CommunityId(i) for i in to if i in communities),
        ordered(OfficerId(i) for i in to if "/" in i),
    )
    if not directory.knows(routing):
        raise BadAct(f"act '{act.name}': {', '.join(to)} names somebody whom the arrangement does not know")
    return routing
