"""The formulas say what Cedar says: random rules of the whole subset, random requests, decision and deciding rules.

Types that the shipped schema does not use (numbers, texts, optional attributes, sets of them) are in a schema of this
test's own. As many requests as `ENTENTE_REQUESTS` says.
"""

import json
import os
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import cedarpy
import z3
from cedarpy import pst

from broker.policy.instants import instant
from broker.policy.loader import policy_set
from broker.policy.proof.logic import WIDTH, Listed, Logic, Terms
from broker.policy.schema import parse_schema
from broker.policy.subset import Checker, Known

REQUESTS = int(os.environ.get("ENTENTE_REQUESTS", "100000"))
EACH: Final = 50
POOL: Final = 3000
"""So many requests are drawn; each set of rules is asked on some of them."""

SCHEMA = parse_schema("""
entity Community;
entity Agency in [Community] = { role: Role, roles: Set<Role>, wide: Bool, rank: Long, nick?: String };
entity Portion = {
  owner: Agency, role: Role, roles: Set<Role>, marked: Bool, size: Long, title: String, until: datetime,
  to_agencies: Set<Agency>, to_communities: Set<Community>, grade?: Role, weight?: Long, notes?: Set<Role>,
};
action receive appliesTo { principal: Agency, resource: Portion, context: { at: datetime } };
entity Role enum ["r1", "r2", "r3"];
""")
IDS: Final = {
    "Agency": tuple(f"a{n}" for n in range(4)),
    "Community": tuple(f"c{n}" for n in range(3)),
    "Role": ("r1", "r2", "r3"),
}
LONGS: Final = (-(2**63), -1, 0, 1, 2, 2**63 - 1)
TEXTS: Final = ("", "x", "y")
DAYS: Final = ("1969-12-31", "2026-01-01", "2026-01-01T00:00:00.001Z", "2026-06-30T23:59:59+0200")
KNOWN = Known({kind: frozenset(ids) for kind, ids in IDS.items()})
OPTIONAL: Final = {"nick", "grade", "weight", "notes"}
ATTRIBUTES: Final = {
    (variable, name): (attribute.type.name, attribute.type.is_set)
    for variable in ("principal", "resource")
    for name, attribute in SCHEMA.attributes[variable].items()
}


