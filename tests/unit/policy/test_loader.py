"""The loader's duties: annotations, ids, schema, closed lists, validation, overlays."""

from dataclasses import replace

import pytest

from broker.policy.entities import CLOSED_LISTS, PORTION, Portion, values
from broker.policy.faults import PolicyError
from broker.policy.loader import OF_THE_RECORD, load_policy
from broker.policy.overlay import check_overlay
from schemas.codes import SubjectCategory
from schemas.gate import surroundings
from schemas.ids import AgencyId, RuleId
from schemas.verdicts import Effect
from tests.support.drafts import handling, label
from tests.unit.policy.small import ANNOTATIONS, DIRECTORY, SCHEMA, SCOPE, load, refusal, rule


def test_a_rule_keeps_its_id_words_place_and_effect() -> None:
    text = "// a comment\n\n" + rule("true", effect="forbid").replace(
        '@legal_basis("law")', '@legal_basis("law") @obligation("erase")'
    )
    found = load(text).rules[RuleId("the-rule")]
    assert (found.id, found.effect, found.reason, found.legal_basis) == (
        "the-rule",
        Effect.FORBID,
        "why",
        "law",
    )
    assert (found.obligation, found.file, found.line) == ("erase", "a.cedar", 3)


def test_the_engine_is_asked_the_nodes_that_were_checked_under_our_ids() -> None:
    policy = load(rule("true") + rule('resource.tlp == Tlp::"RED"', "forbid").replace("the-rule", "a-rule"))
    assert policy.handle.to_pst().static_policies.keys() == {"the-rule", "a-rule"}
    for rule_id, node in policy.handle.to_pst().static_policies.items():
        assert node.clauses == policy.rules[RuleId(rule_id)].node.clauses
    assert list(policy.rules) == ["a-rule", "the-rule"]


@pytest.mark.parametrize(
    "change, message",
    [
        (('@id("the-rule")\n', ""), "@id is missing"),
        (('@id("the-rule")', "@id"), "@id is missing"),
        (('@id("the-rule")', '@id("The Rule")'), "not of the form"),
        (('@reason("why")', '@reason("  ")'), "@reason is missing or empty"),
        (('@reason("why")', f'@reason("{"x" * 401}")'), "more than 400 characters"),
        (('@legal_basis("law")\n', ""), "@legal_basis is missing"),
        (('@legal_basis("law")', '@legal_basis("law") @note("x")'), "@note is none that rules have"),
        (('@legal_basis("law")', '@legal_basis("law") @obligation("")'), "@obligation is missing or empty"),
        (('@legal_basis("law")', '@legal_basis("law") @reason("x")'), "duplicate annotation"),
    ],
)
def test_annotations_are_required_and_closed(change: tuple[str, str], message: str) -> None:
    (fault,) = refusal("\n\n" + rule("true").replace(*change)).faults
    assert fault.file == "a.cedar"
    assert fault.line >= 3
    assert message in fault.message


@pytest.mark.parametrize("attribute", sorted(OF_THE_RECORD))
def test_what_the_other_portions_hold_is_read_by_forbid_alone(attribute: str) -> None:
    ends = ".isEmpty()" if attribute == "record_origins" else ""
    conditions = [
        f"!resource.{attribute}{ends}",
        f'resource["{attribute}"]{ends}',
        f"true || resource has {attribute}",
    ]
    for condition in conditions:
        assert load(rule(condition, "forbid")).rules
        (fault,) = refusal(rule(condition)).faults
        assert (fault.file, fault.line, fault.rule) == ("a.cedar", 5, "the-rule")
        assert fault.column
        assert f"a permit reads 'resource.{attribute}'" in fault.message
    text = f"{ANNOTATIONS}permit {SCOPE} when {{ true }}\nunless {{ {conditions[0]} }};"
    assert f"a permit reads 'resource.{attribute}'" in str(refusal(text))


