"""Explanations: what is told to turn a refusal does so, facts are no advice, a recipient learns of nothing else."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from broker.policy import Engine
from broker.policy.drafted import DraftedRecord
from broker.policy.explain.edits import Nature
from broker.policy.explain.explaining import Explained, explain, received
from broker.policy.explain.levers import Case
from broker.policy.explain.turning import Changes, Trials
from broker.policy.explain.words import changes_in_words
from broker.policy.foreseeing import Portion, foresee
from deploy.arrangements import SHIPPED, read_arrangement
from deploy.cli import app
from deploy.errors import Refused
from schemas.canonical import Domains
from schemas.codes import Kind, PortionName
from schemas.ids import AgencyId, Digest
from schemas.verdicts import Withheld
from tests.properties.test_g7 import Drawer

G7 = read_arrangement(SHIPPED / "g7")
ENGINE = Engine(Domains("g7"), G7.policy, G7.directory, Digest(bytes(32)))
AT_MS = 1_780_531_200_000
ADVERT = """\
originator: gb-nca
kind: online_advert
at: 2026-06-04T00:00:00Z
portions:
  referral: {to: [pf-social]}
  base: {to: [fr-oltim, pf-social]}
  persons: {to: [xa-np, fr-oltim], subjects: [victim], origins: [XA]}
