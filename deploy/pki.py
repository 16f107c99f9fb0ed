"""TLS identities of a run: one certificate authority, one certificate a principal.

- The common name of a certificate *is* the Kafka principal: what the ACLs speak of. Only plain names are
  certified, so that a name can never smuggle in a second field.
- Only who is given host names may be a server: an agency's certificate does not pass for a cluster node's.
- ECDSA on P-256 throughout. It protects connections only; content has its own, quantum-safe keys
  (`agencies.keystore`).
- Times are real time, not the domain time of a simulation.

On disk: `ca.pem`, and `tls.pem` with the PKCS#8 key first and the certificate after it, which is what both
Kafka's PEM key store and Python's `SSLContext` read.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LOCAL_HOSTS = ("localhost", "127.0.0.1")
_PRINCIPAL = re.compile(r"[a-z][a-z0-9-]{0,63}")
_VALID = datetime.timedelta(days=730)
_SKEW = datetime.timedelta(hours=1)  # clocks of two computers may differ


@dataclass(frozen=True)
class TlsIdentity:
    """A certificate with its key, and the authority to trust; all PEM."""

    principal: str
    certificate: bytes
    key: bytes
    authority: bytes

    def __repr__(self) -> str:  # the key never gets into a log
        return f"TlsIdentity({self.principal!r})"


class Issuer(Protocol):
    """Whoever gives a principal its TLS identity."""

    def issue(self, principal: str) -> TlsIdentity: ...


class Authority:
    """The certificate authority of one run or one federation."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
        self._key = key
        self._certificate = certificate

    @classmethod
    def create(cls, name: str = "entente") -> Self:
        """A new authority, self-signed."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(f"{name} authority")
        builder = _builder(subject, subject, key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(_usage(authority=True), critical=True)
        return cls(key, builder.sign(key, hashes.SHA256()))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The authority that `save` wrote."""
        key = load_pem_private_key((folder / "ca-key.pem").read_bytes(), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError(f"'{folder / 'ca-key.pem'}' holds no elliptic-curve key")
        return cls(key, x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes()))

    def save(self, folder: Path) -> None:
        """Write certificate and key; only who issues certificates needs the key."""
        _folder(folder)
        _write(folder / "ca.pem", self.pem)
        _write(folder / "ca-key.pem", _key_pem(self._key))

    @property
    def pem(self) -> bytes:
        """The certificate that others trust."""
        return self._certificate.public_bytes(Encoding.PEM)

    def issue(self, principal: str, *, hosts: tuple[str, ...] = ()) -> TlsIdentity:
        """A new key and certificate; with `hosts` (names or addresses) also good as a server.

        Raises:
            ValueError: the principal is not a plain lower-case name.
        """
        if not _PRINCIPAL.fullmatch(principal):
            raise ValueError(f"no principal can be named {principal!r}")
        key = ec.generate_private_key(ec.SECP256R1())
        purposes = [ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = _builder(_name(principal), self._certificate.subject, key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_usage(authority=False), critical=True)
        if hosts:
            purposes.append(ExtendedKeyUsageOID.SERVER_AUTH)
            names = x509.SubjectAlternativeName([_host(host) for host in hosts])
            builder = builder.add_extension(names, critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        certificate = builder.add_extension(issuer, critical=False).sign(self._key, hashes.SHA256())
        return TlsIdentity(principal, certificate.public_bytes(Encoding.PEM), _key_pem(key), self.pem)


def write_tls(folder: Path, identity: TlsIdentity) -> None:
    """Write `ca.pem` and `tls.pem` for their owner's eyes only (folder 0700, files 0600)."""
    _folder(folder)
    _write(folder / "ca.pem", identity.authority)
    _write(folder / "tls.pem", identity.key + identity.certificate)


def librdkafka_tls(folder: Path) -> dict[str, str | int | float | bool]:
    """The same, as settings of a `confluent_kafka` client."""
    return {
        "security.protocol": "ssl",
        "ssl.ca.location": str(folder / "ca.pem"),
        "ssl.certificate.location": str(folder / "tls.pem"),
        "ssl.key.location": str(folder / "tls.pem"),
    }


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(
        issuer, subject, key, x509.random_serial_number(), now - _SKEW, now + _VALID
    )
    return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _folder(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)


def _write(path: Path, content: bytes) -> None:
    # Born with its final rights: a key must not be readable by others even for a moment. And born whole: a running
    # client may be looking for its new certificate.
    part = path.with_name(f".{path.name}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, 0o600)
        file.write(content)
    part.rename(path)
