"""A batch seal: one hybrid signature over the root of a blinded tree, for originators and broker alike.

- Both signatures cover enc(domain, suite, signer key id, role, root); both must verify.
- The suite comes from the arrangement, never from the message.
- The role keeps a window seal from passing as a seal over chain heads.
- A verifier remembers good seals by the digest of the whole seal. Which keys are good when is not its matter: a seal
  says by which one it was made (`schemas.arrangement.Arrangement.signs`).
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from schemas.canonical import Domains, digest, enc
from schemas.entropy import Entropy
from schemas.frames import parse_frame
from schemas.ids import Digest, DigestBytes
from schemas.keys import Signature, SigningPair, SigningPublic
from schemas.merkle import batch_tree

#: Owner and public halves by key id.
Signers = Mapping[Digest, tuple[str, SigningPublic]]


class Role(StrEnum):
    """What a seal is over."""

    WINDOW = "window"
    HEADS = "heads"
    CHECKPOINT = "checkpoint"


class Seal(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """Signer, role, root and both signatures."""

    signer: DigestBytes
    role: Role
    root: DigestBytes
    signature: Signature


_encode = msgspec.msgpack.Encoder().encode
_seal = msgspec.msgpack.Decoder(Seal)


def _signed(domains: Domains, suite: str, signer: bytes, role: Role, root: bytes) -> bytes:
    return enc(domains.seal, suite.encode(), signer, role.encode(), root)


def seal_leaves(
    domains: Domains, suite: str, pair: SigningPair, role: Role, leaves: Sequence[bytes], entropy: Entropy
) -> tuple[bytes, list[bytes]]:
    """Sign 1 to 256 leaf hashes at once. Returns the seal's bytes and one path a leaf."""
    root, paths = batch_tree(leaves, entropy)
    signer = pair.public.key_id(domains)
    signature = pair.sign(_signed(domains, suite, signer, role, root))
    return _encode(Seal(signer, role, root, signature)), paths


def seal_digest(domains: Domains, seal: bytes) -> Digest:
    """The name under which a store keeps a seal once."""
    return digest(domains.seal_digest, seal)


def parse_seal(data: bytes) -> Seal:
    """Raises: `BadFrame`."""
    return parse_frame(_seal, data)


class BadSeal(ValueError):
    """The seal does not verify. `unknown_signer` tells a stranger's key from a false signature."""

    def __init__(self, *, unknown_signer: bool) -> None:
        super().__init__("unknown signer" if unknown_signer else "signature does not verify")
        self.unknown_signer = unknown_signer


@dataclass(frozen=True, slots=True)
class VerifiedSeal:
    """A seal whose signatures hold: its owner, by which key, and the root it vouches for."""

    owner: str
    signer: Digest
    role: Role
    root: bytes
    digest: Digest


class SealVerifier:
    """Verifies seals of the signers of one arrangement version, each distinct seal once."""

    _REMEMBER = 4096

    def __init__(self, domains: Domains, suite: str, signers: Signers) -> None:
        self._domains = domains
        self._suite = suite
        self._signers = dict(signers)
        self._good: OrderedDict[Digest, VerifiedSeal] = OrderedDict()

    def learn(self, signers: Signers) -> None:
        """Know these, too; who is known stays so."""
        self._signers = {**signers, **self._signers}

    def verify(self, data: bytes) -> VerifiedSeal:
        """Raises: `BadFrame` for bytes that are no seal, `BadSeal` for one that does not hold."""
        name = seal_digest(self._domains, data)
        known = self._good.get(name)
        if known is not None:
            return known
        seal = parse_seal(data)
        signer = self._signers.get(Digest(seal.signer))
        if signer is None:
            raise BadSeal(unknown_signer=True)
        owner, public = signer
        if not public.verifies(
            seal.signature, _signed(self._domains, self._suite, seal.signer, seal.role, seal.root)
        ):
            raise BadSeal(unknown_signer=False)
        verified = VerifiedSeal(owner, Digest(seal.signer), seal.role, seal.root, name)
        self._good[name] = verified
        if len(self._good) > self._REMEMBER:
            self._good.popitem(last=False)
        return verified
