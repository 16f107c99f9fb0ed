"""A checkpoint: what a lane's ledger came to at a size, as a C2SP signed note that any such tool verifies, and sealed.

- The text is a tlog-checkpoint: origin `entente/<federation>/ledger/<lane>`, size, root in base64, and one extension
  line, `time <milliseconds>`: real time as the broker's clock had it, which nobody can audit.
- The note bears the broker's Ed25519 signature alone, since that is what other tools know. The hybrid seal
  (`Role.CHECKPOINT`) covers the same text, so that witnesses may add their lines and the seal still holds.
- One key signs notes and all else safely: a note has no control character, and `enc(..)` begins with a NUL.

Sources: c2sp.org/signed-note, c2sp.org/tlog-checkpoint.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Final, NamedTuple

from schemas.arrangement import BROKER, Arrangement
from schemas.canonical import Domains, digest, enc
from schemas.entropy import Entropy
from schemas.frames import BadFrame
from schemas.ids import Digest
from schemas.keys import SigningPair, SigningPublic
from schemas.merkle import BATCH_LEAVES, leaf_hash, path_root
from schemas.seal import BadSeal, Role, SealVerifier, Signers, seal_leaves

MAX_NOTE: Final = 65_536
MOST_SIGNATURES: Final = 16  # signed-note, Format: at least so many must be taken

_ED25519: Final = b"\x01"  # signed-note, Signature types
_DASH: Final = "— "
_LAST: Final = 2**63 - 1


class BadNote(StrEnum):
    """Why a checkpoint is not to be believed, in the order of the checks."""

    NOT_A_NOTE = "not_a_note"
    NOT_A_CHECKPOINT = "not_a_checkpoint"
    OTHER_LOG = "other_log"
    UNSIGNED = "unsigned"
    BAD_SIGNATURE = "bad_signature"
    BAD_SEAL = "bad_seal"
    NOT_SEALED = "not_sealed"


class BadCheckpoint(ValueError):
    """A checkpoint that does not verify. `reason` is one of the closed list."""

    def __init__(self, reason: BadNote, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class NoteSignature(NamedTuple):
    """A signature line: key name, key id (4 bytes), signature."""

    name: str
    key_id: bytes
    signature: bytes


class Note(NamedTuple):
    """A signed note, its signatures unverified. `text` ends with a newline."""

    text: str
    signatures: tuple[NoteSignature, ...]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Size and root of a log. `at_ms`: real time of signing, by the signer's clock."""

    origin: str
    size: int
    root: Digest
    at_ms: int


@dataclass(frozen=True, slots=True)
class SealedNote:
    """A note, the hybrid seal over its text, and the text's path to the seal's root."""

    note: bytes
    path: bytes
    seal: bytes


def origin_of(federation: str, lane: str) -> str:
    """The name of a lane's log, and of the key that signs its notes."""
    return f"entente/{federation}/ledger/{lane}"


def checkpoint_text(checkpoint: Checkpoint) -> str:
    """tlog-checkpoint, Note text."""
    root = base64.b64encode(checkpoint.root).decode()
    return f"{checkpoint.origin}\n{checkpoint.size}\n{root}\ntime {checkpoint.at_ms}\n"


def note_key_id(name: str, public: bytes) -> bytes:
    """signed-note, Ed25519 signatures: the first four bytes of SHA-256(name, newline, type, public key)."""
    return sha256(name.encode() + b"\n" + _ED25519 + public).digest()[:4]


def verifier_key(name: str, public: bytes) -> str:
    """The public key in the line that other tools take: name, key id in hexadecimal, type and key in base64."""
    return f"{name}+{note_key_id(name, public).hex()}+{base64.b64encode(_ED25519 + public).decode()}"


def sign_note(text: str, name: str, pair: SigningPair) -> bytes:
    """The note with one Ed25519 signature."""
    signature = note_key_id(name, pair.public.ed25519) + pair.sign_ed25519(text.encode())
    return f"{text}\n{_DASH}{name} {base64.b64encode(signature).decode()}\n".encode()


def parse_note(data: bytes) -> Note:
    """signed-note, Format. Raises: `BadCheckpoint`."""
    if len(data) > MAX_NOTE:
        raise BadCheckpoint(BadNote.NOT_A_NOTE, f"a note of more than {MAX_NOTE} bytes")
    try:
        whole = data.decode()
    except UnicodeDecodeError as error:
        raise BadCheckpoint(BadNote.NOT_A_NOTE, "a note that is no UTF-8") from error
    if any(c < " " and c != "\n" for c in whole):
        raise BadCheckpoint(BadNote.NOT_A_NOTE, "a note with a control character")
    text, blank, lines = whole.rpartition("\n\n")
    if not blank or not lines.endswith("\n"):
        raise BadCheckpoint(BadNote.NOT_A_NOTE, "a note without a blank line before its signatures")
    signatures = [_signature(line) for line in lines[:-1].split("\n")]
    if len(signatures) > MOST_SIGNATURES:
        raise BadCheckpoint(BadNote.NOT_A_NOTE, f"a note of more than {MOST_SIGNATURES} signatures")
    return Note(text + "\n", tuple(signatures))


def _signature(line: str) -> NoteSignature:
    fields = line[len(_DASH) :].split(" ")
    if not line.startswith(_DASH) or len(fields) != 2:
        raise BadCheckpoint(BadNote.NOT_A_NOTE, "a signature line of another form")
    name, encoded = fields
    signature = _from_base64(encoded)
    if not name or "+" in name or any(c.isspace() for c in name) or signature is None or len(signature) < 5:
        raise BadCheckpoint(BadNote.NOT_A_NOTE, "a signature line of another form")
    return NoteSignature(name, signature[:4], signature[4:])


