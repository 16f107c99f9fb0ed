"""The directory of an arrangement: who the partners are, and what holds at which instant.

- Agencies, officers and communities of interest, by id; suspensions and postings as half-open intervals.
- Every question takes an instant (milliseconds, domain time): membership, suspension, exposure.
- An agency that declares no exposed states is exposed to all of them.
- It is pydantic, since people write it; `Directory` answers are cached sets, since the broker asks often.
"""

from bisect import bisect_right
from datetime import datetime
from functools import cached_property
from typing import Annotated, Self

from pydantic import AwareDatetime, Field, field_validator, model_validator

from schemas.clearance import Clearance
from schemas.codes import AgencyRole, State
from schemas.gate import ALL_STATES
from schemas.ids import AGENCY_PATTERN, COMMUNITY_PATTERN, OFFICER_PATTERN, AgencyId, CommunityId, OfficerId
from schemas.labels import Routing, home_of
from schemas.model import Model, SortedSet

_REMEMBERED = 50_000

AgencyField = Annotated[AgencyId, Field(pattern=AGENCY_PATTERN)]
CommunityField = Annotated[CommunityId, Field(pattern=COMMUNITY_PATTERN)]
OfficerField = Annotated[OfficerId, Field(pattern=OFFICER_PATTERN)]


#: The last shard that a directory may name: each one is a partition of every deliver topic.
MAX_SHARD = 255


def instant_ms(value: datetime) -> int:
    """Milliseconds since the epoch of an aware datetime."""
    return round(value.timestamp() * 1000)


def _no_bare_number(value: object) -> object:
    # pydantic would read a bare number as seconds since 1970: `start: 2026` must not mean January 1970
    if isinstance(value, int | float) or (isinstance(value, str) and value.lstrip("-").isdigit()):
        raise ValueError("expected date and time with a time zone, such as 2026-01-31T00:00:00Z")
    return value


class Interval(Model):
    """A half-open span of domain time: `start` belongs to it, `end` does not; None is open."""

    start: AwareDatetime | None = None
    end: AwareDatetime | None = None

    @field_validator("start", "end", mode="before")
    @classmethod
    def _written_out(cls, value: object) -> object:
        return _no_bare_number(value)

    @model_validator(mode="after")
    def _forward(self) -> Self:
        if self.start is not None and self.end is not None and self.start >= self.end:
            raise ValueError("start must be before end")
        return self

    @cached_property
    def start_ms(self) -> int | None:
        return None if self.start is None else instant_ms(self.start)

    @cached_property
    def end_ms(self) -> int | None:
        return None if self.end is None else instant_ms(self.end)

    def holds(self, at_ms: int) -> bool:
        """Whether the instant lies in the interval."""
        return (self.start_ms is None or self.start_ms <= at_ms) and (
            self.end_ms is None or at_ms < self.end_ms
        )


class Agency(Model):
    """A partner. `exposed_states` beside `states`: where its data may be seen; None means everywhere.

    One that names no state of its own is exposed to every state, whatever else it declares.
    """

    id: AgencyField
    name: str
    role: AgencyRole
    states: SortedSet[State] = frozenset()
    exposed_states: SortedSet[State] | None = None
    coordinating: bool = False
    signing_until: AwareDatetime | None = None
    """Until when its signing key is good; None: until a version says otherwise. The end does not belong to it."""

    @field_validator("signing_until", mode="before")
    @classmethod
    def _written_out(cls, value: object) -> object:
        return _no_bare_number(value)

    @property
    def exposed(self) -> frozenset[State] | None:
        """The states that see what it holds by itself, or `ALL_STATES`."""
        if self.exposed_states is None or not self.states:
            return ALL_STATES
        return self.states | self.exposed_states

    @cached_property
    def signing_until_ms(self) -> int | None:
        return None if self.signing_until is None else instant_ms(self.signing_until)


class Officer(Interval):
    """A liaison officer of `home`, posted to `host` (an agency) or to a state for the interval."""

    id: OfficerField
    host: AgencyField | None = None
    posted_to: State | None = None
    clearance: Clearance | None = None
    """What `host` may show them; None: nothing. What their home may show them, its own roster says."""

    @property
    def home(self) -> AgencyId:
        return home_of(self.id)


class Membership(Interval):
    """An agency in a community for the interval."""

    agency: AgencyField


class Community(Interval):
    """A community of interest, such as a joint investigation team; membership within its own interval."""

    id: CommunityField
    name: str
    lead: AgencyField | None = None
    members: tuple[Membership, ...] = Field(min_length=1)


class Suspension(Interval):
    """While it holds, the agency neither publishes nor receives."""

    agency: AgencyField
    reason: str