"""


def record(portions: dict[str, object], kind: str = "online_advert") -> DraftedRecord:
    return DraftedRecord.model_validate({"originator": "gb-nca", "kind": kind, "portions": portions})


def explained(draft: DraftedRecord, to: str, most_asked: int = 1500) -> Explained:
    portions = draft.labelled(G7.directory, AT_MS)
    return explain(ENGINE, draft.originator, draft.kind, portions, AgencyId(to), AT_MS, most_asked)


def words(found: Explained, portion: str) -> list[str]:
    (one,) = [p for p in found.portions if p.name == portion]
    assert one.turns is not None
    return [changes_in_words(turn.changes, one.name, found.recipient) for turn in one.turns.told]


def test_who_is_not_addressed_can_be_addressed_and_it_is_said_who_else_would_get_it() -> None:
    found = explained(record({"base": {"to": ["it-pds"]}}), "fr-oltim")
    (base,) = found.portions
    assert base.withheld is Withheld.NOT_ADDRESSED
    assert "address it to fr-oltim by name" in words(found, "base")
    assert base.turns is not None
    by_community = [turn for turn in base.turns.told if turn.changes[0].field == "communities"]
    assert by_community
    assert all(turn.opens for turn in by_community)


def test_a_rule_that_forbids_is_told_with_reason_and_legal_basis_and_what_would_lift_it() -> None:
    found = explained(record({"base": {"to": ["fr-oltim"], "purposes": []}}), "fr-oltim")
    (base,) = found.portions
    assert [rule.id for rule in base.rules] == ["purpose-stated"]
    assert base.rules[0].legal_basis
    assert any(one.startswith("add the purpose ") for one in words(found, "base"))


def test_where_no_rule_permits_the_nearest_are_told_with_what_they_still_ask() -> None:
    found = explained(record({"referral": {"to": ["pf-social"], "purposes": ["detection"]}}), "pf-social")
    (referral,) = found.portions
    assert referral.withheld is Withheld.NO_PERMIT
    (nearest,) = [one for one in referral.nearest if one.rule.id == "platform-referral"]
    assert nearest.parts == ("the purposes include takedown",)
    assert "add the purpose takedown to it" in words(found, "referral")


def test_what_is_a_fact_about_a_person_is_a_condition_and_never_advice() -> None:
    person = {"to": ["xa-np"], "tlp": "AMBER", "subjects": ["suspect"], "origins": ["XA"], "caveats": []}
    found = explained(record({"persons": person, "base": {"to": []}}, "return_case"), "xa-np")
    persons = next(p for p in found.portions if p.name == "persons")
    assert persons.withheld is Withheld.GATE
    assert "XA" in persons.why
    told = words(found, "persons")
    assert told
    assert all("only if it is true that" in one for one in told)
    assert not any("clear the protection" in one for one in told)


def test_every_change_that_is_told_turns_the_refusal_and_no_part_of_it_does() -> None:
    drawer, tried = Drawer(20261202), 0
    while tried < 25:
        draft = drawer.draft()
        if draft.version or len(draft.sheets) > draft.asked:
            continue
        portions = tuple(Portion(PortionName(s.name), s.label) for s in draft.sheets)
        recipient = next(a for a in G7.directory.agency_ids if a != draft.originator)
        kind = Kind(draft.kind)
        found = explain(ENGINE, draft.originator, kind, portions, recipient, draft.at_ms, 400)
        for one in found.portions:
            if one.turns is None:
                continue
            case = Case(G7.directory, draft.originator, kind, portions, one.name, recipient, draft.at_ms)
            trials = Trials(ENGINE, case, 10_000)
            for turn in one.turns.told:
                tried += 1
                first = frozenset(type(c)(c.portion, c.field, c.verb, c.values[:1]) for c in turn.changes)
                assert released(trials, first), turn
                for change in first:
                    assert not released(trials, first - {change}), (turn, change)


def released(trials: Trials, changes: Changes) -> bool:
    engine, case = trials.with_changes(changes)
    foreseen = foresee(engine, case.originator, case.kind, case.portions, case.at_ms)
    outcomes = next(p for p in foreseen if p.name == case.name).outcomes
    return any(o.recipient == case.recipient and o.withheld is None for o in outcomes)


def test_the_search_says_when_it_stopped() -> None:
    person = {"to": [], "subjects": ["victim"], "origins": ["XA"], "tlp": "RED"}
    found = explained(record({"persons": person}), "xa-np", most_asked=3)
    (persons,) = found.portions
    assert persons.turns is not None
    assert persons.turns.stopped
    assert persons.turns.asked <= 3


def test_only_markings_the_directory_and_facts_are_ever_changed() -> None:
    persons = {"to": [], "subjects": ["victim"], "origins": ["XA"]}
    found = explained(record({"base": {"to": []}, "persons": persons}), "xa-np")
    changes = [c for p in found.portions if p.turns for turn in p.turns.told for c in turn.changes]
    assert {c.nature for c in changes} == set(Nature)
    assert not {"kind", "name", "originator"} & {c.field for c in changes}


# -- the recipient's view ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("agency", [a for a in G7.directory.agency_ids if a != "gb-nca"])
def test_what_is_withheld_is_to_its_recipient_as_if_it_did_not_exist(agency: AgencyId) -> None:
    nothing = received(None)
    withheld = [
        record({"base": {"to": [a for a in ("fr-oltim", "it-pds") if a != agency]}}),  # not addressed
        record({"base": {"to": [agency], "purposes": []}}),  # forbidden
        record({"persons": {"to": [agency], "subjects": ["victim"], "origins": ["ZZ"]}}),  # the gate
        record({"persons": {"to": [agency]}}),  # refused at admission: no subjects
    ]
    for draft in withheld:
        found = explained(draft, agency, most_asked=0)
        assert all(p.withheld is not None for p in found.portions)
        assert received(found) == nothing


def test_of_what_is_released_the_recipient_learns_no_more_than_its_certificate_tells() -> None:
    alone = record({"base": {"to": ["fr-oltim"]}})
    persons = {"to": ["it-pds"], "subjects": ["suspect"], "origins": ["XA"]}
    beside = record({"base": {"to": ["fr-oltim"]}, "persons": persons})
    told = [received(explained(draft, "fr-oltim", 0)) for draft in (alone, beside)]
    assert told[0] == told[1]
    assert [rule.id for rule in told[0].rules] == ["partner-named"]


# -- the command -------------------------------------------------------------------------------------------------


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["policy", "explain", *map(str, arguments)], env={"COLUMNS": "160"})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "record.yaml"
    path.write_text(ADVERT)
    return path


def test_the_command_tells_outcome_rules_and_changes(file: Path) -> None:
    result = call(file, "--to", "pf-social")
    assert result.exit_code == 1
    assert "referral to pf-social: released\n  by platform-referral: " in result.output
    assert "base to pf-social: forbidden\n  by no-private-party: " in result.output
    assert "persons to pf-social: withheld: not addressed" in result.output
    assert call(file, "--to", "pf-social", "--portion", "referral").exit_code == 0
    found = json.loads(call(file, "--to", "pf-social", "--json").output)
    assert [p["withheld"] for p in found["portions"]] == [None, "forbidden", "not_addressed"]


def test_the_recipient_s_view_is_the_same_text_whatever_withholds(file: Path) -> None:
    seen = {
        call(file, "--to", agency, "--as", "recipient").output for agency in ("xa-np", "gb-bsc", "jp-npa")
    }
    assert seen == {"nothing of such a record has come to you\n"}
    assert (
        call(file, "--to", "xa-np", "--as", "recipient", "--json").output == '{"released": [], "rules": []}\n'
    )


@pytest.mark.parametrize(
    "text, to, message",
    [
        (ADVERT, "xx-nobody", "--to 'xx-nobody' is no agency of the arrangement"),
        (ADVERT, "gb-nca", "--to 'gb-nca' is the originator"),
        (ADVERT.replace("gb-nca", "xx-nobody"), "xa-np", "'xx-nobody' is no agency of 'g7'"),
        (ADVERT.replace("pf-social", "pf-nobody"), "xa-np", "'pf-nobody' is neither a portion"),
        (ADVERT.replace("victim", "victm"), "xa-np", ":7: portions.persons.subjects[0]: "),
        (
            ADVERT.replace("referral:", "sources:"),
            "xa-np",
            "'sources' is neither a portion of 'online_advert'",
        ),
        ("kind: online_advert\n", "xa-np", "originator: this field is missing"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(file: Path, text: str, to: str, message: str) -> None:
    file.write_text(text)
    result = call(file, "--to", to)
    assert isinstance(result.exception, Refused)
    assert message in str(result.exception)
