"""The certificate of a delivery, and the chain that every recipient holds over its certificates.

- One chain for each (lane, recipient); it counts deliveries and recalls and nothing else, so its numbers tell
  a recipient nothing of what it was not given.
- A certificate names its predecessor's digest; its own digest is the chain's head. The broker signs heads.
"""

from enum import StrEnum
from typing import Annotated

import msgspec

from schemas.canonical import Domains, digest
from schemas.envelope import MAX_PORTIONS
from schemas.frames import parse_frame
from schemas.ids import U64, AgencyText, Digest, DigestBytes, RecordIdBytes


class Act(StrEnum):
    """What a certificate certifies."""

    DELIVERY = "delivery"
    RECALL = "recall"


class DecidedBy(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """A rule that permitted the release, with its reason in plain words."""

    rule: Annotated[str, msgspec.Meta(max_length=60)]
    reason: Annotated[str, msgspec.Meta(max_length=1000)]


class Certificate(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """What was released to whom, when, and why. `admitted_ms` is admission time, domain milliseconds."""

    act: Act
    recipient: AgencyText
    originator: AgencyText
    record_id: RecordIdBytes
    manifest: DigestBytes
    released: Annotated[tuple[DigestBytes, ...], msgspec.Meta(max_length=MAX_PORTIONS)]
    arrangement: DigestBytes
    rules: Annotated[tuple[DecidedBy, ...], msgspec.Meta(max_length=512)]
    admitted_ms: U64
    replaces: Annotated[bytes, msgspec.Meta(max_length=32)]
    """Manifest digest of the earlier revision delivered to you that this one replaces, or empty."""
    number: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
    predecessor: DigestBytes


class Head(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """A chain's last number and certificate digest; number 0 before the first."""

    number: U64
    digest: DigestBytes


_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(Certificate)


def certificate_bytes(certificate: Certificate) -> bytes:
    return _encode(certificate)


def parse_certificate(data: bytes) -> Certificate:
    """Raises: `BadFrame`."""
    return parse_frame(_decoder, data)


def certificate_digest(domains: Domains, data: bytes) -> Digest:
    return digest(domains.certificate, data)


def chain_start(domains: Domains, lane: str, recipient: str) -> Head:
    """The head of a chain before its first certificate."""
    return Head(0, digest(domains.chain_start, lane.encode(), recipient.encode()))
