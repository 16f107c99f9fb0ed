"""Sealing: portions encrypted, keys wrapped for exactly the audience, a window signed.

- A portion is encrypted under a fresh key with a fixed nonce: `close` makes the key and returns it, and nothing
  here ever encrypts under a given one.
- The audience is releasable-to less the sender, the suspended and whom the protection gate bars: for a barred
  agency no wrap is ever made, whatever any rule says.
- Order of making: DEK, portion commitment, wraps in the audience, broker-only slot, decoys, sort, manifest.
- KEKs live in memory only, and not more than a few thousand; a restart makes new ones. A capsule travels with the
  first wraps that name it.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from agencies.drafting import Draft, DraftPortion
from schemas.arrangement import Arrangement
from schemas.audience import audience, by_recipient, named_officers, places_of
from schemas.capsules import EPOCH_S, Capsule, capsule_bytes, capsule_digest, capsule_info
from schemas.commitments import Commitments, wrap_binding
from schemas.directory import Directory
from schemas.entropy import Entropy
from schemas.envelope import (
    Addressee,
    BrokerOnly,
    ControlEntry,
    Manifest,
    PortionSlot,
    RecordEntry,
    WrapContent,
    control_leaf,
    dek_commitment,
    frame_bytes,
    manifest_digest,
    record_leaf,
    routing_digest,
    wrap_content_bytes,
)
from schemas.frames import Parcel, pack_parcel
from schemas.hpke import SUITE
from schemas.ids import AgencyId, Digest
from schemas.keys import SigningPair
from schemas.labels import handling_bytes, routing_bytes
from schemas.model import Model
from schemas.records import bears_persons
from schemas.seal import Role, seal_leaves

#: Each DEK encrypts once, so the nonce can be a constant. NIST SP 800-38D 8.2 asks for unique (key, nonce).
_NONCE = bytes(12)

#: Bytes that a part takes in a parcel besides its own: MessagePack's longest header of a byte string.
_FRAMING = 5


#: KEKs remembered. A pair needs one a day; records dated far apart, and two thousand recipients, need more.
_KEKS = 4096
#: Audiences remembered, each with its KEKs.
_AUDIENCES = 512


class Closed(NamedTuple):
    """A closed portion: ciphertext, and the key that only wraps will carry."""

    dek: bytes
    ciphertext: bytes


def pad(content: bytes) -> bytes:
    """u32 length, content, zeros to 4 + 256 x 2^k bytes: length tells little of what is inside."""
    size = 256
    while size < len(content):
        size *= 2
    return len(content).to_bytes(4, "big") + content.ljust(size, b"\0")


def content_bytes(content: Model) -> bytes:
    """Content as it is encrypted: JSON in UTF-8, keys in the model's order."""
    return content.model_dump_json().encode()


def close(content: bytes, associated: bytes, entropy: Entropy) -> Closed:
    """Encrypt under a fresh data key and return both. AES-256-GCM, NIST SP 800-38D."""
    dek = entropy.random(32)
    return Closed(dek, AESGCM(dek).encrypt(_NONCE, pad(content), associated))


class ClosedPortion(NamedTuple):
    """A portion as the broker gets it, its commitment, and the key that it is closed by."""

    slot: PortionSlot
    commitment: Digest
    dek: bytes


class ClosedRecord(msgspec.Struct, frozen=True, gc=False):
    """A record that lacks only its path in a window."""

    draft: Draft
    sequence: int
    manifest: bytes
    digest: Digest
    portions: tuple[PortionSlot, ...]
    broker_only_salt: bytes
    broker_only: bytes
    decoys: bytes
    capsules: tuple[Digest, ...]
    """Capsules that its wraps name."""
    size: int
    """At least as many bytes as it takes in a parcel, capsules apart."""
    alone: int
    """The same with every capsule that it names, as a window takes after a restart."""
    released: int
    """Bytes of ciphertext in all deliveries together, if nothing is withheld."""


@dataclass(frozen=True, slots=True)
class Control:
    """A control message before it is sealed."""

    code: str
    id: bytes
    body: bytes


@dataclass(slots=True)
class _Kek:
    cipher: AESGCM
    digest: Digest
    capsule: int
    """Bytes of its capsule in a parcel."""


class _Recipient(NamedTuple):
    """A recipient, the portions that it may have (bit i stands for the i-th), and its KEK."""

    id: AgencyId
    portions: int
    kek: _Kek


class _Recipients(NamedTuple):
    """The recipients of a record's audiences, sorted, the capsules that wraps for them name, and their bytes."""

    each: tuple[_Recipient, ...]
    capsules: tuple[Digest, ...]
    capsule_bytes: int


