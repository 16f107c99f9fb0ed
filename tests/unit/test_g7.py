"""The arrangement `g7`: each rule decides, and does not in its near miss; the gate above; what time changes."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Unpack

import pytest

from broker.policy import Engine
from deploy.arrangements import SHIPPED, read_arrangement
from schemas.audience import addressed, audience
from schemas.canonical import Domains
from schemas.codes import (
    AgencyRole,
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
from schemas.directory import Agency, Directory, Suspension, instant_ms
from schemas.gate import surroundings
from schemas.ids import AgencyId, Digest, RuleId
from schemas.labels import Handling, Label
from schemas.records import KINDS, bears_persons
from schemas.verdicts import Effect, Verdict, Withheld, outcome
from tests.support.labels import Fields, written

G7 = read_arrangement(SHIPPED / "g7")
DOMAINS = Domains(G7.federation)
#: Within the week that is played; the joint team Adriatic exists, and NCA's officer in AL is posted.
NOW = datetime(2026, 6, 4, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
AL, XA, XB, ZZ = State("AL"), State("XA"), State("XB"), State("ZZ")
PARTNERS = {AgencyRole.POLICE, AgencyRole.BORDER, AgencyRole.FINANCIAL, AgencyRole.UNION_BODY}


def undeclared(agency: Agency) -> Agency:
    """Austria's entry as it would be without a word on who sees its files."""
    return agency.model_copy(update={"exposed_states": None}) if agency.id == "at-bk" else agency


#: A later version of the directory: a source state suspended for a day, an agency that declares no exposure.
LATER = Directory(
    agencies=tuple(undeclared(a) for a in G7.directory.agencies),
    officers=G7.directory.officers,
    communities=G7.directory.communities,
    suspensions=(
        Suspension(
            agency=AgencyId("xb-np"),
            start=datetime(2026, 6, 6, tzinfo=UTC),
            end=datetime(2026, 6, 7, tzinfo=UTC),
            reason="a report was passed on",
        ),
    ),
)


@cache
def engine(later: bool) -> Engine:
    return Engine(DOMAINS, G7.policy, LATER if later else G7.directory, Digest(b"\x01" * 32))


def label(*to: str, **fields: Unpack[Fields]) -> Label:
    """A label for agencies, communities and officers, told apart by their ids."""
    return written(G7.directory, instant_ms(NOW), *to, **fields)


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
    at: datetime = NOW
    later: bool = False

    @property
    def directory(self) -> Directory:
        return LATER if self.later else G7.directory

    def ruled(self) -> Verdict:
        kind, name = self.what.split(".")
        record = [(bears_persons(kind, name), self.label.handling)]
        record += [(bears_persons(kind, other), of.handling) for other, of in self.beside]
        _, _, ruling = engine(self.later).rule(
            originator=AgencyId(self.by),
            kind=kind,
            portion=name,
            label=self.label,
            record=surroundings(record),
            at_ms=instant_ms(self.at),
        )
        return ruling.verdict(self.to)

    def withheld(self) -> Withheld | None:
        """Why it is withheld, None if it is released."""
        return outcome(self.ruled(), self.to in self.addressed())

    def addressed(self) -> frozenset[AgencyId]:
        return addressed(self.label, self.by, self.directory, instant_ms(self.at))

    def audience(self) -> frozenset[AgencyId]:
        """Those whom the sealing node would wrap the key for."""
        bears = bears_persons(*self.what.split("."))
        return audience(self.label, bears, self.by, self.directory, instant_ms(self.at))


def ask(what: str, to: str, of: Label, *beside: tuple[str, Label], by: str = "gb-nca") -> Asked:
    return Asked(what, to, of, beside, by)


