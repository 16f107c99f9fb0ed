"""What rules see of a portion and of a recipient, attribute by attribute."""

from datetime import UTC, datetime

import pytest

from broker.policy.entities import AGENCY, CONTEXT, PORTION, Portion, attributes, values
from broker.policy.roster import Roster
from broker.policy.schema import parse_schema
from deploy.arrangements import SHIPPED, read_arrangement
from schemas.codes import (
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
from schemas.directory import instant_ms
from schemas.gate import Surroundings
from schemas.ids import AgencyId
from schemas.labels import Handling, Label, Routing
from tests.unit.policy.small import SCHEMA

DIRECTORY = read_arrangement(SHIPPED / "g7-small").directory
NOW = instant_ms(datetime(2026, 11, 24, tzinfo=UTC))
XA, FR = State("XA"), State("FR")

HANDLING = Handling(
    Tlp.AMBER_STRICT,
    (HandlingCode.H2, HandlingCode.H0, HandlingCode.H2),
    SourceGrade.B,
    InformationGrade.THREE,
    (Purpose.RETURN,),
    (SubjectCategory.VICTIM,),
    (SpecialCategory.HEALTH,),
    (Caveat.ORCON,),
    (ProtectionGround.MINOR,),
    True,
    (XA,),
    20_000,
)
LABEL = Label(HANDLING, Routing(("it-pds", "fr-oltim"), ("jit-channel",), ("gb-nca/liaison-xa",)))


RECORD = Surroundings(True, frozenset({XA}), False)


def portion(bears: bool = True, handling: Handling = HANDLING) -> Portion:
    return Portion(DIRECTORY.agency("xa-np"), "debrief", "persons", bears, handling, LABEL.routing, RECORD)


def seen(of: Portion) -> dict[str, object]:
    return dict(zip(PORTION, values(PORTION, PORTION, of), strict=True))


def test_every_attribute_of_a_portion() -> None:
    assert seen(portion()) == {
        "originator": "xa-np",
        "originator_role": "source_state",
        "originator_states": {"XA"},
        "kind": "debrief",
        "name": "persons",
        "bears_persons": True,
        "protected": True,
        "protection_cleared": True,
        "grounds": {"minor"},
        "subjects": {"victim"},
        "origins": {"XA"},
        "origins_known": True,
        "record_protected": True,
        "record_origins": frozenset({"XA"}),
        "record_origins_known": False,
        "tlp": "AMBER+STRICT",
        "handling_codes": {"H0", "H2"},
        "source": "B",
        "information": "3",
        "purposes": {"return"},
        "special": {"health"},
        "caveats": {"orcon"},
        "retain_until": 20_000 * 86_400_000,
        "to_agencies": {"fr-oltim", "it-pds"},
        "to_communities": {"jit-channel"},
        "to_officers_of": {"gb-nca"},
    }


def test_a_portion_is_protected_only_if_it_bears_persons_who_were_not_cleared() -> None:
    fields = {name: getattr(HANDLING, name) for name in Handling.__struct_fields__}
    cleared = Handling(**{**fields, "subjects": (SubjectCategory.SUSPECT,), "grounds": ()})
    assert seen(portion())["protected"]
    assert not seen(portion(bears=False))["protected"]
    assert not seen(portion(handling=cleared))["protected"]


@pytest.mark.parametrize("origins, known", [((), False), ((State("ZZ"),), False), ((XA, State("ZZ")), False)])
def test_an_unknown_origin_is_told_from_a_known_one(origins: tuple[State, ...], known: bool) -> None:
    fields = {name: getattr(HANDLING, name) for name in Handling.__struct_fields__}
    of = portion(handling=Handling(**{**fields, "origins": origins}))
    assert seen(of)["origins_known"] is known


def test_the_json_is_sorted_and_typed_as_the_schema_says() -> None:
    found = attributes(PORTION, PORTION, portion())
    assert found["handling_codes"] == [
        {"__entity": {"type": "HandlingCode", "id": "H0"}},
        {"__entity": {"type": "HandlingCode", "id": "H2"}},
    ]
    assert found["originator"] == {"__entity": {"type": "Agency", "id": "xa-np"}}
    assert found["retain_until"] == {"__extn": {"fn": "datetime", "arg": "2024-10-04T00:00:00.000Z"}}
    assert found["protected"] is True
    assert list(found) == sorted(PORTION)


def test_the_shipped_schema_declares_everything_that_is_provided() -> None:
    declared = parse_schema(SCHEMA).attributes
    for variable, provided in (("principal", AGENCY), ("resource", PORTION), ("context", CONTEXT)):
        assert {n: str(a.type) for n, a in declared[variable].items()} == {
            n: t for n, (t, _) in provided.items()
        }


def roster(at_ms: int) -> Roster:
    return Roster(DIRECTORY, at_ms, frozenset(AGENCY), frozenset({"role"}))


def test_every_attribute_of_a_recipient() -> None:
    found = {r.agency: r for r in roster(NOW).recipients("fr-oltim", LABEL)}
    assert sorted(found) == ["gb-nca", "it-pds", "pf-social", "xa-np"]
    nca = found[AgencyId("gb-nca")]
    assert nca.entity() == {
        "uid": {"type": "Agency", "id": "gb-nca"},
        "attrs": {
            "role": {"__entity": {"type": "AgencyRole", "id": "police"}},
            "states": [{"__entity": {"type": "State", "id": "GB"}}],
            "coordinating": False,
            # The label names the officer posted to XA.
            "exposed_states": [{"__entity": {"type": "State", "id": s}} for s in ("GB", "XA")],
            "exposed_known": True,
            "suspended": False,
        },
        "parents": [{"type": "Community", "id": "g7-network"}, {"type": "Community", "id": "jit-channel"}],
    }
    assert found[AgencyId("it-pds")].exposed == frozenset({"FR", "IT"})
    assert found[AgencyId("it-pds")].likeness == nca.likeness != found[AgencyId("xa-np")].likeness


def test_memberships_and_suspensions_are_those_of_the_instant() -> None:
    before = {r.agency: r for r in roster(instant_ms(datetime(2025, 6, 1, tzinfo=UTC))).recipients("", LABEL)}
    assert before[AgencyId("gb-nca")].communities == ("g7-network",)
    during = {r.agency: r for r in roster(instant_ms(datetime(2026, 2, 1, tzinfo=UTC))).recipients("", LABEL)}
    assert during[AgencyId("gb-nca")].communities == ("g7-network", "jit-channel")
    assert during[AgencyId("xa-np")].attributes["suspended"] is True
    assert before[AgencyId("xa-np")].attributes["suspended"] is False
