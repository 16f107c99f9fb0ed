"""What an originator has signed: a window's seal, a record's place under it, and each portion's commitment."""

from collections.abc import Iterable

from deploy.verify.directory import Trusted
from deploy.verify.report import By, Report
from schemas.arrangement import BROKER
from schemas.commitments import Commitments
from schemas.envelope import (
    HeadEntry,
    Manifest,
    ReleasedPortion,
    head_leaf,
    record_leaf,
)
from schemas.frames import BadFrame
from schemas.ids import Digest
from schemas.merkle import path_root
from schemas.seal import BadSeal, Role, SealVerifier, VerifiedSeal


def verify_seal(
    report: Report, verifier: SealVerifier, data: bytes, role: Role, owner: str, name: str
) -> VerifiedSeal | None:
    """A seal by its owner's key and in its role."""
    what = f"{name}: both signatures of '{owner}' over {role}"
    try:
        seal = verifier.verify(data)
    except BadFrame:
        report.failed(what, By.SEAL, "the bytes are no seal")
        return None
    except BadSeal as error:
        report.failed(what, By.SEAL, str(error))
        return None
    found = (seal.owner, seal.role)
    failure = f"it is by '{seal.owner}' over {seal.role}"
    return seal if report.check(found == (owner, role), what, By.SEAL, failure) else None


def leads(leaf: bytes, path: bytes, root: bytes) -> bool:
    """Whether a path of a batch seal leads from the leaf to the root."""
    try:
        return path_root(leaf, path) == root
    except ValueError:
        return False


def verify_record_seal(
    report: Report,
    trusted: Trusted,
    manifest: Manifest,
    digest: Digest,
    path: bytes,
    seal_bytes: bytes,
    version: Digest,
    at_ms: int,
    name: str,
) -> None:
    """That its originator signed a manifest, by a key that was good at the instant under that version."""
    seal = verify_seal(
        report, trusted.windows, seal_bytes, Role.WINDOW, manifest.originator, f"{name}, window seal"
    )
    if seal is None:
        return
    signs = trusted.versions[version].signs(manifest.originator, seal.signer, at_ms)
    report.check(signs, f"{name}: the key was good at admission", By.SIGNER, "the key's time had ended")
    leaf = record_leaf(trusted.domains, digest)
    report.check(
        leads(leaf, path, seal.root),
        f"{name}: the manifest lies under the seal",
        By.PATH,
        "the path leads to another root",
    )


def verify_portions(
    report: Report,
    trusted: Trusted,
    manifest: Manifest,
    portions: Iterable[ReleasedPortion],
    certified: Iterable[bytes],
    name: str,
) -> None:
    """That what is released is what the originator committed to, and exactly what the certificate names."""
    seen = set()
    commitments = Commitments(trusted.domains, manifest.originator, manifest.record_id)
    for portion in portions:
        commitment = commitments.portion(
            portion.salt,
            portion.name,
            portion.handling,
            portion.routing,
            portion.dek_commitment,
            portion.ciphertext,
        )
        seen.add(commitment)
        report.check(
            commitment in manifest.commitments,
            f"{name}: portion '{portion.name}' is what the manifest commits to",
            By.COMMITMENT,
            "no commitment of the manifest is over this label, key and ciphertext",
        )
    report.check(
        seen == set(certified),
        f"{name}: the portions are those that were certified, all of them",
        By.CERTIFICATE,
        f"{len(set(certified) - seen)} certified are not here, {len(seen - set(certified))} here are not certified",
    )


def verify_head(
    report: Report, trusted: Trusted, head: HeadEntry, seal_bytes: bytes, recipient: str, name: str
) -> bool:
    """That the broker signed a chain's head, for this recipient."""
    seal = verify_seal(report, trusted.heads, seal_bytes, Role.HEADS, BROKER, f"{name}, seal")
    leaf = head_leaf(trusted.domains, head.lane, recipient, head.number, head.digest)
    return seal is not None and report.check(
        leads(leaf, head.path, seal.root),
        f"{name}: number {head.number} of the chain ('{head.lane}', '{recipient}') lies under the seal",
        By.PATH,
        "the path leads to another root: another lane, recipient, number or digest was signed",
    )
