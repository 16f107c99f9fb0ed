"""All that can be asked of the rules: every label that admission takes, every directory entry, any memberships.

- One portion of one record toward one recipient, as variables with what always holds of them. What the software works
  out of a label (`protected`, `origins_known`, what the whole record holds) is tied to the label here a second time,
  and the gate is said over the label's own codes: a test holds both against `schemas.gate`.
- An agency is any entry that a directory could have, not only those of today: any role, states, exposure, memberships.
- Of states, agencies and communities only so many stand here as can make a difference (`_enough`); what holds of these
  holds of any number. All other lists are whole.
- A community has no parents, so any set of them is closed under the hierarchy.
- Who is addressed: by name, as a member of an addressed community, or by an officer whose posting holds.
- Nothing that only admission reads is left free: a portion that bears persons states subjects and origins, and no
  record comes after its retention date.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import z3

from broker.policy.entities import AGENCY, CLOSED_LISTS, DAY_MS, PORTION, Standing
from broker.policy.instants import LAST_MS
from broker.policy.loader import Rule
from broker.policy.proof.logic import WIDTH, Formula, Listed, Logic, Terms
from broker.policy.reads import Reads
from broker.policy.roster import Roster
from schemas.codes import UNKNOWN_STATE, SubjectCategory
from schemas.directory import Agency, Directory
from schemas.ids import AgencyId
from schemas.records import KINDS
from schemas.verdicts import Effect

#: How many of a list are enough beside those that a rule writes out. Nothing but a rule that writes it out can tell one
#: from another, so all that counts of one is in which of the question's sets it is, and one for each such way suffices.
#: States stand in five sets, agencies in two and as recipient and originator, communities in two.
_ENOUGH: Final = {"State": 2**5, "Agency": 2**2 + 2, "Community": 2**2}
#: Those of a directory are taken first, since a reader knows them; of more than this only some.
_FAMILIAR: Final = 40

_MOST_DAYS: Final = 100_000
_CLEARABLE: Final = (SubjectCategory.SUSPECT, SubjectCategory.CONVICTED)


@dataclass(frozen=True)
class World:
    """The variables of one question, `holds` of all of them, and the three parts of a decision that no rule makes."""

    lists: dict[str, Listed]
    terms: Terms
    originator: Formula
    days: Formula
    """The retention date, in days since 1970."""
    officer_posted: Formula
    """An officer of the recipient is named, and the posting holds."""
    holds: Formula
    addressed: Formula
    barred: Formula

    @classmethod
    def of(cls, directory: Directory, reads: Reads, also: Iterable[str] = ()) -> "World":
        """`reads`: of everything that is going to be said; `also`: agencies that are going to be spoken of."""
        lists = {name: Listed(tuple(str(code.value) for code in of)) for name, of in CLOSED_LISTS.items()}
        states = {
            str(state) for agency in directory.agencies for state in agency.states | (agency.exposed or set())
        }
        lists["State"] = _enough("State", reads, {UNKNOWN_STATE}, states, lists["State"].names)
        strange = (f"zz-{letter}" for letter in ("one", "two", "three", "four", "five", "six"))
        lists["Agency"] = _enough("Agency", reads, set(also), set(directory.agency_ids), tuple(strange))
        others = tuple(f"community-{number}" for number in range(_ENOUGH["Community"]))
        lists["Community"] = _enough("Community", reads, set(), {c.id for c in directory.communities}, others)
        return _World(lists).world()

    def logic(self) -> Logic:
        return Logic(self.terms)

    def resource(self, attribute: str) -> Formula:
        return self.terms.attributes["resource", attribute]

    def recipient(self, attribute: str) -> Formula:
        return self.terms.attributes["principal", attribute]

    def as_recipient(self) -> dict[str, Formula]:
        """The variables that an agency's entry and memberships decide, while it is the recipient."""
        attributes = {name: self.recipient(name) for name in AGENCY}
        return {"principal": self.terms.principal, "ancestors": self.terms.ancestors, **attributes}

    def as_originator(self) -> dict[str, Formula]:
        """The variables that an agency's entry decides, while it is the originator."""
        return {name: self.resource(name) for name in ("originator", "originator_role", "originator_states")}

    def recipient_of(
        self, roster: Roster, directory: Directory, agency: AgencyId, at_ms: int
    ) -> dict[str, Formula]:
        """The values of `as_recipient` for an entry of a directory at an instant. `roster`: the directory's, then."""
        recipient = roster.everyone[agency]
        standing = Standing(directory.agency(agency), recipient.exposed, directory.suspended(agency, at_ms))
        found = {name: self._constant(kind, value(standing)) for name, (kind, value) in AGENCY.items()}
        return {
            "principal": self._constant("Agency", agency),
            "ancestors": self._constant("Set<Community>", frozenset(recipient.communities)),
            **found,
        }

    def originator_of(self, entry: Agency) -> dict[str, Formula]:
        """The values of `as_originator` for an entry."""
        return {
            "originator": self._constant("Agency", entry.id),
            "originator_role": self._constant("AgencyRole", entry.role),
            "originator_states": self._constant("Set<State>", entry.states),
        }

    def _constant(self, kind: str, value: object) -> Formula:
        """A value as it stands here; of a set those of its members that this world has."""
        if isinstance(value, bool):
            return z3.BoolVal(value)
        listed = self.lists[kind.removeprefix("Set<").removesuffix(">")]
        names = value if isinstance(value, frozenset) else {value}
        return listed.constant([str(name) for name in names if str(name) in listed.bits])


