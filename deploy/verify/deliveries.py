"""A deliver parcel: every delivery, head and forwarded receipt in it, for the recipient it was made for."""

from collections.abc import Sequence
from itertools import pairwise

from deploy.verify.directory import Trusted
from deploy.verify.report import By, Report, Unusable
from deploy.verify.windows import leads, verify_head, verify_portions, verify_record_seal
from schemas.capsules import capsule_digest, parse_capsule
from schemas.certificate import Certificate, certificate_digest, parse_certificate
from schemas.envelope import (
    ControlEntry,
    DeliverEntry,
    DeliveryEntry,
    HeadEntry,
    control_leaf,
    manifest_digest,
    parse_manifest,
)
from schemas.frames import BadFrame, Parcel
from schemas.ids import Digest
from schemas.seal import BadSeal, Role


def verify_delivery_parcel(
    parcel: Parcel, entries: Sequence[DeliverEntry], recipient: str, trusted: Trusted, report: Report
) -> None:
    """Each entry for itself, then each lane's certificates up to the head that was signed."""
    chains: dict[str, list[tuple[Certificate, Digest]]] = {}
    heads: dict[str, HeadEntry] = {}
    for place, entry in enumerate(entries):
        name = f"entry {place}"
        if isinstance(entry, DeliveryEntry):
            certificate = _delivery(entry, parcel, recipient, trusted, report, name)
            if certificate is not None:
                digest = certificate_digest(trusted.domains, entry.certificate)
                chains.setdefault(certificate.originator, []).append((certificate, digest))
        elif isinstance(entry, HeadEntry):
            seal = _part(parcel.seals, entry.seal, report, f"{name}: its seal is in the parcel")
            if seal is not None and verify_head(report, trusted, entry, seal, recipient, f"{name}, head"):
                heads[entry.lane] = entry
        else:
            _control(entry, parcel, trusted, report, name)
    for lane, chain in chains.items():
        _chain(lane, chain, heads.get(lane), report)


def recipient_of(entries: Sequence[DeliverEntry]) -> str:
    """Whom the first certificate names. Raises: `Unusable` where there is none."""
    for entry in entries:
        if isinstance(entry, DeliveryEntry):
            try:
                return parse_certificate(entry.certificate).recipient
            except BadFrame:
                continue
    raise Unusable("no certificate names the recipient of this parcel: name it with --recipient")


def _part(parts: Sequence[bytes], index: int, report: Report, what: str) -> bytes | None:
    if index < len(parts):
        return parts[index]
    report.failed(what, By.FORMAT, f"it names part {index} of {len(parts)}")
    return None


def _delivery(
    entry: DeliveryEntry, parcel: Parcel, recipient: str, trusted: Trusted, report: Report, name: str
) -> Certificate | None:
    try:
        certificate, manifest = parse_certificate(entry.certificate), parse_manifest(entry.manifest)
    except BadFrame as error:
        report.failed(f"{name}: certificate and manifest can be read", By.FORMAT, str(error))
        return None
    digest = manifest_digest(trusted.domains, entry.manifest)
    if not verify_certificate(report, trusted, certificate, recipient, name):
        return certificate
    named = (certificate.originator, certificate.record_id, certificate.manifest)
    report.check(
        named == (manifest.originator, manifest.record_id, digest),
        f"{name}: the certificate names this manifest",
        By.MANIFEST,
        "the certificate is of another originator, record or revision",
    )
    seal = _part(parcel.seals, entry.seal, report, f"{name}: its seal is in the parcel")
    if seal is not None:
        version = Digest(certificate.arrangement)
        verify_record_seal(
            report, trusted, manifest, digest, entry.path, seal, version, certificate.admitted_ms, name
        )
    verify_portions(report, trusted, manifest, entry.portions, certificate.released, name)
    for portion in entry.portions:
        what = f"{name}: the capsule of portion '{portion.name}' is for this pair"
        data = _part(parcel.capsules, portion.capsule, report, what)
        if data is not None:
            _capsule(data, manifest.originator, recipient, trusted, report, what)
    return certificate


def verify_certificate(
    report: Report, trusted: Trusted, certificate: Certificate, recipient: str, name: str
) -> bool:
    """Whom it names, under a version that was signed."""
    whom = report.check(
        certificate.recipient == recipient and recipient in trusted.members,
        f"{name}: the certificate names '{recipient}', a member",
        By.CERTIFICATE,
        f"it names '{certificate.recipient}'",
    )
    version = report.check(
        certificate.arrangement in trusted.versions and certificate.originator in trusted.members,
        f"{name}: it was decided under a version that was signed, for a member's record",
        By.ARRANGEMENT,
        f"version {certificate.arrangement.hex()[:16]} or originator '{certificate.originator}' is not known",
    )
    return whom and version


def _capsule(
    data: bytes, originator: str, recipient: str, trusted: Trusted, report: Report, what: str
) -> None:
    try:
        capsule = parse_capsule(data)
    except BadFrame as error:
        report.failed(what, By.CAPSULE, str(error))
        return
    held = (capsule.originator, capsule.recipient) == (originator, recipient)
    named = f"capsule {capsule_digest(trusted.domains, data).hex()[:16]}"
    report.check(held, what, By.CAPSULE, f"{named} is of '{capsule.originator}' for '{capsule.recipient}'")


def _chain(
    lane: str, chain: Sequence[tuple[Certificate, Digest]], head: HeadEntry | None, report: Report
) -> None:
    what = f"lane '{lane}': the broker signed the head of these certificates"
    if head is None:
        report.failed(what, By.CHAIN, "no head of this lane holds")
        return
    last, digest = chain[-1]
    report.check(
        (last.number, digest) == (head.number, head.digest),
        what,
        By.CHAIN,
        f"the head is number {head.number}, and not the last certificate, number {last.number}",
    )
    verify_links(lane, chain, report)


def verify_links(lane: str, chain: Sequence[tuple[Certificate, Digest]], report: Report) -> None:
    """That each certificate names the one before it, with the next number."""
    for (before, digest), (certificate, _) in pairwise(chain):
        report.check(
            (certificate.predecessor, certificate.number) == (digest, before.number + 1),
            f"lane '{lane}': number {certificate.number} follows number {before.number}",
            By.CHAIN,
            "it names another predecessor, or a number is missing",
        )


def _control(entry: ControlEntry, parcel: Parcel, trusted: Trusted, report: Report, name: str) -> None:
    what = f"{name}: the control message '{entry.code}' lies under a member's window seal"
    data = _part(parcel.seals, entry.seal, report, what)
    if data is None:
        return
    try:
        seal = trusted.windows.verify(data)
    except (BadFrame, BadSeal) as error:
        report.failed(what, By.SEAL, str(error))
        return
    leaf = control_leaf(trusted.domains, entry.code, entry.id, entry.body)
    held = seal.role is Role.WINDOW and leads(leaf, entry.path, seal.root)
    report.check(held, what, By.PATH, "the path leads to another root, or the seal is none of a window")
