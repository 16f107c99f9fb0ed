"""Test cases of sharing rules: a file's cases, held against the arrangement that they speak of.

- What is named must exist: an agency, portion or rule that does not is a fault of the file, and no case runs.
- `gets` is exact: who does not stand there must not get the portion. `then` names each portion of the record.
- `suppose` changes the directory for one case: so it can say what becomes of a suspension, or of an agency that
  declares no exposure, while there is none.

How a file is written is `casefile`; running cases is `trials`.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from broker.policy.casefile import Expected, Supposed, Words, WrittenCase, WrittenCases
from broker.policy.drafted import DraftedRecord, routing
from broker.policy.foreseeing import Portion
from broker.policy.loader import Rule
from schemas.codes import Kind, PortionName
from schemas.directory import Agency, Directory, Suspension, instant_ms
from schemas.ids import AgencyId, RuleId
from schemas.lined_yaml import LinedYaml, Path, YamlError, read_lined
from schemas.records import KINDS
from schemas.verdicts import Effect, Refused, Withheld

REASONS: Final = frozenset(str(reason) for reason in Withheld)
SAID_BY_LABELS: Final = frozenset({Refused.ORIGINATOR_NOT_ACTIVE, Refused.INCOMPLETE_LABEL, Refused.EXPIRED})
"""Why a record is refused for its labels alone. That its ids and portions exist is a matter of the file of cases."""


@dataclass(frozen=True, slots=True)
class Stated:
    """What a case says of one pair: the reason why not, or None if the agency gets the portion.

    `rules`: all that decide, sorted; behind a reason that is stronger than rules, those that would decide without it.
    None: the case does not say.
    """

    portion: PortionName
    agency: AgencyId
    withheld: Withheld | None
    rules: tuple[RuleId, ...] | None


@dataclass(frozen=True, slots=True)
class Case:
    """A case that may be run: everything that it names exists. Its title is the only one of its file.

    `stated`: the pairs that it names, in its order. Who is not among them must get nothing.
    """

    file: str
    line: int
    title: str
    originator: AgencyId
    kind: Kind
    at_ms: int
    portions: tuple[Portion, ...]
    refused: Refused | None
    stated: tuple[Stated, ...]
    directory: Directory = field(repr=False)
    """The arrangement's, the very object, unless the case supposes another."""


def read_cases(
    texts: Mapping[str, str], directory: Directory, rules: Mapping[RuleId, Rule]
) -> tuple[Case, ...]:
    """The cases of all files (`texts`: by name), in the order of the names and of each file.

    Raises: `YamlError` with every fault that could be told apart: file, line, field, what was expected.
    """
    cases: list[Case] = []
    errors: list[str] = []
    for file in sorted(texts):
        try:
            written = read_lined(file, texts[file])
            whole = written.check(WrittenCases, written.values)
        except YamlError as error:
            errors += error.errors
            continue
        first: dict[str, int] = {}
        for n, case in enumerate(whole.cases):
            reading = _Reading(written, ("cases", n), directory, rules)
            line = written.line(("cases", n))
            if (earlier := first.setdefault(case.case, line)) != line:
                reading.fault(("case",), f"the title stands twice; first in line {earlier}")
            found = reading.case(case, None if whole.at is None else instant_ms(whole.at))
            errors += reading.errors
            cases += [found] if found else []
    if errors:
        raise YamlError(errors)
    return tuple(cases)