@dataclass(frozen=True)
class Said:
    """What the rules of one policy say of the question: each rule's formula by id, and all of them together."""

    permits: dict[str, Formula]
    forbids: dict[str, Formula]

    @classmethod
    def of(cls, rules: Iterable[Rule], world: World) -> "Said":
        logic = world.logic()
        permits: dict[str, Formula] = {}
        forbids: dict[str, Formula] = {}
        for rule in rules:
            into = permits if rule.effect is Effect.PERMIT else forbids
            into[str(rule.id)] = logic.satisfied(rule.node)
        return cls(permits, forbids)

    @property
    def permitted(self) -> Formula:
        return z3.Or(*self.permits.values())

    @property
    def forbidden(self) -> Formula:
        return z3.Or(*self.forbids.values())

    def releases(self, world: World) -> Formula:
        """The portion is released: addressed, the gate open, some rule permits and none forbids."""
        return z3.And(world.addressed, z3.Not(world.barred), self.permitted, z3.Not(self.forbidden))


def _enough(kind: str, reads: Reads, needed: set[str], familiar: set[str], others: Sequence[str]) -> Listed:
    """Those that are written out or needed, and enough besides: familiar ones first."""
    named = {name for of, name in reads.literals if of == kind} | needed
    beside = [name for name in sorted(familiar) if name not in named][:_FAMILIAR]
    beside += [name for name in others if name not in named and name not in familiar][
        : max(0, _ENOUGH[kind] - len(beside))
    ]
    return Listed(tuple(sorted(named | set(beside))))


