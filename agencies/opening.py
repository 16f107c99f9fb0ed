"""Opening: from a delivery's bytes to verified content, step by step, trusting nobody on the way.

- The originator's seal and path vouch for the manifest; the manifest for each commitment; a commitment for
  label, key and ciphertext. The broker is believed only in what its certificate says it released.
- A step that fails for the record refuses the delivery; one that fails for a portion refuses that portion,
  and the others are opened.
- Nothing rests on a portion that is absent.
"""

from collections import OrderedDict
from collections.abc import Mapping
from typing import NamedTuple, Protocol

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import ValidationError

from agencies.keystore import OpeningKey
from schemas.arrangement import Arrangement
from schemas.canonical import Domains
from schemas.capsules import capsule_digest, capsule_info, parse_capsule
from schemas.certificate import Act, Certificate
from schemas.commitments import Commitments, wrap_binding
from schemas.envelope import (
    DeliveryEntry,
    Manifest,
    ReleasedPortion,
    dek_commitment,
    manifest_digest,
    parse_manifest,
    parse_wrap_content,
    record_leaf,
)
from schemas.frames import BadFrame, Parcel
from schemas.hpke import SUITE
from schemas.ids import AgencyId, Digest
from schemas.labels import Handling, UnknownCode, parse_handling
from schemas.merkle import path_root
from schemas.model import Model
from schemas.records import KINDS
from schemas.seal import BadSeal, Role, SealVerifier, VerifiedSeal
from schemas.verdicts import Unopened

_NONCE = bytes(12)
_KEK_BYTES = 32
_KEKS = 4096
"""KEKs remembered: an honest originator makes one a day, a hostile one as many as it likes."""


class OpenedPortion(msgspec.Struct, frozen=True, gc=False):
    """A portion in clear, with its handling label and the recipient's own officers named for it."""

    name: str
    handling: Handling
    content: Model
    officers: tuple[str, ...]


class OpenedDelivery(msgspec.Struct, frozen=True, gc=False):
    """What a delivery held: portions that opened, and portions that did not with their reasons."""

    manifest: Manifest
    digest: Digest
    portions: tuple[OpenedPortion, ...]
    failed: tuple[tuple[str, Unopened], ...]


class OpeningKeys(Protocol):
    """Our private opening keys: the current one, and those before it for what was sealed to them."""

    def opening_key(self, domains: Domains, key_id: Digest) -> OpeningKey | None:
        """The key of that id, or None if it is not ours."""
        ...


class Enclosed:
    """The seals and capsules of a parcel, which its deliveries share: each is verified or hashed once."""

    def __init__(self, parcel: Parcel, domains: Domains, windows: SealVerifier) -> None:
        self.parcel = parcel
        self._domains = domains
        self._windows = windows
        self._seals: dict[int, VerifiedSeal | Unopened] = {}
        self._capsules: dict[int, tuple[Digest, bytes]] = {}

    def seal(self, index: int) -> VerifiedSeal | Unopened:
        """A window's seal, or why it is none."""
        found = self._seals.get(index)
        if found is None:
            found = self._seals[index] = self._verify(index)
        return found

    def _verify(self, index: int) -> VerifiedSeal | Unopened:
        if index >= len(self.parcel.seals):
            return Unopened.MALFORMED
        try:
            return self._windows.verify(self.parcel.seals[index])
        except BadFrame:
            return Unopened.BAD_SEAL
        except BadSeal as error:
            return Unopened.UNKNOWN_SIGNER if error.unknown_signer else Unopened.BAD_SEAL

    def capsule(self, index: int) -> tuple[Digest, bytes] | None:
        """A capsule's name and bytes, or None if the parcel has not so many."""
        found = self._capsules.get(index)
        if found is None and index < len(self.parcel.capsules):
            data = self.parcel.capsules[index]
            found = self._capsules[index] = (capsule_digest(self._domains, data), data)
        return found


class _Kek(NamedTuple):
    originator: str
    cipher: AESGCM


def unpad(padded: bytes) -> bytes:
    """The content before padding. Raises: `ValueError` for padding that `pad` does not make."""
    end = 4 + int.from_bytes(padded[:4], "big")
    content = padded[4:end]
    if len(content) != end - 4 or padded.count(0, end) != len(padded) - end:
        raise ValueError("padding is not zeros after the stated length")
    return content


