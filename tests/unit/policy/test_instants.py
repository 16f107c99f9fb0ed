"""Cedar's datetimes: our reading of a literal is the engine's."""

import json

import cedarpy
import pytest

from broker.policy.instants import FIRST_MS, LAST_MS, instant, parse_instant


@pytest.mark.parametrize(
    "text, ms",
    [
        ("1970-01-01", 0),
        ("2026-11-24T18:00:00Z", 1_795_543_200_000),
        ("2026-11-24T18:00:00.007Z", 1_795_543_200_007),
        ("2026-11-24T18:00:00+0130", 1_795_537_800_000),
        ("2026-11-24T18:00:00.007-0130", 1_795_548_600_007),
        ("1969-12-31T23:59:59.999Z", -1),
        ("0001-01-01", FIRST_MS),
        ("9999-12-31T23:59:59.999Z", LAST_MS),
        ("2024-02-29", 1_709_164_800_000),
    ],
)
def test_a_literal_means_to_us_what_it_means_to_cedar(text: str, ms: int) -> None:
    assert parse_instant(text) == ms
    rule = f'permit (principal, action, resource) when {{ context.at == datetime("{text}") }};'
    request = {"principal": 'A::"a"', "action": 'Action::"a"', "resource": 'A::"a"'}
    for at, allowed in ((ms, True), (ms + 1, False), (ms - 1, False)):
        if FIRST_MS <= at <= LAST_MS:
            context = json.dumps({"at": instant(at)})
            result = cedarpy.is_authorized({**request, "context": context}, rule, "[]")
            assert (result.allowed, result.diagnostics.errors) == (allowed, [])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026",
        "2026-1-1",
        "2026-02-30",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:00:00",
        "0000-01-01",
        "2026-01-01 00:00:00Z",
        "2026-01-01T00:00:00.1Z",
        "2026-01-01T00:00:00+2400",
        "\u0662\u0660\u0662\u0666-01-01",
        "2026-01-01\n",
    ],
)
def test_what_is_no_instant_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_instant(text)


def test_an_instant_out_of_range_is_refused() -> None:
    for at in (FIRST_MS - 1, LAST_MS + 1):
        with pytest.raises((ValueError, OverflowError)):
            instant(at)
