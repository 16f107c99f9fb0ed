"""One refusal for each construct outside the allowed subset, and what each allowed one is read as."""

import re

import pytest

from broker.policy.reads import Moment
from tests.unit.policy.small import ANNOTATIONS, SCHEMA, SCOPE, load, refusal, rule

OUTSIDE = {
    "arithmetic": ("1 + 1 == 2", "arithmetic"),
    "subtraction": ("1 - 1 == 0", "arithmetic"),
    "multiplication": ("2 * 1 == 2", "arithmetic"),
    "negation": ("-(1) == 1", "arithmetic"),
    "like": ('"abc" like "a*"', "'like'"),
    "is": ("resource is Portion", "'is' in a condition"),
    "is in": ('principal is Agency in Community::"team"', "'is .. in'"),
    "decimal": ('decimal("1.0").lessThan(decimal("2.0"))', "operator 'decimal_less_than'"),
    "ip": ('ip("1.2.3.4").isLoopback()', "operator 'is_loopback'"),
    "duration": ('duration("1h") == duration("1h")', "durations"),
    "offset": ('resource.retain_until.offset(duration("1h")) == resource.retain_until', "methods of dates"),
    "durationSince": (
        "resource.retain_until.durationSince(resource.retain_until).toDays() == 1",
        "operator 'to_days'",
    ),
    "toDate": ("resource.retain_until.toDate() == resource.retain_until", "operator 'to_date'"),
    "tags": ('principal.hasTag("x")', "tags"),
    "tag value": ('principal.getTag("x") == 1', "tags"),
    "record": ("{a: 1} == {a: 1}", "a record"),
    "empty set": ("[].contains(1)", "an empty set"),
    "computed set": ("[resource.tlp].contains(resource.tlp)", "no literals"),
    "mixed set": ('[1, "a"].contains(1)', "a set of several types"),
    "sets by ==": ("resource.purposes == resource.purposes", "sets compared by '=='"),
    "sets by !=": ("resource.purposes != resource.purposes", "sets compared by '=='"),
    "chain": ('resource.originator.role == AgencyRole::"police"', "through another entity"),
    "literal's attribute": ('Agency::"gb-nca".suspended', "through another entity"),
    "attribute of a choice": (
        "(if true then principal else principal).suspended",
        "attribute '.suspended' of",
    ),
    "has chain": ("resource has originator.role", "'has' of a chain"),
    "has elsewhere": ('Agency::"gb-nca" has role', "'has' on something else"),
    "unknown attribute": ("principal.rank == 1", "the unknown attribute 'principal.rank'"),
    "unknown attribute in has": ("principal has rank", "the unknown attribute 'principal.rank'"),
    "unknown context": ("context.mood", "the unknown attribute 'context.mood'"),
    "resource itself": ("resource == resource", "'resource' by itself"),
    "action itself": ('action == Action::"receive"', "'action' by itself"),
    "context itself": ("context == context", "'context' by itself"),
    "portion literal": ('resource.originator == Portion::"x"', "an entity literal of type Portion"),
    "unknown agency": ('principal == Agency::"gb-nobody"', 'the unknown id Agency::"gb-nobody"'),
    "unknown community": ('principal in Community::"teem"', 'the unknown id Community::"teem"'),
    "unknown code": ('resource.tlp == Tlp::"AMBR"', 'the unknown id Tlp::"AMBR"'),
    "unknown type": ('principal in Group::"x"', "an entity literal of type Group"),
    "order of codes": ('resource.tlp < Tlp::"RED"', "'<' and its like on Tlp"),
    "order of texts": ('"a" < "b"', "'<' and its like on String"),
    "different types": ('resource.tlp == Purpose::"return"', "Purpose where 'eq' needs Tlp"),
    "contains of another type": ("resource.purposes.contains(resource.tlp)", "Tlp where 'contains' needs"),
    "contains on no set": ("resource.tlp.contains(resource.tlp)", "contains on Tlp"),
    "containsAll on no set": ("resource.tlp.containsAll(resource.purposes)", "contains_all on Tlp"),
    "isEmpty on no set": ("resource.tlp.isEmpty()", "isEmpty on Tlp"),
    "no truth": ("resource.tlp", "Tlp where 'when' needs Bool"),
    "no truth in and": ("resource.tlp && true", "Tlp where 'and' needs Bool"),
    "no truth in not": ("!resource.tlp", "Tlp where '!' needs Bool"),
    "two types of a choice": ("if true then true else 1 == 1 || resource.tlp", "needs Bool"),
    "in of a resource": ('resource in Community::"team"', "with something else than 'principal'"),
    "in an agency attribute": ("principal in resource.originator", "an attribute that is no set"),
    "in a code": ('principal in Tlp::"RED"', "agencies are in communities only"),
    "in a choice": (
        'principal in (if true then Community::"team" else Community::"team")',
        "'principal in' something else",
    ),
    "in codes": ("principal in resource.purposes", "agencies are in communities only"),
    "instant by itself": ("[context.at].contains(context.at)", "no literals"),
    "instant in a choice": (
        "(if true then context.at else resource.retain_until) < resource.retain_until",
        "'context.at' outside a comparison",
    ),
    "instant with itself": ("context.at == context.at", "neither a datetime of the resource nor a literal"),
    "instant with a code": ("context.at < resource.tlp", "which is no datetime attribute"),
    "instant with a number": ("context.at < 7", "neither a datetime"),
    "date that is none": ('context.at < datetime("2026-02-30")', "which is no instant"),
    "date of another form": ('context.at < datetime("30.1.2026")', "which is no instant"),
    "computed date": (
        'context.at < datetime(if true then "2026-01-01" else "2027-01-01")',
        "cannot read|literal",
    ),
}


