"""Officer x portion, reason by reason, and the roster that says who is of the house."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agencies.access import Denied, Employment, Held, Reader, decide, standing
from agencies.roster import NOBODY, RosterFile, parse_roster
from schemas.clearance import Clearance
from schemas.codes import HandlingCode, Purpose, SpecialCategory, State, SubjectCategory, Tlp
from schemas.directory import Directory, Interval, Officer
from schemas.ids import AgencyId, OfficerId
from schemas.labels import Handling
from tests.support.drafts import handling
from tests.support.federation import NOW_MS, ceremony

OLTIM, NCA = AgencyId("fr-oltim"), AgencyId("gb-nca")
FULL = Clearance(tlp=Tlp.RED, handling_codes=frozenset(HandlingCode), special=frozenset(SpecialCategory))
ANALYST = Reader(OfficerId("fr-oltim/analyst"), OLTIM, Employment(Interval(), FULL))
HOSTED = Reader(OfficerId("it-pds/liaison-paris"), OLTIM, None)


def changed(found: Directory, officers: Sequence[Officer]) -> Directory:
    made = found.model_copy(update={"officers": tuple(officers)})
    return Directory.model_validate(made.model_dump())


def directory(**change: Any) -> Directory:
    """The shipped one, in which the officer hosted in Paris is cleared, but for what is changed of their posting."""
    found = ceremony().arrangement.directory
    officers = tuple(
        o.model_copy(update={"clearance": FULL, **change}) if o.id == HOSTED.officer else o
        for o in found.officers
    )
    return changed(found, officers)


def label(**change: Any) -> Handling:
    made = handling()
    return Handling(**{**{f: getattr(made, f) for f in made.__struct_fields__}, **change})


def held(name: str = "base", *officers: str, **change: Any) -> Held:
    return Held(NCA, bytes(16), bytes(32), "boat_supply", name, label(**change), officers)


def asked(reader: Reader, portion: Held, in_: Directory | None = None, at_ms: int = NOW_MS) -> Denied | None:
    return decide(reader, portion, Purpose.DETECTION, in_ or directory(), at_ms)


def test_both_kinds_of_officer_are_shown_what_nothing_forbids() -> None:
    assert asked(ANALYST, held()) is None
    assert asked(HOSTED, held()) is None


def test_a_posting_is_half_open() -> None:
    posting = next(o for o in directory().officers if o.id == HOSTED.officer)
    assert posting.start_ms is not None
    assert posting.end_ms is not None
    far = held(retain_until=100_000)
    assert asked(HOSTED, far, at_ms=posting.start_ms - 1) is Denied.NO_POSTING
    assert asked(HOSTED, far, at_ms=posting.start_ms) is None
    assert asked(HOSTED, far, at_ms=posting.end_ms - 1) is None
    assert asked(HOSTED, far, at_ms=posting.end_ms) is Denied.NO_POSTING


@pytest.mark.parametrize(
    "reader, reason",
    [
        (replace(ANALYST, employment=None), Denied.NO_POSTING),
        (replace(ANALYST, employment=Employment(Interval(), None)), Denied.NO_CLEARANCE),
        (replace(HOSTED, agency=NCA), Denied.NO_POSTING),
        (replace(HOSTED, officer=OfficerId("it-pds/unknown")), Denied.NO_POSTING),
        # On no roster but its own is a foreigner of the house, whatever somebody writes there
        (Reader(OfficerId("it-pds/unknown"), OLTIM, ANALYST.employment), Denied.NO_POSTING),
    ],
)
def test_who_has_no_place_here(reader: Reader, reason: Denied) -> None:
    assert standing(reader, directory(), NOW_MS) is reason
    assert asked(reader, held()) is reason


def test_an_officer_of_no_agency_that_is_known_is_exposed_to_every_state() -> None:
    stranger = replace(ANALYST, officer=OfficerId("zz-nobody/one"))
    assert standing(stranger, directory(), NOW_MS) is Denied.NO_POSTING
    assert asked(stranger, held()) is Denied.GATE


def test_a_liaison_officer_is_cleared_by_the_arrangement_alone() -> None:
    assert asked(HOSTED, held(), directory(clearance=None)) is Denied.NO_CLEARANCE
    assert asked(replace(HOSTED, employment=ANALYST.employment), held(), directory(clearance=None)) is (
        Denied.NO_CLEARANCE
    )
    low = Clearance(tlp=Tlp.GREEN)
    assert asked(HOSTED, held(tlp=Tlp.AMBER), directory(clearance=low)) is Denied.TLP


@pytest.mark.parametrize(
    "portion, reason",
    [
        (held("base", "fr-oltim/chief"), Denied.NOT_NAMED),
        (held(purposes=(Purpose.TAKEDOWN,)), Denied.PURPOSE),
        (held(retain_until=NOW_MS // 86_400_000 - 1), Denied.RETENTION),
        (replace(held(), handling=None), Denied.UNREADABLE),
        (replace(held(), name="gossip"), Denied.GATE),
        (held("persons"), Denied.GATE),
        (held("persons", origins=(State("FR"),)), Denied.GATE),
        (held("persons", "fr-oltim/analyst", origins=(State("IT"),)), Denied.GATE),
    ],
)
def test_what_a_portion_forbids(portion: Held, reason: Denied) -> None:
    assert asked(ANALYST, portion) is reason


@pytest.mark.parametrize(
    "portion",
    [
        held("base", "fr-oltim/analyst"),
        held(retain_until=NOW_MS // 86_400_000),
        held("persons", origins=(State("XA"),)),
        held("persons", origins=(State("FR"),), subjects=(SubjectCategory.SUSPECT,), protection_cleared=True),
    ],
)
def test_what_a_portion_allows(portion: Held) -> None:
    assert asked(ANALYST, portion) is None


@pytest.mark.parametrize(
    "clearance, change, reason",
    [
        (Clearance(tlp=Tlp.AMBER), {"tlp": Tlp.AMBER_STRICT}, Denied.TLP),
        (Clearance(tlp=Tlp.AMBER_STRICT), {"tlp": Tlp.AMBER_STRICT}, None),
        (
            Clearance(tlp=Tlp.RED, handling_codes=frozenset({HandlingCode.H3})),
            {"handling_codes": (HandlingCode.H1,)},
            Denied.HANDLING_CODE,
        ),
        (Clearance(tlp=Tlp.RED), {"special": (SpecialCategory.HEALTH,)}, Denied.SPECIAL_CATEGORY),
        (
            Clearance(tlp=Tlp.RED, special=frozenset({SpecialCategory.HEALTH})),
            {"special": (SpecialCategory.HEALTH,)},
            None,
        ),
    ],
)
def test_what_a_clearance_covers(clearance: Clearance, change: dict[str, Any], reason: Denied | None) -> None:
    reader = replace(ANALYST, employment=Employment(Interval(), clearance))
    assert asked(reader, held(**change)) is reason


def test_a_posting_carries_the_state_that_it_leads_to() -> None:
    """NCA's officer in XA reads at home, and takes what they read to XA."""
    posted = Reader(OfficerId("gb-nca/liaison-xa"), NCA, Employment(Interval(), FULL))
    at_home = replace(posted, officer=OfficerId("gb-nca/analyst"))
    protected = held("persons", origins=(State("XA"),))
    assert asked(at_home, protected) is None
    assert asked(posted, protected) is Denied.GATE
    assert asked(posted, held("persons", origins=(State("XB"),))) is None


