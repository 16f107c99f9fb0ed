"""The ruling of a label class: gate and rules for every recipient, remembered by what they read.

- The key holds only what the rules and the gate read; each comparison with the instant is replaced by its
  truth, memberships and postings by the directory's epoch. Two questions with one key have one answer, so
  a ruling's bytes do not depend on what was asked before: both caches may forget anything at any time.
- An id that the arrangement does not know is never asked about: a broad permit would let it pass. Everybody
  is denied.
- A hit is a look-up by the label itself; behind it, labels that differ in nothing that is read share a key.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Final

from broker.policy.asking import DENIED, Asker
from broker.policy.entities import PORTION, Portion, expressible, values
from broker.policy.instants import FIRST_MS, LAST_MS
from broker.policy.loader import Policy
from broker.policy.memory import Recent
from broker.policy.reads import Moment
from broker.policy.roster import EPOCHS, Recipient, Roster
from schemas.canonical import Domains
from schemas.codes import Kind, PortionName
from schemas.directory import Directory
from schemas.gate import Surroundings, barred, protected
from schemas.ids import AgencyId, Digest
from schemas.labels import Handling, Label, Routing
from schemas.records import bears_persons
from schemas.rulings import Ruling, ruling_bytes, ruling_digest
from schemas.verdicts import Verdict

_VERDICTS: Final = 1_000_000
"""How many verdicts are remembered at most: some 150 MB."""


@dataclass(slots=True)
class Stats:
    """Rulings from memory (`hits`), made anew (`misses`), made anew with a denial for an error (`errors`).

    Of the answers that new rulings are made of, one a recipient: `answers` in all, `asked` of the engine.
    """

    hits: int = 0
    misses: int = 0
    errors: int = 0
    answers: int = 0
    asked: int = 0

    @property
    def hit_rate(self) -> float:
        asked = self.hits + self.misses
        return self.hits / asked if asked else 0.0


Answered = tuple[Digest, bytes, Ruling]
#: An answer between the instants in which it stays.
Lasting = tuple[int, int, Answered]
_Asked = tuple[str, str, str, Handling, Routing, Surroundings, int]


@dataclass(frozen=True, slots=True)
class _Question:
    """A question with everything that its answer rests on."""

    originator: str
    bears: bool
    label: Label
    at_ms: int
    portion: Portion | None
    """None if some id is unknown: then nothing is asked and everybody is denied."""


class Engine:
    """Answers for one version of the arrangement. Not for use by several threads at once."""

    def __init__(
        self,
        domains: Domains,
        policy: Policy,
        directory: Directory,
        arrangement: Digest,
        remembered: int | None = None,
    ) -> None:
        """`remembered`: how many rulings are kept; by default as many as the memory set aside allows."""
        remembered = remembered or min(65_536, max(512, _VERDICTS // len(directory.agency_ids)))
        self.stats = Stats()
        self._domains = domains
        self.policy = policy
        self.directory = directory
        self._arrangement = arrangement
        self._declared = frozenset(policy.schema.attributes["principal"])
        self._portion_read = tuple(sorted(policy.reads.resource))
        self._moments = sorted(policy.reads.moments, key=lambda m: (m.order, m.attribute or "", m.literal_ms))
        self._by_label: Recent[_Asked, Lasting] = Recent(remembered)
        self._by_key: Recent[Hashable, Answered] = Recent(remembered)
        self._asker = Asker(policy, _VERDICTS // 4)
        self._rosters: Recent[int, Roster] = Recent(EPOCHS)

    def over(self, directory: Directory, policy: Policy | None = None) -> "Engine":
        """An engine of its own over a directory that has the same ids, with the same rules or with others."""
        return Engine(self._domains, policy or self.policy, directory, self._arrangement)

    def rule(
        self,
        *,
        originator: AgencyId,
        kind: Kind | str,
        portion: PortionName | str,
        label: Label,
        record: Surroundings,
        at_ms: int,
    ) -> Answered:
        """The ruling on a portion: its digest, its bytes and itself; a verdict for all but the originator.

        `record`: what the portion's whole record holds. `at_ms` is the admission time. Unknown ids are denied,
        not raised.
        Raises: `ValueError` for an admission time outside years 1 to 9999.
        """
        return self.lasting(
            originator=originator, kind=kind, portion=portion, label=label, record=record, at_ms=at_ms
        )[2]

    def lasting(
        self,
        *,
        originator: AgencyId,
        kind: Kind | str,
        portion: PortionName | str,
        label: Label,
        record: Surroundings,
        at_ms: int,
    ) -> Lasting:
        """What `rule` answers, and the half-open span of milliseconds in which no rule's comparison with `at_ms` turns.

        Within it, as long as the directory's epoch is the same, the answer is the same. Raises: as `rule`.
        """
        # The parsed values are the key, never their bytes: one value has many encodings on the wire.
        epoch = self.directory.epoch_of(at_ms)
        asked = (originator, kind, portion, label.handling, label.routing, record, epoch)
        recent = self._by_label.get(asked)
        if recent is not None and recent[0] <= at_ms < recent[1]:
            self.stats.hits += 1
            return recent
        question = self._question(originator, kind, portion, label, record, at_ms)
        key = self._key(question)
        answered = self._by_key.get(key)
        if answered is None:
            self.stats.misses += 1
            answered = self._answer(question)
            self._by_key.put(key, answered)
        else:
            self.stats.hits += 1
        lasting = (*self._life(question.portion, at_ms), answered)
        self._by_label.put(asked, lasting)
        return lasting

    def verdict(
        self,
        recipient: AgencyId,
        *,
        originator: AgencyId,
        kind: Kind | str,
        portion: PortionName | str,
        label: Label,
        record: Surroundings,
        at_ms: int,
    ) -> Verdict:
        """What `rule` says of one recipient, asked for that one alone: for whoever tries many labels.

        Raises: `KeyError` for an agency that the directory lacks, or the originator; `ValueError` as `rule`.
        """
        question = self._question(originator, kind, portion, label, record, at_ms)
        roster = self._roster(at_ms)
        return self._verdicts(question, roster, [roster.recipient(recipient, originator, label)])[0]

    def _question(
        self, originator: str, kind: str, name: str, label: Label, record: Surroundings, at_ms: int
    ) -> _Question:
        if not FIRST_MS <= at_ms <= LAST_MS:
            raise ValueError(f"admission time {at_ms} ms is outside years 1 to 9999")
        try:
            bears = bears_persons(kind, name)
            entry = self.directory.agency(originator)
        except KeyError:
            # What is not known may name persons: the protective reading.
            return _Question(originator, True, label, at_ms, None)
        portion = Portion(entry, kind, name, bears, label.handling, label.routing, record)
        asked = portion if self.directory.knows(label.routing) and expressible(portion) else None
        return _Question(originator, bears, label, at_ms, asked)

    def _key(self, question: _Question) -> Hashable:
        """Everything that the answer rests on, and nothing else."""
        handling, routing, portion = question.label.handling, question.label.routing, question.portion
        reads = self.policy.reads
        shut = question.bears and protected(handling)
        exposing = shut or "exposed_states" in reads.principal or "exposed_known" in reads.principal
        return (
            question.originator,
            self.directory.epoch_of(question.at_ms),
            frozenset(handling.origins) if shut else None,
            frozenset(routing.officers) if exposing else None,
            None
            if portion is None
            else (values(PORTION, self._portion_read, portion), *self._truths(portion, question.at_ms)),
        )

    def _truths(self, portion: Portion, at_ms: int) -> list[bool]:
        return [moment.truth(at_ms, self._instant(moment, portion)) for moment in self._moments]

    def _life(self, portion: Portion | None, at_ms: int) -> tuple[int, int]:
        """The half-open span around the instant in which no comparison with it changes its truth."""
        begin, end = FIRST_MS, LAST_MS + 1
        if portion is None:
            return begin, end
        for moment in self._moments:
            value = self._instant(moment, portion)
            for turn in (value, value + 1):
                if turn <= at_ms:
                    begin = max(begin, turn)
                else:
                    end = min(end, turn)
        return begin, end

    def _instant(self, moment: Moment, portion: Portion) -> int:
        if moment.attribute is None:
            return moment.literal_ms
        value = PORTION[moment.attribute][1](portion)
        if not isinstance(value, int):
            raise TypeError(f"'{moment.attribute}' is compared with the instant and is no datetime")
        return value

    def _answer(self, question: _Question) -> Answered:
        roster = self._roster(question.at_ms)
        verdicts = self._verdicts(question, roster, roster.recipients(question.originator, question.label))
        ruling = Ruling(self._arrangement, verdicts)
        data = ruling_bytes(ruling)
        return ruling_digest(self._domains, data), data, ruling

    def _verdicts(
        self, question: _Question, roster: Roster, recipients: Sequence[Recipient]
    ) -> tuple[Verdict, ...]:
        if question.portion is None:
            answers = [DENIED] * len(recipients)
        else:
            truths = tuple(self._truths(question.portion, question.at_ms))
            answers = self._asker.ask(roster, recipients, question.portion, truths, question.at_ms)
            self.stats.answers += len(answers)
            self.stats.asked = self._asker.asked
        self.stats.errors += DENIED in answers
        handling = question.label.handling
        return tuple(
            Verdict(r.agency, barred(question.bears, handling, r.exposed), answer.effect, answer.rules)
            for r, answer in zip(recipients, answers, strict=True)
        )

    def _roster(self, at_ms: int) -> Roster:
        epoch = self.directory.epoch_of(at_ms)
        roster = self._rosters.get(epoch)
        if roster is None:
            roster = Roster(self.directory, at_ms, self._declared, self.policy.reads.principal)
            self._rosters.put(epoch, roster)
        return roster
