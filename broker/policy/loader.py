"""From Cedar text to a policy that may be asked: every duty of the loader, in order.

1. The schema is of the subset and Cedar's parser takes it; its enums equal the closed lists.
2. Each file is cut into policies; each is parsed alone, so that an error has its line and column.
3. Annotations: `@id`, `@reason`, `@legal_basis` required, `@obligation` optional, no other; ids are unique.
4. Only constructs of the subset, only known attributes and ids (Cedar takes an unknown id without a word).
5. What the record's other portions hold is read by `forbid` alone.
6. Cedar's own strict validation against the schema, on the text.
7. What is asked later is built from the very nodes that were checked, keyed by our ids.

Nothing is loaded unless all of it passes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from re import fullmatch
from typing import Final

import cedarpy
from cedarpy import pst

from broker.policy.entities import CLOSED_LISTS, schema_faults
from broker.policy.faults import Fault, PolicyError
from broker.policy.lexer import PolicyText, locate, split
from broker.policy.reads import Reads, union
from broker.policy.schema import Schema, parse_schema
from broker.policy.subset import Checker, Known, OutsideSubset
from schemas.directory import Directory
from schemas.ids import RULE_PATTERN, RuleId
from schemas.verdicts import Effect

REQUIRED: Final = {"id": 60, "reason": 400, "legal_basis": 200}
"""The annotations that each rule has, and their greatest length: certificates carry ids and reasons."""

OPTIONAL: Final = {"obligation": 400}

OF_THE_RECORD: Final = frozenset({"record_protected", "record_origins", "record_origins_known"})
"""Attributes that other portions of the record decide. A certificate names the permits that released a portion: one
that rested on these would tell its reader of a portion that was withheld. A forbid that holds releases nothing, so
its id stands in no certificate."""

MOST_TOKENS: Final = 1_500
MOST_BRACKETS: Final = 50
"""Cedar's parser recurses without a bound: 1,000 nested brackets, or a chain of 2,000 terms, end the process by
SIGSEGV (tried). The tree that it hands out has at most 100 levels anyway."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, as people read it and as it was checked."""

    id: RuleId
    effect: Effect
    reason: str
    legal_basis: str
    obligation: str | None
    file: str
    line: int
    reads: Reads = field(repr=False)
    node: pst.Template = field(repr=False)


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition by itself, as it was checked, and what it reads."""

    expr: pst.Expr = field(repr=False)
    reads: Reads = field(repr=False)


@dataclass(frozen=True)
class Policy:
    """A checked policy: its rules by id, what they read together, and the engine's handles."""

    rules: Mapping[RuleId, Rule]
    reads: Reads
    schema: Schema
    handle: cedarpy.PolicySet = field(repr=False)


def load_policy(
    sources: Mapping[str, str],
    schema_text: str,
    directory: Directory,
    schema_file: str = "schema.cedarschema",
) -> Policy:
    """Check and load the Cedar files of an arrangement (`sources`: text by file name).

    Raises: `PolicyError` with every fault that could be told apart.
    """
    schema = parse_schema(schema_text, schema_file)
    faults = list(schema_faults(schema))
    if faults:
        raise PolicyError(faults)
    known = known_ids(directory)
    rules: dict[RuleId, Rule] = {}
    for file in sorted(sources):
        try:
            texts = split(file, sources[file])
        except PolicyError as error:
            faults.extend(error.faults)
            continue
        for text in texts:
            try:
                rule = _rule(text, schema, known)
                first = rules.get(rule.id)
                if first is not None:
                    raise _refuse(text, f"the id stands twice; first in {first.file}:{first.line}")
                rules[rule.id] = rule
            except PolicyError as error:
                faults.extend(error.faults)
    if faults:
        raise PolicyError(faults)
    nodes = {str(rule.id): rule.node for rule in rules.values()}
    return Policy(
        dict(sorted(rules.items())),
        union(*(rule.reads for rule in rules.values())),
        schema,
        policy_set(nodes),
    )


def policy_set(nodes: Mapping[str, pst.Template]) -> cedarpy.PolicySet:
    """What Cedar is asked on: these nodes, each under its id here."""
    named = {name: replace(node, id=name) for name, node in nodes.items()}
    return cedarpy.PolicySet.from_pst(pst.PolicySet(pst.FrozenMap(), pst.FrozenMap(named), ()))


