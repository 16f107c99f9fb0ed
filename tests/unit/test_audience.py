"""The audience: releasable-to at an instant, less the sender, the suspended and whom the gate bars."""

import pytest

from schemas.audience import addressed, audience, by_recipient, named_officers
from schemas.codes import SubjectCategory
from schemas.directory import Directory
from schemas.ids import AgencyId
from schemas.labels import Label, Routing
from tests.support.drafts import handling
from tests.unit.test_directory import AGENCIES, END, START, E, S

DIRECTORY = Directory.model_validate(
    {
        "agencies": AGENCIES,
        "officers": [{"id": "gb-one/away", "posted_to": "XA", "start": START, "end": END}],
        "communities": [
            {
                "id": "team",
                "name": "x",
                "members": [{"agency": "gb-one"}, {"agency": "fr-two", "start": START, "end": END}],
            }
        ],
        "suspensions": [{"agency": "it-three", "reason": "x", "start": START, "end": END}],
    }
)
MINOR = handling(subjects=(SubjectCategory.VICTIM,), origins=("XA",))


def to(
    *agencies: str, communities: tuple[str, ...] = (), officers: tuple[str, ...] = (), persons: bool = False
) -> Label:
    return Label(MINOR if persons else handling(), Routing(agencies, communities, officers))


def test_agencies_communities_and_officers_are_expanded_to_agencies() -> None:
    label = to("it-three", communities=("team",), officers=("gb-one/away",))
    assert addressed(label, "xa-four", DIRECTORY, E) == {"it-three", "gb-one"}
    assert addressed(label, "xa-four", DIRECTORY, S) == {"gb-one", "fr-two"}


def test_the_sender_is_never_its_own_audience() -> None:
    assert addressed(to("gb-one", "fr-two", communities=("team",)), "gb-one", DIRECTORY, S) == {"fr-two"}


@pytest.mark.parametrize(
    "at_ms, inside", [(S - 1, False), (S, True), (S + 1, True), (E - 1, True), (E, False), (E + 1, False)]
)
def test_members_postings_and_suspensions_count_at_the_instant(at_ms: int, inside: bool) -> None:
    member = addressed(to(communities=("team",)), "xa-four", DIRECTORY, at_ms)
    officer = addressed(to(officers=("gb-one/away",)), "xa-four", DIRECTORY, at_ms)
    suspended = addressed(to("it-three"), "xa-four", DIRECTORY, at_ms)
    assert ("fr-two" in member) is inside
    assert ("gb-one" in officer) is inside
    assert ("it-three" in suspended) is not inside


def test_the_gate_bars_whoever_is_exposed_and_only_for_persons() -> None:
    label = to("gb-one", "fr-two", "xa-four", persons=True)
    assert audience(label, True, "it-three", DIRECTORY, S) == {"gb-one", "fr-two"}
    assert audience(label, False, "it-three", DIRECTORY, S) == {"gb-one", "fr-two", "xa-four"}


def test_naming_an_officer_who_is_posted_to_the_origin_bars_the_home_agency() -> None:
    label = to("gb-one", "fr-two", officers=("gb-one/away",), persons=True)
    assert audience(label, True, "it-three", DIRECTORY, S) == {"fr-two"}
    assert audience(label, True, "it-three", DIRECTORY, E) == {"gb-one", "fr-two"}


def test_a_recipient_gets_its_own_officers_alone() -> None:
    label = to(officers=("gb-one/b", "fr-two/x", "gb-one/a"))
    assert named_officers(label, "gb-one") == ("gb-one/a", "gb-one/b")
    assert named_officers(label, "it-three") == ()


def test_an_unknown_id_is_an_error_and_not_an_empty_audience() -> None:
    for label in (to("de-six"), to(communities=("crowd",))):
        with pytest.raises(KeyError):
            addressed(label, "gb-one", DIRECTORY, S)


def test_audiences_by_recipient_have_a_bit_for_each_portion() -> None:
    gb, fr, xa = AgencyId("gb-one"), AgencyId("fr-two"), AgencyId("xa-four")
    found = by_recipient((frozenset({gb, xa}), frozenset({xa}), frozenset(), frozenset({fr, xa})))
    assert found == ((fr, 0b1000), (gb, 0b0001), (xa, 0b1011))
    assert by_recipient(()) == by_recipient((frozenset(),)) == ()
