"""The arrangement `g7-small`: each rule decides at least once, the gate beats a permit, default deny."""

from datetime import UTC, datetime
from typing import Unpack

import pytest

from broker.policy import Engine
from deploy.arrangements import SHIPPED, read_arrangement
from schemas.audience import addressed, audience
from schemas.canonical import Domains
from schemas.codes import (
    Caveat,
    HandlingCode,
    ProtectionGround,
    Purpose,
    SpecialCategory,
    State,
    SubjectCategory,
    Tlp,
)
from schemas.directory import instant_ms
from schemas.gate import surroundings
from schemas.ids import AgencyId, Digest
from schemas.labels import Label, retain_until
from schemas.records import bears_persons
from schemas.verdicts import Effect, Verdict, Withheld, outcome
from tests.support.labels import Fields, written

G7 = read_arrangement(SHIPPED / "g7-small")
ENGINE = Engine(Domains(G7.federation), G7.policy, G7.directory, Digest(b"\x01" * 32))
NOW = instant_ms(datetime(2026, 11, 24, tzinfo=UTC))
XA, XB = State("XA"), State("XB")


def label(*to: str, **fields: Unpack[Fields]) -> Label:
    """A label for agencies, communities and officers, told apart by their ids."""
    whole: Fields = {"codes": (HandlingCode.H0,), **fields}
    return written(G7.directory, NOW, *to, **whole)


def verdict(
    what: str, of: Label, to: str, originator: str = "gb-nca", at_ms: int = NOW
) -> tuple[Verdict, Withheld | None]:
    """The verdict on `kind.portion`, and what comes of it with the audience."""
    kind, portion = what.split(".")
    _, _, ruling = ENGINE.rule(
        originator=AgencyId(originator),
        kind=kind,
        portion=portion,
        label=of,
        record=surroundings([(bears_persons(kind, portion), of.handling)]),
        at_ms=at_ms,
    )
    found = ruling.verdict(to)
    return found, outcome(found, to in addressed(of, originator, G7.directory, at_ms))


RETURN = (Purpose.RETURN,)
TAKEDOWN = (Purpose.TAKEDOWN,)


def suspect(*to: str, **fields: Unpack[Fields]) -> Label:
    """A label for a suspect from XA whose protection was cleared."""
    whole: Fields = {**fields, "subjects": (SubjectCategory.SUSPECT,), "origins": (XA,), "cleared": True}
    return label(*to, **whole)


#: rule -> (what, label, recipient): the rule is among those that decide.
DECIDES: dict[str, tuple[str, Label, str]] = {
    "partner-named": ("boat_supply.base", label("fr-oltim"), "fr-oltim"),
    "partner-by-community": ("boat_supply.base", label("jit-channel"), "it-pds"),
    "source-state-base": ("boat_supply.base", label("xa-np"), "xa-np"),
    "source-state-return": (
        "debrief.persons",
        label("xa-np", purposes=RETURN, subjects=(SubjectCategory.CONVICTED,), origins=(XA,), cleared=True),
        "xa-np",
    ),
    "source-state-no-sources": ("boat_supply.sources", label("xa-np"), "xa-np"),
    "platform-referral": (
        "online_advert.referral",
        label("pf-social", purposes=TAKEDOWN),
        "pf-social",
    ),
    "platform-referral-only": (
        "online_advert.base",
        label("pf-social", purposes=TAKEDOWN),
        "pf-social",
    ),
    "no-private-party": (
        "online_advert.referral",
        label("pf-social", purposes=TAKEDOWN, caveats=(Caveat.NO_PRIVATE_PARTY,)),
        "pf-social",
    ),
    "tlp-red-by-name": ("boat_supply.base", label("jit-channel", tlp=Tlp.RED), "it-pds"),
    "originator-control": ("boat_supply.base", label("jit-channel", codes=(HandlingCode.H2,)), "fr-oltim"),
    "law-enforcement-only": (
        "boat_supply.base",
        label("xa-np", caveats=(Caveat.LAW_ENFORCEMENT_ONLY,)),
        "xa-np",
    ),
    "sources-by-name-or-team": ("boat_supply.sources", label("g7-network"), "it-pds"),
    "purpose-stated": ("boat_supply.base", label("fr-oltim", purposes=()), "fr-oltim"),
    "expertise-names-nobody": (
        "debrief.persons",
        label("fr-oltim", purposes=(Purpose.EXPERTISE,)),
        "fr-oltim",
    ),
    "special-categories-named": (
        "debrief.persons",
        label("jit-channel", special=(SpecialCategory.HEALTH,), subjects=(SubjectCategory.VICTIM,)),
        "fr-oltim",
    ),
    "retention-ended": ("boat_supply.base", label("fr-oltim", days=0), "fr-oltim"),
    "suspended": ("boat_supply.base", label("xa-np"), "xa-np"),
}


