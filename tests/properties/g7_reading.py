"""The rules of `g7` read once more, in plain Python: from their `@reason` texts and the readings of decision 0006.

Nothing here looks at the Cedar files' conditions. A rule's text and its reading stand side by side, so that whoever
changes the one sees the other; `test_g7` holds the engine against it. What the record holds beside the portion, who
is protected and what the gate keeps shut are worked out here as well, from the labels of all portions.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from schemas.directory import Directory
from schemas.labels import Label, home_of
from schemas.verdicts import Effect

LAW_ENFORCEMENT = {"police", "border", "financial", "union_body"}
NETWORKS = {"g7-liaison", "money-network", "expertise-network"}
AGAINST_CRIME = ("prevention", "detection", "investigation", "prosecution", "confiscation")
EXPERTISE = {"expertise", "technical_information", "concealment_method"}
TRANSIT_OUTSIDE_THE_UNION = {"AL"}


@dataclass(frozen=True)
class Sheet:
    """A portion of a record: its name, whether it bears persons, its label."""

    name: str
    bears_persons: bool
    label: Label

    @cached_property
    def protected(self) -> bool:
        """Everyone is, but suspects and convicted persons without a ground who were cleared."""
        handling = self.label.handling
        if not self.bears_persons:
            return False
        harmless = {s.value for s in handling.subjects} - {"suspect", "convicted"}
        return bool(harmless or not handling.subjects or handling.grounds or not handling.protection_cleared)

    @cached_property
    def origins(self) -> frozenset[str]:
        return frozenset(s.value for s in self.label.handling.origins)

    @property
    def origin_open(self) -> bool:
        return not self.origins or "ZZ" in self.origins

    @cached_property
    def purposes(self) -> frozenset[str]:
        return frozenset(p.value for p in self.label.handling.purposes)

    @cached_property
    def communities(self) -> frozenset[str]:
        return frozenset(self.label.routing.communities)

    @cached_property
    def officers_of(self) -> frozenset[str]:
        return frozenset(home_of(o) for o in self.label.routing.officers)


@dataclass(frozen=True)
class Case:
    """The sheet `sheets[at]` of a record for one recipient at an instant."""

    directory: Directory
    originator: str
    kind: str
    sheets: tuple[Sheet, ...]
    at: int
    recipient: str
    memberships: frozenset[str]
    at_ms: int

    @property
    def sheet(self) -> Sheet:
        return self.sheets[self.at]

    @cached_property
    def role(self) -> str:
        return self.directory.agency(self.recipient).role.value

    @property
    def by_name(self) -> bool:
        return self.recipient in self.sheet.label.routing.agencies

    @property
    def officer_named(self) -> bool:
        return self.recipient in self.sheet.officers_of

    @property
    def for_an_officer_alone(self) -> bool:
        return self.officer_named and not self.sheet.communities

    @property
    def through_community(self) -> bool:
        return bool(self.memberships & self.sheet.communities)

    @property
    def in_confidence(self) -> bool:
        """Through a joint team, with no network addressed beside it."""
        return self.through_community and not self.sheet.communities & NETWORKS

    @cached_property
    def exposed(self) -> frozenset[str] | None:
        named = tuple(sorted(o for o in self.sheet.label.routing.officers if home_of(o) == self.recipient))
        return self.directory.exposed_states(self.recipient, self.at_ms, named)

    def sees(self, origins: frozenset[str]) -> bool:
        """Whether the recipient is exposed to one of the states."""
        return self.exposed is None or bool(self.exposed & origins)

    @cached_property
    def at_the_gate(self) -> bool:
        """What the gate itself keeps shut."""
        sheet = self.sheet
        return sheet.protected and (sheet.origin_open or self.sees(sheet.origins))

    def marked(self, field: str, *codes: str) -> bool:
        """Whether a field of the handling label holds one of the codes."""
        return any(code in getattr(self.sheet.label.handling, field) for code in codes)


def permits(case: Case) -> Iterator[str]:
    """The permits that apply."""
    sheet, partner = case.sheet, case.role in LAW_ENFORCEMENT
    tlp, base = sheet.label.handling.tlp.value, sheet.name == "base"
    # A law-enforcement partner gets what the originator addresses to it by name.
    if partner and case.by_name:
        yield "partner-named"
    # .. what is addressed to a community that it is a member of, below TLP:RED.
    if partner and case.through_community and tlp != "RED":
        yield "community-member"
    # .. what the originator addresses to an officer of it by name.
    if partner and case.officer_named:
        yield "officer-named"
    # The base portion at TLP:CLEAR goes to whoever is addressed, by name or as a member of a community. (It names
    # nobody: the base of an answer is about persons, and so no such base.)
    if tlp == "CLEAR" and base and not sheet.bears_persons and (case.by_name or case.through_community):
        yield "tlp-clear"
    # A platform gets the referral of an advert that is addressed to it by name for takedown, below TLP:RED.
    advert = (case.kind, sheet.name) == ("online_advert", "referral") and "takedown" in sheet.purposes
    if case.role == "platform" and case.by_name and advert and tlp != "RED":
        yield "platform-referral"
    if case.role == "source_state" and case.by_name:
        # A source state gets the persons of a return case, by name, for the return, at TLP:AMBER or TLP:GREEN.
        returned = (case.kind, sheet.name) == ("return_case", "persons") and "return" in sheet.purposes
        if returned and tlp in ("AMBER", "GREEN"):
            yield "source-state-return"
        # .. the base portion by name, if it bears no persons, at TLP:AMBER, GREEN or CLEAR.
        if base and not sheet.bears_persons and tlp in ("AMBER", "GREEN", "CLEAR"):
            yield "source-state-base"
    # Each member of the expertise network gets expertise addressed to it at TLP:GREEN or TLP:CLEAR.
    wide = "expertise-network" in case.memberships & sheet.communities
    if wide and expert(case) and tlp in ("GREEN", "CLEAR"):
        yield "expertise-wide"


def expert(case: Case) -> bool:
    """Expertise: the base of such a record, for that purpose."""
    return case.kind in EXPERTISE and case.sheet.name == "base" and "expertise" in case.sheet.purposes


def forbids(case: Case) -> Iterator[str]:
    """The forbids that apply, but for those on persons."""
    sheet, partner, handling = case.sheet, case.role in LAW_ENFORCEMENT, case.sheet.label.handling
    tlp, purposes = handling.tlp.value, sheet.purposes
    named_partner = partner and case.by_name
    # A suspended agency receives nothing while the suspension holds.
    if case.directory.suspended(case.recipient, case.at_ms):
        yield "suspended"
    # A coordinating agency sees decisions and counts, and never content.
    if case.directory.agency(case.recipient).coordinating or case.role == "coordination":
        yield "coordination-no-content"
    # How something became known reaches named agencies and members of a joint team, and no network.
    if sheet.name == "sources" and not (case.by_name or case.in_confidence):
        yield "sources-by-name-or-team"
    # TLP:RED reaches agencies that are named, and those of named officers if no community is addressed.
    if tlp == "RED" and not (case.by_name or case.for_an_officer_alone):
        yield "tlp-red-by-name"
    # TLP:AMBER+STRICT reaches police, border, financial and union agencies only.
    if tlp == "AMBER+STRICT" and not partner:
        yield "tlp-amber-strict"
    # What is marked H2 or orcon reaches only agencies that the originator names.
    if (case.marked("handling_codes", "H2") or case.marked("caveats", "orcon")) and not case.by_name:
        yield "originator-control"
    # What is marked H1 and is for prosecution too reaches only named agencies and members of a joint team.
    judicial = case.marked("handling_codes", "H1") and "prosecution" in purposes
    if judicial and not (case.by_name or case.in_confidence):
        yield "h1-prosecution"
    # An H3 restriction is text that no rule can read: what bears it reaches only agencies that are named.
    if case.marked("handling_codes", "H3") and not case.by_name:
        yield "h3-by-name"
    # What is marked law_enforcement_only reaches police, border, financial and union agencies only.
    if case.marked("caveats", "law_enforcement_only") and not partner:
        yield "law-enforcement-only"
    # What a source beyond assessment says and nothing corroborates (X4) reaches only agencies that are named.
    if (handling.source.value, handling.information.value) == ("X", "4") and not case.by_name:
        yield "unassessed-by-name"
    # A portion without a purpose is not shared.
    if not purposes:
        yield "purpose-stated"
    if sheet.name == "financial":
        # Financial portions reach financial agencies and members of the money network only.
        if case.role != "financial" and "money-network" not in case.memberships:
            yield "money-competent"
        # .. are shared against crime or to confiscate its proceeds, not for other ends alone.
        if purposes.isdisjoint(AGAINST_CRIME):
            yield "money-against-crime"
    if case.role == "platform":
        # A platform never gets any portion but the referral of an advert.
        if (case.kind, sheet.name) != ("online_advert", "referral"):
            yield "platform-referral-only"
        # What is marked no_private_party reaches no platform.
        if case.marked("caveats", "no_private_party"):
            yield "no-private-party"
    # A removal report reaches law-enforcement partners only, for takedown, detection or investigation.
    removing = not purposes.isdisjoint({"takedown", "detection", "investigation"})
    if sheet.name == "removal" and not (partner and removing):
        yield "removal-to-partners"
    # What is shared for a return alone reaches no financial agency and no body of the Union.
    if purposes == {"return"} and case.role in ("financial", "union_body"):
        yield "return-is-no-crime"
    # An answer, hit or no hit, reaches only law-enforcement partners that are named.
    if case.kind == "information_response" and not named_partner:
        yield "answers-by-name"
    # Operations and postings reach named partners, joint teams and the G7 liaison network, and no others.
    told = case.through_community and not sheet.communities & {"money-network", "expertise-network"}
    if case.kind in ("joint_operation", "officer_deployment") and not (named_partner or (partner and told)):
        yield "operations-in-confidence"
    # A source state never learns how something became known: no sources, and nothing of a debrief.
    if case.role == "source_state" and (sheet.name == "sources" or case.kind == "debrief"):
        yield "source-state-no-sources"
    # What addresses the expertise network is expertise at GREEN or a base at CLEAR, or is for named agencies.
    may_go_wide = (tlp == "GREEN" and expert(case)) or (tlp == "CLEAR" and sheet.name == "base")
    if "expertise-network" in sheet.communities and not (may_go_wide or case.by_name):
        yield "expertise-network-only"
    # Special categories of personal data reach only law-enforcement partners that are named.
    if handling.special and not named_partner:
        yield "special-categories-by-name"
    # What should have been erased is not shared. (On the day itself it should have been.)
    if case.at_ms // 86_400_000 >= handling.retain_until:
        yield "retention-ended"


def forbids_on_persons(case: Case) -> Iterator[str]:
    """The forbids that apply to a portion that bears persons."""
    sheet, purposes = case.sheet, case.sheet.purposes
    # What bears persons reaches named agencies and officers and members of a joint team, and no network.
    if not (case.by_name or case.for_an_officer_alone or case.in_confidence):
        yield "persons-by-name-or-team"
    # What bears persons is never TLP:CLEAR.
    if sheet.label.handling.tlp.value == "CLEAR":
        yield "tlp-clear-names-nobody"
    # Persons marked H0 are shared to prevent or combat crime, not for a return, protection or expertise alone.
    if case.marked("handling_codes", "H0") and purposes.isdisjoint({*AGAINST_CRIME, "takedown"}):
        yield "h0-against-crime"
    # What is shared for expertise or takedown alone bears no persons.
    if purposes in ({"expertise"}, {"takedown"}, {"expertise", "takedown"}):
        yield "expertise-names-nobody"
    # What a platform publishes bears no persons.
    if case.directory.agency(case.originator).role.value == "platform":
        yield "platform-gives-no-persons"
    # The persons of a return case reach only agencies that the originator names.
    if case.kind == "return_case" and not case.by_name:
        yield "return-case-by-name"
    # A victim's data are not shared for a return.
    if (case.marked("subjects", "victim") or case.marked("grounds", "victim")) and "return" in purposes:
        yield "victims-not-for-return"
    # A minor's data reach only agencies that the originator names.
    if case.marked("grounds", "minor") and not case.by_name:
        yield "minors-by-name"
    # Who seeks protection and is not suspected or convicted is not shared for prosecution.
    accused = case.marked("subjects", "suspect", "convicted")
    if case.marked("grounds", "seeking_protection") and not accused and "prosecution" in purposes:
        yield "smuggled-not-liable"
    if sheet.protected:
        # A transit state outside the Union gets protected persons only by name, and only for their protection.
        transit = {s.value for s in case.directory.agency(case.recipient).states} & TRANSIT_OUTSIDE_THE_UNION
        if transit and not (case.by_name and "protection" in purposes):
            yield "protected-in-transit-state"
        # A protected person is shown to no source state, not even to another than their own. (Their own is for the
        # gate.)
        if case.role == "source_state" and not case.at_the_gate:
            yield "protected-no-source-state"


def forbids_on_the_record(case: Case) -> Iterator[str]:
    """The forbids that look at the other portions; what is at the gate is left to the gate."""
    persons = [sheet for sheet in case.sheets if sheet.protected]
    if case.at_the_gate:
        return
    # One protected person closes the whole record to every agency exposed to that person's state of origin.
    if any(case.sees(sheet.origins) for sheet in persons):
        yield "protected-record-closed"
    # A protected person whose origin is not known closes the whole record to every source state.
    if case.role == "source_state" and any(sheet.origin_open for sheet in persons):
        yield "protected-origin-unknown"


def read(case: Case) -> tuple[Effect, tuple[str, ...]]:
    """What the rules say, and which of them decided."""
    forbidden = [*forbids(case), *forbids_on_the_record(case)]
    if case.sheet.bears_persons:
        forbidden += forbids_on_persons(case)
    if forbidden:
        return Effect.FORBID, tuple(sorted(forbidden))
    permitted = tuple(sorted(permits(case)))
    return (Effect.PERMIT if permitted else Effect.NONE), permitted
