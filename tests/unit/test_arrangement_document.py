"""The page of an arrangement, and the words for what its rules ask: nothing skipped, nothing said wrongly."""

import random
from collections.abc import Callable, Mapping
from pathlib import Path

import cedarpy
import pytest
from cedarpy import pst

from broker.policy.entities import AGENCY, CONTEXT
from broker.policy.entities import PORTION as PROVIDED
from broker.policy.subset import OutsideSubset
from broker.policy.words import (
    AMONG,
    MOMENT,
    PORTION,
    RECIPIENT,
    All,
    One,
    Phrase,
    Says,
    Thing,
    Things,
    Truth,
    conditions,
    phrase,
    said,
    speaks_of,
)
from deploy.arrangements import SHIPPED, read_arrangement
from deploy.arrangements.document import document, main

G7 = read_arrangement(SHIPPED / "g7")
PAGE = Path(__file__).parents[2] / "docs" / "arrangement-g7.md"


def rule(head: str, *clauses: str) -> pst.Template:
    """A rule parsed, unchecked."""
    text = f'forbid ({head}, action == Action::"receive", resource) {" ".join(clauses)};'
    return next(iter(cedarpy.policies_to_pst(text).static_policies.values()))


def condition(text: str) -> pst.Expr:
    return rule("principal", f"when {{ {text} }}").clauses[0].expr


# -- the words -----------------------------------------------------------------------------------------------

