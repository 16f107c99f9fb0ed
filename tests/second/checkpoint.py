"""A checkpoint of a ledger: section 15 of the page, and the two C2SP specifications that it names."""

import base64
import binascii
import re
from hashlib import sha256
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tests.second.hashing import Refusal, climb, verify_seal
from tests.second.history import Version
from tests.second.tables import Malformed, parse

_LAST = 2**63 - 1
_LINE = re.compile("— ([^ +]+) ([A-Za-z0-9+/]+=*)")


def verify_checkpoint(entry: bytes, lane: str, version: Version) -> dict[str, Any]:
    """Size, root and time. Raises: `Refusal`, in the order of the page."""
    frame = parse(entry, "CheckpointEntry")
    text, lines = _note(frame["note"])
    origin, size, root, at_ms = _text(text)
    name = f"entente/{version.hashing.federation}/ledger/{lane}"
    if origin != name:
        raise Refusal("other_log")
    known = {
        sha256(name.encode() + b"\n\x01" + public.ed25519).digest()[:4]: public.ed25519
        for _, public in version.heads.values()
    }
    ours = [(known[s[:4]], s[4:]) for signer, s in lines if signer == name and s[:4] in known]
    if not ours:
        raise Refusal("unsigned")
    for key, signature in ours:
        try:
            Ed25519PublicKey.from_public_bytes(key).verify(signature, text.encode())
        except InvalidSignature:
            raise Refusal("bad_signature") from None
    hashing = version.hashing
    try:
        seal = verify_seal(hashing, frame["seal"], version.heads)
    except (Malformed, Refusal):
        raise Refusal("bad_seal") from None
    if seal.role != "checkpoint":
        raise Refusal("bad_seal")
    leaf = hashing.leaf("checkpoint_leaf", hashing.hash("checkpoint", text.encode()))
    if climb(leaf, frame["path"]) != seal.root:
        raise Refusal("not_sealed")
    return {"size": size, "root": root.hex(), "at_ms": at_ms}


def _note(data: bytes) -> tuple[str, list[tuple[str, bytes]]]:
    """signed-note, Format."""
    try:
        whole = data.decode()
    except UnicodeDecodeError:
        raise Refusal("not_a_note") from None
    text, blank, rest = whole.rpartition("\n\n")
    if not blank or not rest.endswith("\n") or any(c < " " and c != "\n" for c in whole):
        raise Refusal("not_a_note")
    lines = []
    for line in rest[:-1].split("\n"):
        found = _LINE.fullmatch(line)
        signature = None if found is None else _base64(found[2])
        if found is None or signature is None or len(signature) < 5:
            raise Refusal("not_a_note")
        lines.append((found[1], signature))
    if len(lines) > 16:
        raise Refusal("not_a_note")
    return text + "\n", lines


def _text(text: str) -> tuple[str, int, bytes, int]:
    """The four lines."""
    lines = text.split("\n")
    if len(lines) != 5 or lines[4] or not lines[3].startswith("time "):
        raise Refusal("not_a_checkpoint")
    root = _base64(lines[2])
    numbers = [lines[1], lines[3][5:]]
    if root is None or len(root) != 32 or not lines[0]:
        raise Refusal("not_a_checkpoint")
    if not all(re.fullmatch("0|[1-9][0-9]{0,18}", n) and int(n) <= _LAST for n in numbers):
        raise Refusal("not_a_checkpoint")
    return lines[0], int(numbers[0]), root, int(numbers[1])


def _base64(text: str) -> bytes | None:
    try:
        data = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return None
    return data if base64.b64encode(data).decode() == text else None
