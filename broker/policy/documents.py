"""What the tools say, for machines: one shape each, the same from a command's `--json` and from the broker API."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated

from pydantic import Field, JsonValue

from broker.policy.drafted import drafted
from broker.policy.fates import Apart, Fate
from broker.policy.foreseeing import Foreseen
from broker.policy.history import Change, Changes, Counted, Flow
from broker.policy.loader import Policy
from broker.policy.matrix import Row
from broker.policy.proof import changes, lint, mutate, prove
from broker.policy.proof.witness import Witness
from broker.policy.trials import Trial, coverage
from schemas.codes import AgencyRole, Kind, PortionName, State, Tlp
from schemas.directory import AgencyField
from schemas.ids import AgencyId, RuleId, record_text
from schemas.model import Model
from schemas.verdicts import Refused, Withheld

Count = Annotated[int, Field(ge=0)]
Json = dict[str, JsonValue]


class Decision(Model):
    """What is decided of one portion for one agency. `withheld`: null where it is released. `rules`: which decide."""

    withheld: Withheld | None
    rules: tuple[RuleId, ...]

    @classmethod
    def of(cls, decided: Foreseen) -> "Decision":
        return cls(withheld=decided.withheld, rules=decided.rules)


class Shown(Model):
    """A concrete record that a proof found, decided by Cedar.

    `record`: its labels, as `entente policy explain` reads them. `originator` and `recipient`: as they are supposed to
    be; `as_today`: so they stand in the directory.
    """

    record: Json
    portion: PortionName
    originator: Json
    recipient: Json
    as_today: bool
    decided: Decision

    @classmethod
    def of(cls, witness: Witness, decided: Foreseen) -> "Shown":
        return cls.model_validate({**witness.document(), "decided": Decision.of(decided)})


# -- lint --------------------------------------------------------------------------------------------------------


class FindingDocument(Model):
    """A suspicion about a rule, proved. `fault`: to be mended; else a note."""

    rule: RuleId
    file: str
    line: int
    smell: lint.Smell
    fault: bool
    message: str


class LintDocument(Model):
    """What is suspicious in rules that can be loaded."""

    findings: tuple[FindingDocument, ...]
    faults: Count

    @classmethod
    def of(cls, findings: Iterable[lint.Finding]) -> "LintDocument":
        told = tuple(
            FindingDocument(
                rule=one.rule.id,
                file=one.rule.file,
                line=one.rule.line,
                smell=one.smell,
                fault=one.smell.is_fault,
                message=one.message,
            )
            for one in findings
        )
        return cls(findings=told, faults=sum(one.fault for one in told))


# -- test --------------------------------------------------------------------------------------------------------


class MismatchDocument(Model):
    """What comes out otherwise than a case says; `portion` and `agency` null: the whole record."""

    portion: PortionName | None
    agency: AgencyId | None
    says: str
    finds: str


class CaseDocument(Model):
    """What came of a case."""

    file: str
    line: int
    case: str
    holds: bool
    mismatches: tuple[MismatchDocument, ...]


class CoverageDocument(Model):
    """How many pairs that cases name a rule decides, and in how many of them the case names the rule."""

    pairs: Count
    pinned: Count


class CasesDocument(Model):
    """The cases in their order, and each rule's coverage."""

    cases: tuple[CaseDocument, ...]
    rules: dict[RuleId, CoverageDocument]

    @classmethod
    def of(cls, trials: Sequence[Trial], policy: Policy) -> "CasesDocument":
        return cls(
            cases=tuple(
                CaseDocument(
                    file=trial.case.file,
                    line=trial.case.line,
                    case=trial.case.title,
                    holds=trial.holds,
                    mismatches=tuple(
                        MismatchDocument(portion=m.portion, agency=m.agency, says=m.says, finds=m.finds)
                        for m in trial.mismatches
                    ),
                )
                for trial in trials
            ),
            rules={
                rule: CoverageDocument(pairs=found.pairs, pinned=found.pinned)
                for rule, found in coverage(policy, trials).items()
            },
        )