def test_no_other_attribute_depends_on_the_other_portions() -> None:
    """Whoever adds one that does must keep it from permits, too."""
    alone = Portion(
        DIRECTORY.agency("gb-nca"),
        "boat_supply",
        "base",
        False,
        handling(),
        label("fr-oltim").routing,
        surroundings([(False, handling())]),
    )
    beside = replace(
        alone,
        record=surroundings([(True, handling(subjects=(SubjectCategory.VICTIM,), origins=("XA", "ZZ")))]),
    )
    different = {
        name for name in PORTION if values(PORTION, [name], alone) != values(PORTION, [name], beside)
    }
    assert different == OF_THE_RECORD


def test_an_id_that_stands_twice_is_refused_across_files() -> None:
    with pytest.raises(PolicyError) as caught:
        load_policy({"b.cedar": "\n" + rule("true"), "a.cedar": rule("true")}, SCHEMA, DIRECTORY)
    (fault,) = caught.value.faults
    assert str(fault).startswith("b.cedar:2: rule 'the-rule': the id stands twice; first in a.cedar:1")


def test_every_fault_is_told_not_only_the_first() -> None:
    text = rule("1 + 1 == 2").replace('@reason("why")\n', "") + "permit (principal, action, resource) when;\n"
    faults = refusal(text).faults
    assert [f.line for f in faults] == [1, 1, 5]


@pytest.mark.parametrize("depth", [51, 700])
def test_a_rule_too_deep_for_the_parser_never_reaches_it(depth: int) -> None:
    """The engine would end the process by SIGSEGV."""
    (fault,) = refusal(rule("(" * depth + "true" + ")" * depth)).faults
    assert (fault.line, fault.column) == (5, 57)
    assert "more than 50 brackets" in fault.message


@pytest.mark.parametrize("sign", [" && ", " || ", " + "])
def test_a_rule_too_long_for_the_parser_never_reaches_it(sign: str) -> None:
    (fault,) = refusal(rule(sign.join(["true"] * 5_000))).faults
    assert "at most 1500 are read" in fault.message
    assert load(rule(" && ".join(["true"] * 90))).rules
    assert "nesting" in refusal(rule(sign.join(["true"] * 700))).faults[0].message


def test_a_semicolon_alone_is_no_policy() -> None:
    (fault,) = refusal(rule("true") + ";").faults
    assert (fault.line, fault.column) == (6, 1)


def test_no_rules_load_and_permit_nothing() -> None:
    policy = load("// nothing yet\n")
    assert not policy.rules
    assert len(policy.handle) == 0


@pytest.mark.parametrize("name", CLOSED_LISTS)
def test_the_schema_s_lists_are_the_closed_lists(name: str) -> None:
    at = SCHEMA.index(f"entity {name} enum [") + len(f"entity {name} enum [")
    more = SCHEMA[:at] + '"X9", ' + SCHEMA[at:]
    assert f"closed list '{name}' has the unknown 'X9'" in str(refusal("", more))
    end = SCHEMA.index("]", at)
    last = SCHEMA.rindex(",", at, end)
    gone = SCHEMA[last + 1 : end].strip()
    assert f"closed list '{name}' lacks '{gone[1:-1]}'" in str(refusal("", SCHEMA[:last] + SCHEMA[end:]))
    line = SCHEMA[:at].count("\n") + 1
    assert str(refusal("", more)).startswith(f"schema.cedarschema:{line}:")


