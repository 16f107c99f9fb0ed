"""What a shard has read and not decided yet: which messages the next step takes, and when to read no more.

- A step takes of every lane in turn, bounded in bytes and messages: no lane waits for another's flood.
- A lane is never taken past where it turns to what was newly signed.
- What is over the bound of a lane waits in the cluster.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from broker.admission import SourceMessage
from schemas.ids import AgencyId

_STEP_BYTES = 1_500_000
_STEP_MESSAGES = 64  # of one lane: many small messages can make more leaves than their bytes tell
_LANE_BYTES = 2 * _STEP_BYTES

Taken = dict[AgencyId, Sequence[SourceMessage]]


@dataclass(slots=True)
class Backlog:
    """Messages of every lane, in the order of its log."""

    queues: dict[AgencyId, deque[SourceMessage]] = field(default_factory=dict)
    turns: dict[AgencyId, int] = field(default_factory=dict)
    """Where a lane must stop to activate what was newly signed: an offset; absent where nothing is to activate."""

    def add(self, lane: AgencyId, messages: Iterable[SourceMessage]) -> None:
        """Messages that follow those which are here."""
        self.queues[lane].extend(messages)

    @property
    def waiting(self) -> bool:
        """Whether anything is here."""
        return any(self.queues.values())

    @property
    def full(self) -> bool:
        """Whether a step is full with what is here: to wait for more brings it nothing."""
        return (
            any(len(queue) >= _STEP_MESSAGES for queue in self.queues.values())
            or sum(map(_size, self.queues.values())) >= _STEP_BYTES
        )

    @property
    def flooded(self) -> list[AgencyId]:
        """Lanes of which no more is to be read now."""
        return [lane for lane, queue in self.queues.items() if _size(queue) > _LANE_BYTES]

    def take(self) -> Taken:
        """The messages of the next step."""
        return take(self.queues, self.turns)


def _size(queue: Iterable[SourceMessage]) -> int:
    return sum(len(message.value) for message in queue)


def take(backlog: dict[AgencyId, deque[SourceMessage]], turns: Mapping[AgencyId, int]) -> Taken:
    """Messages of every lane in turn, until the step is full: no lane waits for another's flood.

    Lanes are served in the order of `backlog`, and who was served goes behind: one large message may fill a step, and
    then the next one begins with another lane. `turns`: offsets that a lane may not pass yet.
    """
    taken: Taken = {}
    share = _STEP_BYTES // max(1, sum(bool(q) for q in backlog.values()))
    whole = 0
    for lane, queue in backlog.items():
        messages, size, turn = list[SourceMessage](), 0, turns.get(lane)
        while queue and len(messages) < _STEP_MESSAGES:
            comes = len(queue[0].value)
            if (messages and size + comes > share) or (whole and whole + comes > _STEP_BYTES):
                break
            if turn is not None and queue[0].offset >= turn:
                break
            size, whole = size + comes, whole + comes
            messages.append(queue.popleft())
        if messages:
            taken[lane] = messages
    for lane in taken:
        backlog[lane] = backlog.pop(lane)
    return {lane: taken[lane] for lane in sorted(taken)}
