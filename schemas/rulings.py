"""A ruling: what the rules say of one class of labels, for every recipient.

- Written into the ledger once, before its first use; ledger leaves name it by digest.
- Its bytes depend on the arrangement and the label class only, never on a cache, an order or an instant.
"""

from functools import cached_property

import msgspec

from schemas.canonical import Domains, digest
from schemas.frames import parse_frame
from schemas.ids import AgencyId, Digest, DigestBytes
from schemas.verdicts import Verdict, outcome


class Ruling(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, dict=True):
    """The verdicts of one label class, sorted by recipient, under one version of the arrangement."""

    arrangement: DigestBytes
    verdicts: tuple[Verdict, ...]

    @cached_property
    def _by_recipient(self) -> dict[str, Verdict]:
        return {verdict.recipient: verdict for verdict in self.verdicts}

    @cached_property
    def permitted(self) -> frozenset[AgencyId]:
        """To whom the portion is released if it is addressed to them; nobody else gets it, addressed or not."""
        return frozenset(v.recipient for v in self.verdicts if outcome(v, True) is None)

    def verdict(self, recipient: str) -> Verdict:
        """Raises: `KeyError` for an agency that the ruling does not speak of."""
        return self._by_recipient[recipient]


_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(Ruling)


def ruling_bytes(ruling: Ruling) -> bytes:
    """The bytes that the ledger keeps and the digest covers."""
    return _encode(ruling)


def parse_ruling(data: bytes) -> Ruling:
    """Raises: `BadFrame`."""
    return parse_frame(_decoder, data)


def ruling_digest(domains: Domains, data: bytes) -> Digest:
    """The name of a ruling."""
    return digest(domains.ruling, data)
