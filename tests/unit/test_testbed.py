"""The testbed without its services: labels become records that a node takes, and a ledger tells what was decided."""

from typing import Any
from uuid import UUID

import pytest
from pydantic import JsonValue

from agencies.api.written import RecordBody, draft
from broker.policy.drafted import DraftedRecord
from broker.policy.foreseeing import Foreseen, foresee
from deploy.errors import Refused
from deploy.stage.evidence import Ledger
from deploy.testbed.decision import Decision, find_decision
from deploy.testbed.writing import read_drafted, whole_record
from schemas.clock import DAY_S
from schemas.codes import Kind, PortionName
from schemas.ids import AgencyId, RecordId
from schemas.ledger import LeafEntry, RulingEntry, parse_leaf
from schemas.records import KINDS
from schemas.rulings import parse_ruling, ruling_digest
from schemas.verdicts import Refused as AdmissionRefused
from schemas.verdicts import Withheld
from tests.support.federation import NOW_MS, ceremony, parcel, run, sealer, version

NCA, OLTIM, SOCIAL = AgencyId("gb-nca"), AgencyId("fr-oltim"), AgencyId("pf-social")
RECORD = UUID("0199d7ad-5a00-7000-8000-000000000001")
ADVERT: dict[str, Any] = {
    "originator": "gb-nca",
    "kind": "online_advert",
    "portions": {
        "referral": {"to": ["pf-social"]},
        "persons": {"to": ["fr-oltim", "xa-np"], "subjects": ["suspect"], "origins": ["XA"]},
    },
}
DIRECTORY = ceremony().arrangement.directory


def whole(record: object, **contents: dict[str, JsonValue]) -> dict[str, JsonValue]:
    assert isinstance(record, dict)
    return whole_record(read_drafted(record), contents, DIRECTORY, NOW_MS, "record-1")


def everything(kind: Kind) -> dict[str, object]:
    """A record of the kind with each of its portions, for a partner."""
    persons = {"subjects": ["convicted", "victim"], "origins": ["IT", "XA"], "grounds": ["minor"]}
    return {
        "originator": "gb-nca",
        "kind": kind,
        "portions": {
            name: {"to": ["fr-oltim"], **(persons if spec.bears_persons else {})}
            for name, spec in KINDS[kind].portions.items()
        },
    }