def load_condition(text: str, schema: Schema, directory: Directory, file: str, line: int) -> Condition:
    """A condition of the subset by itself, checked as a rule's is; `line` is where it is written.

    Raises: `PolicyError` with that line.
    """
    # The bracket of its own keeps what would end the clause, or begin another, within the condition.
    rule = f'permit (principal, action == Action::"receive", resource) when {{ (\n{text}\n) }};'

    def refused(faults: Iterable[Fault]) -> PolicyError:
        return PolicyError(
            [replace(f, line=line, column=None, rule=None, source=" ".join(text.split())) for f in faults]
        )

    texts: tuple[PolicyText, ...] = ()
    try:
        texts = split(file, rule)
        if len(texts) != 1:
            raise _refuse(texts[0], "a ';' in a condition")
        node = _parse(texts[0])
        if len(node.clauses) != 1:
            raise _refuse(texts[0], "more than one condition")
        reads = Checker(schema, known_ids(directory)).policy(node)
    except OutsideSubset as error:
        raise refused([texts[0].fault(f"not in the allowed subset: {error}")]) from error
    except PolicyError as error:
        raise refused(error.faults) from error
    verdict = cedarpy.validate_policies(texts[0].text, schema.handle)
    if not verdict.validation_passed:
        raise refused(
            texts[0].fault(f"Cedar refuses it: {' '.join(e.error.split())}") for e in verdict.errors
        )
    return Condition(node.clauses[0].expr, reads)


def known_ids(directory: Directory) -> Known:
    """The entity ids that rules may name: those of the directory and of the closed lists."""
    ids = {name: frozenset(str(member.value) for member in closed) for name, closed in CLOSED_LISTS.items()}
    ids["Agency"] = frozenset(directory.agency_ids)
    ids["Community"] = frozenset(c.id for c in directory.communities)
    return Known(ids)


def _refuse(text: PolicyText, message: str) -> PolicyError:
    return PolicyError([text.fault(message)])


def _telling(text: PolicyText, attribute: str) -> Fault:
    place = next((t for t in text.tokens if t.text.strip('"') == attribute), None)
    return text.fault(
        f"a permit reads 'resource.{attribute}', so certificates would tell of other portions; only forbid may",
        place,
    )


def _rule(text: PolicyText, schema: Schema, known: Known) -> Rule:
    """One policy, parsed and checked. Raises: `PolicyError`."""
    node = _parse(text)
    faults = [text.fault(message) for message in _annotation_faults(node.annotations)]
    try:
        reads = Checker(schema, known).policy(node)
    except OutsideSubset as error:
        faults.append(text.fault(f"not in the allowed subset: {error}"))
        raise PolicyError(faults) from error
    if node.effect == "permit":
        faults += [_telling(text, attribute) for attribute in sorted(reads.resource & OF_THE_RECORD)]
    verdict = cedarpy.validate_policies(text.text, schema.handle)
    if not verdict.validation_passed:
        faults += [text.fault(f"Cedar refuses it: {' '.join(e.error.split())}") for e in verdict.errors]
    if faults:
        raise PolicyError(faults)
    annotations = node.annotations
    return Rule(
        RuleId(annotations["id"]),
        Effect.PERMIT if node.effect == "permit" else Effect.FORBID,
        annotations["reason"],
        annotations["legal_basis"],
        annotations.get("obligation"),
        text.file,
        text.line,
        reads,
        node,
    )


def _parse(text: PolicyText) -> pst.Template:
    _bounded(text)
    message = _complaint(text.text)
    if message is not None:
        raise PolicyError([text.fault(f"Cedar cannot read it: {message}", locate(text, message, _complaint))])
    parsed = cedarpy.policies_to_pst(text.text)
    if parsed.templates or parsed.template_links:
        raise _refuse(text, "not in the allowed subset: a template ('?principal' or '?resource')")
    if len(parsed.static_policies) != 1:
        raise _refuse(text, "a ';' that ends no policy")
    return next(iter(parsed.static_policies.values()))


def _bounded(text: PolicyText) -> None:
    if len(text.tokens) > MOST_TOKENS:
        raise _refuse(
            text, f"the rule has {len(text.tokens)} words and signs; at most {MOST_TOKENS} are read"
        )
    depth = 0
    for token in text.tokens:
        depth += (token.text in "([{") - (token.text in ")]}")
        if depth > MOST_BRACKETS:
            raise PolicyError([text.fault(f"more than {MOST_BRACKETS} brackets in each other", token)])


def _complaint(text: str) -> str | None:
    """The parser's message, None if it has none."""
    try:
        cedarpy.policies_to_pst(text)
    except ValueError as error:
        return " ".join(str(error).split())
    return None


def _annotation_faults(annotations: Mapping[str, str]) -> list[str]:
    found = []
    for name, limit in {**REQUIRED, **OPTIONAL}.items():
        value = annotations.get(name)
        if value is None and name in OPTIONAL:
            continue
        if not (value or "").strip():
            found.append(f"the annotation @{name} is missing or empty")
        elif len(value or "") > limit:
            found.append(f"the annotation @{name} has more than {limit} characters")
        elif name == "id" and not fullmatch(RULE_PATTERN, value or ""):
            found.append(f"the id '{value}' is not of the form {RULE_PATTERN}")
    unknown = sorted(annotations.keys() - REQUIRED.keys() - OPTIONAL.keys())
    return found + [f"the annotation @{name} is none that rules have" for name in unknown]
