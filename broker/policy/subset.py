"""The part of Cedar that rules may use: a closed match on the parsed nodes, which types each expression.

What is not matched is refused by name, never skipped: the ruling's key, the classes of recipients and the
proofs each rest on having seen every node. With the schema's validation, known ids and these, no rule can
raise an error while it is evaluated:

- no attribute is reached through another entity, no arithmetic, no optional attribute without `has`;
- closed lists are enum entity types; strings are only compared for equality;
- `context.at` is only compared with a datetime attribute of the resource or a literal; memberships and
  postings are not tested here, the directory as of the instant becomes the entities.

Source: Cedar's PST as cedarpy mirrors it (`cedarpy.pst`), whose node types a new engine may extend; a node
type unknown here ends in the last case, which refuses.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cedarpy import pst

from broker.policy.instants import parse_instant
from broker.policy.reads import MIRRORED, NOTHING, Moment, Order, Reads, union
from broker.policy.schema import Schema, Type

BOOL, LONG, STRING, DATETIME = Type("Bool"), Type("Long"), Type("String"), Type("datetime")

_NAMES: Mapping[str, str] = {
    "neg": "arithmetic ('-')",
    "add": "arithmetic ('+')",
    "sub": "arithmetic ('-')",
    "mul": "arithmetic ('*')",
    "decimal": "decimal numbers",
    "duration": "durations",
    "ip": "ip addresses",
    "get_tag": "tags ('getTag')",
    "has_tag": "tags ('hasTag')",
    "offset": "methods of dates and durations ('offset')",
    "duration_since": "methods of dates and durations ('durationSince')",
}


class OutsideSubset(ValueError):
    """What was found that rules may not use."""


@dataclass(frozen=True, slots=True)
class Known:
    """The ids that rules may name, by entity type."""

    ids: Mapping[str, frozenset[str]]

    def check(self, uid: pst.EntityUid) -> str:
        """The type of a known id. Raises: `OutsideSubset`."""
        kind = str(uid.type)
        if kind not in self.ids:
            raise OutsideSubset(f"an entity literal of type {kind} ({uid})")
        if uid.id not in self.ids[kind]:
            raise OutsideSubset(f"the unknown id {uid}")
        return kind


@dataclass
class Checker:
    """Checks one policy and collects what it reads."""

    schema: Schema
    known: Known
    reads: Reads = field(default=NOTHING, init=False)

    def policy(self, template: pst.Template) -> Reads:
        """What the policy reads. Raises: `OutsideSubset` with what was found."""
        self._scope(template)
        for clause in template.clauses:
            self._expect(clause.expr, BOOL, "when" if isinstance(clause, pst.When) else "unless")
        return self.reads

    def _note(self, reads: Reads) -> None:
        self.reads = union(self.reads, reads)

    def _scope(self, template: pst.Template) -> None:
        match template.principal:
            case pst.ScopeAny():
                pass
            case pst.ScopeIs(entity_type=kind) if str(kind) == "Agency":
                pass
            case pst.ScopeEq(entity=pst.EntityUid() as uid):
                if self._literal(uid) != Type("Agency"):
                    raise OutsideSubset(f"'principal == {uid}': a principal is an agency")
            case pst.ScopeIn(entity=pst.EntityUid() as uid):
                if self._literal(uid).name not in ("Agency", "Community"):
                    raise OutsideSubset(f"'principal in {uid}': agencies are in communities only")
            case pst.ScopeIsIn():
                raise OutsideSubset("'is .. in' in the scope; write 'in' alone")
            case pst.ScopeEq(entity=pst.Slot()) | pst.ScopeIn(entity=pst.Slot()):
                raise OutsideSubset("a template slot ('?principal')")
            case other:
                raise OutsideSubset(f"principal scope {_name(other)}")
        match template.action:
            case pst.ActionEq(entity=uid) if str(uid) == 'Action::"receive"':
                pass
            case _:
                raise OutsideSubset("an action scope other than 'action == Action::\"receive\"'")
        match template.resource:
            case pst.ScopeAny():
                pass
            case pst.ScopeIs(entity_type=kind) if str(kind) == "Portion":
                pass
            case pst.ScopeEq(entity=pst.Slot()) | pst.ScopeIn(entity=pst.Slot()):
                raise OutsideSubset("a template slot ('?resource')")
            case _:
                raise OutsideSubset("a resource scope other than 'resource' or 'resource is Portion'")

    def _literal(self, uid: pst.EntityUid) -> Type:
        kind = self.known.check(uid)
        self._note(Reads(literals=frozenset({(kind, uid.id)})))
        if kind == "Agency":
            self._note(Reads(agencies=frozenset({uid.id})))
        elif kind == "Community":
            self._note(Reads(communities=frozenset({uid.id})))
        return Type(kind)

    def _expect(self, expr: pst.Expr, wanted: Type, where: str) -> None:
        found = self._type(expr)
        if found != wanted:
            raise OutsideSubset(f"{found} where '{where}' needs {wanted}")

    def _type(self, expr: pst.Expr) -> Type:
        match expr:
            case pst.BoolLit():
                return BOOL
            case pst.LongLit():
                return LONG
            case pst.StringLit():
                return STRING
            case pst.EntityLit(value=uid):
                return self._literal(uid)
            case pst.UnaryOp(op="datetime"):
                datetime_literal_ms(expr)
                return DATETIME
            case pst.Var(name="principal"):
                self._note(Reads(identity=True))
                return Type("Agency")
            case pst.Set(elements=elements):
                return self._set(elements)
            case pst.GetAttr():
                return self._attribute(expr)
            case pst.HasAttr():
                return self._has(expr)
            case pst.UnaryOp(op="not", arg=arg):
                self._expect(arg, BOOL, "!")
                return BOOL
            case pst.UnaryOp(op="is_empty", arg=arg):
                found = self._type(arg)
                if not found.is_set:
                    raise OutsideSubset(f"isEmpty on {found}")
                return BOOL
            case pst.BinaryOp(op="and" | "or" as op, left=left, right=right):
                self._expect(left, BOOL, op)
                self._expect(right, BOOL, op)
                return BOOL
            case pst.IfThenElse(cond=cond, then_expr=then_expr, else_expr=else_expr):
                self._expect(cond, BOOL, "if")
                then_type = self._type(then_expr)
                self._expect(else_expr, then_type, "else")
                return then_type
            case pst.BinaryOp(
                op="eq" | "not_eq" | "less" | "less_eq" | "greater" | "greater_eq" as order,
                left=left,
                right=right,
            ):
                self._compare(order, left, right)
                return BOOL
            case pst.BinaryOp(op="contains", left=left, right=right) if right == pst.Var("principal"):
                if self._membership(left) != Type("Agency", is_set=True):
                    raise OutsideSubset("contains(principal) on something else than a set of agencies")
                return BOOL
            case pst.BinaryOp(op="contains", left=left, right=right):
                members = self._type(left)
                if not members.is_set:
                    raise OutsideSubset(f"contains on {members}")
                self._expect(right, Type(members.name), "contains")
                self._pair(left, right, members)
                return BOOL
            case pst.BinaryOp(op="contains_all" | "contains_any" as op, left=left, right=right):
                members = self._type(left)
                if not members.is_set:
                    raise OutsideSubset(f"{op} on {members}")
                self._expect(right, members, op)
                self._pair(left, right, members)
                return BOOL
            case pst.BinaryOp(op="in", left=left, right=right):
                self._in(left, right)
                return BOOL
            case pst.UnaryOp(op=op) | pst.BinaryOp(op=op):
                raise OutsideSubset(_NAMES.get(op, f"the operator '{op}'"))
            case pst.Is(in_expr=None):
                raise OutsideSubset("'is' in a condition; the schema already says what each variable is")
            case pst.Is():
                raise OutsideSubset("'is .. in'")
            case pst.Like():
                raise OutsideSubset("'like'")
            case pst.Record():
                raise OutsideSubset("a record")
            case pst.Var(name=name):
                raise OutsideSubset(f"'{name}' by itself; only its attributes may be read")
            case other:
                raise OutsideSubset(_name(other))

    def _attribute(self, expr: pst.GetAttr) -> Type:
        match expr:
            case pst.GetAttr(base=pst.Var(name="context"), attr="at"):
                raise OutsideSubset(
                    "'context.at' outside a comparison with a datetime of the resource or a literal"
                )
            case pst.GetAttr(base=pst.Var(name="principal" | "resource" | "context" as name), attr=attr):
                declared = self.schema.type_of(name, attr)
                if declared is None:
                    raise OutsideSubset(f"the unknown attribute '{name}.{attr}'")
                self._reading(name, attr)
                return declared.type
            case pst.GetAttr(base=pst.GetAttr() | pst.EntityLit()):
                raise OutsideSubset(f"an attribute reached through another entity ('.{expr.attr}')")
            case _:
                raise OutsideSubset(f"attribute '.{expr.attr}' of {_name(expr.base)}")

    def _pair(self, left: pst.Expr, right: pst.Expr, of: Type) -> None:
        if not isinstance(left, pst.EntityLit | pst.Set) and not isinstance(right, pst.EntityLit | pst.Set):
            self._note(Reads(paired=frozenset({of.name})))

    def _membership(self, expr: pst.Expr) -> Type:
        """The type of what the principal may be in; of a resource's attribute nothing else is read here."""
        match expr:
            case pst.GetAttr(base=pst.Var(name="resource"), attr=attr):
                declared = self.schema.type_of("resource", attr)
                if declared is None:
                    raise OutsideSubset(f"the unknown attribute 'resource.{attr}'")
                self._note(Reads(resource=frozenset({attr})))
                return declared.type
            case _:
                return self._type(expr)

    def _has(self, expr: pst.HasAttr) -> Type:
        match expr:
            case pst.HasAttr(base=pst.Var(name="principal" | "resource" as name), attrs=(attr,)):
                if self.schema.type_of(name, attr) is None:
                    raise OutsideSubset(f"the unknown attribute '{name}.{attr}'")
                self._reading(name, attr)
                return BOOL
            case pst.HasAttr(base=pst.GetAttr()) | pst.HasAttr(attrs=(_, _, *_)):
                raise OutsideSubset("'has' of a chain")
            case _:
                raise OutsideSubset("'has' on something else than principal or resource")

    def _reading(self, variable: str, attr: str) -> None:
        if variable == "principal":
            self._note(Reads(principal=frozenset({attr})))
        elif variable == "resource":
            self._note(Reads(resource=frozenset({attr}), plain=frozenset({attr})))
        else:
            # Whoever adds an attribute to the context must also say what of it the ruling's key holds.
            raise OutsideSubset(f"'context.{attr}'; of the context only 'at' is read")

    def _set(self, elements: tuple[pst.Expr, ...]) -> Type:
        if not elements:
            raise OutsideSubset("an empty set literal")
        found: set[str] = set()
        for element in elements:
            match element:
                case (
                    pst.BoolLit()
                    | pst.LongLit()
                    | pst.StringLit()
                    | pst.EntityLit()
                    | pst.UnaryOp(op="datetime")
                ):
                    found.add(self._type(element).name)
                case _:
                    raise OutsideSubset("a set with members that are no literals")
        if len(found) > 1:
            raise OutsideSubset(f"a set of several types ({', '.join(sorted(found))})")
        return Type(found.pop(), is_set=True)

    def _compare(self, order: Order, left: pst.Expr, right: pst.Expr) -> None:
        for one, other, turned in ((left, right, order), (right, left, MIRRORED[order])):
            if _is_at(one):
                self._moment(turned, other)
                return
        for one, other in ((left, right), (right, left)):
            # Whom a rule names is asked about alone, and the originator is nobody's recipient.
            if one == pst.Var("principal") and order in ("eq", "not_eq") and _names_one(other):
                self._expect(other, Type("Agency"), order)
                return
        found = self._type(left)
        self._expect(right, found, order)
        self._pair(left, right, found)
        if found.is_set:
            raise OutsideSubset("sets compared by '=='; write containsAll both ways")
        if order not in ("eq", "not_eq") and found not in (LONG, DATETIME):
            raise OutsideSubset(f"'<' and its like on {found}")

    def _moment(self, order: Order, other: pst.Expr) -> None:
        match other:
            case pst.UnaryOp(op="datetime"):
                moment = Moment(order, None, datetime_literal_ms(other))
            case pst.GetAttr(base=pst.Var(name="resource"), attr=attr):
                declared = self.schema.type_of("resource", attr)
                if declared is None or declared.type != DATETIME:
                    raise OutsideSubset(
                        f"'context.at' compared with 'resource.{attr}', which is no datetime attribute"
                    )
                if declared.optional:
                    raise OutsideSubset(
                        f"'context.at' compared with the optional attribute 'resource.{attr}'"
                    )
                moment = Moment(order, attr, 0)
            case _:
                raise OutsideSubset(
                    "'context.at' compared with neither a datetime of the resource nor a literal"
                )
        self._note(Reads(moments=frozenset({moment})))

    def _in(self, left: pst.Expr, right: pst.Expr) -> None:
        if left != pst.Var("principal"):
            raise OutsideSubset("'in' with something else than 'principal' on its left")
        match right:
            case pst.EntityLit() | pst.Set():
                found = self._type(right)
            case pst.GetAttr():
                found = self._membership(right)
                if not found.is_set:
                    raise OutsideSubset("'principal in' an attribute that is no set")
            case _:
                raise OutsideSubset(
                    "'principal in' something else than a literal, a literal set or a set attribute"
                )
        if found.name not in ("Agency", "Community"):
            raise OutsideSubset(f"'principal in' {found}: agencies are in communities only")


def _names_one(expr: pst.Expr) -> bool:
    return isinstance(expr, pst.EntityLit) or expr == pst.GetAttr(pst.Var("resource"), "originator")


def datetime_literal_ms(expr: pst.Expr) -> int:
    """Milliseconds since the epoch of `datetime("..")`. Raises: `OutsideSubset` if it is no literal."""
    match expr:
        case pst.UnaryOp(op="datetime", arg=pst.StringLit(value=text)):
            try:
                return parse_instant(text)
            except ValueError as error:
                raise OutsideSubset(f"datetime '{text}', which is no instant: {error}") from error
        case _:
            raise OutsideSubset("datetime of something else than a literal")


def _is_at(expr: pst.Expr) -> bool:
    return expr == pst.GetAttr(pst.Var("context"), "at")


def _name(node: object) -> str:
    return f"a {type(node).__name__}"