#: condition -> what it says, and what it says if it does not hold.
SAID: dict[str, tuple[str, str]] = {
    "true": ("this always holds", "this never holds"),
    "false": ("this never holds", "this always holds"),
    "principal.suspended": ("the recipient is suspended", "the recipient is not suspended"),
    "!resource.bears_persons": ("the portion bears no persons", "the portion bears persons"),
    'principal.role == AgencyRole::"source_state"': (
        "the recipient's role is source state",
        "the recipient's role is not source state",
    ),
    'Tlp::"RED" != resource.tlp': ("the TLP level is not RED", "the TLP level is RED"),
    "principal.role == resource.originator_role": (
        "the recipient's role is the originator's role",
        "the recipient's role is not the originator's role",
    ),
    'principal == Agency::"gb-nca"': ("the recipient is gb-nca", "the recipient is not gb-nca"),
    '[Tlp::"GREEN", Tlp::"CLEAR"].contains(resource.tlp)': (
        "the TLP level is GREEN or CLEAR",
        "the TLP level is neither GREEN nor CLEAR",
    ),
    '[Kind::"return_case"].contains(resource.kind)': (
        "the kind of record is return case",
        "the kind of record is not return case",
    ),
    'resource.purposes.contains(Purpose::"return")': (
        "the purposes include return",
        "the purposes do not include return",
    ),
    "resource.to_agencies.contains(resource.originator)": (
        "the agencies addressed by name include the originator",
        "the agencies addressed by name do not include the originator",
    ),
    'resource.handling_codes.containsAny([HandlingCode::"H1", HandlingCode::"H2", HandlingCode::"H3"])': (
        "the handling codes include H1, H2 or H3",
        "the handling codes include neither H1, H2 nor H3",
    ),
    '[Caveat::"orcon"].containsAny(resource.caveats)': (
        "the caveats include orcon",
        "the caveats do not include orcon",
    ),
    "principal.exposed_states.containsAny(resource.origins)": (
        "one of the states of origin is among the states that see what the recipient holds",
        "none of the states of origin is among the states that see what the recipient holds",
    ),
    'resource.purposes.containsAll([Purpose::"return", Purpose::"protection"])': (
        "the purposes include all of return and protection",
        "the purposes do not include all of return and protection",
    ),
    '[Purpose::"expertise"].containsAll(resource.purposes)': (
        "the purposes go no further than expertise",
        "the purposes go further than expertise",
    ),
    "resource.special.isEmpty()": (
        "no special category of personal data is stated",
        "a special category of personal data is stated",
    ),
    "resource.to_agencies.isEmpty()": ("no agency is addressed by name", "an agency is addressed by name"),
    '[Purpose::"return"].isEmpty()': ("return has no member", "return has a member"),
    "principal in resource.to_agencies": (
        "the recipient is addressed by name",
        "the recipient is not addressed by name",
    ),
    "principal in resource.to_communities": (
        "the recipient is a member of an addressed community",
        "the recipient is a member of no addressed community",
    ),
    "principal in resource.to_officers_of": (
        "an officer of the recipient is addressed by name",
        "no officer of the recipient is addressed by name",
    ),
    'principal in Community::"jit-channel"': (
        "the recipient is a member of jit-channel",
        "the recipient is not a member of jit-channel",
    ),
    'principal in [Community::"jit-channel", Community::"g7-liaison"]': (
        "the recipient is a member of jit-channel or a member of g7-liaison",
        "the recipient is neither a member of jit-channel nor a member of g7-liaison",
    ),
    'principal in [Agency::"gb-nca", Agency::"gb-bf"]': (
        "the recipient is gb-nca or gb-bf",
        "the recipient is neither gb-nca nor gb-bf",
    ),
    "principal has role": ("the recipient's role is on record", "the recipient's role is not on record"),
    "principal has suspended": (
        "whether the recipient is suspended is on record",
        "whether the recipient is suspended is not on record",
    ),
    "context.at >= resource.retain_until": (
        "the time of admission is at or after the retention date",
        "the time of admission is before the retention date",
    ),
    'context.at < datetime("2026-06-01T00:00:00.001Z")': (
        "the time of admission is before 2026-06-01 00:00:00.001 UTC",
        "the time of admission is at or after 2026-06-01 00:00:00.001 UTC",
    ),
    'resource.retain_until > datetime("2036-01-01")': (
        "the retention date is after 2036-01-01 00:00:00 UTC",
        "the retention date is at or before 2036-01-01 00:00:00 UTC",
    ),
    "1 <= 2": ("1 is at most 2", "1 is more than 2"),
    '"a" == "b"': ("“a” is “b”", "“a” is not “b”"),
    "principal.suspended == true": (
        "whether (the recipient is suspended) is true",
        "whether (the recipient is suspended) is not true",
    ),
    '(if principal.suspended then Tlp::"RED" else resource.tlp) == Tlp::"RED"': (
        "(RED if the recipient is suspended, otherwise the TLP level) is RED",
        "(RED if the recipient is suspended, otherwise the TLP level) is not RED",
    ),
}


@pytest.mark.parametrize("text", SAID)
def test_a_condition_has_words_and_its_negation_has_others(text: str) -> None:
    holds, fails = SAID[text]
    expr = condition(text)
    assert said(phrase(expr)) == holds
    assert said(phrase(expr, holds=False)) == said(phrase(pst.UnaryOp("not", expr))) == fails


@pytest.mark.parametrize(
    "head, text",
    [
        ("principal", None),
        ("principal is Agency", None),
        ('principal == Agency::"gb-nca"', "the recipient is gb-nca"),
        ('principal in Community::"jit-channel"', "the recipient is a member of jit-channel"),
    ],
)
def test_the_head_of_a_rule_is_one_of_its_conditions(head: str, text: str | None) -> None:
    must, _ = conditions(rule(head, "when { principal.suspended }"))
    assert [said(part) for part in must] == [*([text] if text else []), "the recipient is suspended"]


def test_every_attribute_has_words_of_its_sort() -> None:
    kinds: Mapping[type, Callable[[str], bool]] = {
        Truth: lambda kind: kind == "Bool",
        Things: lambda kind: kind.startswith("Set<"),
        Thing: lambda kind: kind != "Bool" and not kind.startswith("Set<"),
    }
    for provided, words in ((AGENCY, RECIPIENT), (PROVIDED, PORTION), (CONTEXT, MOMENT)):
        assert provided.keys() == words.keys()
        for name, (kind, _) in provided.items():
            assert kinds[type(words[name])](kind), name
    sets = {name for name, (kind, _) in PROVIDED.items() if kind in ("Set<Agency>", "Set<Community>")}
    assert sets == AMONG.keys()