@dataclass
class Writer:
    """Writes conditions. A condition of depth 0 is an atom."""

    source: random.Random

    def rule(self) -> str:
        effect = self.source.choice(["permit", "permit", "forbid"])
        principal = self.source.choice(
            [
                "principal",
                "principal",
                "principal is Agency",
                f'principal == Agency::"{self.source.choice(IDS["Agency"])}"',
                f'principal in Agency::"{self.source.choice(IDS["Agency"])}"',
                f'principal in Community::"{self.source.choice(IDS["Community"])}"',
            ]
        )
        resource = self.source.choice(["resource", "resource is Portion"])
        clauses = "".join(
            f" {self.source.choice(['when', 'when', 'unless'])} {{ {self.truth(self.source.randint(0, 3))} }}"
            for _ in range(self.source.randint(1, 2))
        )
        return f'{effect} ({principal}, action == Action::"receive", {resource}){clauses};'

    def truth(self, depth: int) -> str:
        if depth == 0:
            return self.atom()
        left, right = self.truth(depth - 1), self.truth(depth - 1)
        return self.source.choice(
            [
                f"({left} && {right})",
                f"({left} || {right})",
                f"!({left})",
                f"(if {self.truth(0)} then {left} else {right})",
                self.atom(),
            ]
        )

    def atom(self) -> str:
        kind, is_set = self.source.choice(
            [
                *((k, s) for k in ("Role", "Long", "String", "datetime") for s in (False, True)),
                ("Bool", False),
            ]
        )
        writers: list[Callable[[], str]] = [self.membership, self.moment, self.guarded]
        if is_set:
            writers += [lambda: self.of_sets(kind)] * 6
        else:
            writers += [lambda: self.of_values(kind)] * 6
        return self.source.choice(writers)()

    def of_sets(self, kind: str) -> str:
        members, others = self.members(kind), self.members(kind)
        return self.source.choice(
            [
                f"{members}.contains({self.value(kind)})",
                f"{members}.containsAll({others})",
                f"{members}.containsAny({others})",
                f"{members}.isEmpty()",
            ]
        )

    def of_values(self, kind: str) -> str:
        if kind == "Bool":
            return self.source.choice(
                ["resource.marked", "principal.wide", "true", "false", "resource.marked == principal.wide"]
            )
        orders = ["==", "!="] + (["<", "<=", ">", ">="] if kind in ("Long", "datetime") else [])
        return f"{self.value(kind)} {self.source.choice(orders)} {self.value(kind)}"

    def membership(self) -> str:
        agencies = ", ".join(f'Agency::"{a}"' for a in self.some(IDS["Agency"]))
        communities = ", ".join(f'Community::"{c}"' for c in self.some(IDS["Community"]))
        return self.source.choice(
            [
                f"principal in [{agencies}]",
                f"principal in [{communities}]",
                f'principal in Community::"{self.source.choice(IDS["Community"])}"',
                "principal in resource.to_agencies",
                "principal in resource.to_communities",
                "resource.to_agencies.contains(principal)",
                f"[{agencies}].contains(principal)",
                f"resource.to_communities.containsAny([{communities}])",
                "principal == resource.owner",
                f'principal != Agency::"{self.source.choice(IDS["Agency"])}"',
            ]
        )

    def moment(self) -> str:
        other = self.source.choice(["resource.until", f'datetime("{self.source.choice(DAYS)}")'])
        order = self.source.choice(["==", "!=", "<", "<=", ">", ">="])
        return self.source.choice([f"context.at {order} {other}", f"{other} {order} context.at"])

    def guarded(self) -> str:
        return self.source.choice(
            [
                "(resource has grade && resource.grade == principal.role)",
                "(if resource has weight then resource.weight > 0 else true)",
                "(principal has nick && principal.nick == resource.title)",
                "(resource has notes && resource.notes.containsAny(principal.roles))",
                "!(resource has notes)",
            ]
        )

    def value(self, kind: str, depth: int = 1) -> str:
        if depth and self.source.random() < 0.2:
            then, otherwise = self.value(kind, 0), self.value(kind, 0)
            return f"(if {self.of_values('Bool')} then {then} else {otherwise})"
        return self.source.choice([*self.named(kind, False), self.literal(kind)])

    def members(self, kind: str, depth: int = 1) -> str:
        if depth and self.source.random() < 0.2:
            then, otherwise = self.written(kind), self.written(kind)
            return f"(if {self.of_values('Bool')} then {then} else {otherwise})"
        return self.source.choice([*self.named(kind, True), self.written(kind)])

    def written(self, kind: str) -> str:
        return f"[{', '.join(self.literal(kind) for _ in range(self.source.randint(1, 3)))}]"

    def named(self, kind: str, is_set: bool) -> list[str]:
        return [
            f"{variable}.{name}"
            for (variable, name), of in ATTRIBUTES.items()
            if of == (kind, is_set) and name not in OPTIONAL
        ]

    def literal(self, kind: str) -> str:
        match kind:
            case "Role":
                return f'Role::"{self.source.choice(IDS["Role"])}"'
            case "Long":
                return str(self.source.choice([n for n in LONGS if n >= 0]))
            case "String":
                return json.dumps(self.source.choice(TEXTS))
            case _:
                return f'datetime("{self.source.choice(DAYS)}")'

    def some(self, names: tuple[str, ...]) -> list[str]:
        return self.source.sample(names, self.source.randint(1, len(names)))