@pytest.mark.parametrize("condition, found", OUTSIDE.values(), ids=OUTSIDE.keys())
def test_a_condition_outside_the_subset_is_refused_with_file_line_and_rule(
    condition: str, found: str
) -> None:
    (fault,) = refusal(rule("true") + rule(condition).replace("the-rule", "second-rule")).faults
    assert (fault.file, fault.rule) == ("a.cedar", "second-rule")
    assert fault.line >= 6
    assert re.search(found, fault.message), fault
    assert str(fault).startswith("a.cedar:")
    assert "rule 'second-rule'" in str(fault)


SCOPES = {
    "is in": (
        'principal is Agency in Community::"team"',
        'action == Action::"receive"',
        "resource",
        "'is .. in'",
    ),
    "principal is another": (
        "principal is Portion",
        'action == Action::"receive"',
        "resource",
        "principal scope",
    ),
    "principal == a community": (
        'principal == Community::"team"',
        'action == Action::"receive"',
        "resource",
        "is an",
    ),
    "principal in a code": (
        'principal in Tlp::"RED"',
        'action == Action::"receive"',
        "resource",
        "communities only",
    ),
    "unknown agency": (
        'principal == Agency::"gb-x"',
        'action == Action::"receive"',
        "resource",
        "unknown id",
    ),
    "unknown community": (
        'principal in Community::"x"',
        'action == Action::"receive"',
        "resource",
        "unknown id",
    ),
    "principal slot": ("principal == ?principal", 'action == Action::"receive"', "resource", "template"),
    "resource slot": ("principal", 'action == Action::"receive"', "resource in ?resource", "template"),
    "any action": ("principal", "action", "resource", "an action scope"),
    "another action": ("principal", 'action == Action::"send"', "resource", "an action scope"),
    "actions": ("principal", 'action in [Action::"receive"]', "resource", "an action scope"),
    "resource == one": (
        "principal",
        'action == Action::"receive"',
        'resource == Portion::"x"',
        "a resource scope",
    ),
    "resource is another": (
        "principal",
        'action == Action::"receive"',
        "resource is Agency",
        "a resource scope",
    ),
}


@pytest.mark.parametrize("principal, action, resource, found", SCOPES.values(), ids=SCOPES.keys())
def test_a_scope_outside_the_subset_is_refused(
    principal: str, action: str, resource: str, found: str
) -> None:
    (fault,) = refusal(f"{ANNOTATIONS}permit ({principal}, {action}, {resource});").faults
    assert (fault.file, fault.line, fault.rule) == ("a.cedar", 1, "the-rule")
    assert found in fault.message


INSIDE = [
    "true || !false",
    "1 < 2 && 2 <= 2 && 3 > 2 && 3 >= -3 && 1 != 2",
    '"a" == "b" || "a" != "b"',
    "principal.suspended && resource.bears_persons",
    'if principal.coordinating then resource.tlp == Tlp::"RED" else false',
    '(if resource.protected then Tlp::"RED" else resource.tlp) != Tlp::"CLEAR"',
    '[Tlp::"RED", Tlp::"AMBER"].contains(resource.tlp)',
    'resource.purposes.containsAll([Purpose::"return"]) || resource.origins.containsAny(principal.states)',
    "resource.special.isEmpty()",
    "principal == resource.originator || resource.to_agencies.contains(principal)",
    'principal in Agency::"gb-nca" || principal in [Community::"team"]',
    "principal in resource.to_agencies || principal in resource.to_communities",
    "principal has role && resource has tlp",
    "context.at < resource.retain_until && resource.retain_until >= context.at",
    'context.at >= datetime("2026-01-01")',
    'resource.retain_until < datetime("2030-01-01T00:00:00.001+0100")',
]


@pytest.mark.parametrize("condition", INSIDE)
def test_what_the_subset_has_is_loaded(condition: str) -> None:
    assert list(load(rule(condition)).rules) == ["the-rule"]


def test_what_a_rule_reads_is_collected_from_scope_and_conditions() -> None:
    scope = '(principal in Community::"team", action == Action::"receive", resource is Portion)'
    text = rule(
        'principal.suspended || context.at < resource.retain_until || datetime("1970-01-02") <= context.at '
        '|| [Agency::"fr-oltim"].contains(resource.originator) || resource has tlp',
        scope=scope,
    )
    reads = load(text).reads
    assert reads.principal == {"suspended"}
    assert reads.resource == {"originator", "tlp"}
    assert reads.agencies == {"fr-oltim"}
    assert reads.communities == {"team"}
    assert reads.moments == {Moment("less", "retain_until", 0), Moment("greater_eq", None, 86_400_000)}


def test_an_unless_is_read_like_a_when() -> None:
    (fault,) = refusal(f"{ANNOTATIONS}forbid {SCOPE} unless {{ 1 + 1 == 2 }};").faults
    assert "arithmetic" in fault.message


@pytest.mark.parametrize("guard, loaded", [("", False), ("resource has source && ", True)])
def test_an_optional_attribute_needs_has(guard: str, loaded: bool) -> None:
    schema = SCHEMA.replace("source: SourceGrade", "source?: SourceGrade")
    text = rule(f'{guard}resource.source == SourceGrade::"A"')
    if loaded:
        assert load(text, schema).reads.resource == {"source"}
    else:
        (fault,) = refusal(text, schema).faults
        assert "Cedar refuses it" in fault.message
        assert (fault.line, fault.rule) == (1, "the-rule")


def test_an_optional_instant_is_not_compared_with_the_time() -> None:
    schema = SCHEMA.replace("retain_until: datetime", "retain_until?: datetime")
    (fault,) = refusal(rule("resource has retain_until && context.at < resource.retain_until"), schema).faults
    assert "the optional attribute" in fault.message
