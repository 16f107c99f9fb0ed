"""The port behind decisions and ledgers: what the committed ledgers hold, as far as they were read.

Every question names the lanes that the caller may see, so no answer needs to be cut afterwards. Who implements it
reads committed entries only and drops what it already has by number.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from schemas.ids import AgencyId, Digest
from schemas.ledger import Admitted, CheckpointEntry, Leaf, LedgerEntry, Quarantined
from schemas.merkle import Frontier
from schemas.proofs import Node
from schemas.rulings import Ruling
from schemas.verdicts import Refused

_T = TypeVar("_T")

Decided = Admitted | Quarantined


@dataclass(frozen=True, slots=True)
class Event:
    """A decision: an entry that was admitted or quarantined, in its lane."""

    lane: AgencyId
    leaf: Decided


@dataclass(frozen=True, slots=True)
class Entry:
    """A leaf with its bytes as they are hashed."""

    leaf: Leaf
    data: bytes


@dataclass(slots=True)
class LaneCounts:
    """What a lane's ledger comes to."""

    leaves: int = 0
    admitted: int = 0
    quarantined: dict[Refused, int] = field(default_factory=dict)
    duplicates: int = 0
    gaps: int = 0
    controls: int = 0
    delivered: dict[AgencyId, int] = field(default_factory=dict)
    """Records of which a portion was released, by recipient."""


class Evidence(Protocol):
    """What the ledgers hold."""

    async def events(self, wanted: Mapping[AgencyId, int], most: int) -> Sequence[Event]:
        """At most so many decisions, of each lane from the leaf number wanted on; by time, lane and number."""
        ...

    async def of_record(self, lanes: Collection[AgencyId], record_id: bytes) -> Sequence[Event]:
        """The decisions on a record's revisions, in the order of their leaves."""
        ...

    async def entries(self, lane: AgencyId, first: int, most: int) -> Sequence[Entry]:
        """Leaves from a number on."""
        ...

    async def rulings(self, lane: AgencyId, digests: Collection[Digest]) -> Mapping[Digest, Ruling]:
        """Those of the rulings that the lane's ledger has."""
        ...

    async def up_to(self, lane: AgencyId, leaves: int) -> Sequence[LedgerEntry]:
        """The first leaves as the ledger has them, and before them the rulings: what `broker.ledger_replay` takes."""
        ...

    async def ruling_bytes(self, lane: AgencyId, digest: Digest) -> bytes | None:
        """A ruling as its digest covers it."""
        ...

    async def frontier(self, lane: AgencyId) -> Frontier:
        """Size and root of the ledger's tree."""
        ...

    async def prove(self, lane: AgencyId, make: Callable[[Node], _T]) -> _T:
        """What `make` says over the nodes of the ledger's tree (`schemas.proofs`)."""
        ...

    async def checkpoints(self, lane: AgencyId, first: int, most: int) -> Sequence[CheckpointEntry]:
        """What was signed of the ledger, from the first one numbered so on, in the order of signing."""
        ...

    async def signed(self, lane: AgencyId) -> int:
        """How many checkpoints there are."""
        ...

    async def counts(self, lane: AgencyId) -> LaneCounts:
        """What the ledger comes to."""
        ...

    async def news(self, seen: int) -> int:
        """Wait until there is more than `seen` says, and say how much there is: a number that only grows."""
        ...