def decide(written: dict[str, JsonValue], created_s: int = NOW_MS // 1000) -> Ledger:
    """The lane's ledger after the record came in, at `NOW_MS`."""
    made = draft(RecordBody.model_validate(written), RecordId(RECORD.bytes), created_s, DIRECTORY)
    _, folded = run(NCA, [parcel(sealer(NCA), [made])])
    domains = ceremony().arrangement.domains
    ledger = Ledger(NCA)
    for entry in folded.ledger:
        if isinstance(entry, LeafEntry):
            ledger.leaves.append(parse_leaf(entry.leaf))
        elif isinstance(entry, RulingEntry):
            ledger.rulings[ruling_digest(domains, entry.ruling)] = parse_ruling(entry.ruling)
    return ledger


@pytest.fixture
def decision() -> Decision:
    found = find_decision({NCA: decide(whole(ADVERT))}, RECORD)
    assert found is not None
    return found


@pytest.mark.parametrize("kind", Kind)
def test_labels_of_every_kind_become_a_record_that_a_node_takes(kind: Kind) -> None:
    record = everything(kind)
    body = RecordBody.model_validate(whole(record))
    made = draft(body, RecordId(RECORD.bytes), NOW_MS // 1000, DIRECTORY)
    assert {p.name for p in made.portions} == KINDS[kind].portions.keys()
    labelled = DraftedRecord.model_validate(record).labelled(DIRECTORY, NOW_MS)
    assert [p.label for p in made.portions] == [p.label for p in labelled]
    assert whole(record) == whole(record)


def test_given_content_takes_the_place_of_what_is_invented() -> None:
    content: dict[str, JsonValue] = {
        "url": "https://social.example/mine",
        "account": "mine",
        "terms_breached": "fraud",
        "requested_action": "remove",
    }
    referral, persons = RecordBody.model_validate(whole(ADVERT, referral=content)).portions
    assert referral.content == content
    assert persons == RecordBody.model_validate(whole(ADVERT)).portions[1]


@pytest.mark.parametrize(
    "changes, told",
    [
        ({"kind": "rumour"}, "record: kind: "),
        ({"portions": {"referral": {"to": [], "tlp": "PINK"}}}, "record: portions.referral.tlp: "),
        ({"originator": "gb-mi7"}, "record: originator: expected one of fr-oltim, gb-nca"),
        ({"at": "2026-06-01T00:00:00Z"}, "record: at: expected none"),
        (
            {"portions": {"referral": {"to": ["nobody"]}}},
            "record: portions: 'nobody' is no agency, community or officer of the arrangement",
        ),
        (
            {"portions": {"sources": {"to": ["fr-oltim"]}}},
            "record: portions.sources: expected one of base, persons, referral, removal",
        ),
    ],
    ids=["kind", "label", "originator", "at", "to", "portion"],
)
def test_what_is_written_wrongly_is_refused_by_its_field(changes: dict[str, object], told: str) -> None:
    with pytest.raises(Refused, match=told):
        whole({**ADVERT, **changes})


def test_content_for_a_portion_that_is_not_published_is_refused() -> None:
    with pytest.raises(Refused, match="contents: base: expected one of referral, persons"):
        whole(ADVERT, base={})


def test_a_decision_says_what_a_preview_says(decision: Decision) -> None:
    portions = DraftedRecord.model_validate(ADVERT).labelled(DIRECTORY, NOW_MS)
    foreseen = foresee(version().engine, NCA, Kind.ONLINE_ADVERT, portions, NOW_MS)
    expected: dict[AgencyId, dict[PortionName, Foreseen]] = {
        one.recipient: {} for one in foreseen[0].outcomes
    }
    for portion in foreseen:
        for one in portion.outcomes:
            expected[one.recipient][portion.name] = one
    assert decision.outcomes == expected
    assert (decision.originator, decision.record, decision.refused) == (NCA, RECORD, None)


def test_released_and_expected(decision: Decision) -> None:
    assert decision.released("referral") == {SOCIAL}
    assert decision.released("persons") == {OLTIM}
    assert decision.outcomes[AgencyId("xa-np")][PortionName.PERSONS].withheld is Withheld.GATE
    decision.expect_released("referral", ["pf-social"])
    with pytest.raises(
        AssertionError, match=r"'persons' .*: expected for nobody, released to fr-oltim\n"
    ) as told:
        decision.expect_released("persons")
    assert len(str(told.value).splitlines()) == 1 + 2 * 4
    assert "persons      fr-oltim        released by partner-named" in str(told.value)
    with pytest.raises(ValueError, match="no portion 'base', but referral, persons"):
        decision.released("base")


def test_a_quarantined_record_is_released_to_nobody_and_says_why() -> None:
    expired = {"to": ["pf-social"], "retain_until": "2026-09-20"}
    written = whole({**ADVERT, "portions": {"referral": expired}})
    ledger = decide(written, created_s=NOW_MS // 1000 - 2 * DAY_S)
    found = find_decision({OLTIM: Ledger(OLTIM), NCA: ledger}, RECORD)
    assert found is not None
    assert found.refused is AdmissionRefused.EXPIRED
    assert found.released("referral") == frozenset()
    with pytest.raises(AssertionError, match="quarantined at admission: past the date of erasure"):
        found.expect_released("referral", ["pf-social"])


def test_there_is_no_decision_before_there_is_one() -> None:
    assert find_decision({NCA: decide(whole(ADVERT))}, UUID(int=7)) is None
