"""What was signed, as a process of the broker's has read it: each version with its rules loaded, and what holds.

- Read from the topic `arrangement`, from the pinned genesis on. What does not verify, or has rules that cannot be
  used, is an alarm, and what holds stays.
- A lane turns to what was signed at an offset of its own (`broker.shard`); who only looks goes by what was signed last.
"""

import logging

from broker.kafka import Connection, read_all
from broker.versions import ReadyHistory, Version
from schemas.arrangement import ArrangementError
from schemas.clock import ClockMap
from schemas.history import Standing
from schemas.ids import Digest

log = logging.getLogger("entente.broker.signed")


class Signed:
    """All that was signed, as far as it was read. `next`: the offset to read on from."""

    def __init__(self, genesis: Digest) -> None:
        self._history = ReadyHistory(genesis)
        self.next = 0

    @property
    def read(self) -> bool:
        """Whether anything holds yet."""
        return bool(self._history.standings)

    @property
    def genesis(self) -> Standing:
        """What held first. Raises: `IndexError` before anything was read."""
        return self._history.standings[0]

    @property
    def standing(self) -> Standing:
        """What was signed last. Raises: as `genesis`."""
        return self._history.current

    @property
    def version(self) -> Version:
        """The version that was signed last, ready to be asked. Raises: as `genesis`."""
        return self.versions[self.standing.arrangement.digest]

    @property
    def versions(self) -> dict[Digest, Version]:
        """Every version whose rules can be used."""
        return self._history.ready

    def after(self, version: Digest, clock: ClockMap) -> list[Standing]:
        """What a lane has still to activate, where `version` and `clock` hold now."""
        return self._history.after(version, clock)

    def hear(self, offset: int, data: bytes) -> None:
        """Take in a message of the topic. Raises: `ArrangementError` for a first one that is not the pinned genesis."""
        if refusal := self._history.hear(data):
            log.critical("refused what was signed, and goes on under the standing version: %s", refusal)
        self.next = offset + 1

    async def load(self, connection: Connection, topic: str) -> None:
        """Read to the topic's end. Raises: `ArrangementError` if nothing holds then."""
        async for message, _ in read_all(connection, topic, start=self.next):
            self.hear(message.offset, message.value)
        if not self.read:
            raise ArrangementError("the arrangement topic holds no version")
