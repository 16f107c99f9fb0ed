"""What a solver found, as a concrete record, recipient and originator; replayed through Cedar before anybody sees it.

- A witness is brought near to what a reader knows: agencies as they are today, the instant of asking, plain labels.
- The replay goes the whole way of a decision: a directory with these entries, the labels, audience, gate, rules.
- A replay that differs from what the solver said is an error of this software, and nothing is shown but that.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import z3

from broker.policy.drafted import drafted
from broker.policy.entities import CHOICES, CODES, DAY_MS
from broker.policy.foreseeing import Foreseen, Portion, foresee, refusal
from broker.policy.loader import Policy
from broker.policy.proof.logic import Formula, Listed
from broker.policy.proof.solver import Literal, Solver
from broker.policy.proof.world import World
from broker.policy.roster import Roster
from broker.policy.ruling import Engine
from schemas.canonical import Domains
from schemas.clock import instant
from schemas.codes import (
    UNKNOWN_STATE,
    AgencyRole,
    InformationGrade,
    Kind,
    PortionName,
    Purpose,
    SourceGrade,
    State,
    SubjectCategory,
    Tlp,
)
from schemas.directory import Agency, Community, Directory, Membership, Officer
from schemas.ids import AgencyId, CommunityId, Digest, OfficerId
from schemas.labels import Handling, Label, Routing, ordered
from schemas.records import KINDS
from schemas.verdicts import Withheld

_DOMAINS = Domains("witness")
_DAYS_KEPT = 365


class Disagreement(Exception):
    """Cedar decides a witness otherwise than the formulas say: a defect of the translation, never of the rules."""

    retriable = False


@dataclass(frozen=True)
class Witness:
    """One portion of one record toward one recipient who is addressed.

    `other`: a second portion, where the record needs one. `posted`: an officer of the recipient is named who is posted.
    """

    originator: Agency
    recipient: Agency
    communities: frozenset[str]
    as_today: bool
    """Both agencies, and the recipient's memberships, are as the directory says at the instant of asking."""
    kind: Kind
    name: PortionName
    label: Label
    other: Portion | None
    posted: bool
    at_ms: int
    suspended: bool = False
    """The recipient is; then it is no pair, and the decision is that it is not addressed."""

    @property
    def portions(self) -> tuple[Portion, ...]:
        return (Portion(self.name, self.label), *([self.other] if self.other else []))

    def document(self) -> dict[str, object]:
        """The labels as `drafted.DraftedRecord` reads them, and the two agencies as they are supposed to be."""
        labels = {portion.name: portion.label for portion in self.portions}
        return {
            "record": drafted(self.originator.id, self.kind, self.at_ms, labels),
            "portion": str(self.name),
            "originator": _entry(self.originator),
            "recipient": {
                **_entry(self.recipient),
                "coordinating": self.recipient.coordinating,
                "exposed_states": None if self.recipient.exposed is None else _texts(self.recipient.exposed),
                "communities": sorted(self.communities),
                "officer_posted": self.posted,
            },
            "as_today": self.as_today,
        }

    def decided(self, policy: Policy, directory: Directory) -> Foreseen:
        """What gate, addressees and rules make of it. Raises: `Disagreement` if admission would refuse the record."""
        engine = Engine(_DOMAINS, policy, self._directory(directory), Digest(bytes(32)), 64)
        refused = refusal(engine, self.originator.id, self.kind, self.portions, self.at_ms)
        if refused is not None:
            raise Disagreement(f"admission would refuse the record ({refused}): {self.document()}")
        if self.suspended:
            return Foreseen(self.recipient.id, Withheld.NOT_ADDRESSED, ())
        portions = foresee(engine, self.originator.id, self.kind, self.portions, self.at_ms)
        return next(o for o in portions[0].outcomes if o.recipient == self.recipient.id)

    def _directory(self, today: Directory) -> Directory:
        """Today's, with these two agencies as they are supposed to be and nobody else's officers."""
        mine = {self.originator.id: self.originator, self.recipient.id: self.recipient}
        named = [*self.label.routing.agencies, *(o.split("/")[0] for o in self.label.routing.officers)]
        entries = {a.id: a for a in today.agencies}
        entries |= {AgencyId(a): _stranger(a) for a in named if a not in entries}
        entries |= mine
        ids = {
            *(c.id for c in today.communities),
            *self.label.routing.communities,
            *map(CommunityId, self.communities),
        }
        return Directory(
            agencies=tuple(entries.values()),
            officers=tuple(self._officer(OfficerId(officer)) for officer in self.label.routing.officers),
            communities=tuple(self._community(CommunityId(name)) for name in sorted(ids)),
        )

    def _community(self, name: CommunityId) -> Community:
        member = self.recipient.id if name in self.communities else self.originator.id
        return Community(id=name, name=name, members=(Membership(agency=member),))

    def _officer(self, officer: OfficerId) -> Officer:
        # One whose posting is over is named in a label like any other.
        over = officer.startswith(f"{self.recipient.id}/") and not self.posted
        return Officer(id=officer, end=instant(self.at_ms) if over else None)


