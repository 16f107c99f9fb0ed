"""Notable events of a run, one plain sentence each: found in ledgers as they are read, told once.

- Known from ledgers and signed directories alone; nothing of what a record says is ever seen here.
- Cases of one sort are a group: its first case is told when it happens, all of them in a sentence at the end of the
  run; of sorts that are no news only the latter.
- What is found depends on the leaves alone. Live it is told in the order in which ledgers were read; `chronicle`
  reads them all in the order of domain time.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from broker.index import outcomes
from deploy.stage import sentences
from deploy.stage.evidence import Ledger
from deploy.stage.sentences import Facts, Group, counted, kind_in_words, listed, said_at
from schemas.arrangement import Arrangement
from schemas.audience import addressed
from schemas.clock import DAY_S
from schemas.codes import AgencyRole, PortionName, SubjectCategory
from schemas.controls import ControlCode, parse_receipt
from schemas.directory import Directory
from schemas.ids import AgencyId, Digest
from schemas.labels import Handling, Label, home_of, parse_handling, parse_routing
from schemas.ledger import (
    Activation,
    Admitted,
    ControlNoted,
    Duplicate,
    Gap,
    Leaf,
    LedgerPortion,
    Quarantined,
)
from schemas.verdicts import Effect, Refused, Verdict, Withheld

_DAY_MS: Final = DAY_S * 1000

#: Who is given little, so that what they are given is worth a word.
_NARROW: Final = (AgencyRole.SOURCE_STATE, AgencyRole.PLATFORM)


#: Sorts of cases, in the order in which all of them are told at the end.
_SORTS: Final = ("gate", "narrow", "theme", "officer", "correction", "refused", "unopened", "doubled")


@dataclass(frozen=True, slots=True)
class Event:
    """A sentence, and the instant of domain time that it is about."""

    at_ms: int
    text: str
    is_total: bool = False
    """Whether it is about all cases of a sort, told at the end."""

    def __str__(self) -> str:
        return f"{said_at(self.at_ms)}  {self.text}"


#: What labels say that many want to hear of, if a rule keeps such a portion from somebody whom the originator named.
_THEMES: Final[dict[str, Callable[[LedgerPortion, Handling, int], bool]]] = {
    "special categories of personal data": lambda _p, h, _at: bool(h.special),
    "what should have been erased by then": lambda _p, h, at_ms: h.retain_until * _DAY_MS <= at_ms,
    "persons under protection": lambda _p, h, _at: bool(h.grounds) or SubjectCategory.VICTIM in h.subjects,
    "what is known of money": lambda p, _h, _at: p.name == PortionName.FINANCIAL,
}


class _Missed(NamedTuple):
    """A portion that an agency did not get, though the originator had named it."""

    portion: LedgerPortion
    label: Label
    verdict: Verdict
    why: Withheld


class _Decided(NamedTuple):
    """An admitted record, and what became of it."""

    lane: AgencyId
    leaf: Admitted
    directory: Directory
    labels: Sequence[Label]
    got: Mapping[AgencyId, list[str]]
    missed: Sequence[_Missed]


class Chronicle:
    """Reads ledgers, remembers how far it has read, and finds the notable.

    `tells_versions` False: somebody else tells of new versions, and knows why they came.
    """

    def __init__(self, tells_versions: bool = True) -> None:
        self._tells_versions = tells_versions
        self.events: list[Event] = []
        self.published: Counter[AgencyId] = Counter()
        """Records decided or refused, by originator."""
        self.withheld: Counter[AgencyId] = Counter()
        """Records of which nothing was released, by who did not get them."""
        self.waiting = False
        """Whether a ledger names a version that was not given; its lane is read on once it is."""
        self._read: Counter[AgencyId] = Counter()
        self._last: dict[AgencyId, int] = {}
        self._versions: Mapping[Digest, Arrangement] = {}
        self._lanes: dict[AgencyId, Digest] = {}
        self._number = 0
        self._facts: Facts = {}
        self._now = 0
        self._groups: dict[tuple[str, ...], Group] = {}
        self._reached: set[str] = set()
        self._holders: dict[tuple[AgencyId, bytes], set[AgencyId]] = {}

    def tell(self, at_ms: int, text: str) -> None:
        """Add a sentence, such as one that ledgers do not say."""
        self.events.append(Event(at_ms, text))

    def feed(self, ledgers: Mapping[AgencyId, Ledger], versions: Mapping[Digest, Arrangement]) -> None:
        """Take in what the ledgers have since the last time. `versions`: those that they name, by digest."""
        self._versions = versions
        self.waiting = False
        for at_ms, lane, _, leaf in sorted(self._new(ledgers), key=lambda new: new[:3]):
            self._advance(at_ms)
            match leaf:
                case Activation():
                    self._activation(lane, leaf, at_ms, len(ledgers))
                case Admitted():
                    self._admitted(ledgers[lane], leaf)
                case Quarantined():
                    self._quarantined(lane, leaf)
                case Gap():
                    self.tell(
                        at_ms, f"alarm: records {leaf.first} to {leaf.next - 1} of {lane} were never seen"
                    )
                case Duplicate():
                    self._count(("doubled",), sentences.doubled, at_ms, lane)
                case ControlNoted():
                    self._control(lane, leaf)

    def finish(self) -> None:
        """Tell of every group of which more was counted than told, all of it."""
        for _, group in sorted(self._groups.items(), key=lambda item: _SORTS.index(item[0][0])):
            if group.count > group.told:
                group.told = group.count
                self.events.append(Event(self._now, f"in all, {group.sentence}", is_total=True))

    def _new(self, ledgers: Mapping[AgencyId, Ledger]) -> Iterator[tuple[int, AgencyId, int, Leaf]]:
        for lane, ledger in ledgers.items():
            for leaf in ledger.leaves[self._read[lane] :]:
                at_ms = self._last.get(lane, 0)
                if not isinstance(leaf, Activation):
                    at_ms = leaf.at_ms
                elif leaf.arrangement not in self._versions:
                    self.waiting = True
                    break
                elif leaf.arrangement != self._lanes.get(lane) and leaf.clock.pieces:
                    stands = leaf.clock.pieces[-1]  # a scenario's time stands while a version is activated
                    at_ms = at_ms if stands.speed_ppm else max(at_ms, stands.start_ms)
                self._last[lane] = at_ms
                self._read[lane] += 1
                yield at_ms, lane, leaf.number, leaf

    def _activation(self, lane: AgencyId, leaf: Activation, at_ms: int, lanes: int) -> None:
        """A version holds in every lane once the last of them acts on it; a quiet lane may be ahead of it by then."""
        self._lanes[lane] = Digest(leaf.arrangement)
        numbers = [self._versions[digest].body.number for digest in self._lanes.values()]
        while len(numbers) == lanes and self._number < min(numbers):
            self._number += 1
            if self._tells_versions:
                self.tell(at_ms, f"version {self._number} holds in every lane")
            if self._now:
                self._compare(self._now)

    def _advance(self, at_ms: int) -> None:
        """Let domain time go on; tell what begins and what ends by the directory meanwhile."""
        before, self._now = self._now, max(self._now, at_ms)
        if not before:
            self._facts = sentences.facts(self._directory, self._now)
        elif before < self._now:
            for instant in sentences.instants(self._directory):
                if before < instant <= self._now:
                    self._compare(instant)

    @property
    def _directory(self) -> Directory:
        """What the version says that holds in every lane."""
        return next(v.directory for v in self._versions.values() if v.body.number == self._number)

    def _compare(self, at_ms: int) -> None:
        before, self._facts = self._facts, sentences.facts(self._directory, at_ms)
        for text in sentences.changes(before, self._facts):
            self.tell(at_ms, text)

    def _admitted(self, ledger: Ledger, leaf: Admitted) -> None:
        lane, active = ledger.lane, set(leaf.active)
        directory = self._versions[self._lanes[lane]].directory
        got: dict[AgencyId, list[str]] = {}
        missed, labels = [], []
        for portion in leaf.portions:
            label = Label(parse_handling(portion.handling), parse_routing(portion.routing))
            labels.append(label)
            named = addressed(label, lane, directory, leaf.at_ms)
            for verdict, why in outcomes(portion, ledger.rulings[Digest(portion.ruling)]):
                if verdict.recipient not in active:
                    continue
                if why is None:
                    got.setdefault(verdict.recipient, []).append(portion.name)
                elif verdict.recipient in named:
                    missed.append(_Missed(portion, label, verdict, why))
        self.published[lane] += 1
        self.withheld.update(AgencyId(a) for a in leaf.active if a not in got)
        decided = _Decided(lane, leaf, directory, labels, got, missed)
        self._gate(decided)
        self._narrow(decided)
        self._themes(decided)
        self._communities(decided)
        self._officers(decided)
        self._corrections(decided)

    def _gate(self, d: _Decided) -> None:
        barred = {m.verdict.recipient: m for m in d.missed if m.why is Withheld.GATE}
        elsewhere = []
        for recipient, missed in sorted(barred.items()):
            agency, origins = d.directory.agency(recipient), missed.label.handling.origins
            if agency.role is AgencyRole.SOURCE_STATE and not agency.states.isdisjoint(origins):
                part = recipient in d.got
                says = sentences.gate_of_origin_in_part if part else sentences.gate_of_origin
                permitted = {"permitted": int(missed.verdict.effect is Effect.PERMIT)}
                self._record(("gate", recipient, says.__name__), says, d, [recipient], permitted)
            else:
                elsewhere.append(recipient)
        if elsewhere:
            self._record(("gate",), sentences.gate_elsewhere, d, elsewhere)

    def _narrow(self, d: _Decided) -> None:
        for recipient, portions in sorted(d.got.items()):
            if d.directory.agency(recipient).role in _NARROW:
                notes = dict.fromkeys(portions, 1)
                notes[sentences.MORE] = int(len(portions) < len(d.leaf.portions))
                self._record(("narrow", recipient), sentences.little, d, [recipient], notes, is_news=False)

    def _themes(self, d: _Decided) -> None:
        kept: dict[str, set[str]] = {}
        for portion, label, verdict, why in d.missed:
            if why is Withheld.FORBIDDEN:
                for theme, says_so in _THEMES.items():
                    if says_so(portion, label.handling, d.leaf.at_ms):
                        kept.setdefault(theme, set()).add(verdict.recipient)
                        break
        for theme, recipients in kept.items():
            self._record(("theme", theme), sentences.forbidden(theme), d, sorted(recipients))

    def _communities(self, d: _Decided) -> None:
        for community in sorted({c for label in d.labels for c in label.routing.communities} - self._reached):
            if d.got and d.got.keys() <= d.directory.members(community, d.leaf.at_ms):
                self._reached.add(community)
                self.tell(
                    d.leaf.at_ms,
                    f"{community}: its first record, {counted(kind_in_words(d.leaf.kind), 1)} of {d.lane}, reaches "
                    f"members only: {listed(sorted(d.got))}",
                )

    def _officers(self, d: _Decided) -> None:
        for officer in sorted({o for label in d.labels for o in label.routing.officers}):
            home = home_of(officer)
            if home != d.lane and home not in d.got and not d.directory.posted(officer, d.leaf.at_ms):
                self._record(("officer", officer), sentences.posting_over(officer), d, [home])

    def _corrections(self, d: _Decided) -> None:
        holders = self._holders.setdefault((d.lane, d.leaf.record_id), set())
        if d.leaf.revision > 1:
            replaced = holders & d.got.keys()
            notes = {"replaced": len(replaced), "kept": len(holders - replaced)}
            self._record(("correction",), sentences.corrected, d, sorted(replaced), notes)
        holders.update(d.got)

    def _quarantined(self, lane: AgencyId, leaf: Quarantined) -> None:
        self.published[lane] += 1
        suspended = leaf.reason is Refused.ORIGINATOR_NOT_ACTIVE  # that it is was told when it began
        key = ("refused", leaf.reason, lane if suspended else "")
        self._count(key, sentences.refused(leaf.reason), leaf.at_ms, lane, is_news=not suspended)

    def _control(self, recipient: AgencyId, leaf: ControlNoted) -> None:
        if leaf.code == ControlCode.RECEIPT:
            receipt = parse_receipt(leaf.body)
            for exception in receipt.exceptions:
                key, says = ("unopened", recipient, exception.reason), sentences.unopened(exception.reason)
                self._count(key, says, leaf.at_ms, receipt.lane, recipients=[recipient])

    def _record(
        self,
        key: tuple[str, ...],
        says: Callable[[Group], str],
        d: _Decided,
        recipients: Sequence[str],
        notes: Mapping[str, int] | None = None,
        *,
        is_news: bool = True,
    ) -> None:
        self._count(key, says, d.leaf.at_ms, d.lane, d.leaf.kind, recipients, notes, is_news=is_news)

    def _count(
        self,
        key: tuple[str, ...],
        says: Callable[[Group], str],
        at_ms: int,
        originator: str,
        kind: str | None = None,
        recipients: Sequence[str] = (),
        notes: Mapping[str, int] | None = None,
        *,
        is_news: bool = True,
    ) -> None:
        """One more case of a group; of one that is news the first is told."""
        group = self._groups.setdefault(key, Group(says))
        group.count += 1
        group.originators[originator] += 1
        group.recipients.update(recipients)
        group.notes.update(notes or {})
        if kind is not None:
            group.kinds[kind] += 1
        if group.count == 1 and is_news:
            group.told = 1
            self.tell(at_ms, group.sentence)


def chronicle(
    ledgers: Mapping[AgencyId, Ledger],
    versions: Mapping[Digest, Arrangement],
    told: Iterable[Event] = (),
    *,
    tells_versions: bool = True,
) -> tuple[Event, ...]:
    """All that is notable in whole ledgers, and what was told beside it, in the order of domain time."""
    whole = Chronicle(tells_versions)
    whole.feed(ledgers, versions)
    whole.finish()
    return tuple(sorted([*told, *whole.events], key=lambda event: event.at_ms))