RETURN = (Purpose.RETURN,)
TAKEDOWN = (Purpose.TAKEDOWN,)
EXPERTISE = (Purpose.EXPERTISE,)
PROTECTION = (Purpose.PROTECTION,)
PROSECUTION = (Purpose.PROSECUTION,)
H0, H1, H2, H3 = ((code,) for code in HandlingCode)
X4 = (SourceGrade.X, InformationGrade.FOUR)
HEALTH = (SpecialCategory.HEALTH,)
SEEKING = (ProtectionGround.SEEKING_PROTECTION,)
MINOR = (ProtectionGround.MINOR,)
VICTIM = (ProtectionGround.VICTIM,)
GREEN, CLEAR, STRICT, RED = Tlp.GREEN, Tlp.CLEAR, Tlp.AMBER_STRICT, Tlp.RED
WITNESS = ("persons", witness("jit-channel"))
NAMELESS = ("persons", witness("jit-channel", origins=(ZZ,)))

#: rule -> (a question that the rule decides, its near miss). The near miss of a forbid is permitted.
CASES: dict[str, tuple[Asked, Asked]] = {
    "partner-named": (
        ask("boat_supply.base", "us-hsi", label("us-hsi")),
        ask("boat_supply.base", "us-hsi", label("ca-cbsa")),
    ),
    "community-member": (
        ask("boat_supply.base", "de-bpol", label("jit-channel")),
        ask("boat_supply.base", "jp-npa", label("jit-channel")),
    ),
    "officer-named": (
        ask("boat_supply.base", "gb-nca", label("gb-nca/liaison-xa"), by="fr-oltim"),
        ask("boat_supply.base", "gb-nca", label("us-hsi/liaison-xa"), by="fr-oltim"),
    ),
    "suspended": (
        replace(
            ask("boat_supply.base", "xb-np", label("xb-np")), later=True, at=datetime(2026, 6, 6, tzinfo=UTC)
        ),
        replace(
            ask("boat_supply.base", "xb-np", label("xb-np")), later=True, at=datetime(2026, 6, 7, tzinfo=UTC)
        ),
    ),
    "coordination-no-content": (
        ask("expertise.base", "gb-bsc", label("gb-bsc", tlp=CLEAR), by="fr-oltim"),
        ask("expertise.base", "gb-bf", label("gb-bf", tlp=CLEAR), by="fr-oltim"),
    ),
    "sources-by-name-or-team": (
        ask("boat_supply.sources", "de-bpol", label("jit-channel", "g7-liaison")),
        ask("boat_supply.sources", "de-bpol", label("jit-channel")),
    ),
    "persons-by-name-or-team": (
        ask("boat_supply.persons", "us-hsi", suspect("g7-liaison")),
        ask("boat_supply.persons", "us-hsi", suspect("us-hsi/liaison-xa")),
    ),
    "tlp-red-by-name": (
        ask("boat_supply.base", "de-bpol", label("jit-channel", tlp=RED)),
        ask("boat_supply.base", "de-bpol", label("de-bpol", "jit-channel", tlp=RED)),
    ),
    "tlp-amber-strict": (
        ask("boat_supply.base", "xa-np", label("xa-np", tlp=STRICT)),
        ask("boat_supply.base", "us-hsi", label("money-network", tlp=STRICT)),
    ),
    "tlp-clear": (
        ask("smuggling_route.base", "xa-np", label("expertise-network", tlp=CLEAR)),
        ask("smuggling_route.base", "xa-np", label("expertise-network", tlp=GREEN)),
    ),
    "tlp-clear-names-nobody": (
        ask("boat_supply.persons", "us-hsi", suspect("us-hsi", tlp=CLEAR)),
        ask("boat_supply.persons", "us-hsi", suspect("us-hsi", tlp=GREEN)),
    ),
    "h0-against-crime": (
        ask("debrief.persons", "us-hsi", witness("us-hsi", codes=H0, purposes=PROTECTION)),
        ask(
            "debrief.persons",
            "us-hsi",
            witness("us-hsi", codes=H0, purposes=(*PROTECTION, Purpose.PREVENTION)),
        ),
    ),
    "h1-prosecution": (
        ask("boat_supply.base", "us-hsi", label("g7-liaison", codes=H1, purposes=PROSECUTION)),
        ask("boat_supply.base", "de-bpol", label("jit-channel", codes=H1, purposes=PROSECUTION)),
    ),
    "originator-control": (
        ask("boat_supply.base", "de-bpol", label("jit-channel", codes=H2)),
        ask("boat_supply.base", "de-bpol", label("de-bpol", codes=H2, caveats=(Caveat.ORCON,))),
    ),
    "h3-by-name": (
        ask("boat_supply.base", "de-bpol", label("jit-channel", codes=H3)),
        ask("boat_supply.base", "de-bpol", label("de-bpol", codes=H3)),
    ),
    "law-enforcement-only": (
        ask("boat_supply.base", "xa-np", label("xa-np", caveats=(Caveat.LAW_ENFORCEMENT_ONLY,))),
        ask("boat_supply.base", "al-asp", label("al-asp", caveats=(Caveat.LAW_ENFORCEMENT_ONLY,))),
    ),
    "unassessed-by-name": (
        ask("boat_supply.base", "de-bpol", label("jit-channel", grades=X4)),
        ask(
            "boat_supply.base",
            "de-bpol",
            label("jit-channel", grades=(SourceGrade.X, InformationGrade.THREE)),
        ),
    ),
    "purpose-stated": (
        ask("boat_supply.base", "us-hsi", label("us-hsi", purposes=())),
        ask("boat_supply.base", "us-hsi", label("us-hsi", purposes=(Purpose.DETECTION,))),
    ),
    "expertise-names-nobody": (
        ask("boat_supply.persons", "us-hsi", suspect("us-hsi", purposes=(*EXPERTISE, *TAKEDOWN))),
        ask("boat_supply.base", "us-hsi", label("us-hsi", purposes=(*EXPERTISE, *TAKEDOWN))),
    ),
    "money-competent": (
        ask("organised_group.financial", "de-bpol", label("de-bpol")),
        ask("organised_group.financial", "it-gdf", label("it-gdf")),
    ),
    "money-against-crime": (
        ask("asset_seizure.financial", "it-gdf", label("it-gdf", purposes=EXPERTISE)),
        ask("asset_seizure.financial", "it-gdf", label("it-gdf", purposes=(Purpose.CONFISCATION,))),
    ),
    "platform-referral": (
        ask("online_advert.referral", "pf-social", label("pf-social", purposes=TAKEDOWN)),
        ask("online_advert.referral", "pf-social", label("pf-social")),
    ),
    "platform-referral-only": (
        ask("online_advert.base", "pf-social", label("pf-social", tlp=CLEAR, purposes=TAKEDOWN)),
        ask("online_advert.referral", "pf-social", label("pf-social", tlp=CLEAR, purposes=TAKEDOWN)),
    ),
    "no-private-party": (
        ask(
            "online_advert.referral",
            "pf-social",
            label("pf-social", purposes=TAKEDOWN, caveats=(Caveat.NO_PRIVATE_PARTY,)),
        ),
        ask(
            "online_advert.referral",
            "gb-bf",
            label("gb-bf", purposes=TAKEDOWN, caveats=(Caveat.NO_PRIVATE_PARTY,)),
        ),
    ),
    "removal-to-partners": (
        ask("online_advert.removal", "gb-nca", label("gb-nca", purposes=EXPERTISE), by="pf-social"),
        ask("online_advert.removal", "gb-nca", label("gb-nca", purposes=TAKEDOWN), by="pf-social"),
    ),
    "platform-gives-no-persons": (
        ask("online_advert.persons", "gb-nca", suspect("gb-nca"), by="pf-social"),
        ask("online_advert.persons", "gb-nca", suspect("gb-nca"), by="fr-oltim"),
    ),
    "source-state-return": (
        ask("return_case.persons", "xa-np", suspect("xa-np", purposes=RETURN)),
        ask("return_case.persons", "xa-np", suspect("xa-np")),
    ),
    "return-case-by-name": (
        ask("return_case.persons", "de-bpol", suspect("jit-channel", purposes=RETURN)),
        ask("return_case.persons", "de-bpol", suspect("de-bpol", purposes=RETURN)),
    ),
    "return-is-no-crime": (
        ask("return_case.base", "eu-europol", label("eu-europol", purposes=RETURN)),
        ask("return_case.base", "eu-europol", label("eu-europol", purposes=(*RETURN, Purpose.DETECTION))),
    ),
    "protected-record-closed": (
        ask("debrief.base", "us-hsi", label("us-hsi/liaison-xa"), WITNESS),
        ask("debrief.base", "us-hsi", label("us-hsi"), WITNESS),
    ),
    "protected-origin-unknown": (
        ask("travel_document.base", "xb-np", label("xb-np"), NAMELESS),
        ask("travel_document.base", "us-hsi", label("us-hsi"), NAMELESS),
    ),
    "protected-no-source-state": (
        ask("return_case.persons", "xb-np", witness("xb-np", purposes=RETURN)),
        ask("return_case.persons", "xb-np", suspect("xb-np", purposes=RETURN)),
    ),
    "protected-in-transit-state": (
        ask("travel_document.persons", "al-asp", witness("jit-adriatic"), by="it-pds"),
        ask("travel_document.persons", "al-asp", witness("al-asp", purposes=PROTECTION), by="it-pds"),
    ),
    "victims-not-for-return": (
        ask("return_case.persons", "de-bpol", suspect("de-bpol", purposes=RETURN, grounds=VICTIM)),
        ask("return_case.persons", "de-bpol", witness("de-bpol", purposes=RETURN)),
    ),
    "minors-by-name": (
        ask("debrief.persons", "de-bpol", witness("jit-channel", grounds=MINOR)),
        ask("debrief.persons", "de-bpol", witness("de-bpol", grounds=MINOR)),
    ),
    "smuggled-not-liable": (
        ask("debrief.persons", "de-bpol", witness("de-bpol", grounds=SEEKING, purposes=PROSECUTION)),
        ask("debrief.persons", "de-bpol", suspect("de-bpol", grounds=SEEKING, purposes=PROSECUTION)),
    ),
    "special-categories-by-name": (
        ask("debrief.persons", "de-bpol", witness("jit-channel", special=HEALTH)),
        ask("debrief.persons", "de-bpol", witness("de-bpol", special=HEALTH)),
    ),
    "answers-by-name": (
        ask("information_response.base", "de-bpol", suspect("jit-channel")),
        ask("information_response.base", "de-bpol", suspect("de-bpol")),
    ),
    "operations-in-confidence": (
        ask("joint_operation.base", "us-hsi", label("money-network")),
        ask("officer_deployment.base", "us-hsi", label("g7-liaison")),
    ),
    "source-state-base": (
        ask("boat_supply.base", "xa-np", label("xa-np")),
        ask("boat_supply.financial", "xa-np", label("xa-np")),
    ),
    "source-state-no-sources": (
        ask("debrief.base", "xa-np", label("xa-np")),
        ask("travel_document.base", "xa-np", label("xa-np")),
    ),
    "expertise-wide": (
        ask("expertise.base", "xa-np", label("expertise-network", tlp=GREEN, purposes=EXPERTISE)),
        ask("expertise.base", "xa-np", label("expertise-network", purposes=EXPERTISE)),
    ),
    "expertise-network-only": (
        ask("smuggling_route.base", "jp-npa", label("expertise-network", tlp=GREEN, purposes=EXPERTISE)),
        ask("concealment_method.base", "jp-npa", label("expertise-network", tlp=GREEN, purposes=EXPERTISE)),
    ),
    "retention-ended": (
        ask("boat_supply.base", "us-hsi", label("us-hsi", days=0)),
        ask("boat_supply.base", "us-hsi", label("us-hsi", days=1)),
    ),
}