# -- prove -------------------------------------------------------------------------------------------------------


class ProofDocument(Model):
    """A promise and whether it holds, for every label, agency and membership.

    `against`: a record that breaks it; null too for a promise of what must be possible, of which nothing is possible.
    `example`: of such a promise that holds.
    """

    id: str
    says: str
    holds: bool
    against: Shown | None
    example: Shown | None


class ProvedDocument(Model):
    """Every promise. `gate_alone`: what the rules would release and only the protection gate withholds."""

    hold: bool
    proofs: tuple[ProofDocument, ...]
    gate_alone: Shown | None

    @classmethod
    def of(cls, proved: prove.Proved) -> "ProvedDocument":
        def shown(found: prove.Counterexample | None) -> Shown | None:
            return None if found is None else Shown.of(found.witness, found.decided)

        return cls(
            hold=proved.hold,
            proofs=tuple(
                ProofDocument(
                    id=p.id, says=p.says, holds=p.holds, against=shown(p.against), example=shown(p.example)
                )
                for p in proved.proofs
            ),
            gate_alone=shown(proved.gate_alone),
        )


# -- recorded decisions ------------------------------------------------------------------------------------------


class FateDocument(Model):
    """What becomes of a pair on one side. `why`: null where it is released."""

    why: Withheld | Refused | Apart | None
    rules: tuple[RuleId, ...]

    @classmethod
    def of(cls, fate: Fate) -> "FateDocument":
        return cls(why=fate.why, rules=fate.rules)


class ExampleDocument(Model):
    """The first record in which it changed. `labels`: as `entente policy explain` reads them."""

    record: str
    revision: int
    leaf: int
    labels: Json


class RecordedFlow(Model):
    """Recorded pairs that change in the same way. `labels`: how many different ones they bear."""

    change: Change
    originator: AgencyField
    kind: Kind
    portion: PortionName
    recipient: AgencyField
    before: FateDocument
    after: FateDocument
    count: Count
    labels: Count
    example: ExampleDocument

    @classmethod
    def of(cls, flow: Flow, counted: Counted) -> "RecordedFlow":
        leaf, kind = counted.example.leaf, Kind(flow.kind)
        portions = {p.name: p.label for p in counted.example.portions}
        return cls(
            change=flow.change,
            originator=flow.originator,
            kind=kind,
            portion=PortionName(flow.portion),
            recipient=flow.recipient,
            before=FateDocument.of(flow.before),
            after=FateDocument.of(flow.after),
            count=counted.count,
            labels=len(counted.labels),
            example=ExampleDocument.model_validate(
                {
                    "record": record_text(leaf.record_id),
                    "revision": leaf.revision,
                    "leaf": leaf.number,
                    "labels": drafted(flow.originator, kind, leaf.at_ms, portions),
                }
            ),
        )


class RecordedDocument(Model):
    """Recorded decisions under two sets of rules; a decision is a portion for one agency.

    `flows`: gained first, then lost and the rest; within these the most frequent first. `gained` to `reason`: pairs.
    """

    records: Count
    decisions: Count
    decisions_after: Count
    released: Count
    released_after: Count
    gained: Count
    lost: Count
    no_wrap: Count
    reason: Count
    refused_after: Count
    """Records that would not be admitted."""
    flows: tuple[RecordedFlow, ...]

    @classmethod
    def of(cls, found: Changes) -> "RecordedDocument":
        return cls(
            records=found.records,
            decisions=found.pairs_before,
            decisions_after=found.pairs_after,
            released=found.released_before,
            released_after=found.released_after,
            refused_after=found.refused_after,
            flows=tuple(RecordedFlow.of(flow, counted) for flow, counted in by_weight(found)),
            **{str(change): found.count(change) for change in Change},
        )


_ORDER = list(Change)


