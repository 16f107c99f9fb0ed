"""A preview foresees what deciding then does, and asks for nobody but the caller's own agency."""

from typing import Any

import pytest

from agencies.drafting import Draft
from broker.lane import fold
from broker.policy.foreseeing import Portion, foresee, refusal
from schemas.http.labels import LabelBody
from schemas.ids import AgencyId, Digest
from schemas.labels import Label
from schemas.ledger import Admitted, LedgerPortion, RulingEntry
from schemas.rulings import Ruling, parse_ruling, ruling_digest
from schemas.verdicts import Refused, outcome
from tests.support.api import Desk
from tests.support.federation import (
    NOW_MS,
    ceremony,
    drafts,
    leaves,
    message,
    new_lane,
    parcel,
    sealer,
    version,
    versions,
)

GB, FR = AgencyId("gb-nca"), AgencyId("fr-oltim")


@pytest.fixture(scope="module")
def desk() -> Desk:
    return Desk(ceremony(), NOW_MS)


def body(draft: Draft) -> dict[str, Any]:
    """The labels of a draft as a caller would write them."""
    portions = [
        {"name": p.name, "label": LabelBody.of(p.label).model_dump(mode="json")} for p in draft.portions
    ]
    return {"kind": draft.kind, "portions": portions}


@pytest.mark.parametrize("agency", ceremony().arrangement.directory.agency_ids)
def test_foreseen_is_what_the_lane_decides(agency: AgencyId) -> None:
    items = drafts(agency, 25)
    lane = new_lane(agency)
    folded = fold(lane, [message(parcel(sealer(agency), items), 0, NOW_MS)], versions())
    domains = ceremony().arrangement.domains
    rulings: dict[Digest, Ruling] = {
        ruling_digest(domains, e.ruling): parse_ruling(e.ruling)
        for e in folded.ledger
        if isinstance(e, RulingEntry)
    }
    decided = {leaf.record_id: leaf for leaf in leaves(folded) if isinstance(leaf, Admitted)}
    assert len(decided) == len(items)
    for draft in items:
        labelled = [Portion(p.name, p.label) for p in draft.portions]
        assert refusal(version().engine, agency, draft.kind, labelled, NOW_MS) is None
        leaf = decided[draft.record_id]
        for foreseen in foresee(version().engine, agency, draft.kind, labelled, NOW_MS):
            portion = next(p for p in leaf.portions if p.name == foreseen.name)
            assert [o.recipient for o in foreseen.outcomes] == list(leaf.active)
            ruling = rulings[Digest(portion.ruling)]
            for one in foreseen.outcomes:
                assert one.withheld == _decided(portion, ruling, one.recipient)


def _decided(portion: LedgerPortion, ruling: Ruling, recipient: AgencyId) -> object:
    still = recipient in portion.audience and recipient not in portion.departed
    return outcome(ruling.verdict(recipient), still)


async def test_a_label_comes_back_from_json_as_it_was() -> None:
    for draft in drafts(GB, 40):
        for portion in draft.portions:
            text = LabelBody.of(portion.label).model_dump_json()
            assert LabelBody.model_validate_json(text).label() == portion.label


async def test_an_officer_previews_for_its_own_agency_and_an_auditor_for_any(desk: Desk) -> None:
    draft = drafts(GB, 1)[0]
    asked = body(draft)
    async with desk.officer(GB) as officer, desk.officer(FR) as other, desk.auditor() as auditor:
        mine = await officer.post("/v1/previews", json=asked)
        assert mine.status_code == 200, mine.text
        told = mine.json()
        assert told["originator"] == GB
        assert told["refused"] is None
        reached = [o for p in told["portions"] for o in p["outcomes"] if o["withheld"] is None]
        assert reached
        assert {r for o in reached for r in o["rules"]} <= told["rules"].keys()
        assert all(rule["reason"] for rule in told["rules"].values())
        named = {**asked, "originator": GB}
        assert (await auditor.post("/v1/previews", json=named)).json() == told
        unknown = await other.post("/v1/previews", json={**asked, "originator": "zz-nobody"})
        foreign = await other.post("/v1/previews", json=named)
        assert (foreign.status_code, foreign.content) == (404, unknown.content)
        assert (await auditor.post("/v1/previews", json=asked)).status_code == 404


async def test_an_operator_previews_nothing(desk: Desk) -> None:
    async with desk.operator() as client:
        assert (await client.post("/v1/previews", json=body(drafts(GB, 1)[0]))).status_code == 403


@pytest.mark.parametrize(
    "change, reason",
    [
        ({"releasable_to": {"agencies": ["zz-nobody"]}}, Refused.LABEL_NOT_IN_ARRANGEMENT),
        ({"releasable_to": {"communities": ["no-such-team"]}}, Refused.LABEL_NOT_IN_ARRANGEMENT),
        ({"handling": {"retain_until": "2020-01-01"}}, Refused.EXPIRED),
    ],
)
async def test_what_admission_would_refuse(desk: Desk, change: dict[str, Any], reason: Refused) -> None:
    asked = body(drafts(GB, 1)[0])
    label = asked["portions"][0]["label"]
    for part, fields in change.items():
        label[part] = {**label[part], **fields}
    async with desk.officer(GB) as client:
        told = (await client.post("/v1/previews", json=asked)).json()
    assert told["refused"] == reason
    assert told["portions"] == []


@pytest.mark.parametrize(
    "fields",
    [
        {"tlp": "PURPLE"},
        {"retain_until": 20000},
        {"retain_until": "1969-12-31"},
        {"retain_until": "2027-01-31T00:00:00Z"},
        {"protection_cleared": "yes"},
        {"purposes": "detection"},
        {"note": "free text is content"},
        {"origins": ["QQ"]},
    ],
)
async def test_a_label_that_is_none(desk: Desk, fields: dict[str, Any]) -> None:
    asked = body(drafts(GB, 1)[0])
    asked["portions"][0]["label"]["handling"] |= fields
    async with desk.officer(GB) as client:
        refused = await client.post("/v1/previews", json=asked)
    assert refused.status_code == 422
    assert refused.json()["faults"][0]["where"].startswith("body.portions.0.label.handling.")
    assert "free text is content" not in refused.text


def test_sets_in_any_order_are_one_label() -> None:
    draft = next(d for d in drafts(GB, 40) if len(d.portions[0].label.routing.agencies) > 1)
    label: Label = draft.portions[0].label
    written = LabelBody.of(label).model_dump(mode="json")
    agencies = written["releasable_to"]["agencies"]
    written["releasable_to"]["agencies"] = [*reversed(agencies), agencies[0]]
    assert LabelBody.model_validate(written).label() == label