def test_every_rule_has_a_case() -> None:
    assert DECIDES.keys() == set(G7.policy.rules)


@pytest.mark.parametrize("rule", DECIDES)
def test_every_rule_decides(rule: str) -> None:
    what, of, to = DECIDES[rule]
    at_ms = instant_ms(datetime(2026, 2, 14, tzinfo=UTC)) if rule == "suspended" else NOW
    found, _ = verdict(what, of, to, at_ms=at_ms)
    assert rule in found.rules
    assert found.effect is G7.policy.rules[found.rules[0]].effect


@pytest.mark.parametrize(
    "what, of, to, released",
    [
        # A forbid's exception lets through what it should.
        ("boat_supply.base", label("it-pds", tlp=Tlp.RED), "it-pds", True),
        ("boat_supply.base", label("it-pds/liaison-paris", tlp=Tlp.RED), "it-pds", True),
        ("boat_supply.base", label("it-pds", codes=(HandlingCode.H2,)), "it-pds", True),
        ("boat_supply.base", label("it-pds/liaison-paris", caveats=(Caveat.ORCON,)), "it-pds", False),
        ("boat_supply.base", label("jit-channel", caveats=(Caveat.ORCON,)), "it-pds", False),
        ("boat_supply.sources", label("jit-channel"), "it-pds", True),
        ("boat_supply.sources", label("it-pds"), "it-pds", True),
        ("boat_supply.base", label("it-pds", caveats=(Caveat.LAW_ENFORCEMENT_ONLY,)), "it-pds", True),
        ("boat_supply.base", label("it-pds", purposes=(Purpose.EXPERTISE,)), "it-pds", True),
        (
            "boat_supply.persons",
            suspect("it-pds", special=(SpecialCategory.HEALTH,)),
            "it-pds",
            True,
        ),
        # The narrow view of a source state and of a platform.
        ("boat_supply.base", label("g7-network"), "xa-np", False),
        ("boat_supply.base", label("xa-np", tlp=Tlp.AMBER_STRICT), "xa-np", False),
        ("boat_supply.persons", suspect("xa-np"), "xa-np", False),
        ("boat_supply.persons", suspect("xa-np", purposes=RETURN), "xa-np", True),
        ("online_advert.referral", label("pf-social"), "pf-social", False),
        (
            "online_advert.referral",
            label("pf-social", purposes=TAKEDOWN, tlp=Tlp.RED),
            "pf-social",
            False,
        ),
        ("online_advert.referral", label("pf-social", purposes=TAKEDOWN), "pf-social", True),
        (
            "online_advert.persons",
            suspect("pf-social", purposes=TAKEDOWN),
            "pf-social",
            False,
        ),
        # Not addressed is not released, though the rules would permit nothing less.
        ("boat_supply.base", label("fr-oltim"), "it-pds", False),
    ],
)
def test_who_gets_what(what: str, of: Label, to: str, released: bool) -> None:
    _, withheld = verdict(what, of, to)
    assert (withheld is None) is released


