"""What the bench makes and writes, without measuring: synthetic federations, quantiles, its page."""

from typing import Any

import pytest

from broker.policy import load_policy
from tests.bench.charts import lines
from tests.bench.crypto import READ
from tests.bench.federations import directory, rules, schema
from tests.bench.page import page
from tests.bench.running import quantiles
from tests.unit.test_page import HOSTILE, Reader

BOTH = {"best": 2.0, "median": 1.5}
US = {"min_us": 10.0, "median_us": 12.0, "count": 3}
STAGE = {"ours": US, "joserfc": US, "ratio_of_min": 1.0, "ratio_median": 1.0}
LATENCY = {"p50": 120, "p90": 300, "p99": 410}


def crypto(recipients: int) -> dict[str, Any]:
    return {
        "recipients": recipients,
        "records_a_window": 60,
        "bytes_a_record": {"ours": 10_000, "jose": 17_000, "ours_as_delivered": 4_900},
        "seal_a_window": US,
        "closing": {**STAGE, "goal": 30.0, "met": False},
        "admission": STAGE,
        READ: STAGE,
        "opening": {**STAGE, "goal": 1.0, "met": True},
    }


def figures() -> dict[str, Any]:
    """What a whole run finds, in its form."""
    ways = ("step", "same", "single", "send")
    return {
        "at": "2026-11-25 07:00 UTC",
        "python": "3.11.7",
        "machine": "x86_64",
        "cores": 2,
        "quick": False,
        "load_before": 0.1,
        "seconds": {"crypto": 20.0},
        "failed": {},
        "crypto": [crypto(1), crypto(200)],
        "step": {
            "wide": {
                "deliveries_per_s": dict.fromkeys(ways, BOTH),
                "step_over": dict.fromkeys(ways[1:], BOTH),
                "step_us_a_delivery": {"fold": US},
                "fold_asking_rules_us_a_delivery": US,
            }
        },
        "sql": {
            "SQLite": {
                "rows_per_s": {"inbox": BOTH, "bare": BOTH, "same": BOTH},
                "inbox_over": {"bare": BOTH, "same": BOTH},
                "goal": 0.7,
                "met": True,
            }
        },
        "running": {
            "agencies": 5,
            "full": {
                "records": 300,
                "deliveries": 629,
                "seconds": 8.0,
                "records_per_s": 37.4,
                "latency_ms": {"p50": 900},
            },
            "half": {"records_per_s_wanted": 18.7, "deliveries": 179, "latency_ms": LATENCY},
            "memory_mb": {"Kafka": 290.0, "broker": 82.0},
        },
        "rulings": [
            {
                "arrangement": "g7",
                "agencies": 16,
                "us": {"miss": US},
                "hit_rate": {"300": 0.5},
                "answers_remembered": {"300": 0.1},
            }
        ],
        "scale": [
            {"agencies": 12, "rules": 30, "load_s": 0.1, "us": {"miss": US}, "asked_a_miss": 9.0},
            {"agencies": 12, "rules": 300, "load_s": 0.1, "us": {"miss": US}, "asked_a_miss": 9.0},
            {"agencies": 1000, "rules": 3000, "load_s": 0.0, "us": {}, "asked_a_miss": None},
        ],
        "policies": {
            "replay": {
                "decisions": 9,
                "seconds": 1.0,
                "per_s": 9,
                "flows_changed": 1,
                "memory_over_none": 3.0,
            },
            "tools": [
                {"rules": 44, "seconds": {"prove": 0.2, "mutate": 7.0}, "mutants": 653, "classes": 1},
                {"rules": 300, "seconds": {"prove": 0.9}, "mutants": 0, "classes": 1},
            ],
        },
        "profiles": {"closing": [{"function": HOSTILE, "calls": 1.0, "own_us": 2.0, "all_us": 3.0}]},
    }


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == []
    return reader


def test_the_page_is_one_file_with_a_section_for_each_part() -> None:
    reader = read(page(figures()))
    parts = ["crypto", "step", "sql", "running", "rulings", "scale", "policies", "profiles"]
    assert [s["id"] for s in reader.all("section")] == parts
    assert [a["href"] for a in reader.all("a")] == [f"#{part}" for part in parts]
    assert not reader.all("script")
    assert not reader.all("link")
    ids = [a["id"] for _, a in reader.seen if "id" in a]
    assert len(ids) == len(set(ids))
    assert all(svg["role"] == "img" for svg in reader.all("svg"))
    text = "".join(reader.text)
    assert HOSTILE in text  # as text, and so escaped
    assert "not reached" in text
    assert "too few" in text
    assert "no figures to quote" not in text


def test_the_page_has_what_was_measured_and_says_what_broke_off() -> None:
    found = {
        k: v for k, v in figures().items() if k not in {"step", "running", "scale", "policies", "profiles"}
    }
    found |= {"quick": True, "load_before": 9.0, "failed": {"step": HOSTILE}}
    reader = read(page(found))
    assert [s["id"] for s in reader.all("section")] == ["crypto", "sql", "rulings"]
    assert [p["class"] for p in reader.all("p") if p.get("class") == "warning"] == ["warning"] * 3


def test_names_at_the_ends_of_lines_do_not_stand_on_each_other() -> None:
    reader = read(lines("T", {"a": [(1, 5), (10, 50)], "b": [(1, 7), (10, 50)]}, "x", "y", [1, 10]))
    ends = [float(a["y"]) for a in reader.all("text") if a["class"].startswith("name")]
    assert abs(ends[0] - ends[1]) >= 16


@pytest.mark.parametrize("agencies, count", [(12, 30), (200, 120)])
def test_synthetic_rules_are_of_the_allowed_subset_and_as_many_as_asked_for(
    agencies: int, count: int
) -> None:
    members = directory(agencies)
    assert len(members.agencies) == agencies
    policy = load_policy(rules(count, members), schema(), members)
    assert len(policy.rules) == count
    assert {rule.effect for rule in policy.rules.values()} == {"permit", "forbid"}
    assert "source" not in policy.reads.resource
    assert rules(count, members) == rules(count, directory(agencies))


def test_a_quantile_is_given_where_enough_values_tell_it() -> None:
    assert quantiles(range(1, 1001)) == {"p50": 500, "p90": 900, "p99": 990, "p99.9": 999}
    assert quantiles([7] * 99) == {"p50": 7, "p90": 7}
    assert quantiles([3, 1]) == {"p50": 1}