def by_weight(found: Changes) -> list[tuple[Flow, Counted]]:
    """Gained first, then lost and the rest; within these the most frequent first."""
    return sorted(
        found.flows.items(), key=lambda one: (_ORDER.index(one[0].change), -one[1].count, str(one[0][:4]))
    )


# -- plan --------------------------------------------------------------------------------------------------------


class FlowDocument(Model):
    """A class of flow that changes, with a record that shows it as it was decided before.

    `agency`: the one whose entry in the directory changes, where that is why.
    """

    kind: Kind
    portion: PortionName
    role: AgencyRole
    agency: AgencyId | None
    gained: bool
    after: Decision
    witness: Shown


class PlanDocument(Model):
    """What changes: in writing, in recorded decisions, and in anything that could be decided.

    `recorded`: null where none were asked about. `whole`: there are no other classes of flow, which is proved.
    """

    written: tuple[str, ...]
    recorded: RecordedDocument | None
    whole: bool
    flows: tuple[FlowDocument, ...]

    @classmethod
    def of(cls, written: Iterable[str], found: changes.Changes, recorded: Changes | None) -> "PlanDocument":
        return cls(
            written=tuple(written),
            recorded=None if recorded is None else RecordedDocument.of(recorded),
            whole=found.whole,
            flows=tuple(
                FlowDocument(
                    kind=flow.kind,
                    portion=flow.portion,
                    role=flow.role,
                    agency=flow.agency,
                    gained=flow.gained,
                    after=Decision.of(flow.after),
                    witness=Shown.of(flow.witness, flow.before),
                )
                for flow in found.flows
            ),
        )


# -- mutate ------------------------------------------------------------------------------------------------------


class SurvivorDocument(Model):
    """A mutant that no case notices. `witness`: a record that it would decide otherwise: the case that is missing."""

    rule: RuleId
    wrong: str
    fate: mutate.Fate
    witness: Shown | None


class MutatedDocument(Model):
    """What came of every mutant."""

    total: Count
    noticed: Count
    equivalent: Count
    unnoticed: Count
    survivors: tuple[SurvivorDocument, ...]

    @classmethod
    def of(cls, found: mutate.Mutated) -> "MutatedDocument":
        return cls(
            total=found.total,
            noticed=found.total - len(found.survivors),
            equivalent=len(found.survivors) - len(found.unnoticed),
            unnoticed=len(found.unnoticed),
            survivors=tuple(
                SurvivorDocument(
                    rule=one.mutant.rule.id,
                    wrong=one.mutant.wrong,
                    fate=one.fate,
                    witness=None
                    if one.witness is None or one.before is None
                    else Shown.of(one.witness, one.before),
                )
                for one in found.survivors
            ),
        )


# -- matrix ------------------------------------------------------------------------------------------------------


class RowDocument(Model):
    """One portion alone in its record, under one label. `to`: "by name", which is everyone, or a community.

    `person` and `origin`: where it bears persons. `cells`: what each other active agency would get.
    """

    kind: Kind
    portion: PortionName
    to: str
    tlp: Tlp
    person: str | None
    origin: State | None
    cells: dict[AgencyId, Decision]


class MatrixDocument(Model):
    """Who would get which portion of each kind of record, under typical labels."""

    originator: AgencyField
    rows: tuple[RowDocument, ...]

    @classmethod
    def of(cls, originator: AgencyId, rows: Iterable[Row], to: Sequence[str] = ()) -> "MatrixDocument":
        """`to`: only these agencies, if any are given."""

        def cells(row: Row) -> Iterator[tuple[AgencyId, Decision]]:
            for cell in row.cells:
                if not to or cell.recipient in to:
                    yield cell.recipient, Decision.of(cell)

        return cls(
            originator=originator,
            rows=tuple(
                RowDocument(
                    kind=row.kind,
                    portion=row.portion,
                    to=row.to,
                    tlp=row.label.handling.tlp,
                    person=None if row.person is None else row.person.words,
                    origin=row.origin,
                    cells=dict(cells(row)),
                )
                for row in rows
            ),
        )
