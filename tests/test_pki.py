"""Each part of a region has a certificate that says who it is."""

import ssl
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from sdnctl.base.problem import Problem, Usage
from sdnctl.region import pki
from sdnctl.store.ovsdb import seal


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    pki.init(tmp_path / "ca")
    return tmp_path / "ca"


def test_a_certificate_names_its_owner_and_is_signed_by_the_region_s_ca(authority: Path, tmp_path: Path) -> None:
    out = tmp_path / "hv1"
    pki.issue(authority, "hv1.rack2", "agent", out)
    made = x509.load_pem_x509_certificate((out / pki.CERTIFICATE).read_bytes())
    ca = x509.load_pem_x509_certificate((out / pki.CA).read_bytes())
    made.verify_directly_issued_by(ca)
    assert made.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "hv1.rack2"
    assert not made.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(out / pki.CERTIFICATE, out / pki.KEY)


def test_only_the_owner_can_read_them(authority: Path, tmp_path: Path) -> None:
    pki.issue(authority, "api", "api", tmp_path / "api")
    for path in (*authority.iterdir(), *(tmp_path / "api").iterdir()):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_only_api_servers_get_the_seal(authority: Path, tmp_path: Path) -> None:
    for name, role in (("api", "api"), ("store", "store"), ("hv1", "agent"), ("services", "services")):
        pki.issue(authority, name, role, tmp_path / name)
    assert [name for name in ("api", "store", "hv1", "services") if (tmp_path / name / seal.FILE).exists()] == ["api"]


def test_a_seal_opens_what_it_closed_and_nothing_else(authority: Path) -> None:
    one, other = seal.Seal.of(authority), seal.Seal(seal.new_key().encode())
    assert one is not None and seal.Seal.of(None) is None and seal.Seal.of(authority / "none") is None
    closed = one.close("secret")
    assert "secret" not in closed and one.open(closed) == "secret"
    assert one.close("") == one.open("") == ""
    with pytest.raises(seal.Unsealed):
        one.open("plain")
    with pytest.raises(ValueError, match="another key"):
        other.open(closed)


def test_issued_again_it_is_another_one(authority: Path, tmp_path: Path) -> None:
    pki.issue(authority, "store", "store", tmp_path / "one")
    before = (tmp_path / "one" / pki.CERTIFICATE).read_bytes()
    pki.issue(authority, "store", "store", tmp_path / "one")
    assert (tmp_path / "one" / pki.CERTIFICATE).read_bytes() != before


def test_a_second_ca_is_refused(authority: Path) -> None:
    before = (authority / pki.CA).read_bytes()
    with pytest.raises(Problem, match="a CA already"):
        pki.init(authority)
    assert (authority / pki.CA).read_bytes() == before


@pytest.mark.parametrize(
    ("name", "role", "said"),
    [
        ("hv1", "root", "--role must be"),
        ("../hv1", "agent", "is no name"),
        ("", "agent", "is no name"),
        ("x" * 65, "agent", "is no name"),
        ("api", "agent", "does not fit"),
        ("hv1", "api", "does not fit"),
        ("store", "api", "does not fit"),
        ("services", "agent", "does not fit"),
        ("api", "services", "does not fit"),
    ],
)
def test_a_name_that_would_give_other_rights_is_refused(
    authority: Path, tmp_path: Path, name: str, role: str, said: str
) -> None:
    with pytest.raises(Usage, match=said):
        pki.issue(authority, name, role, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_without_a_ca_it_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="sdnctl pki init"):
        pki.issue(tmp_path, "hv1", "agent", tmp_path / "out")
