"""Drafts over the broker API: real tools in their own process, over what is in force and what the caller may see."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from broker.api.workshop import MOST_WAITING
from broker.policy.arranged import Written, checked
from broker.policy.documents import LintDocument
from broker.policy.proof.lint import lint
from broker.policy.proof.prove import prove
from schemas.ids import AgencyId
from tests.support.api import Desk, g7
from tests.support.drafts import plain
from tests.support.federation import NOW_MS

GB, FR = AgencyId("gb-nca"), AgencyId("fr-oltim")

OPEN = """
@id("open-house")
@reason("Everything that is addressed by name is released.")
@legal_basis("None: it is here to be refused.")
permit (principal is Agency, action == Action::"receive", resource is Portion)
when { principal in resource.to_agencies };
"""


@pytest.fixture(scope="module")
async def desk() -> Desk:
    made = Desk(g7(), NOW_MS)
    await made.decide(await made.lane(GB), plain(1, FR), plain(2, "de-bpol"))
    await made.decide(await made.lane(FR), plain(1, GB))
    return made


def opened(desk: Desk, without: str = "") -> dict[str, Any]:
    """A draft with a rule that opens everything, and perhaps without a file of rules."""
    kept = {name: text for name, text in desk.ceremony.arrangement.body.policies.items() if name != without}
    return {"draft": {"policies": {**kept, "sharing/more.cedar": OPEN}}}


async def told(client: httpx.AsyncClient, tool: str, body: dict[str, Any]) -> Any:
    answer = await client.post(f"/v1/drafts/{tool}", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_draft_that_says_nothing_is_what_holds(desk: Desk) -> None:
    source = checked(Written.of(desk.ceremony.arrangement.body))
    async with desk.officer(GB) as officer:
        linted = await told(officer, "lint", {"draft": {}})
        proved = await told(officer, "prove", {"draft": {}})
        planned = await told(officer, "plan", {"draft": {}, "recorded": True})
    findings = LintDocument.of(lint(source.policy, source.directory))
    assert linted == findings.model_dump(mode="json")
    promises = prove(source.policy, source.directory, source.invariants, NOW_MS)
    # not the examples: which record a solver finds first depends on what it was asked before
    assert [(p["id"], p["says"], p["holds"]) for p in proved["proofs"]] == [
        (p.id, p.says, p.holds) for p in promises.proofs
    ]
    assert proved["hold"]
    assert (planned["written"], planned["flows"], planned["whole"]) == ([], [], True)
    assert planned["recorded"]["flows"] == []
    assert planned["recorded"]["records"] == 2


async def test_a_draft_that_opens_too_much_is_told_by_every_tool(desk: Desk) -> None:
    body = opened(desk)
    async with desk.officer(GB) as officer:
        proved = await told(officer, "prove", opened(desk, without="sharing/protection.cedar"))
        broken = {proof["id"]: proof for proof in proved["proofs"] if not proof["holds"]}
        assert "no-protected-to-source-states" in broken
        assert broken["no-protected-to-source-states"]["against"]["decided"]["rules"]
        tested = await told(officer, "test", body)
        assert not all(case["holds"] for case in tested["cases"])
        planned = await told(officer, "plan", {**body, "most": 3})
        assert planned["written"] == [
            "new rule 'open-house': Everything that is addressed by name is released."
        ]
        assert all(flow["gained"] for flow in planned["flows"])
        assert not planned["whole"]
        refused = await officer.post("/v1/drafts/mutate", json=body)
        assert (refused.status_code, refused.json()["faults"][0]["where"]) == (422, "cases")


async def test_decisions_that_the_caller_may_see_are_decided_again(desk: Desk) -> None:
    kept = dict(desk.ceremony.arrangement.body.policies)
    nothing = OPEN.replace("permit (", "forbid (").replace("open-house", "closed-house")
    body = {"draft": {"policies": {**kept, "sharing/more.cedar": nothing}}}
    async with desk.officer(GB) as officer, desk.auditor() as auditor:
        own, every = await told(officer, "replay", body), await told(auditor, "replay", body)
    assert (own["records"], every["records"]) == (2, 3)
    assert own["lost"] == own["released"] > 0
    assert every["lost"] > own["lost"]
    assert {flow["originator"] for flow in own["flows"]} == {GB}
    assert {flow["originator"] for flow in every["flows"]} == {GB, FR}


async def test_every_mutant_of_what_holds_is_noticed(desk: Desk) -> None:
    async with desk.auditor() as auditor:
        found = await told(auditor, "mutate", {"draft": {}})
    assert found["unnoticed"] == 0
    assert found["noticed"] > 500


async def test_what_cannot_be_loaded_is_told_with_file_line_and_column(desk: Desk) -> None:
    broken = {"draft": {"policies": {"sharing/mine.cedar": "permit (principal,\n  action resource);"}}}
    unknown = {"draft": {"invariants_text": "invariants:\n  - id: x\n"}}
    async with desk.officer(GB) as officer:
        answer = await officer.post("/v1/drafts/lint", json=broken)
        promise = await officer.post("/v1/drafts/prove", json=unknown)
    assert answer.status_code == 422
    assert answer.json()["faults"][0]["where"].startswith("sharing/mine.cedar:2:")
    assert promise.status_code == 422
    assert promise.json()["faults"][0]["where"].startswith("invariants.yaml:")


@pytest.mark.parametrize("tool", ["lint", "test", "prove", "plan", "mutate", "replay"])
async def test_coordinators_and_operators_have_no_drafts(desk: Desk, tool: str) -> None:
    async with desk.coordinator(AgencyId("gb-bsc")) as coordinator, desk.operator() as operator:
        for client in (coordinator, operator):
            assert (await client.post(f"/v1/drafts/{tool}", json={"draft": {}})).status_code == 403


async def test_work_that_takes_too_long_ends_and_the_service_goes_on() -> None:
    desk = Desk(g7(), NOW_MS, most_work_s=1)
    async with desk.officer(GB) as officer:
        answer = await officer.post("/v1/drafts/mutate", json={"draft": {}})
        assert (answer.status_code, answer.json()["reason"]) == (422, "effort")
        assert (await officer.get("/v1/rules")).status_code == 200
    assert not children()


async def test_who_goes_away_takes_the_work_along_and_few_may_wait(desk: Desk) -> None:
    async with desk.officer(GB) as officer:
        asked = [
            asyncio.create_task(officer.post("/v1/drafts/mutate", json={"draft": {}}))
            for _ in range(MOST_WAITING + 2)
        ]
        done, waiting = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED, timeout=120)
        assert [task.result().status_code for task in done] == [429]
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert not children()
        assert (await told(officer, "lint", {"draft": {}}))["faults"] == 0


def children() -> list[str]:
    """The benches of this process that live."""
    found = []
    for task in Path("/proc/self/task").iterdir():
        for child in (task / "children").read_text().split():
            try:
                line = Path(f"/proc/{child}/cmdline").read_bytes()
            except FileNotFoundError:
                continue
            if b"broker.api.bench" in line:
                found.append(child)
    return found


async def test_a_matrix_of_one_kind_is_for_whoever_may_preview(desk: Desk) -> None:
    async with desk.officer(GB) as officer, desk.operator() as operator:
        found = (await officer.get("/v1/matrix", params={"kind": "boat_supply"})).json()
        other = await officer.get("/v1/matrix", params={"kind": "boat_supply", "originator": FR})
        assert (await operator.get("/v1/matrix", params={"kind": "boat_supply"})).status_code == 403
    assert found["originator"] == GB
    assert {row["kind"] for row in found["rows"]} == {"boat_supply"}
    assert other.status_code == 404
