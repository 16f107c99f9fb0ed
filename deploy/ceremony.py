"""The key ceremony: every key of a federation, and the genesis version of its arrangement signed by its members.

- Each principal gets a folder of its own and nothing else: `agencies/<id>/keys`, `broker/keys`, and TLS alone for
  `federation` and `auditor`. The broker's folder never holds anything that opens content.
- An agency has a key that issues its officers' tokens for its own node, and a roster of these officers.
- Auditors and operators have a key that issues access tokens in their role, `auditor/keys/token.key` and
  `operator/keys/token.key`. What an agency's people show to the broker is issued with its signing key.
- Identity keys go to `agencies/<id>/offline`: they sign versions and belong in a safe, not on a node.
- The genesis digest is what everybody pins; it is written to `genesis.sha256` for people to compare.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agencies.keystore import IDENTITY, ISSUING, OPENING, SIGNING, OpeningKey, write_secret
from deploy.arrangements import ArrangementSource
from deploy.pki import Issuer, write_tls
from deploy.staff import write_staff
from schemas.arrangement import (
    ENGINE_VERSION,
    SUITE,
    AgencyKeys,
    Arrangement,
    ArrangementBody,
    SigningKey,
    genesis_digest,
    sign_version,
    verify_genesis,
)
from schemas.canonical import Domains
from schemas.gate import GATE_VERSION
from schemas.http.tokens import ApiRole
from schemas.ids import AgencyId
from schemas.keys import SigningPair
from schemas.topics import AUDITOR, BROKER, FEDERATION

OPERATOR: Final = "operator"


@dataclass(frozen=True, slots=True)
class Ceremony:
    """What a ceremony made: the signed genesis, and where each principal's own folder is."""

    folder: Path
    genesis: bytes
    arrangement: Arrangement

    def agency(self, agency: AgencyId) -> Path:
        """The folder of an agency; its keys are in `keys`."""
        return agency_folder(self.folder, agency)

    @property
    def broker(self) -> Path:
        """The folder of the broker; its keys are in `keys`."""
        return self.folder / BROKER

    def tls(self, service: str) -> Path:
        """The TLS folder of a principal that has no other keys."""
        return self.folder / service / "keys"

    def token_key(self, role: ApiRole) -> Path:
        """The key that issues tokens in a role of no agency."""
        return self.tls({ApiRole.AUDITOR: AUDITOR, ApiRole.OPERATOR: OPERATOR}[role]) / ISSUING


def agency_folder(folder: Path, agency: AgencyId) -> Path:
    """Where an agency's own files are in a run's folder."""
    return folder / "agencies" / agency


def hold_ceremony(source: ArrangementSource, folder: Path, authority: Issuer) -> Ceremony:
    """Make all keys, let every member sign the genesis, and write it all down.

    Raises: `schemas.arrangement.ArrangementError` if what was signed does not verify.
    """
    domains = Domains(source.federation)
    identities: dict[AgencyId, SigningPair] = {}
    entries: dict[AgencyId, AgencyKeys] = {}
    for agency in source.directory.agency_ids:
        identity, signing, opening = SigningPair.generate(), SigningPair.generate(), OpeningKey.generate()
        identities[agency] = identity
        entries[agency] = AgencyKeys.issue(domains, agency, identity, signing, opening.public)
        own = agency_folder(folder, agency)
        write_tls(own / "keys", authority.issue(agency))
        write_secret(own / "keys" / SIGNING, signing.seeds())
        write_secret(own / "keys" / OPENING, opening.to_bytes())
        write_secret(own / "keys" / ISSUING, Ed25519PrivateKey.generate().private_bytes_raw())
        write_secret(own / "offline" / IDENTITY, identity.seeds())
        write_staff(own, agency, source.directory)
    broker = SigningPair.generate()
    write_tls(folder / BROKER / "keys", authority.issue(BROKER))
    write_secret(folder / BROKER / "keys" / SIGNING, broker.seeds())
    for service in (FEDERATION, AUDITOR):
        write_tls(folder / service / "keys", authority.issue(service))
    for service in (AUDITOR, OPERATOR):
        write_secret(folder / service / "keys" / ISSUING, Ed25519PrivateKey.generate().private_bytes_raw())
    body = ArrangementBody(
        number=0,
        predecessor="",
        federation=source.federation,
        suite=SUITE,
        threshold=source.threshold,
        directory=source.directory,
        keys=entries,
        broker=SigningKey.of(broker.public),
        schema_text=source.schema_text,
        policies=source.policies,
        invariants_text=source.invariants_text,
        cases=source.cases,
        gate_version=GATE_VERSION,
        engine_version=ENGINE_VERSION,
    )
    genesis = sign_version(body, identities)
    arrangement = verify_genesis(genesis, genesis_digest(genesis))
    (folder / "genesis.bin").write_bytes(genesis)
    (folder / "genesis.sha256").write_text(arrangement.digest.hex() + "\n")
    return Ceremony(folder, genesis, arrangement)


def read_ceremony(folder: Path) -> Ceremony:
    """A ceremony that was held before. Raises: `OSError`, `schemas.arrangement.ArrangementError`."""
    genesis = (folder / "genesis.bin").read_bytes()
    return Ceremony(folder, genesis, verify_genesis(genesis, genesis_digest(genesis)))