def test_every_rule_has_its_cases() -> None:
    assert CASES.keys() == set(G7.policy.rules)
    assert len(CASES) == 44


@pytest.mark.parametrize("rule", CASES)
def test_every_rule_decides_alone(rule: str) -> None:
    """Alone: without it, the answer would be another one, unless it is a second lock."""
    found = CASES[rule][0].ruled()
    assert found.rules == (rule,)
    assert found.effect is G7.policy.rules[found.rules[0]].effect


@pytest.mark.parametrize("rule", CASES)
def test_no_rule_reaches_its_near_miss(rule: str) -> None:
    found = CASES[rule][1].ruled()
    assert rule not in found.rules
    forbids = G7.policy.rules[RuleId(rule)].effect is Effect.FORBID
    assert (found.effect is Effect.PERMIT) is forbids


# -- the gate, and the protective readings -------------------------------------------------------------------


@pytest.mark.parametrize("subject", [SubjectCategory.OTHER_PARTY, SubjectCategory.UNKNOWN])
@pytest.mark.parametrize("grounds", [(), MINOR, SEEKING])
def test_the_gate_beats_the_rule_on_returns(
    subject: SubjectCategory, grounds: tuple[ProtectionGround, ...]
) -> None:
    """The rule would hand over the person to the state of origin; a person of unknown category is protected."""
    of = label("xa-np", purposes=RETURN, subjects=(subject,), grounds=grounds, cleared=True, origins=(XA,))
    asked = ask("return_case.persons", "xa-np", of)
    found = asked.ruled()
    assert (found.effect, found.rules) == (Effect.PERMIT, ("source-state-return",))
    assert found.barred
    assert asked.withheld() is Withheld.GATE
    assert asked.audience() == frozenset()


