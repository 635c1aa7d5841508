"""Certificates for the parts of a region: who a program is, as the store sees it, is the name in its certificate.

One CA signs them all (X.509, RFC 5280; keys are P-256), and a second one what members of the store show each other:
whoever could join them might write anything (``store.server.raftlink``).  An agent's name is its host's, which decides
what it may write, and so is that of the host's services; those that the region has once are ``services``, an API server
is ``api`` and a member of the store ``store``.  API servers get the key of the region's seal as well.

What the API serves https with comes from a third CA: what clients trust opens nothing in the region.
"""

import ipaddress
import os
import re
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sdnctl.base.paths import write_private
from sdnctl.base.problem import Problem, Usage
from sdnctl.store.ovsdb.seal import FILE, new_key
from sdnctl.store.server import raftlink

CA, CERTIFICATE, KEY, CA_KEY = "ca.pem", "cert.pem", "key.pem", "ca.key.pem"
RAFT_CA_KEY = "raft-ca.key.pem"
HTTPS_CA, HTTPS_CA_KEY = "https.ca.pem", "https.ca.key.pem"
HTTPS_CERTIFICATE, HTTPS_KEY = "https.pem", "https.key.pem"
ROLES = ("store", "api", "agent", "services")
RESERVED = frozenset({"store", "api", "services"})
"""Names that no host may have."""
OF_A_HOST = frozenset({"agent", "services"})
CA_DAYS, DAYS = 3650, 825
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")  # X.520: a common name has at most 64 characters
HOST_NAME = re.compile(
    r"(\*\.)?[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*", re.ASCII
)


def init(directory: Path) -> None:
    """Make the region's CA; Problem when there is one already, since all certificates hang on it."""
    if (directory / CA_KEY).exists():
        raise Problem(f"{directory} has a CA already; another one would make every certificate worthless")
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(directory / FILE, new_key())
    make(directory, "sdnctl region CA", CA, CA_KEY)
    raft(directory)


def raft(directory: Path) -> None:
    """Make the CA for the members of the store, which regions of earlier versions lack; Problem when it is there."""
    if not (directory / CA_KEY).exists():
        raise Problem(f"no CA in {directory}: sdnctl pki init --dir {directory}")
    if (directory / RAFT_CA_KEY).exists():
        raise Problem(f"{directory} has a CA for the members of the store already")
    make(directory, "sdnctl store CA", raftlink.CA, RAFT_CA_KEY)


def make(directory: Path, common: str, certificate: str, secret: str) -> None:
    """A CA: its certificate and its key, in files of these names."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = subject_name(common)
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    made = (
        unsigned(name, name, key.public_key(), CA_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    write_key(directory / secret, key)
    write_private(directory / certificate, made.public_bytes(serialization.Encoding.PEM).decode())


def issue(directory: Path, name: str, role: str, out: Path) -> None:
    """Sign a certificate for a part of the region and put it, its key and the CA's certificate into ``out``.

    Usage when the name does not fit the role, Problem when there is no CA.
    """
    if role not in ROLES:
        raise Usage(f"--role must be {', '.join(ROLES)}, not {role!r}")
    if not NAME.fullmatch(name):
        raise Usage(f"{name!r} is no name: up to 64 letters, digits, '.', '_' and '-', a letter or digit first")
    if not (name == role in RESERVED or (role in OF_A_HOST and name not in RESERVED)):
        text = "an agent and the services of a host have the host's name, the others their role's"
        raise Usage(f"{name!r} does not fit --role {role}: {text}")
    if role == "store" and not (directory / RAFT_CA_KEY).exists():
        raise Problem(f"{directory} has no CA for the members of the store: sdnctl pki raft --dir {directory}")
    out.mkdir(mode=0o700, parents=True, exist_ok=True)
    _sign(directory, (CA, CA_KEY), subject_name(name, role), out, (CERTIFICATE, KEY))
    if role == "store":
        _sign(
            directory, (raftlink.CA, RAFT_CA_KEY), subject_name(name, role), out, (raftlink.CERTIFICATE, raftlink.KEY)
        )
    if role == "api":
        _copy(directory, out, FILE)


def _sign(directory: Path, by: tuple[str, str], subject: x509.Name, out: Path, files: tuple[str, str]) -> None:
    """A certificate and its key, in ``files`` of ``out``, and beside them that of the CA, whose files ``by`` names."""
    authority, secret = by
    ca, signer = _authority(directory, authority, secret)
    key = ec.generate_private_key(ec.SECP256R1())
    made = (
        unsigned(subject, ca.subject, key.public_key(), DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(signer, hashes.SHA256())
    )
    _copy(directory, out, authority)
    write_key(out / files[1], key)
    write_private(out / files[0], made.public_bytes(serialization.Encoding.PEM).decode())


def _authority(directory: Path, certificate: str, key: str) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """The certificate and the key of a CA; raises Problem when they cannot be read, or are none of ours."""
    try:
        ca = x509.load_pem_x509_certificate((directory / certificate).read_bytes())
        signer = serialization.load_pem_private_key((directory / key).read_bytes(), None)
    except OSError as error:
        raise Problem(f"no CA in {directory} ({error.strerror}): sdnctl pki init --dir {directory}") from error
    if not isinstance(signer, ec.EllipticCurvePrivateKey):
        raise Problem(f"{directory / key} is not the key of an sdnctl CA")
    return ca, signer


def _copy(directory: Path, out: Path, name: str) -> None:
    shutil.copyfile(directory / name, out / name)
    os.chmod(out / name, 0o600)


def expires(certificate: Path) -> datetime:
    """The time after which a certificate is not valid any more; ValueError when the file holds none."""
    return x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc


def subject_name(common: str, unit: str = "") -> x509.Name:
    """The name of a certificate's owner."""
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "sdnctl")]
    parts += [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit)] if unit else []
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common)])


def unsigned(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: int
) -> x509.CertificateBuilder:
    """A certificate that lacks its extensions and its signature; it is good for ``days`` days."""
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))  # clocks differ
        .not_valid_after(now + timedelta(days=days))
    )


def write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    """Write a key as PEM, readable by the owner alone."""
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    write_private(path, key.private_bytes(*form).decode())


def https(directory: Path, names: Sequence[str], out: Path) -> None:
    """Sign a certificate for names and addresses of the API, with the CA of ``directory``, which is made if need be.

    Usage when one is no name, Problem when the CA cannot be read.
    """
    alternatives = [_alternative(name) for name in names]
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not (directory / HTTPS_CA_KEY).exists():
        make(directory, "sdnctl https CA", HTTPS_CA, HTTPS_CA_KEY)
    ca, signer = _authority(directory, HTTPS_CA, HTTPS_CA_KEY)
    key = ec.generate_private_key(ec.SECP256R1())
    made = (
        unsigned(subject_name(names[0][:64]), ca.subject, key.public_key(), DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .sign(signer, hashes.SHA256())
    )
    out.mkdir(mode=0o700, parents=True, exist_ok=True)
    if out.resolve() != directory.resolve():
        shutil.copyfile(directory / HTTPS_CA, out / HTTPS_CA)
    write_key(out / HTTPS_KEY, key)
    write_private(out / HTTPS_CERTIFICATE, made.public_bytes(serialization.Encoding.PEM).decode())


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name.strip("[]")))
    except ValueError:
        pass
    if not HOST_NAME.fullmatch(name) or len(name) > 253:
        raise Usage(f"{name[:80]!r} is no name of a host and no address")
    return x509.DNSName(name)
