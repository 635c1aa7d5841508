"""Certificates for the parts of a region: who a program is, as the store sees it, is the name in its certificate.

One CA signs them all (X.509, RFC 5280; keys are P-256).  An agent's name is its host's, which decides what it may
write, and so is that of the host's services; those that the region has once are ``services``, an API server is ``api``
and a member of the store ``store``.  API servers get the key of the region's seal as well.
"""

import os
import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sdnctl.base.paths import write_private
from sdnctl.base.problem import Problem, Usage
from sdnctl.store.ovsdb.seal import FILE, new_key

CA, CERTIFICATE, KEY, CA_KEY = "ca.pem", "cert.pem", "key.pem", "ca.key.pem"
ROLES = ("store", "api", "agent", "services")
RESERVED = frozenset({"store", "api", "services"})
"""Names that no host may have."""
OF_A_HOST = frozenset({"agent", "services"})
CA_DAYS, DAYS = 3650, 825
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")  # X.520: a common name has at most 64 characters


def init(directory: Path) -> None:
    """Make the region's CA; Problem when there is one already, since all certificates hang on it."""
    if (directory / CA_KEY).exists():
        raise Problem(f"{directory} has a CA already; another one would make every certificate worthless")
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("sdnctl region CA")
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    made = (
        _certificate(name, name, key.public_key(), CA_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )
    _write_key(directory / CA_KEY, key)
    write_private(directory / FILE, new_key())
    write_private(directory / CA, made.public_bytes(serialization.Encoding.PEM).decode())


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
    try:
        authority = x509.load_pem_x509_certificate((directory / CA).read_bytes())
        signer = serialization.load_pem_private_key((directory / CA_KEY).read_bytes(), None)
    except OSError as error:
        raise Problem(f"no CA in {directory} ({error.strerror}): sdnctl pki init --dir {directory}") from error
    if not isinstance(signer, ec.EllipticCurvePrivateKey):
        raise Problem(f"{directory / CA_KEY} is not the key of an sdnctl CA")
    key = ec.generate_private_key(ec.SECP256R1())
    made = (
        _certificate(_name(name, role), authority.subject, key.public_key(), DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(signer, hashes.SHA256())
    )
    out.mkdir(mode=0o700, parents=True, exist_ok=True)
    for shared in (CA, FILE) if role == "api" else (CA,):
        shutil.copyfile(directory / shared, out / shared)
        os.chmod(out / shared, 0o600)
    _write_key(out / KEY, key)
    write_private(out / CERTIFICATE, made.public_bytes(serialization.Encoding.PEM).decode())


def _name(common: str, unit: str = "") -> x509.Name:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "sdnctl")]
    parts += [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit)] if unit else []
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: int
) -> x509.CertificateBuilder:
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


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    write_private(path, key.private_bytes(*form).decode())