def test_a_home_that_comes_to_be_exposed_bars_its_officers() -> None:
    """A posting that is made after delivery shuts what the house already holds."""
    found = directory()
    guest = Officer(id=OfficerId("xa-np/liaison-paris"), host=OLTIM, clearance=FULL)
    later = changed(found, (*found.officers, guest))
    protected = held("persons", origins=(State("XA"),))
    assert asked(ANALYST, protected) is None
    for reader in (ANALYST, HOSTED, Reader(guest.id, OLTIM, None)):
        assert asked(reader, protected, later) is Denied.GATE
    assert asked(Reader(guest.id, OLTIM, None), held(), later) is None


def test_a_suspended_agency_shows_nobody_anything() -> None:
    span = ceremony().arrangement.directory.suspensions[0]
    assert span.start_ms is not None
    assert span.end_ms is not None
    xa = Reader(OfficerId("xa-np/one"), AgencyId("xa-np"), Employment(Interval(), FULL))
    assert asked(xa, held(), at_ms=span.start_ms) is Denied.SUSPENDED
    assert asked(xa, held(), at_ms=span.end_ms) is None


ROSTER = b"""
officers:
  - id: fr-oltim/analyst
    roles: [officer]
    start: 2026-01-01T00:00:00Z
    subject: 7d1f
    clearance: {tlp: AMBER+STRICT, handling_codes: [H0, H1], special: [biometric]}
  - {id: fr-oltim/dpo, roles: [dpo], clearance: {tlp: RED}}
"""


def test_a_roster_names_officers_by_id_and_by_subject(tmp_path: Path) -> None:
    path = tmp_path / "officers.yaml"
    path.write_bytes(ROSTER)
    file = RosterFile(path, OLTIM)
    found = file.current().member("fr-oltim/analyst")
    assert found is not None
    assert found == file.current().member("7d1f")
    assert found.employment.clearance == Clearance(
        tlp=Tlp.AMBER_STRICT,
        handling_codes=frozenset({HandlingCode.H0, HandlingCode.H1}),
        special=frozenset({SpecialCategory.BIOMETRIC}),
    )
    dpo = file.current().member("fr-oltim/dpo")
    assert dpo is not None
    assert dpo.employment.clearance is None


def test_a_roster_that_changes_is_read_again_and_a_broken_one_names_nobody(tmp_path: Path) -> None:
    path = tmp_path / "officers.yaml"
    path.write_bytes(ROSTER)
    file = RosterFile(path, OLTIM)
    assert file.current().officers
    path.write_bytes(b"officers: []")
    assert file.current() == NOBODY
    path.write_bytes(ROSTER)
    assert file.current().officers
    path.write_bytes(b"officers: [")
    os.utime(path, ns=(1, 1))
    assert file.current() == NOBODY
    path.write_bytes(ROSTER)
    assert file.current().officers
    path.unlink()
    assert file.current() == NOBODY


@pytest.mark.parametrize(
    "text, told",
    [
        (b"officers: [{id: fr-oltim/a, roles: []}]", "officers.0.roles"),
        (b"officers: [{id: fr-oltim/a, roles: [chief]}]", "officers.0.roles"),
        (b"officers: [{id: it-pds/a, roles: [officer]}]", "expected officers of 'fr-oltim' alone"),
        (b"officers: [{id: fr-oltim/a, roles: [dpo]}, {id: fr-oltim/a, roles: [dpo]}]", "stands twice"),
        (b"officers: [{id: fr-oltim/a, roles: [dpo], start: 2026}]", "officers.0.start"),
        (b"- 1", "file"),
        (b"\xff\xfe\x00", "no YAML"),
    ],
)
def test_what_is_no_roster(text: bytes, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        parse_roster(text, OLTIM)