def test_the_gate_stands_above_a_forbid_as_well() -> None:
    asked = ask("return_case.persons", "xa-np", witness("xa-np", purposes=RETURN, grounds=VICTIM))
    assert asked.ruled().rules == ("victims-not-for-return",)
    assert asked.withheld() is Withheld.GATE


@pytest.mark.parametrize("ground", ProtectionGround)
def test_a_ground_outweighs_the_clearance(ground: ProtectionGround) -> None:
    of = suspect("xa-np", purposes=RETURN, grounds=(ground,))
    assert ask("return_case.persons", "xa-np", of).withheld() is Withheld.GATE
    assert ask("return_case.persons", "xa-np", suspect("xa-np", purposes=RETURN)).withheld() is None


@pytest.mark.parametrize("purpose", Purpose)
def test_h0_asks_for_one_purpose_against_crime(purpose: Purpose) -> None:
    found = ask("boat_supply.persons", "us-hsi", suspect("us-hsi", codes=H0, purposes=(purpose,))).ruled()
    others = {Purpose.RETURN, Purpose.PROTECTION, Purpose.EXPERTISE}
    assert ("h0-against-crime" in found.rules) is (purpose in others)


def exposed() -> Iterator[tuple[str, str, Label]]:
    """Recipients exposed to XA, with a label that addresses them in every way that there is."""
    for to in ("xa-np", "gb-nca/liaison-xa", "us-hsi/liaison-xa"):
        agency = to.split("/")[0]
        for tlp in (Tlp.AMBER, CLEAR, RED):
            yield agency, to, label(agency, to, "jit-channel", "g7-liaison", tlp=tlp)


