"""The arrangement `g7` as a whole: what holds for every kind, portion and label; single cases are in its folder."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Unpack

import pytest

from broker.policy import Engine, load_policy
from deploy.arrangements import SHIPPED, read_arrangement
from schemas.audience import addressed, audience
from schemas.canonical import Domains
from schemas.codes import AgencyRole, ProtectionGround, Purpose, State, SubjectCategory, Tlp
from schemas.directory import instant_ms
from schemas.gate import surroundings
from schemas.ids import AgencyId, Digest, RuleId
from schemas.labels import Handling, Label
from schemas.records import KINDS, bears_persons
from schemas.verdicts import Effect, Verdict, Withheld, outcome
from tests.support.labels import Fields, written

G7 = read_arrangement(SHIPPED / "g7")
ENGINE = Engine(Domains(G7.federation), G7.policy, G7.directory, Digest(b"\x01" * 32))
#: Within the week that is played; the joint team Adriatic exists, and NCA's officer in AL is posted.
NOW = datetime(2026, 6, 4, tzinfo=UTC)
AT_MS = instant_ms(NOW)
XA, XB = State("XA"), State("XB")
PARTNERS = {AgencyRole.POLICE, AgencyRole.BORDER, AgencyRole.FINANCIAL, AgencyRole.UNION_BODY}


def label(*to: str, **fields: Unpack[Fields]) -> Label:
    """A label for agencies, communities and officers, told apart by their ids."""
    return written(G7.directory, AT_MS, *to, **fields)


def suspect(*to: str, **fields: Unpack[Fields]) -> Label:
    """A label for a suspect from XA whose protection was cleared."""
    whole: Fields = {"subjects": (SubjectCategory.SUSPECT,), "origins": (XA,), "cleared": True, **fields}
    return label(*to, **whole)


def witness(*to: str, **fields: Unpack[Fields]) -> Label:
    """A label for a person from XA who is neither suspected nor convicted, and so protected."""
    whole: Fields = {"subjects": (SubjectCategory.OTHER_PARTY,), "origins": (XA,), **fields}
    return label(*to, **whole)


@dataclass(frozen=True)
class Asked:
    """A portion `kind.name` for one recipient; `beside`: the other portions of its record."""

    what: str
    to: str
    label: Label
    beside: tuple[tuple[str, Label], ...] = ()
    by: str = "gb-nca"

    def ruled(self) -> Verdict:
        kind, name = self.what.split(".")
        record = [(bears_persons(kind, name), self.label.handling)]
        record += [(bears_persons(kind, other), of.handling) for other, of in self.beside]
        _, _, ruling = ENGINE.rule(
            originator=AgencyId(self.by),
            kind=kind,
            portion=name,
            label=self.label,
            record=surroundings(record),
            at_ms=AT_MS,
        )
        return ruling.verdict(self.to)

    def withheld(self) -> Withheld | None:
        """Why it is withheld, None if it is released."""
        return outcome(self.ruled(), self.to in addressed(self.label, self.by, G7.directory, AT_MS))

    def audience(self) -> frozenset[AgencyId]:
        """Those whom the sealing node would wrap the key for."""
        bears = bears_persons(*self.what.split("."))
        return audience(self.label, bears, self.by, G7.directory, AT_MS)


def ask(what: str, to: str, of: Label, *beside: tuple[str, Label], by: str = "gb-nca") -> Asked:
    return Asked(what, to, of, beside, by)


TAKEDOWN = (Purpose.TAKEDOWN,)
PURPOSES = ((Purpose.RETURN,), TAKEDOWN, (Purpose.INVESTIGATION, Purpose.EXPERTISE))
WITNESS = ("persons", witness("jit-channel"))


# -- the gate, and the rules beside it -----------------------------------------------------------------------


@pytest.mark.parametrize("subject", [SubjectCategory.OTHER_PARTY, SubjectCategory.UNKNOWN])
@pytest.mark.parametrize("ground", [None, ProtectionGround.MINOR, ProtectionGround.SEEKING_PROTECTION])
def test_the_gate_beats_the_rule_on_returns(
    subject: SubjectCategory, ground: ProtectionGround | None
) -> None:
    """The rule would hand over the person to the state of origin; no key is wrapped for it, and none delivered."""
    grounds = () if ground is None else (ground,)
    of = witness("xa-np", purposes=(Purpose.RETURN,), subjects=(subject,), grounds=grounds, cleared=True)
    asked = ask("return_case.persons", "xa-np", of)
    found = asked.ruled()
    assert (found.effect, found.rules) == (Effect.PERMIT, ("source-state-return",))
    assert found.barred
    assert asked.withheld() is Withheld.GATE
    assert asked.audience() == frozenset()


def exposed() -> Iterator[tuple[str, str, Label]]:
    """Recipients exposed to XA, with a label that addresses them in every way that there is."""
    for to in ("xa-np", "gb-nca/liaison-xa", "us-hsi/liaison-xa"):
        agency = to.split("/")[0]
        for tlp in (Tlp.AMBER, Tlp.CLEAR, Tlp.RED):
            yield agency, to, label(agency, to, "jit-channel", "g7-liaison", tlp=tlp)


@pytest.mark.parametrize(
    "kind", [k for k, spec in KINDS.items() if any(p.bears_persons for p in spec.portions.values())]
)
def test_one_protected_person_closes_every_portion_to_the_state_of_origin(kind: str) -> None:
    """Whatever the label: between the gate and the rules nothing of the record reaches who is exposed."""
    persons = next(name for name, portion in KINDS[kind].portions.items() if portion.bears_persons)
    for agency, to, of in exposed():
        for name, portion in KINDS[kind].portions.items():
            for purposes in PURPOSES:
                handling = replace_handling(of, purposes, portion.bears_persons)
                beside = ((persons, witness("jit-channel")),)
                asked = ask(f"{kind}.{name}", agency, handling, *beside, by="it-pds")
                found = asked.ruled()
                assert found.barred or found.effect is Effect.FORBID, (to, name)
                assert asked.withheld() is not None
                assert not (found.barred and agency in asked.audience())


def replace_handling(of: Label, purposes: tuple[Purpose, ...], bears: bool) -> Label:
    """The label for other purposes; of a protected person from XA if the portion bears persons."""
    person = witness().handling
    fields = {name: getattr(of.handling, name) for name in Handling.__struct_fields__}
    fields |= {"purposes": purposes}
    if bears:
        fields |= {"subjects": person.subjects, "origins": person.origins}
    return Label(Handling(**fields), of.routing)


def test_a_record_with_two_persons_is_closed_to_both_origins() -> None:
    """The portion on the person from XB is barred to XB by the gate, and to XA by the rule."""
    answers = {
        to: ask("boat_supply.persons", to, witness(to, origins=(XB,)), WITNESS) for to in ("xa-np", "xb-np")
    }
    assert answers["xb-np"].withheld() is Withheld.GATE
    assert "protected-record-closed" in answers["xa-np"].ruled().rules


# -- the arrangement as a whole ------------------------------------------------------------------------------


def test_the_default_denies() -> None:
    """The same arrangement without a rule: everybody is addressed, and nobody gets anything."""
    silent = Engine(
        Domains(G7.federation),
        load_policy({}, G7.policy.schema.text, G7.directory),
        G7.directory,
        Digest(bytes(32)),
    )
    everybody = G7.directory.agency_ids
    _, _, ruling = silent.rule(
        originator=AgencyId("gb-nca"),
        kind="expertise",
        portion="base",
        label=label(*everybody, tlp=Tlp.CLEAR),
        record=surroundings([]),
        at_ms=AT_MS,
    )
    assert len(ruling.verdicts) == len(everybody) - 1
    assert {outcome(verdict, True) for verdict in ruling.verdicts} == {Withheld.NO_PERMIT}


def test_a_coordinating_agency_never_gets_content() -> None:
    coordinating = [a.id for a in G7.directory.agencies if a.coordinating]
    assert coordinating == ["gb-bsc"]
    for kind, spec in KINDS.items():
        for name, portion in spec.portions.items():
            of = suspect("gb-bsc") if portion.bears_persons else label("gb-bsc", tlp=Tlp.GREEN)
            found = ask(f"{kind}.{name}", "gb-bsc", of, by="fr-oltim").ruled()
            assert "coordination-no-content" in found.rules


def test_a_platform_gets_the_referral_and_nothing_else() -> None:
    got = set()
    for kind, spec in KINDS.items():
        for name in spec.portions:
            for tlp in Tlp:
                asked = ask(f"{kind}.{name}", "pf-social", suspect("pf-social", tlp=tlp, purposes=TAKEDOWN))
                if asked.withheld() is None:
                    got.add((kind, name))
    assert got == {("online_advert", "referral")}


@pytest.mark.parametrize("kind", KINDS)
def test_what_an_analyst_starts_from_can_be_shared_with_a_named_partner(kind: str) -> None:
    for name, portion in KINDS[kind].portions.items():
        start = portion.start
        of = (suspect if portion.bears_persons else label)(
            "fr-oltim",
            tlp=start.tlp,
            codes=start.handling_codes,
            purposes=start.purposes,
            caveats=start.caveats,
        )
        asked = ask(f"{kind}.{name}", "fr-oltim", of)
        assert asked.withheld() is None, (name, asked.ruled())


def test_every_community_is_a_joint_team_or_one_of_the_networks_that_the_rules_name() -> None:
    named = G7.policy.reads.communities
    assert {c.id for c in G7.directory.communities if not c.id.startswith("jit-")} == named
    for rule in ("sources-by-name-or-team", "persons-by-name-or-team", "h1-prosecution"):
        assert G7.policy.rules[RuleId(rule)].reads.communities == named


def test_the_cast() -> None:
    directory = G7.directory
    assert (G7.federation, G7.threshold, len(directory.agencies)) == ("g7", 2, 16)
    assert all(a.exposed_states is not None for a in directory.agencies)
    assert {a.id for a in directory.agencies if a.role is AgencyRole.SOURCE_STATE} == {"xa-np", "xb-np"}
    assert directory.exposed_states("gb-nca", AT_MS) == frozenset({"GB", "NL"})
    assert directory.exposed_states("gb-nca", AT_MS, ("gb-nca/liaison-xb",)) == frozenset({"GB", "NL", "XB"})
    assert directory.exposed_states("eu-europol", AT_MS) == frozenset({"NL", "GB", "BE", "FR"})
    assert directory.exposed_states("fr-oltim", AT_MS) == frozenset({"FR", "IT"})
    members = directory.members("g7-liaison", AT_MS)
    assert {directory.agency(a).role for a in members} <= PARTNERS
