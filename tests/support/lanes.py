"""A lane that grows step by step: the ledger messages of each, and every digest of every chain as its broker has it."""

from collections.abc import Sequence

from agencies.drafting import Draft
from broker.admission import SourceMessage
from broker.index import MemoryIndex
from broker.lane import EMPTY_LANE, Folded, Lane, activate, fold
from broker.step import ledger_parcels
from broker.versions import Version, make_version
from schemas.arrangement import sign_version, verify_successor
from schemas.clock import IDENTITY_CLOCK
from schemas.frames import parse_parcel
from schemas.ids import AgencyId, Digest
from schemas.ledger import Leaf, LeafEntry, RulingEntry, parse_leaf, parse_ledger_entry
from tests.support.federation import NOW_MS, commit
from tests.support.members import Members


class GrowingLane:
    """From its genesis on. `chains`: of each recipient, the digest of certificate n at place n - 1."""

    def __init__(self, members: Members, lane: AgencyId) -> None:
        self._members = members
        self._lane = Lane(lane, EMPTY_LANE, {}, {}, MemoryIndex())
        self._sealer = members.sealer(lane)
        self._version = members.version
        self._versions = members.versions
        self._sequence = 1
        self.chains: dict[AgencyId, list[Digest]] = {}
        self.messages: list[bytes] = []
        self._activate()

    def publish(self, *drafts: Draft) -> None:
        """One step of one window."""
        closed = [self._sealer.close_record(d, self._sequence + i) for i, d in enumerate(drafts)]
        value = self._sealer.seal_window(closed, (), self._sequence)
        self._sequence += len(drafts)
        message = SourceMessage(self._lane.state.next_offset, NOW_MS + 1000, value, True)
        self._committed(fold(self._lane, [message], self._versions))

    def amend(self, reason: str) -> Version:
        """A version in which every rule's reason is another, signed and active in the lane from here on."""
        current = self._version.arrangement
        policies = {
            file: text.replace('@reason("', f'@reason("{reason}: ')
            for file, text in current.body.policies.items()
        }
        changes = {
            "number": current.body.number + 1,
            "predecessor": current.digest.hex(),
            "policies": policies,
        }
        signed = sign_version(current.body.model_copy(update=changes), self._members.identities)
        self._version = make_version(verify_successor(signed, current))
        self._versions = {**self._versions, self._version.arrangement.digest: self._version}
        self._activate()
        self._sealer.adopt(self._version.arrangement, self._members.signing[self._lane.id])
        return self._version

    def _activate(self) -> None:
        version = self._version.arrangement
        offset = self._lane.state.next_offset
        self._committed(activate(self._lane, version.digest, offset, IDENTITY_CLOCK, version.domains))

    def _committed(self, folded: Folded) -> None:
        for recipient, share in folded.shares:
            self.chains.setdefault(recipient, []).append(Digest(share.head.digest))
        self.messages += ledger_parcels(folded)
        commit(self._lane, folded)


def items_of(messages: Sequence[bytes]) -> list[RulingEntry | Leaf]:
    """What ledger messages hold, in order."""
    entries = [parse_ledger_entry(data) for value in messages for data in parse_parcel(value).entries]
    return [
        parse_leaf(entry.leaf) if isinstance(entry, LeafEntry) else entry
        for entry in entries
        if isinstance(entry, LeafEntry | RulingEntry)
    ]