@pytest.mark.parametrize("ground", [*ProtectionGround, None])
def test_the_gate_beats_the_permit(ground: ProtectionGround | None) -> None:
    """The rule would hand over a person's data for a return; the gate keeps them from the state of origin."""
    grounds = () if ground is None else (ground,)
    of = label(
        "xa-np", purposes=RETURN, subjects=(SubjectCategory.OTHER_PARTY,), grounds=grounds, origins=(XA,)
    )
    found, withheld = verdict("debrief.persons", of, "xa-np")
    assert (found.effect, found.rules) == (Effect.PERMIT, ("source-state-return",))
    assert found.barred
    assert withheld is Withheld.GATE
    assert "xa-np" not in audience(of, True, "gb-nca", G7.directory, NOW)
    other = label("xa-np", purposes=RETURN, subjects=(SubjectCategory.OTHER_PARTY,), origins=(XB,))
    assert verdict("debrief.persons", other, "xa-np")[1] is None


def test_a_named_officer_in_the_state_of_origin_shuts_the_gate_for_the_agency() -> None:
    victim: Fields = {"subjects": (SubjectCategory.VICTIM,), "origins": (XA,)}
    named = label("gb-nca/liaison-xa", **victim)
    found, withheld = verdict("debrief.persons", named, "gb-nca", originator="fr-oltim")
    assert (found.effect, withheld) == (Effect.PERMIT, Withheld.GATE)
    plain = label("gb-nca", **victim)
    assert verdict("debrief.persons", plain, "gb-nca", originator="fr-oltim")[1] is None


def test_the_default_denies() -> None:
    found, withheld = verdict("boat_supply.persons", suspect("xa-np"), "xa-np")
    assert (found.effect, found.rules, withheld) == (Effect.NONE, (), Withheld.NO_PERMIT)


@pytest.mark.parametrize(
    "at, suspended",
    [
        (datetime(2026, 1, 31, 23, 59, 59, 999_000, UTC), False),
        (datetime(2026, 2, 1, tzinfo=UTC), True),
        (datetime(2026, 2, 28, 23, 59, 59, 999_000, UTC), True),
        (datetime(2026, 3, 1, tzinfo=UTC), False),
    ],
)
def test_a_suspension_holds_from_its_start_and_not_at_its_end(at: datetime, suspended: bool) -> None:
    found, withheld = verdict("boat_supply.base", label("xa-np"), "xa-np", at_ms=instant_ms(at))
    assert (found.rules == ("suspended",)) is suspended
    assert (withheld is Withheld.NOT_ADDRESSED) is suspended


@pytest.mark.parametrize(
    "at, member",
    [
        (datetime(2025, 12, 31, 23, 59, 59, 999_000, UTC), False),
        (datetime(2026, 1, 1, tzinfo=UTC), True),
        (datetime(2035, 12, 31, 23, 59, 59, 999_000, UTC), True),
        (datetime(2036, 1, 1, tzinfo=UTC), False),
    ],
)
def test_the_team_exists_between_its_dates(at: datetime, member: bool) -> None:
    found, withheld = verdict(
        "boat_supply.base", label("jit-channel", days=20_000), "it-pds", at_ms=instant_ms(at)
    )
    assert (found.effect is Effect.PERMIT) is member
    assert (withheld is None) is member


def test_a_retention_date_is_an_end() -> None:
    end = retain_until(NOW, 30) * 86_400_000
    for offset, permitted in ((-1, True), (0, False), (1, False)):
        found, _ = verdict("boat_supply.base", label("fr-oltim", days=30), "fr-oltim", at_ms=end + offset)
        assert (found.effect is Effect.PERMIT) is permitted


def test_the_arrangement_marks_which_portions_bear_persons() -> None:
    assert bears_persons("debrief", "persons")
    assert not bears_persons("debrief", "base")
    assert (G7.federation, G7.threshold, len(G7.policy.rules)) == ("g7-small", 3, 17)