def test_no_two_attributes_are_told_in_the_same_words() -> None:
    told = [
        word for words in (RECIPIENT, PORTION, MOMENT) for attribute in words.values() for word in attribute
    ]
    assert len(told) == len(set(told))


@pytest.mark.parametrize(
    "outside",
    [
        pst.Like(pst.StringLit("a"), (pst.Wildcard(),)),
        pst.Is(pst.Var("principal"), pst.EntityType("Agency"), None),
        pst.Record({"a": pst.LongLit(1)}),
        pst.Slot("principal"),
        pst.UnaryOp("neg", pst.LongLit(1)),
        pst.BinaryOp("add", pst.LongLit(1), pst.LongLit(2)),
        pst.BinaryOp("eq", pst.BinaryOp("mul", pst.LongLit(1), pst.LongLit(2)), pst.LongLit(2)),
        pst.BinaryOp("in", pst.Var("resource"), pst.GetAttr(pst.Var("resource"), "to_agencies")),
        pst.BinaryOp("in", pst.Var("principal"), pst.GetAttr(pst.Var("resource"), "kind")),
        pst.BinaryOp("eq", pst.Var("resource"), pst.LongLit(1)),
        pst.GetAttr(pst.Var("resource"), "nothing"),
        pst.GetAttr(pst.Var("resource"), "tlp"),
        pst.GetAttr(pst.GetAttr(pst.Var("resource"), "originator"), "suspended"),
        pst.HasAttr(pst.GetAttr(pst.Var("resource"), "originator"), ("role",)),
        pst.UnaryOp("is_empty", pst.UnaryOp("duration", pst.StringLit("1d"))),
    ],
    ids=lambda node: type(node).__name__,
)
def test_what_has_no_words_is_refused(outside: pst.Expr) -> None:
    with pytest.raises(OutsideSubset):
        phrase(outside)
    with pytest.raises(OutsideSubset):
        phrase(pst.BinaryOp("or", pst.BoolLit(True), outside))


ATOMS = {
    "principal.suspended": RECIPIENT["suspended"],
    "principal.coordinating": RECIPIENT["coordinating"],
    "resource.protected": PORTION["protected"],
    "resource.origins_known": PORTION["origins_known"],
}


def drawn(source: random.Random, depth: int, facts: Mapping[str, bool]) -> tuple[str, bool]:
    """A condition, and whether it holds."""
    if depth == 0:
        atom = source.choice(list(facts))
        return atom, facts[atom]
    (a, x), (b, y), (c, z) = (drawn(source, depth - 1, facts) for _ in range(3))
    return source.choice(
        [
            (f"({a} && {b})", x and y),
            (f"({a} || {b})", x or y),
            (f"!{a}", not x),
            (f"(if {a} then {b} else {c})", y if x else z),
        ]
    )


def holds(what: Phrase, truths: Mapping[str, bool]) -> bool:
    match what:
        case Says(text=text):
            return truths[text]
        case All(parts=parts):
            return all(holds(part, truths) for part in parts)
        case One(parts=parts):
            return any(holds(part, truths) for part in parts)


def test_the_words_hold_exactly_when_the_condition_does() -> None:
    source = random.Random(7)
    seen = set()
    for _ in range(2_000):
        facts = {atom: source.random() < 0.5 for atom in ATOMS}
        truths: dict[str, bool] = {}
        for atom, words in ATOMS.items():
            assert isinstance(words, Truth)
            truths |= {words.holds: facts[atom], words.fails: not facts[atom]}
        text, truth = drawn(source, source.randint(0, 3), facts)
        found = phrase(condition(text))
        assert holds(found, truths) is truth, text
        assert holds(phrase(condition(text), holds=False), truths) is not truth, text
        seen.add(type(found))
    assert seen == {Says, All, One}