@dataclass
class Request:
    """Random values for everything that a rule can read, for Cedar and for z3."""

    source: random.Random
    values: dict[tuple[str, str], Any] = field(default_factory=dict)
    ancestors: frozenset[str] = frozenset()
    principal: str = ""
    at: int = 0

    def __post_init__(self) -> None:
        self.principal = self.source.choice(IDS["Agency"])
        self.ancestors = frozenset(self.source.sample(IDS["Community"], self.source.randint(0, 3)))
        self.at = self.source.choice(INSTANTS)
        for key, (kind, is_set) in ATTRIBUTES.items():
            if key[1] in OPTIONAL and self.source.random() < 0.5:
                continue
            known = KNOWN_VALUES[kind]
            self.values[key] = (
                frozenset(self.source.sample(known, self.source.randint(0, min(3, len(known)))))
                if is_set
                else self.source.choice(known)
            )

    def entities(self) -> str:
        here = {name: value for (variable, name), value in self.values.items() if variable == "principal"}
        there = {name: value for (variable, name), value in self.values.items() if variable == "resource"}
        parents = [_uid("Community", c) for c in sorted(self.ancestors)]
        return json.dumps(
            [
                {
                    "uid": {"type": "Agency", "id": self.principal},
                    "attrs": _attrs("principal", here),
                    "parents": parents,
                },
                {"uid": {"type": "Portion", "id": "p"}, "attrs": _attrs("resource", there), "parents": []},
            ]
        )

    def cedar(self) -> dict[str, Any]:
        return {
            "principal": _uid("Agency", self.principal),
            "action": _uid("Action", "receive"),
            "resource": _uid("Portion", "p"),
            "context": json.dumps({"at": instant(self.at)}),
        }


def _uid(kind: str, name: str) -> dict[str, str]:
    return {"type": kind, "id": name}


INSTANTS: Final = (
    -86_400_001,
    -86_400_000,
    1_767_225_600_000,
    1_767_225_600_001,
    1_782_856_799_000,
    1_790_000_000_000,
)
KNOWN_VALUES: Final[dict[str, tuple[Any, ...]]] = {
    "Bool": (False, True),
    "Long": LONGS,
    "String": TEXTS,
    "datetime": INSTANTS,
    **IDS,
}


def _attrs(variable: str, values: dict[str, Any]) -> dict[str, Any]:
    found = {}
    for name, value in values.items():
        kind, is_set = ATTRIBUTES[variable, name]
        found[name] = [_json(kind, v) for v in sorted(value)] if is_set else _json(kind, value)
    return found


def _json(kind: str, value: Any) -> Any:
    if kind == "datetime":
        return instant(value)
    return {"__entity": {"type": kind, "id": value}} if kind in IDS else value


class Formulas:
    """Variables for the test's schema, and their values in a request."""

    def __init__(self) -> None:
        self.lists = {kind: Listed(ids) for kind, ids in IDS.items()}
        self.attributes = {key: self._variable(key) for key in ATTRIBUTES}
        self.present = {key: z3.Bool(f"has {key}") for key in ATTRIBUTES if key[1] in OPTIONAL}
        self.principal = self.lists["Agency"].variable("principal")
        self.ancestors = self.lists["Community"].variable("ancestors")
        self.at = z3.BitVec("at", WIDTH)
        types = {key: kind for key, (kind, _) in ATTRIBUTES.items()}
        self.terms = Terms(
            self.lists, self.principal, self.ancestors, self.at, self.attributes, self.present, types
        )

    def _variable(self, key: tuple[str, str]) -> Any:
        kind, _ = ATTRIBUTES[key]
        if kind in IDS:
            return self.lists[kind].variable(f"{key[0]}.{key[1]}")
        return z3.Bool(f"{key[0]}.{key[1]}") if kind == "Bool" else z3.BitVec(f"{key[0]}.{key[1]}", WIDTH)

    def model(self, request: Request, logic: Logic) -> z3.ModelRef:
        """The request's values."""
        model = z3.Model()
        for key, variable in self.attributes.items():
            if key in self.present:
                model.update_value(self.present[key], z3.BoolVal(key in request.values))
            if key in request.values:
                model.update_value(variable, self._value(*ATTRIBUTES[key], request.values[key], logic))
        model.update_value(self.principal, self.lists["Agency"].constant([request.principal]))
        model.update_value(self.ancestors, self.lists["Community"].constant(sorted(request.ancestors)))
        model.update_value(self.at, z3.BitVecVal(request.at, WIDTH))
        return model

    def _value(self, kind: str, is_set: bool, value: Any, logic: Logic) -> Any:
        if kind in IDS:
            return self.lists[kind].constant(sorted(value) if is_set else [value])
        if kind == "Bool":
            return z3.BoolVal(value)
        return z3.BitVecVal(logic.text(value) if kind == "String" else value, WIDTH)


