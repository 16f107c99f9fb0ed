"""Checkpoints of a ledger: a good one, one with a witness's line, and a bad one for each reason of the closed list."""

import base64

from schemas.arrangement import SUITE
from schemas.checkpoint import (
    BadNote,
    Checkpoint,
    checkpoint_leaf,
    checkpoint_text,
    origin_of,
    seal_checkpoints,
    sign_note,
)
from schemas.entropy import SeededEntropy
from schemas.ids import Digest
from schemas.keys import SigningPair
from schemas.ledger import CheckpointEntry, entry_bytes
from schemas.merkle import leaf_hash
from schemas.seal import Role, seal_leaves
from tests.support.forge import flip
from tests.support.members import Members
from tests.vectors.scenes import FR, GB

_ROOT = Digest(leaf_hash(b"root"))


def every(m: Members) -> dict[str, tuple[BadNote | None, str, bytes]]:
    """By file: the reason (None: it is believed), what it is, and the ledger entry's bytes."""
    domains, federation = m.domains, m.arrangement.body.federation
    name = origin_of(federation, GB)
    point = Checkpoint(name, 17, _ROOT, 1_790_000_060_000)
    text = checkpoint_text(point)
    (good,) = seal_checkpoints(domains, SUITE, m.broker, [point], SeededEntropy(b"checkpoint"))
    stranger = SigningPair.from_seeds(bytes(64))

    def entry(note: bytes, path: bytes = good.path, seal: bytes = good.seal) -> bytes:
        return entry_bytes(CheckpointEntry(note, path, seal))

    def sealed(said: str, role: Role = Role.CHECKPOINT, by: SigningPair = m.broker) -> tuple[bytes, bytes]:
        leaf = checkpoint_leaf(domains, said)
        seal, (path,) = seal_leaves(domains, SUITE, by, role, [leaf], SeededEntropy(b"other"))
        return path, seal

    def of(said: str) -> bytes:
        """Any text, signed and sealed as if it were a checkpoint."""
        return entry(sign_note(said, name, m.broker), *sealed(said))

    witness = sign_note(text, "witness.example/w1", stranger).rpartition(b"\n\n")[2]
    signature = base64.b64decode(good.note.split(b" ")[-1])
    touched = base64.b64encode(flip(signature, 200)) + b"\n"
    elsewhere = checkpoint_text(Checkpoint(origin_of(federation, FR), 17, _ROOT, 1_790_000_060_000))
    return {
        "good": (None, "size 17, one signature line", entry(good.note)),
        "witnessed": (None, "with a line of a key that nobody here knows", entry(good.note + witness)),
        "no_blank_line": (BadNote.NOT_A_NOTE, "no blank line", entry(good.note.replace(b"\n\n", b"\n"))),
        "control_character": (BadNote.NOT_A_NOTE, "a tab in it", of(text.replace("time ", "time\t"))),
        "leading_zero": (BadNote.NOT_A_CHECKPOINT, "size 017", of(text.replace("\n17\n", "\n017\n"))),
        "five_lines": (BadNote.NOT_A_CHECKPOINT, "another extension line", of(text + "more\n")),
        "other_log": (BadNote.OTHER_LOG, "of another lane", of(elsewhere)),
        "by_a_stranger": (BadNote.UNSIGNED, "signed by a stranger", entry(sign_note(text, name, stranger))),
        "touched_signature": (
            BadNote.BAD_SIGNATURE,
            "one bit of the Ed25519 signature is flipped",
            entry(good.note.rpartition(b" ")[0] + b" " + touched),
        ),
        "seal_over_heads": (
            BadNote.BAD_SEAL,
            "the seal is over heads",
            entry(good.note, *sealed(text, Role.HEADS)),
        ),
        "seal_by_a_stranger": (
            BadNote.BAD_SEAL,
            "the seal is by a stranger",
            entry(good.note, *sealed(text, by=stranger)),
        ),
        "other_text_sealed": (
            BadNote.NOT_SEALED,
            "the seal is over another text",
            entry(good.note, *sealed(elsewhere)),
        ),
    }