class _Reading:
    """One case, held against directory and rules; `errors` collects what does not exist."""

    def __init__(
        self, written: LinedYaml, at: Path, directory: Directory, rules: Mapping[RuleId, Rule]
    ) -> None:
        self._written = written
        self._at = at
        self._directory = directory
        self._rules = rules
        self.errors: list[str] = []

    def fault(self, path: Path, message: str) -> None:
        self.errors += self._written.error((*self._at, *path), message).errors

    def case(self, written: WrittenCase, otherwise_ms: int | None) -> Case | None:
        """None if something is wrong with it."""
        given = written.given
        if given.at is None and otherwise_ms is None:
            self.fault(("given",), "expected 'at' here or in the file: the instant of admission")
        directory = self._supposed(written.suppose)
        self._record(given)
        if written.then is not None:
            for name in sorted(given.portions.keys() - written.then.keys()):
                self.fault(("then",), f"the portion '{name}' is missing; say who gets it, or 'gets: nobody'")
        stated = tuple(self._stated(given, written.then or {}))
        if written.refused and written.refused not in SAID_BY_LABELS:
            self.fault(("refused",), f"expected a reason that labels give: {_listed(SAID_BY_LABELS)}")
        if self.errors or directory is None:
            return None
        at_ms = given.at_ms(otherwise_ms or 0)
        return Case(
            file=self._written.file,
            line=self._written.line(self._at),
            title=written.case,
            originator=given.originator,
            kind=given.kind,
            at_ms=at_ms,
            portions=given.labelled(directory, at_ms),
            refused=written.refused,
            stated=stated,
            directory=directory,
        )

    def _record(self, given: DraftedRecord) -> None:
        self._agency(("given", "originator"), given.originator)
        portions = KINDS[given.kind].portions
        for name, label in given.portions.items():
            path: Path = ("given", "portions", name)
            if name not in portions:
                self.fault(path, f"expected a portion of '{given.kind}': {_listed(portions)}")
            for n, to in enumerate(label.to):
                try:
                    routing((to,), self._directory)
                except KeyError:
                    self.fault((*path, "to", n), f"'{to}' is no agency, community or officer")

    def _supposed(self, supposed: Supposed) -> Directory | None:
        """The directory of the case; None if it cannot be."""
        if supposed == Supposed():
            return self._directory
        for agency in supposed.agencies:
            self._agency(("suppose", "agencies", agency), agency)
        for n, agency in enumerate(supposed.suspended):
            self._agency(("suppose", "suspended", n), agency)
        agencies = []
        for entry in self._directory.agencies:
            path: Path = ("suppose", "agencies", entry.id)
            changed = {**entry.model_dump(), **supposed.agencies.get(entry.id, {})}
            try:
                agencies.append(self._written.check(Agency, changed, (*self._at, *path)))
            except YamlError as error:
                self.errors += error.errors
            if changed["id"] != entry.id:
                self.fault((*path, "id"), "an agency's id stays what it is")
        if self.errors:
            return None
        before = self._directory
        suspensions = [Suspension(agency=a, reason="supposed") for a in supposed.suspended]
        return Directory(
            agencies=tuple(agencies),
            officers=before.officers,
            communities=before.communities,
            suspensions=(*before.suspensions, *suspensions),
            lanes=before.lanes,
        )

    def _stated(self, given: DraftedRecord, then: Mapping[PortionName, Expected]) -> Iterator[Stated]:
        for name, expected in then.items():
            if name not in given.portions:
                self.fault(("then", name), "the record that is given has no such portion")
            for agency, words in expected.gets.items():
                path: Path = ("then", name, "gets", agency)
                self._other(path, agency, given.originator)
                rules = self._rules_of(path, words, Effect.PERMIT)
                yield Stated(name, agency, None, rules if words else None)
            for agency, words in expected.without.items():
                path = ("then", name, "not", agency)
                self._other(path, agency, given.originator)
                if agency in expected.gets:
                    self.fault(path, "stands in 'gets' as well")
                yield Stated(name, agency, *self._without(path, words))

    def _without(self, path: Path, words: Words) -> tuple[Withheld, tuple[RuleId, ...] | None]:
        """The reason, and the rules that decide with it or, were it not for it, without it."""
        reasons = [Withheld(word) for word in words if word in REASONS]
        named = tuple(word for word in words if word not in REASONS)
        reason = reasons[0] if reasons else Withheld.FORBIDDEN
        stronger = reason in (Withheld.GATE, Withheld.NOT_ADDRESSED)
        if not words:
            self.fault(path, f"expected a reason ({_listed(REASONS)}) or the rules that forbid it")
        if stronger and reasons[1:] == [Withheld.NO_PERMIT] and not named:
            return reason, ()
        if len(reasons) > 1 or (named and reason is Withheld.NO_PERMIT):
            self.fault(path, f"these do not go together: {', '.join(words)}")
        rules = self._rules_of(path, named, None if stronger else Effect.FORBID)
        return reason, rules if named else None

    def _rules_of(self, path: Path, words: Words, effect: Effect | None) -> tuple[RuleId, ...]:
        """The rules, sorted; of this effect, or all of one."""
        named = tuple(sorted(RuleId(word) for word in words))
        for rule in named:
            if rule not in self._rules:
                self.fault(path, f"'{rule}' is no rule of the arrangement, nor a reason ({_listed(REASONS)})")
                return named
        effects = {self._rules[rule].effect for rule in named}
        if effect is not None and effects - {effect}:
            self.fault(path, f"expected rules that {effect}, found one that does not: {', '.join(named)}")
        elif len(effects) > 1:
            self.fault(
                path, f"rules that permit and rules that forbid never decide together: {', '.join(named)}"
            )
        elif len(set(named)) < len(named):
            self.fault(path, "a rule stands twice")
        return named

    def _other(self, path: Path, agency: str, originator: str) -> None:
        self._agency(path, agency)
        if agency == originator:
            self.fault(path, "the originator has it; cases speak of the others")

    def _agency(self, path: Path, agency: str) -> None:
        if agency not in self._directory.agency_ids:
            self.fault(path, f"'{agency}' is no agency of the arrangement")


def _listed(words: Iterable[object]) -> str:
    return ", ".join(sorted(map(str, words)))
