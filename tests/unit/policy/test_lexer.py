"""Cutting Cedar text, and finding the token at which the engine stops."""

import cedarpy
import pytest

from broker.policy.faults import PolicyError
from broker.policy.lexer import split, tokens
from tests.unit.policy.small import ANNOTATIONS, SCHEMA, SCOPE, load, refusal, rule


def test_cuts_at_semicolons_outside_strings_and_comments() -> None:
    text = '// one; two\n@id("a;b") permit(principal, action, resource); // x;\n\n@id("c\\";") forbid(x);'
    first, second = split("f", text)
    assert first.text == '@id("a;b") permit(principal, action, resource);'
    assert (first.line, second.line) == (2, 4)
    assert second.text == '@id("c\\";") forbid(x);'
    assert (first.rule, second.rule) == ("a;b", 'c\\";')


def test_places_count_from_one_and_pass_strings_with_line_ends() -> None:
    found = [(t.text, t.line, t.column) for t in tokens("f", 'ab "x\ny" ::\n  c')]
    assert found == [("ab", 1, 1), ('"x\ny"', 1, 4), ("::", 2, 4), ("c", 3, 3)]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('permit(x);\n  "never ends', "f:2:3: a string without its end"),
        ("permit(x);\n #", "f:2:2: unexpected"),
    ],
)
def test_what_is_no_token_has_a_place(text: str, place: str) -> None:
    with pytest.raises(PolicyError, match=place):
        split("f", text)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (
            "permit(x);\n  // a comment\rforbid(x);",
            r"f:2:15: a carriage return .*\\| // a comment\\\\rforbid",
        ),
        ("\rpermit(x);", "f:1:1: a carriage return"),
        ('@id("a\rb") permit(x);', "f:1:7: a carriage return"),
        ("permit(x);\r\n\r\r\n", "f:2:1: a carriage return"),
        ("permit(x);\r", "f:1:11: a carriage return"),
    ],
    ids=["comment", "space", "string", "line-ends", "end"],
)
def test_a_lone_carriage_return_is_refused_wherever_it_stands(text: str, place: str) -> None:
    with pytest.raises(PolicyError, match=place):
        split("f", text)


def test_no_rule_hides_behind_a_carriage_return_and_crlf_ends_a_line() -> None:
    hidden = rule("false", "forbid").replace("the-rule", "hidden").replace("\n", "\r")
    text = rule("true") + "// nobody else\r" + hidden + "\n"
    assert len(cedarpy.policies_to_pst(text).static_policies) == 2  # Cedar reads it as a rule
    (fault,) = refusal(text).faults
    assert (fault.file, fault.line) == ("a.cedar", 6)
    at = SCHEMA.index("entity Community;")
    (fault,) = refusal(rule("true"), SCHEMA[:at] + "// a comment\r" + SCHEMA[at:]).faults
    assert (fault.file, fault.line) == ("schema.cedarschema", SCHEMA[:at].count("\n") + 1)
    loaded = load(("// a comment\n" + rule("true")).replace("\n", "\r\n"), SCHEMA.replace("\n", "\r\n"))
    assert [r.line for r in loaded.rules.values()] == [2]


def test_text_after_the_last_policy_is_refused() -> None:
    with pytest.raises(PolicyError, match="f:2:1: the policy does not end with ';'"):
        split("f", "permit(x);\npermit")


@pytest.mark.parametrize(
    ("broken", "line", "column"),
    [
        ("resource.tlp == = principal.role", 5, 24),
        ("resource.tlp && ) true", 5, 24),
        ("resource..tlp", 5, 17),
        ("true } when { true && }", 5, 30),
        ("foo == 1", 5, 8),
        ('resource.tlp == Tlp::"\\q"', 5, None),
    ],
)
def test_a_parse_error_names_line_and_column_and_shows_the_line(
    broken: str, line: int, column: int | None
) -> None:
    (fault,) = refusal(rule(broken)).faults
    assert (fault.file, fault.line if column else line, fault.column, fault.rule) == (
        "a.cedar",
        line,
        column,
        "the-rule",
    )
    assert "Cedar cannot read it" in fault.message
    if column:
        assert fault.source == f"when {{ {broken} }};"
        assert str(fault).endswith(f"| when {{ {broken} }};")


def test_an_unclosed_brace_spoils_one_policy_only() -> None:
    good = rule("true").replace("the-rule", "second")
    error = refusal(ANNOTATIONS + f"permit {SCOPE} when {{ true ;\n" + good + "permit(x, y);\n")
    assert [(f.line, f.rule) for f in error.faults] == [(4, "the-rule"), (10, None)]


def test_any_token_left_out_is_found_no_later_than_where_it_stood() -> None:
    """The engine may only notice later tokens, never earlier ones, than the one that is missing."""
    text = rule('resource.tlp == Tlp::"RED" && (principal.suspended || !resource.special.isEmpty())')
    whole = list(tokens("f", text))
    refused = 0
    for at, gone in enumerate(whole[:-1]):
        broken = text[: gone.start] + " " * (gone.end - gone.start) + text[gone.end :]
        try:
            error = refusal(broken)
        except AssertionError:
            continue  # what is left is a policy as well
        fault = error.faults[0]
        if fault.column is not None and "unexpected token" in fault.message:
            refused += 1
            place = (fault.line, fault.column)
            assert place >= (gone.line, gone.column), (at, gone, fault)
            assert place <= (whole[-1].line, whole[-1].column)
    assert refused > 20