@pytest.mark.parametrize(
    "kind", [k for k, spec in KINDS.items() if any(p.bears_persons for p in spec.portions.values())]
)
def test_one_protected_person_closes_every_portion_to_the_state_of_origin(kind: str) -> None:
    """Whatever the label: between the gate and the rules nothing of the record reaches who is exposed."""
    persons = next(name for name, portion in KINDS[kind].portions.items() if portion.bears_persons)
    for agency, to, of in exposed():
        for name, portion in KINDS[kind].portions.items():
            for purposes in (RETURN, TAKEDOWN, (Purpose.INVESTIGATION, *EXPERTISE)):
                handling = replace_handling(of, purposes, portion.bears_persons)
                beside = ((persons, witness("jit-channel")),)
                asked = ask(f"{kind}.{name}", agency, handling, *beside, by="it-pds")
                found = asked.ruled()
                assert found.barred or found.effect is Effect.FORBID, (to, name)
                assert asked.withheld() is not None


def replace_handling(of: Label, purposes: tuple[Purpose, ...], bears: bool) -> Label:
    """The label for other purposes; of a protected person from XA if the portion bears persons."""
    person = witness().handling
    fields = {name: getattr(of.handling, name) for name in Handling.__struct_fields__}
    fields |= {"purposes": purposes}
    if bears:
        fields |= {"subjects": person.subjects, "origins": person.origins}
    return Label(Handling(**fields), of.routing)


