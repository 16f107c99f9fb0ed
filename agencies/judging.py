"""Judging: from a message's bytes to what is to be stored, believing nothing that is not signed and in its chain.

- Pure: bytes, chain heads and the arrangement's versions in; values out. A step that fails gives a reason.
- What is not newer by chain number is dropped if it was seen; another certificate at such a number is a fork.
- A bad signature over heads: the deliveries under it go to quarantine. A break in the chain: store, alarm,
  re-anchor at the signed head; the receipt says which numbers are missing.
- A signed head without certificates comes in a round. A number greater than ours: what was delivered last never came;
  ours, and another digest: a fork; smaller: an old message again.
- A receipt is believed if its sender's window seal covers it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from agencies.opening import Enclosed, OpenedDelivery, Opener
from schemas.arrangement import BROKER, Arrangement
from schemas.canonical import Domains
from schemas.certificate import (
    Certificate,
    Head,
    certificate_digest,
    chain_start,
    parse_certificate,
)
from schemas.controls import ControlCode, Receipt, parse_receipt
from schemas.envelope import (
    ControlEntry,
    DeliveryEntry,
    HeadEntry,
    control_leaf,
    frame_bytes,
    head_leaf,
    parse_deliver_entry,
)
from schemas.frames import BadFrame, Parcel, parse_parcel
from schemas.ids import AgencyId, Digest
from schemas.merkle import path_root
from schemas.seal import BadSeal, Role, SealVerifier
from schemas.verdicts import Alarm, Unopened

#: Certificates that are remembered to tell a repeat from a fork: what one read of a topic can bring again.
SEEN = 4096


@dataclass(frozen=True, slots=True)
class Delivered:
    """One message as read. `bare`: it has neither key nor headers."""

    partition: int
    offset: int
    value: bytes
    bare: bool


@dataclass(frozen=True, slots=True)
class JudgedReceipt:
    """A receipt whose sender is proven."""

    id: bytes
    recipient: str
    receipt: Receipt


@dataclass(frozen=True, slots=True)
class Bad:
    """Something for the quarantine, with all that is known of it."""

    reason: Unopened
    data: bytes
    entry: int | None = None
    lane: str | None = None
    number: int | None = None
    record_id: bytes | None = None
    manifest: bytes | None = None
    portion: str | None = None


class Received(msgspec.Struct, frozen=True, gc=False):
    """A delivery that opened, at least in part, at its number in the chain (None: the number is not proven)."""

    entry: DeliveryEntry
    certificate: Certificate
    number: int | None
    opened: OpenedDelivery


@dataclass(slots=True)
class Judged:
    """What one message comes to."""

    received: list[Received] = field(default_factory=list)
    bad: list[Bad] = field(default_factory=list)
    heads: list[HeadEntry] = field(default_factory=list)
    receipts: list[JudgedReceipt] = field(default_factory=list)
    alarms: list[tuple[Alarm, str]] = field(default_factory=list)
    told: list[AgencyId] = field(default_factory=list)
    """Lanes of which a round told where our chain stands."""
    parcel: Parcel | None = None


class _Placed(NamedTuple):
    """A delivery at its place in a parcel, and its certificate's digest."""

    place: int
    entry: DeliveryEntry
    certificate: Certificate
    digest: Digest


class UnknownVersion(Exception):
    """Something names a version of the arrangement, or a key of one, that has not been read yet."""


class Early(Exception):
    """A delivery whose predecessors in its chain have not been read yet; the message names the lane."""


