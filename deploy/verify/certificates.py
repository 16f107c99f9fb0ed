"""A stored delivery's evidence: who signed the record, who certified its release, and its place in the chain.

What the record says is not part of it: clear text proves nothing to anybody but who opened it.
"""

from deploy.verify.deliveries import verify_certificate, verify_links
from deploy.verify.directory import Trusted
from deploy.verify.report import By, Report
from deploy.verify.windows import verify_head, verify_record_seal
from schemas.certificate import Certificate, certificate_digest, chain_start, parse_certificate
from schemas.envelope import HeadEntry, manifest_digest, parse_manifest
from schemas.exports import CertificateFile
from schemas.frames import BadFrame
from schemas.ids import Digest

_NAME = "the delivery"


def verify_certificate_file(file: CertificateFile, trusted: Trusted, report: Report) -> None:
    """From the certificate to the originator's signature, and to the broker's."""
    try:
        chain = [(parse_certificate(data), data) for data in (file.certificate, *file.following)]
        manifest = parse_manifest(file.manifest)
    except BadFrame as error:
        report.failed("certificates and manifest can be read", By.FORMAT, str(error))
        return
    certificate = chain[0][0]
    domains = trusted.domains
    digest = manifest_digest(domains, file.manifest)
    if not verify_certificate(report, trusted, certificate, file.recipient, _NAME):
        return
    named = (certificate.originator, certificate.record_id, certificate.manifest)
    report.check(
        named == (manifest.originator, manifest.record_id, digest) and file.originator == named[0],
        f"{_NAME}: the certificate names this manifest",
        By.MANIFEST,
        "the certificate is of another originator, record or revision",
    )
    report.check(
        certificate.released and set(certificate.released) <= set(manifest.commitments),
        f"{_NAME}: what was released is what the manifest commits to",
        By.COMMITMENT,
        "a portion was certified that the originator never committed to",
    )
    version = Digest(certificate.arrangement)
    verify_record_seal(
        report, trusted, manifest, digest, file.path, file.seal, version, certificate.admitted_ms, _NAME
    )
    _place(file, [(c, certificate_digest(domains, data)) for c, data in chain], trusted, report)


def _place(
    file: CertificateFile, chain: list[tuple[Certificate, Digest]], trusted: Trusted, report: Report
) -> None:
    """Its number in the chain, by certificates up to a head that the broker signed."""
    lane, first = file.originator, chain[0][0]
    if first.number == 1:
        start = chain_start(trusted.domains, lane, file.recipient)
        report.check(
            first.predecessor == start.digest,
            f"lane '{lane}': number 1 follows the chain's start",
            By.CHAIN,
            "it names another predecessor",
        )
    mine = all((c.originator, c.recipient) == (lane, file.recipient) for c, _ in chain)
    report.check(mine, "all certificates are of one chain", By.CHAIN, "one is of another lane or recipient")
    verify_links(lane, chain, report)
    last, digest = chain[-1]
    report.check(
        last.number == file.head_number,
        f"the chain ends at the head, number {file.head_number}",
        By.CHAIN,
        f"the last certificate given is number {last.number}",
    )
    head = HeadEntry(lane, file.head_number, digest, file.head_path, 0)
    verify_head(report, trusted, head, file.head_seal, file.recipient, "the head")