class Opener:
    """Opens deliveries for one agency. Remembers KEKs in memory only, and not more than a few thousand."""

    def __init__(self, agency: AgencyId, domains: Domains, keys: OpeningKeys) -> None:
        self._agency = agency
        self._domains = domains
        self._keys = keys
        self._keks: OrderedDict[Digest, _Kek] = OrderedDict()

    def open(
        self,
        entry: DeliveryEntry,
        certificate: Certificate,
        enclosed: Enclosed,
        versions: Mapping[Digest, Arrangement],
    ) -> OpenedDelivery | Unopened:
        """Verify and open one delivery; the certificate's place in the chain is the inbox's matter."""
        domains = self._domains
        # 1: manifest, and what the certificate says of it
        try:
            manifest = parse_manifest(entry.manifest)
        except BadFrame:
            return Unopened.MALFORMED
        digest = manifest_digest(domains, entry.manifest)
        if certificate.act is not Act.DELIVERY or certificate.recipient != self._agency:
            return Unopened.NOT_FOR_US
        named = (certificate.originator, certificate.record_id, certificate.manifest)
        if named != (manifest.originator, manifest.record_id, digest):
            return Unopened.BAD_CERTIFICATE
        decided_under = versions.get(Digest(certificate.arrangement))
        if decided_under is None:
            return Unopened.BAD_CERTIFICATE
        # 2: the originator's window seal, and the path to it (RFC 6962 2.1.1)
        seal = enclosed.seal(entry.seal)
        if isinstance(seal, Unopened):
            return seal
        if seal.owner != manifest.originator or seal.role is not Role.WINDOW:
            return Unopened.UNKNOWN_SIGNER
        if not decided_under.signs(manifest.originator, seal.signer, certificate.admitted_ms):
            return Unopened.SIGNER_EXPIRED
        if path_root(record_leaf(domains, digest), entry.path) != seal.root:
            return Unopened.BAD_PATH
        # 3: each portion for itself
        commit = Commitments(domains, manifest.originator, manifest.record_id)
        keks: dict[int, AESGCM | None] = {}
        opened, failed, released = [], [], set()
        for portion in entry.portions:
            commitment = commit.portion(
                portion.salt,
                portion.name,
                portion.handling,
                portion.routing,
                portion.dek_commitment,
                portion.ciphertext,
            )
            released.add(commitment)
            if commitment not in manifest.commitments or commitment not in certificate.released:
                failed.append((portion.name, Unopened.BAD_COMMITMENT))
                continue
            associated = commit.portion_ad(portion.name, portion.handling)
            if portion.capsule not in keks:  # one for all portions, as an honest originator makes it
                capsule = enclosed.capsule(portion.capsule)
                keks[portion.capsule] = None if capsule is None else self._kek(manifest, *capsule)
            result = self._open_portion(manifest, portion, commitment, associated, keks[portion.capsule])
            if isinstance(result, Unopened):
                failed.append((portion.name, result))
            else:
                opened.append(result)
        # 4: nothing that was certified as released is missing
        missing = set(certificate.released) - released
        if missing and not failed:
            failed.append(("", Unopened.BAD_CERTIFICATE))
        return OpenedDelivery(manifest, digest, tuple(opened), tuple(failed))

    def _open_portion(
        self,
        manifest: Manifest,
        portion: ReleasedPortion,
        commitment: Digest,
        associated: bytes,
        kek: AESGCM | None,
    ) -> OpenedPortion | Unopened:
        domains = self._domains
        # a: the capsule gives the pair's KEK (RFC 9180 6.1)
        if kek is None:
            return Unopened.BAD_CAPSULE
        # b: the wrap gives the DEK and our own named officers
        nonce, binding = wrap_binding(domains, commitment)
        try:
            inner = parse_wrap_content(kek.decrypt(nonce, portion.wrap, binding))
        except (InvalidTag, BadFrame):
            return Unopened.BAD_WRAP
        # c: the DEK is the one committed to; AES-GCM alone would not tell
        if dek_commitment(domains, inner.dek) != portion.dek_commitment:
            return Unopened.BAD_COMMITMENT
        # d: the content
        try:
            padded = AESGCM(inner.dek).decrypt(_NONCE, portion.ciphertext, associated)
        except InvalidTag:
            return Unopened.BAD_CIPHERTEXT
        # e: the content is what the kind's portion says it is
        kind = KINDS.get(manifest.kind)
        spec = None if kind is None else kind.portions.get(portion.name)
        if spec is None:
            return Unopened.BAD_CONTENT
        try:
            handling = parse_handling(portion.handling)
            content = spec.content.model_validate_json(unpad(padded))
        except (UnknownCode, ValidationError, ValueError, msgspec.MsgspecError, RecursionError):
            return Unopened.BAD_CONTENT
        return OpenedPortion(portion.name, handling, content, inner.officers)

    def _kek(self, manifest: Manifest, digest: Digest, data: bytes) -> AESGCM | None:
        known = self._keks.get(digest)
        if known is not None:
            self._keks.move_to_end(digest)
            return known.cipher if known.originator == manifest.originator else None
        try:
            capsule = parse_capsule(data)
        except BadFrame:
            return None
        if (capsule.originator, capsule.recipient) != (manifest.originator, self._agency):
            return None
        private = self._keys.opening_key(self._domains, Digest(capsule.recipient_key))
        if private is None:
            return None
        info = capsule_info(
            self._domains, capsule.originator, capsule.recipient, capsule.recipient_key, capsule.epoch
        )
        try:
            key = SUITE.decrypt(capsule.sealed, private.hpke, info)
        except (InvalidTag, ValueError):
            return None
        if len(key) != _KEK_BYTES:  # AESGCM itself would also take 16 or 24 bytes
            return None
        kek = AESGCM(key)
        self._keks[digest] = _Kek(capsule.originator, kek)
        if len(self._keks) > _KEKS:
            self._keks.popitem(last=False)
        return kek
