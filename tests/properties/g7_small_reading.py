"""The rules of `g7-small` read once more, in plain Python and from their `@reason` texts alone.

Nothing here looks at the Cedar files' conditions. A rule's text and its reading stand side by side, so that
whoever changes the one sees the other; `test_policy` holds the engine against it.
"""

from dataclasses import dataclass

from schemas.directory import Directory
from schemas.labels import Label, home_of
from schemas.verdicts import Effect

LAW_ENFORCEMENT = {"police", "border", "financial", "union_body"}


@dataclass(frozen=True)
class Case:
    """One portion for one recipient at an instant."""

    directory: Directory
    recipient: str
    kind: str
    portion: str
    bears_persons: bool
    label: Label
    at_ms: int

    @property
    def role(self) -> str:
        return self.directory.agency(self.recipient).role.value

    @property
    def by_name(self) -> bool:
        return self.recipient in self.label.routing.agencies

    @property
    def officer_named(self) -> bool:
        return any(home_of(o) == self.recipient for o in self.label.routing.officers)

    def member(self, community: str) -> bool:
        return self.recipient in self.directory.members(community, self.at_ms)

    @property
    def through_community(self) -> bool:
        return any(self.member(c) for c in self.label.routing.communities)

    def says(self, field: str, *codes: str) -> bool:
        """Whether a field of the handling label holds one of the codes."""
        return any(code in getattr(self.label.handling, field) for code in codes)


def permits(case: Case) -> set[str]:
    """The permits that apply."""
    partner = case.role in LAW_ENFORCEMENT
    tlp = case.label.handling.tlp.value
    named_source_state = case.role == "source_state" and case.by_name and tlp in ("AMBER", "GREEN", "CLEAR")
    found = {
        # A law-enforcement partner gets what the originator addresses to it by name, or to an officer of it.
        "partner-named": partner and (case.by_name or case.officer_named),
        # .. gets what is addressed to a community that it is a member of, below TLP:RED.
        "partner-by-community": partner and case.through_community and tlp != "RED",
        # A source state gets the base portion that is addressed to it by name, at TLP:AMBER or below.
        "source-state-base": named_source_state and case.portion == "base",
        # .. gets the persons portion that is addressed to it by name for a return or for protection.
        "source-state-return": named_source_state
        and case.portion == "persons"
        and case.says("purposes", "return", "protection"),
        # A platform gets the referral of an advert addressed to it by name for takedown, below TLP:RED.
        "platform-referral": case.role == "platform"
        and case.by_name
        and (case.kind, case.portion) == ("online_advert", "referral")
        and case.says("purposes", "takedown")
        and tlp != "RED",
    }
    return {rule for rule, applies in found.items() if applies}


def forbids(case: Case) -> set[str]:
    """The forbids that apply."""
    handling = case.label.handling
    found = {
        # A suspended agency receives nothing while the suspension holds.
        "suspended": case.directory.suspended(case.recipient, case.at_ms),
        # A source state never learns how something became known.
        "source-state-no-sources": case.role == "source_state" and case.portion == "sources",
        # A platform never gets any portion but the referral of an advert.
        "platform-referral-only": case.role == "platform"
        and (case.kind, case.portion) != ("online_advert", "referral"),
        # What is marked no_private_party reaches no platform.
        "no-private-party": case.role == "platform" and case.says("caveats", "no_private_party"),
        # TLP:RED reaches recipients only that the originator names, or whose officers it names.
        "tlp-red-by-name": handling.tlp.value == "RED" and not (case.by_name or case.officer_named),
        # What is marked H2 or orcon reaches only agencies that the originator names.
        "originator-control": (case.says("handling_codes", "H2") or case.says("caveats", "orcon"))
        and not case.by_name,
        # What is marked law_enforcement_only reaches police, border, financial and union agencies only.
        "law-enforcement-only": case.says("caveats", "law_enforcement_only")
        and case.role not in LAW_ENFORCEMENT,
        # How something became known reaches agencies that are named, and members of the joint team when the
        # team is addressed.
        "sources-by-name-or-team": case.portion == "sources"
        and not case.by_name
        and not (case.member("jit-channel") and "jit-channel" in case.label.routing.communities),
        # A portion without a purpose is not shared.
        "purpose-stated": not handling.purposes,
        # What is shared for expertise alone bears no persons. (For no purpose at all: for expertise at most.)
        "expertise-names-nobody": case.bears_persons
        and {p.value for p in handling.purposes} <= {"expertise"},
        # Special categories of personal data reach only agencies that the originator names.
        "special-categories-named": bool(handling.special) and not case.by_name,
        # What should have been erased is not shared.
        "retention-ended": case.at_ms // 86_400_000 >= handling.retain_until,
    }
    return {rule for rule, applies in found.items() if applies}


def read(case: Case) -> tuple[Effect, tuple[str, ...]]:
    """What the rules say, and which of them decided."""
    if forbidden := forbids(case):
        return Effect.FORBID, tuple(sorted(forbidden))
    if permitted := permits(case):
        return Effect.PERMIT, tuple(sorted(permitted))
    return Effect.NONE, ()