class Sealer:
    """Closes records and seals windows for one agency under one version of the arrangement."""

    def __init__(
        self, agency: AgencyId, arrangement: Arrangement, pair: SigningPair, entropy: Entropy
    ) -> None:
        self._agency = agency
        self._arrangement = arrangement
        self._domains = arrangement.domains
        self._pair = pair
        self._entropy = entropy
        self._keks: OrderedDict[tuple[AgencyId, int], _Kek] = OrderedDict()
        self._recipients: dict[tuple[tuple[frozenset[AgencyId], ...], int], _Recipients] = {}
        """Answers of `_recipients_of`; forgotten whenever a KEK is."""
        self._unsent: dict[Digest, bytes] = {}

    @property
    def agency(self) -> AgencyId:
        """Whose records it closes."""
        return self._agency

    @property
    def directory(self) -> Directory:
        """Of the version that it seals under."""
        return self._arrangement.directory

    def may_sign(self, at_ms: int) -> bool:
        """Whether our signing key is good at an instant of domain time."""
        return self._arrangement.signs(self._agency, self._pair.public.key_id(self._domains), at_ms)

    def adopt(self, arrangement: Arrangement, pair: SigningPair | None = None) -> None:
        """Seal under another version from now on, and with another pair if one is given.

        Whose opening key is another there gets a new KEK; the old one's capsule still opens what names it.
        """
        before, self._arrangement = self._arrangement, arrangement
        self._pair = pair or self._pair
        self._recipients.clear()
        keys = arrangement.body.keys
        for recipient, epoch in list(self._keks):
            if keys[recipient].opening != before.body.keys[recipient].opening:
                del self._keks[recipient, epoch]

    def forget_keys(self) -> None:
        """Make new KEKs from now on: after a window with capsules in it could not be kept."""
        self._keks.clear()
        self._recipients.clear()
        self._unsent.clear()

    def forget_oldest_keys(self) -> None:
        """Keep the KEKs looked up last. Only between windows: a closed record needs its capsules until it is sealed."""
        if len(self._keks) > _KEKS or len(self._recipients) > _AUDIENCES:
            self._recipients.clear()
        while len(self._keks) > _KEKS:
            self._keks.popitem(last=False)
        if len(self._unsent) > len(self._keks):  # what was never sent, and will not be
            kept = {kek.digest for kek in self._keks.values()}
            self._unsent = {digest: data for digest, data in self._unsent.items() if digest in kept}

    def close_record(self, draft: Draft, sequence: int) -> ClosedRecord:
        """Close every portion and wrap its key for each agency of its audience."""
        commit = Commitments(self._domains, self._agency, draft.record_id)
        closed = [self._close_portion(draft, portion, commit) for portion in draft.portions]
        audiences = tuple([self._audience(draft, portion) for portion in draft.portions])
        recipients = self._recipients_of(audiences, draft.created_s // EPOCH_S)
        names = tuple([p.name for p in draft.portions])
        broker_only = frame_bytes(
            BrokerOnly(
                sequence,
                draft.revision,
                names,
                self._arrangement.digest,
                names,
                self._addressees(draft, closed, recipients.each),
            )
        )
        salt = self._entropy.random(16)
        commitments: list[bytes] = [c.commitment for c in closed]
        commitments.append(commit.broker_only(salt, broker_only))
        decoys = self._entropy.random(16)
        commitments += commit.decoys(decoys, len(closed))
        manifest = frame_bytes(
            Manifest(self._agency, draft.record_id, draft.kind, draft.created_s, tuple(sorted(commitments)))
        )
        slots = tuple(c.slot for c in closed)
        size = _size(slots, broker_only)
        return ClosedRecord(
            draft,
            sequence,
            manifest,
            manifest_digest(self._domains, manifest),
            slots,
            salt,
            broker_only,
            decoys,
            recipients.capsules,
            size,
            size + recipients.capsule_bytes,
            sum([len(s.ciphertext) * len(a) for s, a in zip(slots, audiences, strict=True)]),
        )

    def _addressees(
        self,
        draft: Draft,
        closed: Sequence[ClosedPortion],
        recipients: Sequence[_Recipient],
    ) -> tuple[Addressee, ...]:
        """Wrap the portions' keys for each recipient that may have them."""
        bindings = [wrap_binding(self._domains, c.commitment) for c in closed]
        officers = any(p.label.routing.officers for p in draft.portions)
        plain: dict[int, tuple[Sequence[bytes], ...]] = {}
        addressees = []
        for recipient, portions, kek in recipients:
            inputs = plain.get(portions)
            if inputs is None or officers:  # without named officers, all who may have the same get the same
                given = places_of(portions)
                bound = [bindings[i] for i in given]
                inputs = plain[portions] = (
                    [nonce for nonce, _ in bound],
                    [_wrapped(draft.portions[i], closed[i].dek, recipient) for i in given],
                    [associated for _, associated in bound],
                )
            wraps = tuple(map(kek.cipher.encrypt, *inputs))
            addressees.append(Addressee(recipient, kek.digest, portions, wraps))
        return tuple(addressees)

    def _close_portion(self, draft: Draft, portion: DraftPortion, commit: Commitments) -> ClosedPortion:
        domains = self._domains
        handling, routing = handling_bytes(portion.label.handling), routing_bytes(portion.label.routing)
        associated = commit.portion_ad(portion.name, handling)
        closed = close(content_bytes(portion.content), associated, self._entropy)
        slot = PortionSlot(
            portion.name,
            self._entropy.random(16),
            handling,
            self._entropy.random(16),
            routing,
            dek_commitment(domains, closed.dek),
            closed.ciphertext,
        )
        commitment = commit.portion(
            slot.salt,
            slot.name,
            handling,
            routing_digest(domains, slot.routing_salt, routing),
            slot.dek_commitment,
            closed.ciphertext,
        )
        return ClosedPortion(slot, commitment, closed.dek)

    def _audience(self, draft: Draft, portion: DraftPortion) -> frozenset[AgencyId]:
        return audience(
            portion.label,
            bears_persons(draft.kind, portion.name),
            self._agency,
            self._arrangement.directory,
            draft.created_s * 1000,
        )

    def _recipients_of(self, audiences: tuple[frozenset[AgencyId], ...], epoch: int) -> _Recipients:
        """Whom audiences come to, with the KEKs: remembered, since few are met often."""
        found = self._recipients.get((audiences, epoch))
        if found is None:
            each = tuple([_Recipient(r, bits, self._kek(r, epoch)) for r, bits in by_recipient(audiences)])
            capsules = {one.kek.digest: one.kek.capsule for one in each}
            found = _Recipients(each, tuple(capsules), sum(capsules.values()))
            self._recipients[audiences, epoch] = found
        return found

    def _kek(self, recipient: AgencyId, epoch: int) -> _Kek:
        """The KEK for a recipient in the epoch of a record's creation; its capsule at first use."""
        found = self._keks.get((recipient, epoch))
        if found is None:
            domains = self._domains
            public = self._arrangement.body.keys[recipient].opening.public()
            key_id = public.key_id(domains)
            key = self._entropy.random(32)
            info = capsule_info(domains, self._agency, recipient, key_id, epoch)
            sealed = SUITE.encrypt(key, public.hpke, info)  # RFC 9180 6.1, single shot
            data = capsule_bytes(Capsule(self._agency, recipient, key_id, epoch, sealed))
            name = capsule_digest(domains, data)
            found = _Kek(AESGCM(key), name, len(data) + _FRAMING)
            self._keks[recipient, epoch] = found
            self._unsent[found.digest] = data
        self._keks.move_to_end((recipient, epoch))
        return found

    def unsent(self, record: ClosedRecord) -> dict[Digest, int]:
        """The capsules that a window with this record must bring, with their bytes in a parcel."""
        return {d: len(self._unsent[d]) + _FRAMING for d in record.capsules if d in self._unsent}

    def seal_window(self, records: Sequence[ClosedRecord], controls: Sequence[Control], first: int) -> bytes:
        """One parcel: all records, then all controls, under one seal. `first`: sequence of the first record.

        Raises: `ValueError` for an empty window, for one of more than 256 leaves, and for one that is larger than a
            parcel may be; its capsules count as unsent then.
        """
        domains = self._domains
        leaves = [record_leaf(domains, r.digest) for r in records]
        leaves += [control_leaf(domains, c.code, c.id, c.body) for c in controls]
        seal, paths = seal_leaves(
            domains, self._arrangement.body.suite, self._pair, Role.WINDOW, leaves, self._entropy
        )
        entries = [
            frame_bytes(
                RecordEntry(r.manifest, path, r.portions, r.broker_only_salt, r.broker_only, r.decoys)
            )
            for r, path in zip(records, paths, strict=False)
        ]
        entries += [
            frame_bytes(ControlEntry(c.code, c.id, c.body, path, 0))
            for c, path in zip(controls, paths[len(records) :], strict=True)
        ]
        named = [d for d in dict.fromkeys(d for r in records for d in r.capsules) if d in self._unsent]
        capsules = tuple(self._unsent[d] for d in named)
        data = pack_parcel(Parcel(first, (seal,), capsules, tuple(entries)))
        for digest in named:
            del self._unsent[digest]
        return data


def _wrapped(portion: DraftPortion, dek: bytes, recipient: AgencyId) -> bytes:
    """What the wrap of a portion's key holds for a recipient."""
    return wrap_content_bytes(WrapContent(dek, named_officers(portion.label, recipient)))


def _size(slots: Sequence[PortionSlot], broker_only: bytes) -> int:
    """At least as many bytes as the record takes in a parcel, capsules apart."""
    return (
        sum([len(s.ciphertext) + len(s.handling) + len(s.routing) + 120 for s in slots])
        + len(broker_only)
        + 1200
    )