def _policies(source: random.Random) -> Iterator[dict[str, pst.Template]]:
    """Sets of rules that Cedar's validation takes, by id."""
    writer = Writer(source)
    while True:
        nodes: dict[str, pst.Template] = {}
        for number in range(source.randint(1, 5)):
            text = writer.rule()
            if not cedarpy.validate_policies(text, SCHEMA.handle).validation_passed:
                continue
            (node,) = cedarpy.policies_to_pst(text).static_policies.values()
            Checker(SCHEMA, KNOWN).policy(node)
            nodes[f"rule-{number}"] = node
        if nodes:
            yield nodes


def test_the_formulas_say_what_cedar_says() -> None:
    source = random.Random(20261130)
    formulas, seen = Formulas(), Counter[tuple[str, bool]]()
    logic = Logic(formulas.terms)
    pool = []
    for _ in range(POOL):
        request = Request(source)
        entities = cedarpy.Entities.from_json_str(request.entities(), SCHEMA.handle)
        pool.append((request, request.cedar(), entities, formulas.model(request, logic)))
    asked = allowed = sets = 0
    policies = _policies(source)
    while asked < REQUESTS:
        nodes = next(policies)
        sets += 1
        handle = policy_set(nodes)
        said = {name: logic.satisfied(node) for name, node in nodes.items()}
        inner = [(op, logic.term(expr)) for op, expr in _truths(nodes.values())] if sets % 10 == 0 else []
        for request, question, entities, model in source.sample(pool, EACH):
            (result,) = cedarpy.is_authorized_batch([question], handle, entities, SCHEMA.handle)
            holds = {name for name, formula in said.items() if _true(model, formula)}
            forbids = sorted(name for name in holds if nodes[name].effect == "forbid")
            permits = sorted(name for name in holds if nodes[name].effect == "permit")
            assert not result.diagnostics.errors
            is_allowed = result.decision is cedarpy.Decision.Allow
            assert (is_allowed, sorted(result.diagnostics.reasons)) == (
                bool(permits) and not forbids,
                forbids or permits,
            ), (nodes, request)
            for op, formula in inner:
                seen[op, _true(model, formula)] += 1
            asked += 1
            allowed += is_allowed
    assert 0.3 <= allowed / asked <= 0.6
    once = [(op, truth) for op in OPERATORS for truth in (False, True) if not seen[op, truth]]
    assert not once, f"never seen: {once}"


#: Every construct of the subset that has a truth. `has` and the others of a value are asked within these.
OPERATORS: Final = (
    "and", "or", "not", "if", "eq", "not_eq", "less", "less_eq", "greater", "greater_eq", "contains", "contains_all",
    "contains_any", "is_empty", "has", "in", "attribute", "literal",
)  # fmt: skip


def _true(model: z3.ModelRef, formula: Any) -> bool:
    return bool(z3.is_true(model.eval(formula, model_completion=True)))


def _truths(nodes: Any) -> Iterator[tuple[str, pst.Expr]]:
    """Every Bool part of the conditions that can be asked anywhere, with its operator."""
    pending = [clause.expr for node in nodes for clause in node.clauses]
    while pending:
        match pending.pop():
            case pst.BinaryOp(op="and" | "or" as op, left=left, right=right) as expr:
                pending += [left, right]
                yield op, expr
            case pst.UnaryOp(op="not", arg=arg) as expr:
                pending.append(arg)
                yield "not", expr
            case pst.IfThenElse(cond=cond, then_expr=then, else_expr=otherwise) as expr:
                pending += [cond, then, otherwise]
                yield "if", expr
            case pst.BinaryOp(op=op) as expr:
                yield op, expr
            case pst.UnaryOp(op="is_empty") as expr:
                yield "is_empty", expr
            case pst.HasAttr() as expr:
                yield "has", expr
            case pst.GetAttr() as expr:
                yield "attribute", expr
            case pst.BoolLit() as expr:
                yield "literal", expr
            case other:
                raise AssertionError(f"no truth: {other}")
