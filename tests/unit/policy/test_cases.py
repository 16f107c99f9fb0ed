"""Files of test cases: what is read from them, and the fault that each mistake ends in, with its line."""

import pytest

from broker.policy.cases import Case, read_cases
from deploy.arrangements import SHIPPED, read_arrangement
from schemas.codes import AgencyRole, PortionName
from schemas.lined_yaml import YamlError
from schemas.verdicts import Refused, Withheld

SMALL = read_arrangement(SHIPPED / "g7-small")

FILE = """\
about: What a partner gets.
at: 2026-06-04T00:00:00Z
cases:
  - case: A partner gets what is addressed to it
    given:
      originator: gb-nca
      kind: boat_supply
      portions:
        base: {to: [fr-oltim]}
    then:
      base: {gets: {fr-oltim: partner-named}, not: {xa-np: not_addressed}}
  - case: Another
    given: {originator: gb-nca, kind: boat_supply, portions: {base: {to: [jit-channel]}}}
    suppose: {suspended: [it-pds], agencies: {fr-oltim: {role: source_state, exposed_states: null}}}
    then:
      base: {gets: nobody, not: {fr-oltim: no_permit, it-pds: [not_addressed, suspended]}}
"""


def read(text: str) -> tuple[Case, ...]:
    return read_cases({"mine.yaml": text}, SMALL.directory, SMALL.policy.rules)


def errors(text: str) -> list[str]:
    with pytest.raises(YamlError) as caught:
        read(text)
    return list(caught.value.errors)


def test_a_case_is_read_as_it_is_written() -> None:
    first, second = read(FILE)
    assert (first.file, first.line, first.title) == ("mine.yaml", 4, "A partner gets what is addressed to it")
    assert [(s.portion, s.agency, s.withheld, s.rules) for s in first.stated] == [
        (PortionName.BASE, "fr-oltim", None, ("partner-named",)),
        (PortionName.BASE, "xa-np", Withheld.NOT_ADDRESSED, None),
    ]
    assert first.portions[0].label.routing.agencies == ("fr-oltim",)
    assert first.directory is SMALL.directory
    assert (second.line, second.at_ms) == (12, first.at_ms)
    assert second.stated[1].rules == ("suspended",)


def test_what_a_case_supposes_changes_its_own_directory_alone() -> None:
    first, second = read(FILE)
    changed = second.directory.agency("fr-oltim")
    assert (changed.role, changed.exposed) == (AgencyRole.SOURCE_STATE, None)
    assert changed.states == SMALL.directory.agency("fr-oltim").states
    assert second.directory.suspended("it-pds", 0)
    assert not first.directory.suspended("it-pds", first.at_ms)
    assert first.directory.agency("fr-oltim").role is AgencyRole.POLICE


@pytest.mark.parametrize(
    "written, withheld, rules",
    [
        ("forbidden", Withheld.FORBIDDEN, None),
        ("suspended", Withheld.FORBIDDEN, ("suspended",)),
        ("[suspended, forbidden]", Withheld.FORBIDDEN, ("suspended",)),
        ("[suspended, purpose-stated]", Withheld.FORBIDDEN, ("purpose-stated", "suspended")),
        ("no_permit", Withheld.NO_PERMIT, None),
        ("protection_gate", Withheld.GATE, None),
        ("[protection_gate, source-state-return]", Withheld.GATE, ("source-state-return",)),
        ("[not_addressed, no_permit]", Withheld.NOT_ADDRESSED, ()),
    ],
)
def test_why_not_is_a_reason_or_rules_or_both(
    written: str, withheld: Withheld, rules: tuple[str, ...] | None
) -> None:
    first, _ = read(FILE.replace("xa-np: not_addressed", f"xa-np: {written}"))
    assert (first.stated[1].withheld, first.stated[1].rules) == (withheld, rules)


@pytest.mark.parametrize("written", ["[fr-oltim]", "{fr-oltim: []}"])
def test_who_gets_it_may_stand_without_rules(written: str) -> None:
    first, _ = read(FILE.replace("{fr-oltim: partner-named}", written))
    assert (first.stated[0].agency, first.stated[0].withheld, first.stated[0].rules) == (
        "fr-oltim",
        None,
        None,
    )


def test_a_whole_record_may_have_to_be_refused() -> None:
    then = FILE[FILE.index("    then:") : FILE.index("  - case: Another")]
    first, _ = read(FILE.replace(then, "    refused: expired\n"))
    assert first.refused is Refused.EXPIRED
    assert first.stated == ()


def test_a_case_has_its_own_instant() -> None:
    first, second = read(
        FILE.replace("kind: boat_supply\n", "kind: boat_supply\n      at: 2026-07-01T00:00:00Z\n")
    )
    assert first.at_ms - second.at_ms == 27 * 86_400_000


