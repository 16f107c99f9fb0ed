"""Rules in plain words for whoever reads the arrangement; explanations for whoever may preview for the originator."""

from typing import Any

import pytest

from broker.policy import load_policy
from schemas.ids import AgencyId
from schemas.records import KINDS
from tests.support.api import Desk, g7
from tests.support.federation import NOW_MS

GB, FR = AgencyId("gb-nca"), AgencyId("fr-oltim")


@pytest.fixture(scope="module")
def desk() -> Desk:
    return Desk(g7(), NOW_MS)


def asked(recipient: str, to: list[str], **handling: Any) -> dict[str, Any]:
    label = {
        "handling": {
            "tlp": "AMBER", "source": "B", "information": "2", "purposes": ["investigation"],
            "retain_until": "2190-01-31", **handling,
        },
        "releasable_to": {"agencies": to},
    }  # fmt: skip
    assert "base" in KINDS["boat_supply"].portions
    return {"kind": "boat_supply", "recipient": recipient, "portions": [{"name": "base", "label": label}]}


async def test_the_rules_in_force_are_told_in_plain_words_to_all_but_operators(desk: Desk) -> None:
    body = desk.ceremony.arrangement.body
    rules = load_policy(body.policies, body.schema_text, body.directory).rules
    async with desk.officer(GB) as officer, desk.auditor() as auditor, desk.operator() as operator:
        told = (await officer.get("/v1/rules")).json()
        assert (await auditor.get("/v1/rules")).json() == told
        assert (await operator.get("/v1/rules")).status_code == 403
    assert [rule["id"] for rule in told["rules"]] == sorted(rules)
    (red,) = [rule for rule in told["rules"] if rule["id"] == "tlp-red-by-name"]
    assert red["when"] == ["the TLP level is RED"]
    assert red["unless"]
    assert red["legal_basis"] == rules[red["id"]].legal_basis


async def test_a_refusal_is_explained_with_what_would_turn_it(desk: Desk) -> None:
    async with desk.officer(GB) as officer:
        answer = await officer.post("/v1/explanations", json=asked("fr-oltim", ["it-pds"]))
        assert answer.status_code == 200, answer.text
        (base,) = answer.json()["portions"]
        assert base["withheld"] == "not_addressed"
        assert "address it to fr-oltim by name" in [turn["words"] for turn in base["turns"]["told"]]
        released = (await officer.post("/v1/explanations", json=asked("fr-oltim", ["fr-oltim"]))).json()
        assert [(p["withheld"], p["turns"]) for p in released["portions"]] == [(None, None)]
        assert [rule["id"] for rule in released["portions"][0]["rules"]] == ["partner-named"]


async def test_who_may_not_preview_for_the_originator_is_told_nothing(desk: Desk) -> None:
    body = asked("it-pds", ["it-pds"])
    async with desk.officer(FR) as other, desk.auditor() as auditor, desk.operator() as operator:
        foreign = await other.post("/v1/explanations", json={**body, "originator": GB})
        missing = await other.post("/v1/explanations", json={**body, "originator": "zz-nobody"})
        assert (foreign.status_code, foreign.content) == (404, missing.content)
        assert (await operator.post("/v1/explanations", json=body)).status_code == 403
        assert (await auditor.post("/v1/explanations", json={**body, "originator": GB})).status_code == 200


@pytest.mark.parametrize("recipient", ["gb-nca", "zz-nobody"])
async def test_the_originator_and_strangers_are_no_recipients(desk: Desk, recipient: str) -> None:
    async with desk.officer(GB) as officer:
        assert (await officer.post("/v1/explanations", json=asked(recipient, []))).status_code == 404


async def test_a_record_that_admission_would_refuse_is_told_so(desk: Desk) -> None:
    async with desk.officer(GB) as officer:
        found = (
            await officer.post("/v1/explanations", json=asked("fr-oltim", [], retain_until="1971-01-01"))
        ).json()
    assert (found["refused"], found["portions"]) == ("expired", [])
