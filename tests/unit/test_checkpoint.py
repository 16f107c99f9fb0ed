"""A checkpoint: a note that other tools accept, a seal over the same text, and every way in which one is refused."""

import base64
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from schemas.arrangement import BROKER, SUITE
from schemas.canonical import Domains
from schemas.checkpoint import (
    BadCheckpoint,
    BadNote,
    Checkpoint,
    CheckpointVerifier,
    SealedNote,
    checkpoint_leaf,
    checkpoint_text,
    note_key_id,
    origin_of,
    parse_checkpoint,
    parse_note,
    seal_checkpoints,
    sign_note,
    verifier_key,
)
from schemas.entropy import SeededEntropy
from schemas.ids import Digest
from schemas.keys import SigningPair
from schemas.merkle import leaf_hash
from schemas.seal import Role, seal_leaves
from tests.support.forge import flip

DOMAINS = Domains("notes")
PAIR = SigningPair.from_seeds(bytes(range(64)))
OTHER = SigningPair.from_seeds(bytes(range(1, 65)))
NAME = "entente/notes/ledger/gb-nca"
POINT = Checkpoint(NAME, 17, Digest(leaf_hash(b"root")), 1_790_000_000_000)


def verifier(pair: SigningPair = PAIR, owner: str = BROKER) -> CheckpointVerifier:
    return CheckpointVerifier(DOMAINS, SUITE, {pair.public.key_id(DOMAINS): (owner, pair.public)})


def sealed(*points: Checkpoint, pair: SigningPair = PAIR, domains: Domains = DOMAINS) -> list[SealedNote]:
    return seal_checkpoints(domains, SUITE, pair, points or (POINT,), SeededEntropy(b"seal"))


def of_text(text: str, pair: SigningPair = PAIR, role: Role = Role.CHECKPOINT) -> SealedNote:
    """Any text, signed and sealed as if it were a checkpoint."""
    seal, (path,) = seal_leaves(
        DOMAINS, SUITE, pair, role, [checkpoint_leaf(DOMAINS, text)], SeededEntropy(b"x")
    )
    return SealedNote(sign_note(text, NAME, pair), path, seal)


def reason(found: SealedNote, lane: str = "gb-nca", by: CheckpointVerifier | None = None) -> BadNote:
    with pytest.raises(BadCheckpoint) as caught:
        (by or verifier()).verify(lane, found)
    return caught.value.reason


def test_a_checkpoint_holds_and_says_what_was_signed() -> None:
    (one,) = sealed()
    assert verifier().verify("gb-nca", one) == POINT
    text, signature = one.note.decode().split("\n\n")
    assert text.split("\n") == [NAME, "17", base64.b64encode(POINT.root).decode(), "time 1790000000000"]
    assert signature.startswith(f"— {NAME} ")
    assert origin_of("notes", "gb-nca") == NAME


def test_many_are_sealed_at_once_and_each_is_verified_alone() -> None:
    points = [replace(POINT, size=n) for n in range(300)]
    notes = sealed(*points)
    by = verifier()
    assert [by.verify("gb-nca", note) for note in notes] == points
    assert len({note.seal for note in notes}) == 2
    assert reason(replace(notes[0], path=notes[1].path)) is BadNote.NOT_SEALED
    assert reason(replace(notes[0], seal=notes[299].seal)) is BadNote.NOT_SEALED


def test_a_note_of_another_implementation_is_read_as_it_reads_it() -> None:
    """The note and key in the documentation of golang.org/x/mod/sumdb/note."""
    key = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    note = parse_note(
        b"If you think cryptography is the answer to your problem,\n"
        b"then you don't know what your problem is.\n\n"
        b"\xe2\x80\x94 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngot"
        b"pRZb6KE6RyyBwJnAM=\n"
    )
    public = base64.b64decode(key.split("+", 2)[2])[1:]
    (signature,) = note.signatures
    assert verifier_key("PeterNeumann", public) == key
    assert (signature.name, signature.key_id) == ("PeterNeumann", note_key_id("PeterNeumann", public))
    Ed25519PublicKey.from_public_bytes(public).verify(signature.signature, note.text.encode())


def test_our_note_is_what_the_standard_says_word_by_word() -> None:
    """As a tool would do that knows the two specifications, an Ed25519 library, and nothing of ours."""
    note = sealed()[0].note
    name, key_hash, key = verifier_key(NAME, PAIR.public.ed25519).split("+", 2)
    raw = base64.b64decode(key)
    assert raw[0] == 1
    assert sha256(name.encode() + b"\n" + raw).hexdigest()[:8] == key_hash
    at = note.rindex(b"\n\n")
    text, line = note[: at + 1], note[at + 2 :].decode().removesuffix("\n")
    dash, signer, encoded = line.split(" ")
    signature = base64.b64decode(encoded)
    assert (dash, signer, signature[:4].hex()) == ("—", name, key_hash)
    Ed25519PublicKey.from_public_bytes(raw[1:]).verify(signature[4:], text)
    origin, size, root = text.decode().split("\n")[:3]
    assert (origin, size, base64.b64decode(root)) == (name, "17", POINT.root)


def test_lines_of_witnesses_are_passed_over_and_the_seal_holds_still() -> None:
    (one,) = sealed()
    witness = sign_note(checkpoint_text(POINT), "witness.example/w1", OTHER).split(b"\n\n")[1]
    assert verifier().verify("gb-nca", replace(one, note=one.note + witness)) == POINT
    # A key with our name and another id is an unknown one too.
    namesake = sign_note(checkpoint_text(POINT), NAME, OTHER).split(b"\n\n")[1]
    assert verifier().verify("gb-nca", replace(one, note=one.note + namesake)) == POINT
    alone = one.note.split(b"\n\n")[0] + b"\n\n" + witness
    assert reason(replace(one, note=alone)) is BadNote.UNSIGNED
    assert reason(replace(one, note=one.note + 16 * witness)) is BadNote.NOT_A_NOTE


