"""A cluster that somebody else runs: where it listens, and the TLS identities that it knows the principals by.

The file that `--cluster` names is JSON:

    {"bootstrap": "kafka-1:9093,kafka-2:9093", "tls": "identities", "prefix": "trial."}

- `tls`, beside the file unless absolute, has a folder for each principal with `ca.pem` and `tls.pem` (PKCS#8 key, then
  certificate): every agency by its id, `broker`, `federation`, `auditor`, and `admin`, which makes topics and rights.
- The common name of a certificate is the principal, and `admin` a super user: as `deploy.kafka.settings` has it.
- `prefix` begins the name of every topic, so that several federations share a cluster.

Nothing here starts, stops or kills it. How many copies it keeps, and of how many nodes, is its own affair.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from cryptography import x509
from cryptography.x509.oid import NameOID
from pydantic import Field

from deploy.errors import Refused
from deploy.kafka.settings import ADMIN
from deploy.pki import TlsIdentity
from schemas.model import BadSettings, Model, parse_settings

_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"


class ExternalCluster(Model):
    """Where the cluster is, and the folder of its identities."""

    bootstrap: Annotated[str, Field(pattern=r"^[^,:]+:\d+(,[^,:]+:\d+)*$")]
    tls: Path
    prefix: Annotated[str, Field(pattern=r"^([a-z0-9][a-z0-9-]*\.)?$")] = ""

    @classmethod
    def read(cls, file: Path) -> Self:
        """Raises: `Refused` with a line for each fault."""
        try:
            found = parse_settings(cls, file.read_bytes(), str(file))
        except OSError as error:
            raise Refused(f"'{file}' cannot be read: {error.strerror}") from error
        except BadSettings as error:
            raise Refused(str(error)) from error
        return found.model_copy(update={"tls": (file.parent / found.tls).absolute()})

    @property
    def admin_tls(self) -> Path:
        """Folder of the super user."""
        return self.tls / ADMIN

    def issue(self, principal: str) -> TlsIdentity:
        """The identity that the cluster's operators have made for a principal.

        Raises: `Refused` if there is none, or if it is another's.
        """
        folder = self.tls / principal
        try:
            authority, both = (folder / "ca.pem").read_bytes(), (folder / "tls.pem").read_bytes()
            key, mark, rest = both.partition(_CERTIFICATE)
            certificate = x509.load_pem_x509_certificate(mark + rest)
        except (OSError, ValueError) as error:
            raise Refused(f"'{folder}' holds no TLS identity of '{principal}': {error}") from error
        names = [name.value for name in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        if names != [principal]:
            raise Refused(f"'{folder}' holds the TLS identity of {names}, not of '{principal}'")
        return TlsIdentity(principal, mark + rest, key, authority)