class Witnesses:
    """Makes witnesses of what a solver finds. `directory`: today's, at the instant `at_ms`."""

    def __init__(self, solver: Solver, directory: Directory, at_ms: int) -> None:
        self._solver, self._world = solver, solver.world
        self._directory, self._at_ms = directory, at_ms
        originator, entry, memberships = map(solver.name, _as_today(self._world, directory, at_ms))
        self._as_today = solver.name(z3.And(originator, memberships))
        first = (self._as_today, memberships, entry, originator)
        self._wishes = [*first, *(solver.name(wish) for wish in _wishes(self._world, directory, at_ms))]

    def witness(self, *literals: Literal) -> Witness | None:
        """A witness of all of them together; None is a proof that there is none. Raises: `Undecided`."""
        model = self._solver.possible(*literals)
        if model is None:
            return None
        return self._read(self._solver.nearest(model, literals, self._wishes))

    def _read(self, model: z3.ModelRef) -> Witness:
        read = _Reader(model, self._world)
        originator, recipient = read.one("Agency", self._world.originator), read.one("Agency", read.principal)
        kind, name = Kind(read.code("kind")), PortionName(read.code("name"))
        label = Label(_handling(read), _routing(read))
        return Witness(
            _agency(originator, read.code("originator_role"), read.set("originator_states"), None),
            _agency(
                recipient,
                read.one("AgencyRole", self._world.recipient("role")),
                read.names("State", self._world.recipient("states")),
                read.names("State", self._world.recipient("exposed_states"))
                if read.true(self._world.recipient("exposed_known"))
                else None,
                read.true(self._world.recipient("coordinating")),
            ),
            read.names("Community", self._world.terms.ancestors),
            read.true(self._as_today),
            kind,
            name,
            label,
            _other(read, kind, name, label.handling),
            read.true(self._world.officer_posted),
            read.number(self._world.terms.at),
        )


def _as_today(world: World, directory: Directory, at_ms: int) -> tuple[Formula, Formula, Formula]:
    """The originator is an entry of the directory as of the instant; so is the recipient; and its memberships are."""
    roster = Roster(directory, at_ms, frozenset(), frozenset())
    here = [agency for agency in roster.everyone if agency in world.lists["Agency"].bits]
    variables = world.as_recipient()
    entries = [world.recipient_of(roster, directory, agency, at_ms) for agency in here]
    memberships = [equal(variables, entry) for entry in entries]
    for entry in entries:
        del entry["ancestors"]
    originators = (equal(world.as_originator(), world.originator_of(directory.agency(a))) for a in here)
    return z3.Or(*originators), z3.Or(*(equal(variables, entry) for entry in entries)), z3.Or(*memberships)


def equal(variables: Mapping[str, Formula], values: Mapping[str, Formula]) -> Formula:
    """Each variable has its value."""
    return z3.And(*(variables[name] == value for name, value in values.items()))


