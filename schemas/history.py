"""What was signed for a federation, in order: versions of the arrangement, and changes of its clock.

- One topic carries both. `History` folds its messages: each that verifies becomes a `Standing`, what holds from then
  on; one that does not changes nothing. The first must be the pinned genesis.
- A clock change is signed as a version is: by k of the members, over its number and the map it replaces.
- A standing takes effect in each lane at an offset of its own, noted as a leaf of its ledger.
"""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import msgspec

from schemas.arrangement import (
    Arrangement,
    ArrangementError,
    MemberSignature,
    check_signatures,
    read_proposal,
    verify_genesis,
    verify_successor,
    with_signatures,
)
from schemas.canonical import Domains, digest, enc
from schemas.clock import IDENTITY_CLOCK, ClockMap
from schemas.frames import PREFIX, BadFrame, parse_frame
from schemas.ids import U64, AgencyId, Digest, DigestBytes
from schemas.keys import SigningPair

CLOCK_PREFIX: Final = PREFIX + b"clock"


class ClockChange(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What members sign to change the clock: which change it is, of which genesis, from which map to which."""

    number: U64
    genesis: DigestBytes
    before: ClockMap
    clock: ClockMap


class SignedClock(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A clock change as it travels: its body, and the signatures over it."""

    body: bytes
    signatures: tuple[MemberSignature, ...]


class Standing(NamedTuple):
    """What holds together: a version of the arrangement and a clock map."""

    arrangement: Arrangement
    clock: ClockMap


_encode = msgspec.msgpack.Encoder().encode
_signed = msgspec.msgpack.Decoder(SignedClock)
_change = msgspec.msgpack.Decoder(ClockChange)


def propose_clock(change: ClockChange) -> bytes:
    """A clock change that nobody has signed yet."""
    return CLOCK_PREFIX + _encode(SignedClock(_encode(change), ()))


def is_clock(data: bytes) -> bool:
    """Whether a message of the topic is a clock change; else it is meant as a version."""
    return data.startswith(CLOCK_PREFIX)


def countersign_clock(domains: Domains, data: bytes, identities: Mapping[AgencyId, SigningPair]) -> bytes:
    """The clock change with the identities' signatures added. Raises: `ArrangementError`."""
    signed, _ = read_clock(data)
    statement = _statement(domains, signed.body)
    signatures = with_signatures(signed.signatures, identities, statement)
    return CLOCK_PREFIX + _encode(SignedClock(signed.body, signatures))


def read_clock(data: bytes) -> tuple[SignedClock, ClockChange]:
    """A clock change, its signatures unverified. Raises: `ArrangementError`."""
    try:
        signed = parse_frame(_signed, data[len(CLOCK_PREFIX) :])
        change = parse_frame(_change, signed.body)
    except BadFrame as error:
        raise ArrangementError(f"clock change cannot be read: {error}") from error
    if not change.clock.forward():
        raise ArrangementError(f"clock change {change.number} goes back in time")
    return signed, change


def _statement(domains: Domains, body: bytes) -> bytes:
    return enc(domains.clock_signature, digest(domains.clock, body))


class History:
    """The topic `arrangement`, folded."""

    def __init__(self, genesis: Digest, check: Callable[[Arrangement], None] | None = None) -> None:
        """`check` raises `ArrangementError` for a version that verifies and cannot be used all the same.

        Whoever has no check (a node does not read rules) cannot tell which versions were refused, so there a version
        may follow any earlier one; which of them holds, its lane's ledger says.
        """
        self._genesis = genesis
        self._check = check
        self.standings: list[Standing] = []
        self._changes = 0

    @property
    def current(self) -> Standing:
        """What was signed last. Raises: `IndexError` before the genesis was read."""
        return self.standings[-1]

    @property
    def versions(self) -> dict[Digest, Arrangement]:
        """Every version, by digest."""
        return {s.arrangement.digest: s.arrangement for s in self.standings}

    @property
    def partitions(self) -> int:
        """How many partitions a deliver topic has had: they are never taken away. Raises: as `current`."""
        return max(standing.arrangement.directory.partitions for standing in self.standings)

    @property
    def next_change(self) -> int:
        """The number that the next clock change must bear."""
        return self._changes + 1

    def read(self, data: bytes) -> Standing:
        """Take in the topic's next message. Raises: `ArrangementError`, and nothing has changed."""
        if not self.standings:
            arrangement = verify_genesis(data, self._genesis)
            self._use(arrangement)
            standing = Standing(arrangement, IDENTITY_CLOCK)
        elif is_clock(data):
            standing = Standing(self.current.arrangement, self._changed(data))
            self._changes += 1
        else:
            arrangement = verify_successor(data, self._predecessor(data))
            self._use(arrangement)
            standing = Standing(arrangement, self.current.clock)
        self.standings.append(standing)
        return standing

    def hear(self, data: bytes) -> ArrangementError | None:
        """`read`, for whoever goes on under what holds: why a message changed nothing, or None.

        Raises: `ArrangementError` for a first message that is not the pinned genesis: then nothing holds.
        """
        try:
            self.read(data)
        except ArrangementError as error:
            if not self.standings:
                raise
            return error
        return None

    def _use(self, arrangement: Arrangement) -> None:
        if self._check is not None:
            self._check(arrangement)

    def _predecessor(self, data: bytes) -> Arrangement:
        if self._check is not None:
            return self.current.arrangement
        named = Digest(bytes.fromhex(read_proposal(data)[0].body.predecessor))
        return self.versions.get(named, self.current.arrangement)

    def _changed(self, data: bytes) -> ClockMap:
        signed, change = read_clock(data)
        arrangement, clock = self.current
        if (change.number, change.genesis, change.before) != (self.next_change, self._genesis, clock):
            raise ArrangementError(f"clock change {change.number} does not follow change {self._changes}")
        if change.clock == clock:
            raise ArrangementError(f"clock change {change.number} changes nothing")
        statement = _statement(arrangement.domains, signed.body)
        check_signatures(signed.signatures, statement, arrangement, f"clock change {change.number}")
        return change.clock

    def after(self, version: Digest, clock: ClockMap) -> list[Standing]:
        """The standings that a lane has still to activate, where `version` and `clock` hold now."""
        for at in range(len(self.standings) - 1, -1, -1):
            standing = self.standings[at]
            if standing.arrangement.digest == version and standing.clock == clock:
                return self.standings[at + 1 :]
        raise ArrangementError(f"version {version.hex()[:16]} is active in a lane, and was never signed")
