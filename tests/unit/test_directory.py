"""The directory at an instant, one millisecond before it and one after: intervals are half-open."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from pydantic import ValidationError

from schemas.directory import Directory, Interval, instant_ms
from schemas.labels import Routing

START = datetime(2026, 4, 1, 12, tzinfo=UTC)
END = datetime(2026, 5, 1, 12, tzinfo=UTC)
S, E = instant_ms(START), instant_ms(END)


def agency(name: str, state: str, exposed: list[str] | None = None) -> dict[str, Any]:
    return {"id": name, "name": name, "role": "police", "states": [state], "exposed_states": exposed}


AGENCIES = [
    agency("gb-one", "GB", []),
    agency("fr-two", "FR", []),
    agency("it-three", "IT", []),
    agency("xa-four", "XA", None),
]


def directory(**more: Any) -> Directory:
    return Directory.model_validate({"agencies": AGENCIES, **more})


@pytest.mark.parametrize(
    "at_ms, holds", [(S - 1, False), (S, True), (S + 1, True), (E - 1, True), (E, False), (E + 1, False)]
)
def test_everything_with_an_interval_holds_from_start_and_no_longer_at_end(at_ms: int, holds: bool) -> None:
    span = {"start": START, "end": END}
    d = directory(
        officers=[{"id": "it-three/desk", "host": "fr-two", "posted_to": "XB", **span}],
        communities=[
            {"id": "limited", "name": "x", "members": [{"agency": "gb-one"}], **span},
            {"id": "standing", "name": "x", "members": [{"agency": "gb-one", **span}]},
        ],
        suspensions=[{"agency": "gb-one", "reason": "x", **span}],
    )
    assert Interval(**span).holds(at_ms) is holds
    assert d.suspended("gb-one", at_ms) is holds
    assert ("gb-one" in d.active(at_ms)) is not holds
    assert ("gb-one" in d.members("limited", at_ms)) is holds
    assert ("gb-one" in d.members("standing", at_ms)) is holds
    assert d.communities_of("gb-one", at_ms) == (("limited", "standing") if holds else ())
    assert d.posted("it-three/desk", at_ms) is holds
    assert d.exposed_states("fr-two", at_ms) == (frozenset({"FR", "IT"}) if holds else frozenset({"FR"}))
    named = d.exposed_states("it-three", at_ms, ("it-three/desk",))
    assert named == (frozenset({"IT", "FR", "XB"}) if holds else frozenset({"IT"}))


def test_an_open_end_never_comes() -> None:
    assert Interval(start=START).holds(2**62)
    assert Interval(end=END).holds(-1)
    assert Interval().holds(0)


def test_milliseconds_count() -> None:
    late = START + timedelta(milliseconds=1)
    assert Interval(start=late).holds(S) is False
    assert Interval(start=late).holds(S + 1)


@pytest.mark.parametrize("start, end", [(START, START), (END, START)])
def test_an_interval_goes_forward(start: datetime, end: datetime) -> None:
    with pytest.raises(ValidationError, match="start must be before end"):
        Interval(start=start, end=end)


def test_an_instant_needs_a_zone() -> None:
    with pytest.raises(ValidationError, match="timezone"):
        Interval.model_validate({"start": "2026-04-01T12:00:00"})


def test_the_epoch_changes_exactly_where_the_directory_does() -> None:
    d = directory(suspensions=[{"agency": "gb-one", "reason": "x", "start": START, "end": END}])
    instants = [0, S - 1, S, S + 1, E - 1, E, E + 1]
    assert [d.epoch_of(t) for t in instants] == [0, 0, 1, 1, 1, 2, 2]
    for before, after in pairwise(instants):
        same = d.suspended("gb-one", before) == d.suspended("gb-one", after)
        assert (d.epoch_of(before) == d.epoch_of(after)) is same


def test_whoever_declares_no_exposure_is_exposed_to_all_and_so_is_its_host() -> None:
    hosted = [{"id": "xa-four/guest", "host": "gb-one"}]
    assert directory().exposed_states("xa-four", S) is None
    assert directory(officers=hosted).exposed_states("gb-one", S) is None
    sent = [{"id": "gb-one/guest", "host": "xa-four"}]
    assert directory(officers=sent).exposed_states("gb-one", S) is None


def test_a_posting_counts_only_for_the_officer_who_is_named() -> None:
    d = directory(officers=[{"id": "gb-one/away", "posted_to": "XA"}])
    assert d.exposed_states("gb-one", S) == frozenset({"GB"})
    assert d.exposed_states("gb-one", S, ("gb-one/away",)) == frozenset({"GB", "XA"})


def test_what_routing_names_must_exist() -> None:
    d = directory(
        officers=[{"id": "gb-one/desk"}],
        communities=[{"id": "team", "name": "x", "members": [{"agency": "gb-one"}]}],
    )
    assert d.knows(Routing(("fr-two",), ("team",), ("gb-one/desk",)))
    assert not d.knows(Routing(("fr-six",), (), ()))
    assert not d.knows(Routing((), ("crowd",), ()))
    assert not d.knows(Routing((), (), ("gb-one/nobody",)))
    assert d.posted("gb-one/nobody", S) is False


@pytest.mark.parametrize(
    "more, message",
    [
        ({"agencies": [*AGENCIES, AGENCIES[0]]}, "agency id 'gb-one' stands twice"),
        ({"officers": [{"id": "gb-one/a"}, {"id": "gb-one/a"}]}, "officer id 'gb-one/a' stands twice"),
        ({"officers": [{"id": "de-six/a"}]}, "home 'de-six' is no agency"),
        ({"officers": [{"id": "gb-one/a", "host": "de-six"}]}, "host 'de-six' is no agency"),
        (
            {"communities": [{"id": "team", "name": "x", "members": [{"agency": "de-six"}]}]},
            "member 'de-six'",
        ),
        ({"suspensions": [{"agency": "de-six", "reason": "x"}]}, "suspension of 'de-six'"),
        ({"lanes": {"de-six": 1}}, "lane of 'de-six'"),
        ({"lanes": {"fr-two": -1}}, "greater than or equal to 0"),
        ({"lanes": {"fr-two": 256}}, "less than or equal to 255"),
        ({"colour": "blue"}, "Extra inputs are not permitted"),
    ],
)
def test_a_directory_that_contradicts_itself_is_refused(more: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Directory.model_validate({"agencies": AGENCIES, **more})


def test_a_lane_that_is_not_named_is_served_by_shard_0() -> None:
    d = directory(lanes={"fr-two": 3})
    assert [d.shard_of(a) for a in d.agency_ids] == [3, 0, 0, 0]
    assert d.shards == (0, 3)
    assert d.partitions == 4
    assert directory().partitions == 1


def test_an_agency_without_a_state_is_exposed_to_every_state_and_so_is_its_host() -> None:
    nowhere = {"id": "zz-five", "name": "x", "role": "platform", "exposed_states": []}
    sent = {"id": "zz-five/desk", "host": "gb-one"}
    found = Directory.model_validate({"agencies": [*AGENCIES, nowhere], "officers": [sent]})
    assert found.agency("zz-five").states == frozenset()
    assert found.exposed_states("zz-five", S) is None
    assert found.exposed_states("gb-one", S) is None
    assert found.exposed_states("fr-two", S) == frozenset({"FR"})


def test_what_it_says_is_written_in_the_same_bytes_by_every_process() -> None:
    program = """
from deploy.arrangements import SHIPPED, read_arrangement
print(read_arrangement(SHIPPED / "g7").directory.model_dump_json())
"""
    first, second = (
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    )
    assert first == second
    assert b'"it-' in first