@pytest.mark.parametrize(
    "old, new, line_of_new, field, message",
    [
        (
            "  - case: Another",
            "  - case: A partner gets what is addressed to it",
            12,
            "cases[1].case",
            "in line 4",
        ),
        ("at: 2026-06-04T00:00:00Z\n", "", 4, "cases[0].given", "expected 'at' here or in the file"),
        ("at: 2026-06-04T00:00:00Z", "at: 2026", 2, "at", "with a time zone"),
        ("originator: gb-nca\n", "originator: gb-gone\n", 6, "originator", "'gb-gone' is no agency"),
        ("kind: boat_supply\n", "kind: boat\n", 7, "given.kind", "found 'boat'"),
        (
            "base: {to: [fr-oltim]}",
            "removal: {to: [fr-oltim]}",
            9,
            "removal",
            "base, financial, persons, sources",
        ),
        ("base: {to: [fr-oltim]}", "base: {to: [jit-gone]}", 9, "to[0]", "no agency, community or officer"),
        ("base: {to: [fr-oltim]}", "base: {too: [fr-oltim]}", 9, "base.too", "no such field"),
        ("base: {gets: {fr-oltim", "persons: {gets: {fr-oltim", 10, "cases[0].then", "'base' is missing"),
        ("base: {gets: {fr-oltim", "persons: {gets: {fr-oltim", 11, "then.persons", "no such portion"),
        ("{fr-oltim: partner-named}", "{fr-gone: partner-named}", 11, "gets.fr-gone", "is no agency"),
        ("{fr-oltim: partner-named}", "{gb-nca: partner-named}", 11, "gets.gb-nca", "the originator has it"),
        ("{fr-oltim: partner-named}", "{fr-oltim: partner}", 11, "gets.fr-oltim", "'partner' is no rule"),
        (
            "{fr-oltim: partner-named}",
            "{fr-oltim: suspended}",
            11,
            "gets.fr-oltim",
            "expected rules that permit",
        ),
        ("{fr-oltim: partner-named}", "{fr-oltim: no_permit}", 11, "gets.fr-oltim", "'no_permit' is no rule"),
        ("{fr-oltim: partner-named}", "{xa-np: partner-named}", 11, "not.xa-np", "stands in 'gets' as well"),
        ("{fr-oltim: partner-named}", "everybody", 11, "base.gets", "expected 'nobody', a list"),
        ("{fr-oltim: partner-named}", "[]", 11, "base.gets", "expected 'nobody', a list"),
        ("gets: {fr-oltim: partner-named}, ", "", 11, "base.gets", "missing"),
        ("xa-np: not_addressed", "xa-np: because", 11, "not.xa-np", "nor a reason (forbidden, no_permit, "),
        ("xa-np: not_addressed", "xa-np: []", 11, "not.xa-np", "expected a reason"),
        ("xa-np: not_addressed", "xa-np: partner-named", 11, "not.xa-np", "expected rules that forbid"),
        ("xa-np: not_addressed", "xa-np: [suspended, suspended]", 11, "not.xa-np", "a rule stands twice"),
        ("xa-np: not_addressed", "xa-np: [no_permit, suspended]", 11, "not.xa-np", "do not go together"),
        (
            "xa-np: not_addressed",
            "xa-np: [protection_gate, not_addressed]",
            11,
            "not.xa-np",
            "do not go together",
        ),
        (
            "xa-np: not_addressed",
            "xa-np: [protection_gate, suspended, partner-named]",
            11,
            "not.xa-np",
            "never decide together",
        ),
        ("suspended: [it-pds]", "suspended: [it-gone]", 14, "suppose.suspended[0]", "is no agency"),
        ("{fr-oltim: {role: source", "{fr-gone: {role: source", 14, "agencies.fr-gone", "is no agency"),
        ("role: source_state", "role: source", 14, "agencies.fr-oltim.role", "found 'source'"),
        ("role: source_state", "roll: source_state", 14, "agencies.fr-oltim.roll", "no such field"),
        ("role: source_state", "id: fr-new", 14, "agencies.fr-oltim.id", "stays what it is"),
        ("    suppose:", "    refused: expired\n    suppose:", 14, "cases[1]", "either 'then' or 'refused'"),
    ],
)
def test_a_mistake_has_its_line_and_field(
    old: str, new: str, line_of_new: int, field: str, message: str
) -> None:
    text = FILE.replace(old, new, 1)
    assert text != FILE
    found = errors(text)
    assert any(
        line.startswith(f"mine.yaml:{line_of_new}: ") and f"{field}: " in line and message in line
        for line in found
    ), found


def test_only_what_labels_tell_can_refuse_a_record() -> None:
    then = FILE[FILE.index("    then:") : FILE.index("  - case: Another")]
    (error,) = errors(FILE.replace(then, "    refused: bad_seal\n"))
    assert error.startswith(
        "mine.yaml:10: cases[0].refused: expected a reason that labels give: expired, incomplete"
    )


def test_all_files_are_read_before_anything_is_said() -> None:
    texts = {"b.yaml": FILE.replace("gb-nca", "gb-gone"), "a.yaml": "cases: []", "c.yaml": FILE}
    with pytest.raises(YamlError) as caught:
        read_cases(texts, SMALL.directory, SMALL.policy.rules)
    assert [line.split(":")[0] for line in caught.value.errors] == ["a.yaml", "b.yaml", "b.yaml"]


def test_titles_repeat_only_from_file_to_file() -> None:
    found = read_cases({"b.yaml": FILE, "a.yaml": FILE}, SMALL.directory, SMALL.policy.rules)
    assert [case.file for case in found] == ["a.yaml", "a.yaml", "b.yaml", "b.yaml"]