class Directory(Model):
    """Everyone and everything an arrangement knows by id.

    Raises `pydantic.ValidationError` for doubled ids and for references to ids that do not exist.
    """

    agencies: tuple[Agency, ...] = Field(min_length=2)
    officers: tuple[Officer, ...] = ()
    communities: tuple[Community, ...] = ()
    suspensions: tuple[Suspension, ...] = ()
    lanes: dict[AgencyField, Annotated[int, Field(ge=0, le=MAX_SHARD)]] = Field(default_factory=dict)
    """Lane -> shard; a lane that is not named is served by shard 0."""

    @model_validator(mode="after")
    def _references(self) -> Self:
        named_ids: list[tuple[str, list[str]]] = [
            ("agency", [a.id for a in self.agencies]),
            ("officer", [o.id for o in self.officers]),
            ("community", [c.id for c in self.communities]),
        ]
        for what, ids in named_ids:
            doubled = sorted({i for i in ids if ids.count(i) > 1})
            if doubled:
                raise ValueError(f"{what} id '{doubled[0]}' stands twice")
        known = {a.id for a in self.agencies}
        named = [
            *((f"officer '{o.id}': home", o.home) for o in self.officers),
            *((f"officer '{o.id}': host", o.host) for o in self.officers if o.host),
            *((f"community '{c.id}': lead", c.lead) for c in self.communities if c.lead),
            *((f"community '{c.id}': member", m.agency) for c in self.communities for m in c.members),
            *(("suspension of", s.agency) for s in self.suspensions),
            *(("lane of", lane) for lane in self.lanes),
        ]
        for where, agency in named:
            if agency not in known:
                raise ValueError(f"{where} '{agency}' is no agency of this directory")
        return self

    @cached_property
    def agency_ids(self) -> tuple[AgencyId, ...]:
        """All agencies, in the order of their ids."""
        return tuple(sorted(a.id for a in self.agencies))

    @cached_property
    def _by_id(self) -> dict[str, Agency]:
        return {a.id: a for a in self.agencies}

    @cached_property
    def _communities(self) -> dict[str, Community]:
        return {c.id: c for c in self.communities}

    @cached_property
    def _officers(self) -> dict[str, Officer]:
        return {o.id: o for o in self.officers}

    @cached_property
    def audiences(self) -> dict[object, frozenset[AgencyId]]:
        """Answers that `schemas.audience` remembers; a directory never changes, so they stay true."""
        return {}

    def agency(self, agency: str) -> Agency:
        """Raises: `KeyError` for an unknown id."""
        return self._by_id[agency]

    @cached_property
    def _known(self) -> dict[Routing, bool]:
        """Answers of `knows`; a directory never changes, so they stay true."""
        return {}

    def knows(self, routing: Routing) -> bool:
        """Whether every id that the routing names exists here."""
        known = self._known.get(routing)
        if known is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            known = self._known[routing] = (
                self._by_id.keys() >= set(routing.agencies)
                and self._communities.keys() >= set(routing.communities)
                and self._officers.keys() >= set(routing.officers)
            )
        return known

    @cached_property
    def shards(self) -> tuple[int, ...]:
        """The shards in use, in order."""
        return tuple(sorted({self.shard_of(a) for a in self.agency_ids}))

    @property
    def partitions(self) -> int:
        """How many partitions a deliver topic has: one for each shard up to the last, in use or not."""
        return self.shards[-1] + 1

    def shard_of(self, lane: AgencyId) -> int:
        """The shard that serves a lane."""
        return self.lanes.get(lane, 0)

    @cached_property
    def _instants(self) -> tuple[int, ...]:
        spans: list[Interval] = [*self.officers, *self.communities, *self.suspensions]
        spans += [m for c in self.communities for m in c.members]
        return tuple(sorted({t for s in spans for t in (s.start_ms, s.end_ms) if t is not None}))

    def epoch_of(self, at_ms: int) -> int:
        """A number that is equal for two instants exactly when the directory is the same at both."""
        return bisect_right(self._instants, at_ms)

    @cached_property
    def _active(self) -> dict[int, tuple[AgencyId, ...]]:
        """Answers of `active` by epoch."""
        return {}

    def suspended(self, agency: str, at_ms: int) -> bool:
        """Whether the agency is suspended at the instant."""
        return any(s.agency == agency and s.holds(at_ms) for s in self.suspensions)

    def signs(self, agency: str, at_ms: int) -> bool:
        """Whether the agency's signing key is good at the instant."""
        until = self._by_id[agency].signing_until_ms
        return until is None or at_ms < until

    def active(self, at_ms: int) -> tuple[AgencyId, ...]:
        """Agencies not suspended at the instant, in the order of their ids."""
        epoch = self.epoch_of(at_ms)
        active = self._active.get(epoch)
        if active is None:
            active = tuple(a for a in self.agency_ids if not self.suspended(a, at_ms))
            self._active[epoch] = active
        return active

    def members(self, community: str, at_ms: int) -> frozenset[AgencyId]:
        """Members of the community at the instant; empty outside its own interval."""
        c = self._communities[community]
        if not c.holds(at_ms):
            return frozenset()
        return frozenset(m.agency for m in c.members if m.holds(at_ms))

    def communities_of(self, agency: str, at_ms: int) -> tuple[CommunityId, ...]:
        """Communities that the agency is a member of at the instant, in the order of their ids."""
        return tuple(sorted(c.id for c in self.communities if agency in self.members(c.id, at_ms)))

    def officer(self, officer: str) -> Officer | None:
        """The posting of an officer, if there is one of that id."""
        return self._officers.get(officer)

    def posted(self, officer: str, at_ms: int) -> bool:
        """Whether the officer exists and the posting holds at the instant."""
        o = self._officers.get(officer)
        return o is not None and o.holds(at_ms)

    def exposed_states(
        self, agency: str, at_ms: int, officers: tuple[str, ...] = ()
    ) -> frozenset[str] | None:
        """The states that see what this agency holds, or `ALL_STATES`.

        Its own, its hosts' (where its officers sit), its hosted officers' homes, a named officer's posting,
        and what it declares. An agency that declares none is exposed to all; so is whoever hosts it.
        """
        own = self._by_id[agency].exposed
        if own is ALL_STATES:
            return ALL_STATES
        states: set[str] = set(own)
        near: set[str] = set()
        for o in self.officers:
            if not o.holds(at_ms):
                continue
            if o.host == agency:
                near.add(o.home)
            if o.home == agency:
                if o.host is not None:
                    near.add(o.host)
                if o.posted_to is not None and o.id in officers:
                    states.add(o.posted_to)
        for other in near - {agency}:
            theirs = self._by_id[other].exposed
            if theirs is ALL_STATES:
                return ALL_STATES
            states |= theirs
        return frozenset(states)