class Judge:
    """Turns messages into what is to be stored, carrying chain heads from one message to the next."""

    def __init__(
        self,
        agency: AgencyId,
        arrangement: Arrangement,
        opener: Opener,
        chain_heads: Mapping[AgencyId, Head],
    ) -> None:
        self._agency = agency
        self.domains: Domains = arrangement.domains
        self._versions = {arrangement.digest: arrangement}
        self._windows: SealVerifier = arrangement.window_verifier()
        self._heads_verifier: SealVerifier = arrangement.heads_verifier()
        self._opener = opener
        self._members = frozenset(arrangement.directory.agency_ids)
        self._forks: set[tuple[AgencyId, int, bytes]] = set()
        """Heads of which an alarm was raised: each round tells them again."""
        self._seen: dict[Digest, None] = {}
        """Certificates taken in lately, the oldest first."""
        self.chains = dict(chain_heads)

    def learn(self, arrangement: Arrangement) -> None:
        """Believe certificates under this version, too, and know its keys."""
        self._versions[arrangement.digest] = arrangement
        self._windows.learn(arrangement.window_signers)
        self._heads_verifier.learn(arrangement.heads_signers)

    def head(self, lane: AgencyId) -> Head:
        """Where the chain of a lane stands."""
        return self.chains.get(lane) or chain_start(self.domains, lane, self._agency)

    def judge(self, message: Delivered, *, all_read: bool = True, all_delivered: bool = True) -> Judged:
        """Verify and open all that a message holds.

        Raises, and no chain has moved then: `UnknownVersion`, unless all versions that were signed are said to be
        read; `Early`, unless all that was delivered before is said to be read, so that a gap in a chain is a break.
        """
        out = Judged()
        try:
            parcel = parse_parcel(message.value)
        except BadFrame as error:
            out.bad.append(Bad(Unopened(error.code), message.value))
            return out
        if not message.bare:
            out.bad.append(Bad(Unopened.KAFKA_KEY_OR_HEADERS, message.value))
            return out
        out.parcel = parcel
        runs: dict[AgencyId, list[_Placed]] = {}
        signed: dict[AgencyId, tuple[HeadEntry, Unopened | None]] = {}
        for i, data in enumerate(parcel.entries):
            try:
                entry = parse_deliver_entry(data)
            except BadFrame:
                out.bad.append(Bad(Unopened.MALFORMED, data, i))
                continue
            if isinstance(entry, DeliveryEntry):
                self._sort(entry, data, i, runs, out, all_read)
            elif isinstance(entry, HeadEntry) and entry.lane not in self._members:
                out.bad.append(Bad(Unopened.BAD_HEAD, data, i))
            elif isinstance(entry, HeadEntry):
                signed[AgencyId(entry.lane)] = (entry, self._verify_head(entry, parcel, all_read))
            else:
                self._control(entry, parcel, data, i, out, all_read)
        if not all_delivered:
            self._check_early(runs, signed)
        enclosed = Enclosed(parcel, self.domains, self._windows)
        for lane, run in runs.items():
            self._lane(lane, run, signed.pop(lane, None), enclosed, out)
        for lane, (head, reason) in signed.items():
            self._told(lane, head, reason, message.value, out)
        return out

    def _check_early(
        self,
        runs: Mapping[AgencyId, Sequence[_Placed]],
        signed: Mapping[AgencyId, tuple[HeadEntry, Unopened | None]],
    ) -> None:
        """Raises: `Early` if something here may come after what another partition still has."""
        for lane, run in runs.items():
            if min(placed.certificate.number for placed in run) > self.head(lane).number + 1:
                raise Early(lane)
        for lane, (head, reason) in signed.items():
            if reason is None and lane not in runs and head.number > self.head(lane).number:
                raise Early(lane)

    def _sort(
        self,
        entry: DeliveryEntry,
        data: bytes,
        i: int,
        runs: dict[AgencyId, list[_Placed]],
        out: Judged,
        all_read: bool,
    ) -> None:
        """Put a delivery to its lane; one whose certificate cannot be read belongs to none."""
        try:
            certificate = parse_certificate(entry.certificate)
        except BadFrame:
            out.bad.append(Bad(Unopened.BAD_CERTIFICATE, data, i))
            return
        if not all_read and certificate.arrangement not in self._versions:
            raise UnknownVersion(certificate.arrangement.hex())
        if certificate.originator not in self._members:
            out.bad.append(Bad(Unopened.BAD_CERTIFICATE, data, i))
            return
        digest = certificate_digest(self.domains, entry.certificate)
        run = runs.setdefault(AgencyId(certificate.originator), [])
        run.append(_Placed(i, entry, certificate, digest))

    def _verify_head(self, entry: HeadEntry, parcel: Parcel, all_read: bool) -> Unopened | None:
        if entry.seal >= len(parcel.seals):
            return Unopened.MALFORMED
        try:
            seal = self._heads_verifier.verify(parcel.seals[entry.seal])
        except BadFrame:
            return Unopened.BAD_SEAL
        except BadSeal as error:
            if error.unknown_signer and not all_read:
                raise UnknownVersion("the broker's key") from None
            return Unopened.UNKNOWN_SIGNER if error.unknown_signer else Unopened.BAD_SEAL
        if seal.owner != BROKER or seal.role is not Role.HEADS:
            return Unopened.UNKNOWN_SIGNER
        leaf = head_leaf(self.domains, entry.lane, self._agency, entry.number, entry.digest)
        return None if path_root(leaf, entry.path) == seal.root else Unopened.BAD_PATH

    def _lane(
        self,
        lane: AgencyId,
        run: list[_Placed],
        signed: tuple[HeadEntry, Unopened | None] | None,
        enclosed: Enclosed,
        out: Judged,
    ) -> None:
        """One lane's share of a parcel: from the signed head backwards, then opened forwards."""
        parcel = enclosed.parcel
        if signed is None or signed[1] is not None:
            reason = Unopened.BAD_HEAD if signed is None else signed[1] or Unopened.BAD_HEAD
            for i, _, _, _ in run:
                out.bad.append(Bad(reason, parcel.entries[i], i, lane, None, None, None))
            return
        head = signed[0]
        before = self.head(lane)
        if head.number <= before.number:
            self._again(lane, run, parcel, out)
            return
        numbers = self._numbers(run, head, before)
        expected: Digest | None = None
        for (i, entry, certificate, digest), number in zip(run, numbers, strict=True):
            if number is False:
                out.bad.append(self._bad(Unopened.BAD_CERTIFICATE, parcel, i, lane, None, certificate))
                expected = None
                continue
            if number is not None and number <= before.number:
                expected = digest
                continue
            link = before.digest if number == before.number + 1 else expected
            if link is None or certificate.predecessor != link:
                out.alarms.append((Alarm.CHAIN_BREAK, f"lane '{lane}' before number {certificate.number}"))
            expected = digest
            self._see(digest)
            self._open(entry, certificate, number, i, lane, enclosed, out)
        self.chains[lane] = Head(head.number, head.digest)
        out.heads.append(head)

    def _again(self, lane: AgencyId, run: list[_Placed], parcel: Parcel, out: Judged) -> None:
        """Numbers that the chain has passed: a repeat is dropped, another certificate at such a number is a fork."""
        for i, _, certificate, digest in run:
            if digest not in self._seen:
                out.alarms.append(
                    (Alarm.CHAIN_BREAK, f"lane '{lane}': number {certificate.number} comes twice and differs")
                )
                out.bad.append(self._bad(Unopened.BAD_CERTIFICATE, parcel, i, lane, None, certificate))

    def _told(
        self, lane: AgencyId, head: HeadEntry, reason: Unopened | None, data: bytes, out: Judged
    ) -> None:
        """A head without certificates. A fork is proved by it and its seal, so then the whole message is kept."""
        before = self.head(lane)
        if reason is not None:
            out.bad.append(Bad(reason, frame_bytes(head), None, lane))
            return
        out.told.append(lane)
        if head.number > before.number:
            missing = f"numbers {before.number + 1} to {head.number} were delivered and never came"
            out.alarms.append((Alarm.TAIL_DROPPED, f"lane '{lane}': {missing}"))
            self.chains[lane] = Head(head.number, head.digest)
            out.heads.append(head)
        elif head.number == before.number and head.digest != before.digest:
            fork = (lane, head.number, head.digest)
            if fork not in self._forks:
                self._forks.add(fork)
                detail = f"lane '{lane}': the broker signed two heads of number {head.number}"
                out.alarms.append((Alarm.FORK, detail))
                out.bad.append(Bad(Unopened.BAD_HEAD, data, None, lane))

    def remember(self, certificates: Iterable[bytes]) -> None:
        """Certificates that were taken in before a restart, the oldest first."""
        for certificate in certificates:
            self._see(certificate_digest(self.domains, certificate))

    def _see(self, digest: Digest) -> None:
        self._seen[digest] = None
        if len(self._seen) > SEEN:
            self._seen.pop(next(iter(self._seen)))

    @staticmethod
    def _numbers(run: list[_Placed], head: HeadEntry, before: Head) -> list[int | bool | None]:
        """The proven number of each certificate, walking back from the signed head.

        False: it is not the certificate that the signed chain names at its place. None: its place could not
        be proven, because a certificate after it is broken.
        """
        numbers: list[int | bool | None] = []
        wanted: bytes | None = head.digest
        number = head.number
        earlier = [(before.number, before.digest), *((p.certificate.number, p.digest) for p in run[:-1])]
        for (_, _, certificate, digest), (last, predecessor) in zip(
            reversed(run), reversed(earlier), strict=True
        ):
            # It says whom it follows, and then bears another number than the next: it was tampered with.
            misnumbered = certificate.predecessor == predecessor and certificate.number != last + 1
            if wanted is None:
                numbers.append(None)
            elif digest == wanted and certificate.number == number:
                numbers.append(number)
                wanted, number = certificate.predecessor, number - 1
            elif certificate.number < number and not misnumbered:
                # What the chain names here is missing; this one is older, so its own place is unproven.
                numbers.append(None)
                wanted = None
            else:
                numbers.append(False)
                wanted = None
        numbers.reverse()
        return numbers

    def _open(
        self,
        entry: DeliveryEntry,
        certificate: Certificate,
        number: int | None,
        i: int,
        lane: AgencyId,
        enclosed: Enclosed,
        out: Judged,
    ) -> None:
        parcel = enclosed.parcel
        result = self._opener.open(entry, certificate, enclosed, self._versions)
        if isinstance(result, Unopened):
            out.bad.append(self._bad(result, parcel, i, lane, number, certificate))
            return
        for portion, reason in result.failed:
            out.bad.append(self._bad(reason, parcel, i, lane, number, certificate, portion))
        if result.portions:
            out.received.append(Received(entry, certificate, number, result))

    @staticmethod
    def _bad(
        reason: Unopened,
        parcel: Parcel,
        i: int,
        lane: AgencyId,
        number: int | None,
        certificate: Certificate,
        portion: str | None = None,
    ) -> Bad:
        return Bad(
            reason, parcel.entries[i], i, lane, number, certificate.record_id, certificate.manifest, portion
        )

    def _control(
        self, entry: ControlEntry, parcel: Parcel, data: bytes, i: int, out: Judged, all_read: bool
    ) -> None:
        judged = judge_receipt(entry, parcel.seals, self._windows, self.domains, self._agency)
        if judged is Unopened.UNKNOWN_SIGNER and not all_read:
            raise UnknownVersion("an agency's key")
        if isinstance(judged, Unopened):
            out.bad.append(Bad(judged, data, i))
        else:
            out.receipts.append(judged)


def judge_receipt(
    entry: ControlEntry, seals: Sequence[bytes], windows: SealVerifier, domains: Domains, us: AgencyId
) -> JudgedReceipt | Unopened:
    """Verify a forwarded control message as a receipt about our lane."""
    if entry.code != ControlCode.RECEIPT:
        return Unopened.UNKNOWN_CONTROL
    if entry.seal >= len(seals):
        return Unopened.MALFORMED
    try:
        seal = windows.verify(seals[entry.seal])
        receipt = parse_receipt(entry.body)
    except BadFrame:
        return Unopened.BAD_RECEIPT
    except BadSeal as error:
        return Unopened.UNKNOWN_SIGNER if error.unknown_signer else Unopened.BAD_SEAL
    leaf = control_leaf(domains, entry.code, entry.id, entry.body)
    if seal.role is not Role.WINDOW or path_root(leaf, entry.path) != seal.root:
        return Unopened.BAD_PATH
    if receipt.lane != us or receipt.after >= receipt.upto or seal.owner == us:
        return Unopened.BAD_RECEIPT
    return JudgedReceipt(entry.id, seal.owner, receipt)