class _World:
    def __init__(self, lists: dict[str, Listed]) -> None:
        self._lists = lists
        self._types = {
            **{("principal", name): kind for name, (kind, _) in AGENCY.items()},
            **{("resource", name): kind for name, (kind, _) in PORTION.items()},
        }
        self._held: list[Formula] = []
        self._values = {key: self._variable(f"{key[0]}.{key[1]}", kind) for key, kind in self._types.items()}
        self._recipient = self._variable("principal", "Agency")
        self._ancestors = lists["Community"].variable("ancestors")
        self._at = z3.BitVec("at", WIDTH)
        self._days = z3.BitVec("days", WIDTH)
        self._posted = z3.Bool("officer_posted")

    def _variable(self, name: str, kind: str) -> Formula:
        if kind == "Bool":
            return z3.Bool(name)
        if kind == "datetime":
            return z3.BitVec(name, WIDTH)
        of = kind.removeprefix("Set<").removesuffix(">")
        value = self._lists[of].variable(name)
        if of == kind:
            self._held.append(self._lists[of].one(value))
        return value

    def _resource(self, attribute: str) -> Formula:
        return self._values["resource", attribute]

    def world(self) -> World:
        self._agencies()
        self._label()
        self._record()
        self._times()
        named = self._recipient & self._resource("to_officers_of") != 0
        addressed = z3.And(
            z3.Not(self._values["principal", "suspended"]),
            z3.Or(
                self._recipient & self._resource("to_agencies") != 0,
                self._ancestors & self._resource("to_communities") != 0,
                self._posted,
            ),
        )
        self._held.append(z3.Implies(self._posted, named))
        types = {key: kind.removeprefix("Set<").removesuffix(">") for key, kind in self._types.items()}
        terms = Terms(self._lists, self._recipient, self._ancestors, self._at, self._values, {}, types)
        return World(
            self._lists,
            terms,
            self._resource("originator"),
            self._days,
            self._posted,
            z3.And(*self._held),
            addressed,
            self._barred(),
        )

    def _agencies(self) -> None:
        states, exposed = self._values["principal", "states"], self._values["principal", "exposed_states"]
        self._held += [
            self._recipient != self._resource("originator"),
            # One that declares nothing, or no state of its own, is exposed to all; no list of states stands for that.
            z3.If(
                self._values["principal", "exposed_known"],
                z3.And(states != 0, states & ~exposed == 0),
                exposed == 0,
            ),
        ]

    def _label(self) -> None:
        kinds, names = self._lists["Kind"], self._lists["PortionName"]
        kind, name = self._resource("kind"), self._resource("name")
        all_portions, bearing = [], []
        for spec in KINDS.values():
            for portion, of in spec.portions.items():
                this = z3.And(kind == kinds.constant([spec.kind]), name == names.constant([portion]))
                all_portions.append(this)
                if of.bears_persons:
                    bearing.append(this)
        bears, origins = self._resource("bears_persons"), self._resource("origins")
        self._held += [
            z3.Or(*all_portions),
            bears == z3.Or(*bearing),
            z3.Implies(bears, z3.And(self._resource("subjects") != 0, origins != 0)),
            self._resource("protected") == z3.And(bears, self._protected()),
            self._resource("origins_known") == z3.And(origins != 0, origins & self._unknown_state == 0),
        ]

    @property
    def _unknown_state(self) -> Formula:
        return self._lists["State"].constant([UNKNOWN_STATE])

    def _protected(self) -> Formula:
        """As `schemas.gate.protected` says it, over the label's own codes."""
        subjects = self._resource("subjects")
        clearable = self._lists["SubjectCategory"].constant(_CLEARABLE)
        return z3.Not(
            z3.And(
                subjects != 0,
                subjects & ~clearable == 0,
                self._resource("grounds") == 0,
                self._resource("protection_cleared"),
            )
        )

    def _barred(self) -> Formula:
        """As `schemas.gate.barred` says it, over the label's own codes."""
        origins = self._resource("origins")
        return z3.And(
            self._resource("bears_persons"),
            self._protected(),
            z3.Or(
                z3.Not(self._values["principal", "exposed_known"]),
                origins == 0,
                origins & self._unknown_state != 0,
                origins & self._values["principal", "exposed_states"] != 0,
            ),
        )

    def _record(self) -> None:
        """What the other portions of the record may hold, as `schemas.gate.surroundings` sums it up."""
        held, origins = self._resource("record_protected"), self._resource("record_origins")
        known, protected = self._resource("record_origins_known"), self._resource("protected")
        kind, name = self._resource("kind"), self._resource("name")
        alone = []
        for spec in KINDS.values():
            bearing = [portion for portion, of in spec.portions.items() if of.bears_persons]
            this = kind == self._lists["Kind"].constant([spec.kind])
            if not bearing:
                alone.append(this)
            elif len(bearing) == 1:
                alone.append(z3.And(this, name == self._lists["PortionName"].constant(bearing)))
        own = self._resource("origins")
        self._held += [
            z3.If(
                held,
                z3.And(origins != 0, known == (origins & self._unknown_state == 0)),
                z3.And(origins == 0, known),
            ),
            z3.Implies(protected, z3.And(held, own & ~origins == 0)),
            z3.Implies(z3.Or(*alone), z3.And(held == protected, z3.Implies(held, origins == own))),
        ]

    def _times(self) -> None:
        self._held += [
            self._days >= 0,
            self._days <= _MOST_DAYS,
            self._resource("retain_until") == self._days * DAY_MS,
            self._at >= 0,
            self._at <= LAST_MS,
            self._at < (self._days + 1) * DAY_MS,
        ]
