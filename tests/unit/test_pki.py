"""TLS identities: what a certificate says, who believes it, and who can read the key."""

import ssl
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from deploy.pki import LOCAL_HOSTS, Authority, TlsIdentity, write_tls
from schemas.transport import client_context


def certificate(identity: TlsIdentity) -> x509.Certificate:
    return x509.load_pem_x509_certificate(identity.certificate)


def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext, host: str = "127.0.0.1") -> str:
    """A whole TLS handshake in memory; the common name that the server sees."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    s = server.wrap_bio(to_server, to_client, server_side=True)
    c = client.wrap_bio(to_client, to_server, server_hostname=host)
    for _ in range(10):
        done = 0
        for side in (c, s):
            try:
                side.do_handshake()
                done += 1
            except ssl.SSLWantReadError:
                pass
        if done == 2:
            break
    peer = s.getpeercert()
    assert peer is not None
    fields = dict(pair for part in peer["subject"] for pair in part)  # type: ignore[misc]
    return str(fields["commonName"])


def server_context(folder: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(folder / "ca.pem"))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(folder / "tls.pem")
    return context


def test_the_common_name_is_the_principal_and_nothing_else_is_in_the_subject() -> None:
    subject = certificate(Authority.create().issue("gb-nca")).subject
    assert [(part.oid, part.value) for part in subject] == [(NameOID.COMMON_NAME, "gb-nca")]


@pytest.mark.parametrize("name", ["", "gb-nca,CN=admin", "GB-NCA", "a b", "gb-nca\n", "x" * 65, "1a", "ä"])
def test_a_name_that_could_be_read_in_two_ways_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no principal"):
        Authority.create().issue(name)


def test_only_who_has_hosts_may_be_a_server() -> None:
    authority = Authority.create()
    client, node = (
        certificate(authority.issue("gb-nca")),
        certificate(authority.issue("node", hosts=LOCAL_HOSTS)),
    )
    usage = x509.ExtendedKeyUsage
    assert list(client.extensions.get_extension_for_class(usage).value) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert ExtendedKeyUsageOID.SERVER_AUTH in node.extensions.get_extension_for_class(usage).value
    names = node.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]


def test_keys_are_on_p256_and_each_is_new() -> None:
    authority = Authority.create()
    one, two = authority.issue("gb-nca"), authority.issue("gb-nca")
    assert one.key != two.key
    public = certificate(one).public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    assert isinstance(public.curve, ec.SECP256R1)
    assert "PRIVATE" not in repr(one)


def test_files_are_for_their_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "tls"
    folder.mkdir(mode=0o755)
    write_tls(folder, Authority.create().issue("gb-nca"))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}
    assert (folder / "tls.pem").read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----")


def test_both_sides_prove_who_they_are(tmp_path: Path) -> None:
    authority = Authority.create()
    write_tls(tmp_path / "node", authority.issue("node", hosts=LOCAL_HOSTS))
    write_tls(tmp_path / "gb", authority.issue("gb-nca"))
    server, client = server_context(tmp_path / "node"), client_context(tmp_path / "gb")
    assert shake_hands(server, client) == "gb-nca"
    assert shake_hands(server, client, "localhost") == "gb-nca"
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(server, client, "example.org")


def test_a_certificate_of_another_authority_is_refused_by_either_side(tmp_path: Path) -> None:
    ours, theirs = Authority.create(), Authority.create()
    write_tls(tmp_path / "node", ours.issue("node", hosts=LOCAL_HOSTS))
    write_tls(tmp_path / "forged", theirs.issue("admin"))
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(server_context(tmp_path / "node"), client_context(tmp_path / "forged"))
    # It even trusts our server now, and still is not believed.
    (tmp_path / "forged" / "ca.pem").write_bytes(ours.pem)
    with pytest.raises(ssl.SSLError):
        shake_hands(server_context(tmp_path / "node"), client_context(tmp_path / "forged"))


def test_an_agency_cannot_pass_for_a_node(tmp_path: Path) -> None:
    authority = Authority.create()
    write_tls(tmp_path / "gb", authority.issue("gb-nca"))
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(server_context(tmp_path / "gb"), client_context(tmp_path / "gb"))


def test_a_saved_authority_goes_on_issuing(tmp_path: Path) -> None:
    Authority.create().save(tmp_path)
    again = Authority.load(tmp_path)
    certificate(again.issue("gb-nca")).verify_directly_issued_by(x509.load_pem_x509_certificate(again.pem))
    assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()} == {0o600}