@pytest.mark.parametrize(
    "change, message",
    [
        (("tlp: Tlp", "tlp: Long"), "'resource.tlp' is Tlp, not Long"),
        (("coordinating: Bool", "rank: Long"), "'principal.rank' is an attribute that nothing provides"),
        (("at: datetime", "at: Long"), "the context needs 'at: datetime'"),
        (("at: datetime", "at?: datetime"), "the context needs 'at: datetime'"),
        (
            ("at: datetime", "at: datetime, mood: Bool"),
            "'context.mood' is an attribute that nothing provides",
        ),
        (("tlp: Tlp", "tlp: TLP"), "type 'TLP' is none that rules may use"),
        (("tlp: Tlp,", "tlp: Tlp, tlp: Tlp,"), "attribute 'tlp' is declared twice"),
        (("tlp: Tlp", "tlp: { level: Tlp }"), "expected <name>, found '{'"),
        (("principal: Agency", "principal: [Agency, Community]"), "the principal of 'receive' is Agency"),
        (("action receive", "action send"), "expected receive, found 'send'"),
        (("action receive", "action receive in [all]"), "expected appliesTo"),
        (("entity Community;", "entity Community in [Community];"), "'Community' must be in nothing"),
        (("Agency in [Community]", "Agency"), "'Agency' must be in ['Community']"),
        (("entity Community;", "entity Community { secret: Bool };"), "a community has no attributes"),
        (("entity Community;", "entity Community; entity Community;"), "'Community' is declared twice"),
        (("entity Community;", "entity Community; entity Group;"), "entity types are Agency"),
        (("entity Community;", "entity Community; type Name = String;"), "only 'entity' and 'action'"),
        (("entity Community;", "entity Community tags String;"), "expected ;, found 'tags'"),
        (("entity Community;", 'entity Community; entity Mood enum ["good"];'), "'Mood' is no closed list"),
        (('enum ["H0"', 'enum ["H0", "H0"'), "'HandlingCode' names a code twice"),
        (("entity Tlp enum", "entity Tip enum"), "type 'Tlp' is none that rules may use"),
        (("action receive", "acton receive"), "only 'entity' and 'action' are declared here, found 'acton'"),
    ],
)
def test_a_schema_outside_what_is_provided_is_refused_with_its_line(
    change: tuple[str, str], message: str
) -> None:
    assert change[0] in SCHEMA
    fault = refusal("", SCHEMA.replace(*change, 1)).faults[0]
    assert fault.file == "schema.cedarschema"
    assert message in fault.message
    if "is missing" not in message:
        assert fault.source


@pytest.mark.parametrize("cut", ["entity Community;", "action receive"])
def test_a_schema_that_lacks_a_declaration_is_refused(cut: str) -> None:
    at = SCHEMA.index(cut)
    assert "is missing" in str(
        refusal("", SCHEMA[:at] + SCHEMA[SCHEMA.index(";", SCHEMA.index("}", at)) + 1 :])
    )


def test_an_attribute_may_be_left_out_of_the_schema() -> None:
    assert load(rule("principal.suspended"), SCHEMA.replace("  coordinating: Bool,\n", "")).rules
    with pytest.raises(PolicyError, match=r"the unknown attribute 'principal.coordinating'"):
        load(rule("principal.coordinating"), SCHEMA.replace("  coordinating: Bool,\n", ""))


OVERLAYS = [
    ("forbid", "true", True),
    ("permit", 'resource.originator == Agency::"gb-nca"', True),
    ("permit", 'principal.coordinating && Agency::"gb-nca" == resource.originator', True),
    ("permit", 'resource.originator == Agency::"fr-oltim"', False),
    ("permit", 'resource.originator == Agency::"gb-nca" || principal.coordinating', False),
    ("permit", 'resource.originator != Agency::"gb-nca"', False),
    ("permit", 'if true then resource.originator == Agency::"gb-nca" else true', False),
    ("permit", "true", False),
]


@pytest.mark.parametrize("effect, condition, allowed", OVERLAYS)
def test_an_overlay_withholds_anything_and_opens_its_own_only(
    effect: str, condition: str, allowed: bool
) -> None:
    overlay = load(rule(condition, effect))
    if allowed:
        check_overlay(overlay, AgencyId("gb-nca"))
    else:
        with pytest.raises(
            PolicyError, match=r"a.cedar:1: rule 'the-rule': a permit of gb-nca must be on what"
        ):
            check_overlay(overlay, AgencyId("gb-nca"))


def test_an_unless_does_not_make_an_overlay_s_permit_its_own() -> None:
    overlay = load(f'{ANNOTATIONS}permit {SCOPE} unless {{ resource.originator == Agency::"gb-nca" }};')
    with pytest.raises(PolicyError):
        check_overlay(overlay, AgencyId("gb-nca"))
