"""The reasons of rules, read without the engine: the same as the engine's loader reads."""

import cedarpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.policy import load_policy
from deploy.arrangements import SHIPPED, read_arrangement
from schemas.reasons import reasons_of


@pytest.mark.parametrize("name", ["g7", "g7-small"])
def test_of_the_shipped_arrangements(name: str) -> None:
    draft = read_arrangement(SHIPPED / name)
    policy = load_policy(draft.policies, draft.schema_text, draft.directory)
    assert reasons_of(draft.policies) == {rule.id: rule.reason for rule in policy.rules.values()}


_RULE = """
// @id("not-this") @reason("a comment");
@legal_basis("one; two // three") @ id ( "first" )
@reason // said in words
  (%s)
permit (principal, action, resource) when { resource.kind == "@reason(\\"no\\");" };
@id("unreasoned") forbid (principal, action, resource);
@id("second")@reason("")forbid (principal, action, resource);
"""

_pieces = st.one_of(
    st.sampled_from(
        [r"\n", r"\r", r"\t", r"\\", r"\0", r"\'", r"\"", r"\x41", r"\u{e9}", r"\u{1F_600}", ";"]
    ),
    st.text(st.characters(exclude_characters='"\\\r', exclude_categories=["Cs"]), max_size=5),
)


@given(st.lists(_pieces).map("".join))
def test_whatever_stands_in_them(inside: str) -> None:
    text = _RULE % f'"{inside}"'
    loaded = cedarpy.policies_to_pst(text).static_policies.values()
    read = {p.annotations["id"]: p.annotations["reason"] for p in loaded if "reason" in p.annotations}
    assert read.keys() == {"first", "second"}
    assert reasons_of({"a.cedar": text}) == read


@given(st.text(st.sampled_from('@id reason("a\\u{x9}");/\n'), max_size=60))
def test_a_text_that_nobody_can_load_stops_nobody(text: str) -> None:
    assert isinstance(reasons_of({"a.cedar": text}), dict)


def test_a_character_that_there_is_not_stays_as_written() -> None:
    assert reasons_of({"a": r'@id("a")@reason("\u{110000}\u{_}") permit;'}) == {"a": r"\u{110000}\u{_}"}