def test_words_know_what_they_speak_of() -> None:
    spoken = {
        "principal.suspended": {"principal"},
        "resource.bears_persons": {"resource"},
        "context.at >= resource.retain_until": {"context", "resource"},
        "principal in resource.to_agencies": {"principal", "resource"},
        'principal in [Agency::"gb-nca"]': {"principal"},
        "principal.suspended || resource.protected": {"principal", "resource"},
        "principal has role": {"principal"},
    }
    for text, of in spoken.items():
        assert speaks_of(phrase(condition(text))) == of


# -- the page ------------------------------------------------------------------------------------------------


def test_the_committed_page_is_what_the_arrangement_says() -> None:
    """If it is not: `python -m deploy.arrangements.document g7 > docs/arrangement-g7.md`."""
    assert PAGE.read_text(encoding="utf-8") == document(G7)


def test_every_rule_stands_with_reason_and_law() -> None:
    page = " ".join(document(G7).split())
    for found in G7.policy.rules.values():
        told = page.partition(f"#### `{found.id}`")[2].partition("####")[0]
        assert found.reason in told
        assert f"Legal basis: {found.legal_basis}" in told
        assert found.obligation is None or found.obligation in told
        for part in (p for parts in conditions(found.node) for p in parts):
            assert all(text in told for text in leaves(part))


def leaves(what: Phrase) -> list[str]:
    return [what.text] if isinstance(what, Says) else [text for part in what.parts for text in leaves(part)]


def test_everybody_and_everything_of_the_directory_stands_there() -> None:
    page = document(G7)
    directory = G7.directory
    officers, communities = (o.id for o in directory.officers), (c.id for c in directory.communities)
    for named in (*directory.agency_ids, *communities, *officers):
        assert f"| `{named}` |" in page
    assert "| `gb-nca/liaison-al` | - | AL | 2026-01-01 | 2026-06-05 12:00:00 |" in page


def test_rule_who_what() -> None:
    rows = document(G7).partition("## Rule, who, what")[2]
    assert (
        "| `tlp-red-by-name` | forbids | *unless* the recipient is addressed by name; *unless* an officer of the "
        "recipient is addressed by name and no community is addressed | the TLP level is RED |" in rows
    )
    assert "| `purpose-stated` | forbids | any agency | no purpose is stated |" in rows
    assert "| `suspended` | forbids | the recipient is suspended | any portion |" in rows


def test_every_protective_reading_is_collected() -> None:
    section = document(G7).partition("## Protective readings")[2].partition("## The rules")[0]
    marked = sum(text.count("Protective reading:") for text in G7.policies.values())
    assert section.count("\n- ") == marked > 10
    assert "`protected-record-closed`: One protected person closes the whole record" in section


def test_every_handling_definition_is_named_by_a_rule() -> None:
    """TLP levels, handling codes, caveats, purposes and grounds each decide somewhere."""
    codes = document(G7).partition("## Which rule speaks of which code")[2]
    silent = codes.partition("Named by no rule:")[2]
    assert silent
    for title in ("TLP", "handling code", "caveat", "purpose", "protection ground", "special category"):
        assert title not in silent
        assert title in codes


def test_a_page_of_another_arrangement_shows_its_suspension(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["g7-small"]) == 0
    page = capsys.readouterr().out
    assert "| `xa-np` | 2026-02-01 | 2026-03-01 | onward disclosure of a report under review |" in page
    assert "## Protective readings" not in page


@pytest.mark.parametrize("arguments, said_so", [([], "usage:"), (["g8"], "cannot be read")])
def test_what_cannot_be_read_is_said_in_a_line(
    arguments: list[str], said_so: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert said_so in captured.err