def parse_checkpoint(text: str) -> Checkpoint:
    """tlog-checkpoint, Note text, and our one extension line: nothing else is signed here. Raises: `BadCheckpoint`."""
    lines = text.split("\n")
    if len(lines) != 5 or not all(lines[:4]) or lines[4]:
        raise BadCheckpoint(BadNote.NOT_A_CHECKPOINT, "a checkpoint has four lines")
    origin, size, root, time = lines[:4]
    hashed = _from_base64(root)
    if hashed is None or len(hashed) != 32:
        raise BadCheckpoint(BadNote.NOT_A_CHECKPOINT, "line 3 is no root hash in base64")
    if not time.startswith("time "):
        raise BadCheckpoint(BadNote.NOT_A_CHECKPOINT, "line 4 is no time")
    return Checkpoint(origin, _number(size, 2), Digest(hashed), _number(time[5:], 4))


def _number(text: str, line: int) -> int:
    """ASCII decimal without leading zeros."""
    plain = text.isascii() and text.isdecimal() and len(text) <= 19
    if plain and str(value := int(text)) == text and value <= _LAST:
        return value
    raise BadCheckpoint(BadNote.NOT_A_CHECKPOINT, f"line {line} is no decimal number")


def _from_base64(text: str) -> bytes | None:
    """RFC 4648 4, in the one form that it gives: what decodes otherwise would be another note of the same meaning."""
    try:
        data = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return None
    return data if base64.b64encode(data).decode() == text else None


def checkpoint_leaf(domains: Domains, text: str) -> Digest:
    """The leaf of a checkpoint's text in the broker's seal."""
    return leaf_hash(enc(domains.checkpoint_leaf, digest(domains.checkpoint, text.encode())))


def seal_checkpoints(
    domains: Domains, suite: str, pair: SigningPair, checkpoints: Sequence[Checkpoint], entropy: Entropy
) -> list[SealedNote]:
    """Each as a note by its origin's name, 256 under one hybrid seal."""
    out = []
    for at in range(0, len(checkpoints), BATCH_LEAVES):
        batch = [(c.origin, checkpoint_text(c)) for c in checkpoints[at : at + BATCH_LEAVES]]
        leaves = [checkpoint_leaf(domains, text) for _, text in batch]
        seal, paths = seal_leaves(domains, suite, pair, Role.CHECKPOINT, leaves, entropy)
        out += [
            SealedNote(sign_note(text, name, pair), path, seal)
            for (name, text), path in zip(batch, paths, strict=True)
        ]
    return out


class CheckpointVerifier:
    """Verifies the checkpoints of one federation's ledgers by the broker's public keys."""

    def __init__(self, domains: Domains, suite: str, signers: Signers) -> None:
        """`signers`: the broker's, as `Arrangement.heads_signers` gives them."""
        self._domains = domains
        self._publics: Mapping[Digest, SigningPublic] = {
            key_id: public for key_id, (owner, public) in signers.items() if owner == BROKER
        }
        self._seals = SealVerifier(domains, suite, signers)

    @classmethod
    def of(cls, *versions: Arrangement) -> "CheckpointVerifier":
        """By the broker's keys of all of these versions: a ledger has checkpoints of each."""
        signers = {key_id: signer for v in versions for key_id, signer in v.heads_signers.items()}
        return cls(versions[0].domains, versions[0].body.suite, signers)

    def verify(self, lane: str, sealed: SealedNote) -> Checkpoint:
        """Raises: `BadCheckpoint`, with the first thing that does not hold."""
        # 1: signed-note, Format
        note = parse_note(sealed.note)
        # 2: tlog-checkpoint, Note text
        checkpoint = parse_checkpoint(note.text)
        name = origin_of(self._domains.federation, lane)
        if checkpoint.origin != name:
            raise BadCheckpoint(BadNote.OTHER_LOG, f"a checkpoint of another log than '{name}'")
        # 3: signed-note, Signatures: unknown keys are passed over, a known one must hold
        self.verify_signature(note, name)
        # 4: the hybrid seal over the same text
        self._verify_seal(note, sealed)
        return checkpoint

    def verify_signature(self, note: Note, name: str) -> None:
        """That one of the broker's keys signed the note. Raises: `BadCheckpoint`."""
        known = {note_key_id(name, public.ed25519): public for public in self._publics.values()}
        ours = [s for s in note.signatures if s.name == name and s.key_id in known]
        if not ours:
            raise BadCheckpoint(BadNote.UNSIGNED, "no signature line is by the broker's key")
        if not all(known[s.key_id].verifies_ed25519(s.signature, note.text.encode()) for s in ours):
            raise BadCheckpoint(BadNote.BAD_SIGNATURE, "the broker's Ed25519 signature does not hold")

    def _verify_seal(self, note: Note, sealed: SealedNote) -> None:
        try:
            seal = self._seals.verify(sealed.seal)
        except (BadFrame, BadSeal) as error:
            raise BadCheckpoint(BadNote.BAD_SEAL, f"the hybrid seal: {error}") from error
        if seal.owner != BROKER or seal.role is not Role.CHECKPOINT:
            raise BadCheckpoint(BadNote.BAD_SEAL, "the hybrid seal is none over checkpoints")
        try:
            root = path_root(checkpoint_leaf(self._domains, note.text), sealed.path)
        except ValueError as error:
            raise BadCheckpoint(BadNote.NOT_SEALED, str(error)) from error
        if root != seal.root:
            raise BadCheckpoint(BadNote.NOT_SEALED, "the hybrid seal is over another text")