def _wishes(world: World, directory: Directory, at_ms: int) -> Iterator[Formula]:
    """What makes a witness plain, the most telling first."""
    day = at_ms // DAY_MS
    lists, resource = world.lists, world.resource
    yield world.terms.at == at_ms
    yield world.days == day + _DAYS_KEPT
    yield z3.Not(world.recipient("coordinating"))
    known = _mask(lists["Community"], {c.id for c in directory.communities})
    yield (world.terms.ancestors | resource("to_communities")) & ~known == 0
    yield world.terms.ancestors & (world.terms.ancestors - 1) == 0
    for attribute, kind in (
        ("to_officers_of", "Agency"),
        ("to_communities", "Community"),
        ("special", ""),
        ("grounds", ""),
        ("caveats", ""),
        ("handling_codes", ""),
        ("to_agencies", "Agency"),
        ("origins", "State"),
        ("record_origins", "State"),
        ("subjects", ""),
    ):
        value = resource(attribute)
        if attribute == "origins":
            yield value & lists["State"].constant([UNKNOWN_STATE]) == 0
        yield value == 0
        if kind or attribute in ("subjects", "caveats", "handling_codes"):
            yield value & (value - 1) == 0
    yield z3.Not(resource("record_protected"))
    yield z3.Not(resource("protection_cleared"))
    yield resource("purposes") == lists["Purpose"].constant([Purpose.INVESTIGATION])
    yield resource("purposes") & (resource("purposes") - 1) == 0
    yield resource("tlp") == lists["Tlp"].constant([Tlp.AMBER])
    yield resource("source") == lists["SourceGrade"].constant([SourceGrade.B])
    yield resource("information") == lists["InformationGrade"].constant([InformationGrade.TWO])
    states = world.recipient("states")
    yield states & (states - 1) == 0
    yield world.terms.ancestors == 0


def _mask(listed: Listed, names: Iterable[str]) -> Formula:
    return listed.constant([name for name in names if name in listed.bits])


class _Reader:
    """Values of a model."""

    def __init__(self, model: z3.ModelRef, world: World) -> None:
        self._model, self.world = model, world

    @property
    def principal(self) -> Formula:
        return self.world.terms.principal

    def number(self, value: Formula) -> int:
        return int(self._model.eval(value, model_completion=True).as_long())

    def true(self, value: Formula) -> bool:
        return bool(z3.is_true(self._model.eval(value, model_completion=True)))

    def names(self, kind: str, value: Formula) -> frozenset[str]:
        return self.world.lists[kind].read(self.number(value))

    def one(self, kind: str, value: Formula) -> str:
        (name,) = self.names(kind, value)
        return name

    def code(self, attribute: str) -> str:
        (name,) = self.set(attribute)
        return name

    def set(self, attribute: str) -> frozenset[str]:
        return self.names(self.world.terms.types["resource", attribute], self.world.resource(attribute))


def _handling(read: _Reader) -> Handling:
    single: dict[str, Any] = {name: code(read.code(name)) for name, code in CHOICES.items()}
    several: dict[str, Any] = {name: ordered(map(code, read.set(name))) for name, code in CODES.items()}
    return Handling(
        **single,
        **several,
        protection_cleared=read.true(read.world.resource("protection_cleared")),
        retain_until=read.number(read.world.days),
    )


def _routing(read: _Reader) -> Routing:
    return Routing(
        ordered(map(AgencyId, read.set("to_agencies"))),
        ordered(map(CommunityId, read.set("to_communities"))),
        ordered(OfficerId(f"{agency}/officer") for agency in read.set("to_officers_of")),
    )


def _other(read: _Reader, kind: Kind, name: PortionName, handling: Handling) -> Portion | None:
    """A second portion that bears persons, where the first alone does not make the record what it is."""
    if not read.true(read.world.resource("record_protected")):
        return None
    origins = ordered(map(State, read.set("record_origins")))
    if read.true(read.world.resource("protected")) and origins == handling.origins:
        return None
    spec = KINDS[kind].portions
    other = next(portion for portion, of in spec.items() if of.bears_persons and portion != name)
    unknown = (SubjectCategory.UNKNOWN,)
    return Portion(
        PortionName(other),
        Label(
            Handling(
                Tlp.AMBER, (), SourceGrade.B, InformationGrade.TWO, (Purpose.INVESTIGATION,), unknown, (), (), (),
                False, origins, handling.retain_until,
            ),
            Routing((), (), ()),
        ),
    )  # fmt: skip


def _agency(
    agency: str, role: str, states: frozenset[str], exposed: frozenset[str] | None, coordinating: bool = False
) -> Agency:
    return Agency(
        id=AgencyId(agency),
        name=agency,
        role=AgencyRole(role),
        states=frozenset(map(State, states)),
        exposed_states=None if exposed is None else frozenset(map(State, exposed)),
        coordinating=coordinating,
    )


def _stranger(agency: str) -> Agency:
    return _agency(agency, AgencyRole.POLICE, frozenset(), None)


def _entry(agency: Agency) -> dict[str, object]:
    return {"agency": str(agency.id), "role": str(agency.role), "states": _texts(agency.states)}


def _texts(codes: Iterable[str]) -> list[str]:
    return sorted(str(code) for code in codes)