def test_the_rest_of_a_closed_record_reaches_the_others() -> None:
    of = label("us-hsi", "xa-np", "xb-np", "al-asp")
    for to in ("us-hsi", "xb-np", "al-asp"):
        assert ask("boat_supply.base", to, of, WITNESS).withheld() is None
    assert ask("boat_supply.base", "xa-np", of, WITNESS).withheld() is Withheld.FORBIDDEN
    assert ask("boat_supply.base", "xa-np", of).withheld() is None


def test_a_record_with_two_persons_is_closed_to_both_origins() -> None:
    """The portion on the person from XB is barred to XB by the gate, and to XA by the rule."""
    answers = {
        to: ask("boat_supply.persons", to, witness(to, origins=(XB,)), WITNESS) for to in ("xa-np", "xb-np")
    }
    assert answers["xb-np"].withheld() is Withheld.GATE
    assert "protected-record-closed" in answers["xa-np"].ruled().rules


def test_an_agency_that_declares_no_exposure_counts_as_exposed_to_every_state() -> None:
    of = label("at-bk")
    assert ask("boat_supply.base", "at-bk", of, WITNESS).withheld() is None
    asked = replace(ask("boat_supply.base", "at-bk", of, WITNESS), later=True)
    assert asked.ruled().rules == ("protected-record-closed",)
    assert (
        replace(ask("boat_supply.persons", "at-bk", witness("at-bk")), later=True).withheld() is Withheld.GATE
    )


@pytest.mark.parametrize("source_state", ["xa-np", "xb-np"])
def test_an_unknown_origin_is_every_state(source_state: str) -> None:
    """The portion itself is for the gate, toward everybody; the rest of the record closes to source states."""
    named = witness(source_state, origins=(ZZ,))
    assert ask("boat_supply.persons", source_state, named).withheld() is Withheld.GATE
    assert ask("boat_supply.persons", "us-hsi", witness("us-hsi", origins=(ZZ,))).withheld() is Withheld.GATE
    asked = ask("boat_supply.base", source_state, label(source_state), NAMELESS)
    assert asked.withheld() is Withheld.FORBIDDEN


@pytest.mark.parametrize("state, agency", [(XA, "xa-np"), (AL, "al-asp"), (State("FR"), "fr-oltim")])
def test_a_hit_or_no_hit_does_not_reach_the_state_of_origin(state: State, agency: str) -> None:
    """The base of an answer names nobody and yet bears a person: that someone is known is about them."""
    asked = ask("information_response.base", agency, witness(agency, origins=(state,)))
    assert bears_persons("information_response", "base")
    assert asked.withheld() is Withheld.GATE
    assert asked.audience() == frozenset()


def test_a_source_state_is_told_nothing_of_a_suspect_either() -> None:
    asked = ask("information_response.base", "xa-np", suspect("xa-np"))
    assert asked.ruled().rules == ("answers-by-name",)


# -- what time changes ---------------------------------------------------------------------------------------


def around(at: datetime) -> tuple[datetime, datetime, datetime]:
    """One millisecond before, the instant, one after."""
    return at - MILLISECOND, at, at + MILLISECOND


def released(asked: Asked) -> bool:
    """Whether the sealing node and the broker, each by itself, would let it go; they must be of one mind."""
    sealed = asked.to in asked.audience()
    assert sealed is (asked.to in asked.addressed())
    return sealed and asked.withheld() is None