def test_a_second_line_by_our_key_that_does_not_hold_spoils_the_note() -> None:
    (one,) = sealed()
    false = sign_note(checkpoint_text(replace(POINT, size=18)), NAME, PAIR).split(b"\n\n")[1]
    assert reason(replace(one, note=one.note + false)) is BadNote.BAD_SIGNATURE


def test_who_signs_and_seals_is_the_broker_in_this_role() -> None:
    (one,) = sealed()
    assert reason(one, by=verifier(OTHER)) is BadNote.UNSIGNED
    assert reason(one, by=verifier(owner="gb-nca")) is BadNote.UNSIGNED
    assert reason(of_text(checkpoint_text(POINT), role=Role.HEADS)) is BadNote.BAD_SEAL
    assert reason(of_text(checkpoint_text(POINT), role=Role.WINDOW)) is BadNote.BAD_SEAL
    assert reason(replace(one, seal=sealed(pair=OTHER)[0].seal)) is BadNote.BAD_SEAL
    assert reason(replace(one, seal=sealed(domains=Domains("others"))[0].seal)) is BadNote.BAD_SEAL
    assert reason(replace(one, seal=b"")) is BadNote.BAD_SEAL
    assert reason(replace(one, path=b"")) is BadNote.NOT_SEALED
    # The classical half alone is not enough: another text with a good Ed25519 line, under an old seal.
    forged = sign_note(checkpoint_text(replace(POINT, size=16)), NAME, PAIR)
    assert reason(replace(one, note=forged)) is BadNote.NOT_SEALED


def test_a_checkpoint_speaks_of_one_log() -> None:
    (one,) = sealed()
    assert reason(one, "fr-oltim") is BadNote.OTHER_LOG
    assert reason(one, "gb-nca\n") is BadNote.OTHER_LOG


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.replace("\n17\n", "\n017\n"),
        lambda t: t.replace("\n17\n", "\n+17\n"),
        lambda t: t.replace("\n17\n", "\n17 \n"),
        lambda t: t.replace("\n17\n", "\n-1\n"),
        lambda t: t.replace("\n17\n", "\n\u0661\u0667\n"),
        lambda t: t.replace("\n17\n", f"\n{2**63}\n"),
        lambda t: t.replace("\n17\n", "\n" + 5000 * "9" + "\n"),
        lambda t: t.replace("=\n", "\n"),
        lambda t: t.replace("=\n", "==\n"),
        lambda t: t.replace("time ", "time"),
        lambda t: t.replace("time ", "Time "),
        lambda t: t + "another line\n",
        lambda t: "".join(t.splitlines(keepends=True)[:3]),
        lambda t: t.replace(NAME, NAME + "\n"),
        lambda t: "\n" + t,
    ],
)
def test_a_text_of_another_form_is_no_checkpoint_whoever_signs_it(change: Callable[[str], str]) -> None:
    text = change(checkpoint_text(POINT))
    assert text != checkpoint_text(POINT)
    assert reason(of_text(text)) is BadNote.NOT_A_CHECKPOINT
    with pytest.raises(BadCheckpoint):
        parse_checkpoint(text)


def test_a_root_has_one_form_in_base64() -> None:
    """The last character before `=` has two bits that decode to nothing: set, they would make a second text."""
    text = checkpoint_text(POINT)
    root = base64.b64encode(POINT.root).decode()
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    twin = root[:-2] + letters[letters.index(root[-2]) + 1] + "="
    assert base64.b64decode(twin) == POINT.root
    assert reason(of_text(text.replace(root, twin))) is BadNote.NOT_A_CHECKPOINT


@pytest.mark.parametrize(
    "change",
    [
        lambda n: b"",
        lambda n: b"\n\n",
        lambda n: n[:-1],
        lambda n: n.split(b"\n\n")[0] + b"\n",
        lambda n: n.split(b"\n\n")[0] + b"\n\n",
        lambda n: n.replace(b"\n\n", b"\n"),
        lambda n: n.replace(b"17", b"1\t7"),
        lambda n: n.replace(b"17", b"1\0"),
        lambda n: n.replace(b"\n", b"\r\n"),
        lambda n: n.replace(b"17", b"\xff"),
        lambda n: n.replace("— ".encode(), b"- "),
        lambda n: n[:-3] + b"\n",
        lambda n: n + b"extra\n",
        lambda n: n + "— a+b AAAAAAAA\n".encode(),
        lambda n: n + "—  AAAAAAAA\n".encode(),
        lambda n: n + "— name AAAA\n".encode(),
        lambda n: n + "— na\u00a0me AAAAAAAA\n".encode(),
        lambda n: n + 70_000 * b"x",
    ],
)
def test_what_is_no_note_is_refused(change: Callable[[bytes], bytes]) -> None:
    (one,) = sealed()
    assert reason(replace(one, note=change(one.note))) is BadNote.NOT_A_NOTE


def test_any_flipped_bit_is_refused() -> None:
    (one,) = sealed()
    by = verifier()
    for bit in range(0, 8 * len(one.note), 3):
        with pytest.raises(BadCheckpoint):
            by.verify("gb-nca", replace(one, note=flip(one.note, bit)))
    for bit in range(0, 8 * len(one.path), 7):
        with pytest.raises(BadCheckpoint):
            by.verify("gb-nca", replace(one, path=flip(one.path, bit)))
    for bit in range(0, 8 * len(one.seal), 61):
        with pytest.raises(BadCheckpoint):
            by.verify("gb-nca", replace(one, seal=flip(one.seal, bit)))