@pytest.mark.parametrize(
    "asked, change, before",
    [
        (ask("boat_supply.base", "us-hsi", label("us-hsi", days=1)), datetime(2026, 6, 5, tzinfo=UTC), True),
        (ask("boat_supply.base", "at-bk", label("jit-adriatic")), datetime(2026, 6, 3, tzinfo=UTC), False),
        (
            ask("boat_supply.base", "at-bk", label("jit-adriatic", days=9_999)),
            datetime(2036, 1, 1, tzinfo=UTC),
            True,
        ),
        (
            ask("boat_supply.base", "de-bpol", label("jit-channel", days=9_999)),
            datetime(2036, 1, 1, tzinfo=UTC),
            True,
        ),
        (ask("boat_supply.base", "de-bpol", label("jit-channel")), datetime(2026, 1, 1, tzinfo=UTC), False),
        (
            ask("expertise.base", "xa-np", label("expertise-network", tlp=GREEN, purposes=EXPERTISE)),
            datetime(2026, 1, 1, tzinfo=UTC),
            False,
        ),
        (
            ask("boat_supply.base", "gb-nca", label("gb-nca/liaison-al"), by="fr-oltim"),
            datetime(2026, 6, 5, 12, tzinfo=UTC),
            True,
        ),
        (
            replace(ask("boat_supply.base", "xb-np", label("xb-np")), later=True),
            datetime(2026, 6, 6, tzinfo=UTC),
            True,
        ),
        (
            replace(ask("boat_supply.base", "xb-np", label("xb-np")), later=True),
            datetime(2026, 6, 7, tzinfo=UTC),
            False,
        ),
    ],
    ids=[
        "retention ends",
        "team Adriatic starts",
        "team Adriatic ends",
        "team Channel ends",
        "team Channel starts",
        "expertise network starts",
        "posting ends",
        "suspension starts",
        "suspension ends",
    ],
)
def test_an_instant_changes_what_is_released(asked: Asked, change: datetime, before: bool) -> None:
    assert [released(replace(asked, at=at)) for at in around(change)] == [before, not before, not before]


def test_a_network_s_end_is_the_end_of_money() -> None:
    """To be a member of the money network is a condition of its own, also for who is named."""
    asked = ask("asset_seizure.financial", "us-hsi", label("us-hsi", days=9_999))
    end = datetime(2036, 1, 1, tzinfo=UTC)
    assert [replace(asked, at=at).withheld() for at in around(end)] == [None, *[Withheld.FORBIDDEN] * 2]


def test_a_posting_s_exposure_ends_with_it() -> None:
    """While posted to AL, the officer exposes NCA to AL; afterwards nobody is addressed any more."""
    of = witness("gb-nca", "gb-nca/liaison-al", origins=(AL,))
    asked = ask("debrief.persons", "gb-nca", of, by="fr-oltim")
    end = datetime(2026, 6, 5, 12, tzinfo=UTC)
    assert [replace(asked, at=at).withheld() for at in around(end)] == [Withheld.GATE, None, None]


@pytest.mark.parametrize("fields", [Fields(tlp=RED), Fields(caveats=(Caveat.ORCON,)), Fields(codes=H3)])
def test_a_posting_that_is_over_opens_nothing_by_way_of_a_community(fields: Fields) -> None:
    """The team is addressed beside an officer who left: what was for the officer is not for the whole agency."""
    for at in around(datetime(2026, 6, 5, 12, tzinfo=UTC)):
        both = label("jit-channel", "gb-nca/liaison-al", **fields)
        assert replace(ask("boat_supply.base", "gb-nca", both, by="fr-oltim"), at=at).withheld() is not None
    alone = label("gb-nca/liaison-al", tlp=RED)
    assert ask("boat_supply.base", "gb-nca", alone, by="fr-oltim").withheld() is None


# -- the arrangement as a whole ------------------------------------------------------------------------------


def test_a_coordinating_agency_never_gets_content() -> None:
    coordinating = [a.id for a in G7.directory.agencies if a.coordinating]
    assert coordinating == ["gb-bsc"]
    for kind, spec in KINDS.items():
        for name, portion in spec.portions.items():
            of = suspect("gb-bsc") if portion.bears_persons else label("gb-bsc", tlp=GREEN)
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
    at_ms = instant_ms(NOW)
    assert directory.exposed_states("gb-nca", at_ms) == frozenset({"GB", "NL"})
    assert directory.exposed_states("gb-nca", at_ms, ("gb-nca/liaison-xb",)) == frozenset({"GB", "NL", "XB"})
    assert directory.exposed_states("eu-europol", at_ms) == frozenset({"NL", "GB", "BE", "FR"})
    assert directory.exposed_states("fr-oltim", at_ms) == frozenset({"FR", "IT"})
    members = directory.members("g7-liaison", at_ms)
    assert {directory.agency(a).role for a in members} <= PARTNERS
