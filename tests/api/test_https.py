"""The API over https: the real SDK, our command line, certificates that are renewed, and none that are too weak."""

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from jdcloud_sdk.core.config import Config
from jdcloud_sdk.core.credential import Credential
from jdcloud_sdk.core.logger import FATAL, Logger
from jdcloud_sdk.services.vpc.client.VpcClient import VpcClient

from sdnctl.base.problem import Usage
from sdnctl.region import pki
from tests.api.region import NAME, request_class
from tests.waiting import eventually

REPO = Path(__file__).resolve().parents[2]


@dataclass
class Served:
    """An API that serves https, with all of it in one directory."""

    place: Path
    info: dict[str, str]
    process: "subprocess.Popen[str]"

    @property
    def ca(self) -> str:
        """The file that clients trust."""
        return str(self.place / "out" / pki.HTTPS_CA)

    def cli(self, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        """Our command line."""
        command = [sys.executable, "-m", "sdnctl", *arguments]
        env = {**os.environ, "PYTHONPATH": str(REPO), **environment}
        return subprocess.run(command, capture_output=True, text=True, timeout=60, env=env, check=False)

    def serial(self) -> int:
        """The serial number of the certificate that is served now."""
        context = ssl.create_default_context(cafile=self.ca)
        host, port = self.info["endpoint"].split(":")
        plain = socket.create_connection((host, int(port)), timeout=10)
        with context.wrap_socket(plain, server_hostname="localhost") as secure:
            found = secure.getpeercert()
        assert found is not None
        return int(str(found["serialNumber"]), 16)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A region in memory, served over https."""
    place = tmp_path_factory.mktemp("https")
    pki.https(place / "ca", ["localhost", "127.0.0.1"], place / "out")
    argv = [sys.executable, "-m", "sdnctl.api", "--store", "memory", "--data", str(place), "--region", NAME]
    argv += ["--tls-cert", str(place / "out" / pki.HTTPS_CERTIFICATE), "--tls-key", str(place / "out" / pki.HTTPS_KEY)]
    with (place / "api.log").open("w") as log:
        env = {**os.environ, "PYTHONPATH": str(REPO)}
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=log, text=True, env=env)
    try:
        assert process.stdout is not None
        yield Served(place, json.loads(process.stdout.readline()), process)
    finally:
        process.terminate()
        process.wait(20)


def test_the_real_sdk_works_over_https(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", served.ca)
    assert served.info["scheme"] == "https"
    credential = Credential(served.info["accessKey"], served.info["secretKey"])
    client = VpcClient(credential, Config(served.info["endpoint"], "https", 10), Logger(FATAL))
    create, describe = request_class("vpc", "createVpc"), request_class("vpc", "describeVpcs")
    made = client.send(create({"regionId": NAME, "vpcName": "safe"}))
    assert made.error is None, made.error
    for _ in range(5):
        found = client.send(describe({"regionId": NAME})).result
        assert made.result["vpcId"] in [vpc["vpcId"] for vpc in found["vpcs"]]


def test_commands_on_the_machine_and_from_afar(served: Served) -> None:
    data, endpoint = ("--data", str(served.place)), f"https://{served.info['endpoint']}"
    keys = ("--access-key", served.info["accessKey"], "--secret-key", served.info["secretKey"], "--region", NAME)
    assert json.loads(served.cli("account", "list", "--json", *data).stdout)["accounts"]
    assert json.loads(served.cli("status", "--json", *data).stdout)["store"] == "ok"
    assert served.cli("vpc", "list", *data).returncode == 0
    assert served.cli("vpc", "list", "--endpoint", endpoint, *keys, "--ca", served.ca).returncode == 0
    assert served.cli("vpc", "list", "--endpoint", endpoint, *keys, SDNCTL_CA=served.ca).returncode == 0
    refused = served.cli("vpc", "list", "--endpoint", endpoint, *keys)
    assert refused.returncode == 2 and "--ca" in refused.stderr and "not trusted" in refused.stderr
    missing = served.cli("vpc", "list", "--endpoint", endpoint, *keys, "--ca", "/nowhere/ca.pem")
    assert missing.returncode == 2 and "/nowhere/ca.pem" in missing.stderr


def test_a_renewed_certificate_is_taken_up_and_a_broken_one_is_not(served: Served) -> None:
    out = served.place / "out"
    before = served.serial()
    pki.https(served.place / "ca", ["localhost", "127.0.0.1"], out)
    eventually(lambda: served.serial() != before, 20)
    renewed, key = served.serial(), (out / pki.HTTPS_KEY).read_text()
    (out / pki.HTTPS_KEY).write_text("no key")
    os.utime(out / pki.HTTPS_KEY)
    eventually(lambda: "cannot be used" in (served.place / "api.log").read_text(), 20)
    served.process.send_signal(signal.SIGHUP)
    time.sleep(0.5)
    assert served.serial() == renewed and served.process.poll() is None
    (out / pki.HTTPS_KEY).write_text(key)
    served.process.send_signal(signal.SIGHUP)
    eventually(lambda: (served.place / "api.log").read_text().count("taken up") >= 2, 20)
    assert served.serial() == renewed


def test_old_versions_and_plain_text_are_refused_and_silence_has_its_time(served: Served) -> None:
    host, port = served.info["endpoint"].split(":")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with socket.create_connection((host, int(port)), timeout=20) as plain, pytest.raises(OSError):
        context.wrap_socket(plain)
    with socket.create_connection((host, int(port)), timeout=20) as plain:
        plain.sendall(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n")
        assert b"HTTP/1.1 200" not in ended(plain)
    with socket.create_connection((host, int(port)), timeout=30) as silent:
        assert ended(silent) == b""  # after ten seconds without a handshake
    assert served.serial()


def ended(connection: socket.socket) -> bytes:
    """All that comes until the other side ends it."""
    try:
        return b"".join(iter(lambda: connection.recv(4096), b""))
    except ConnectionError:
        return b""


def test_names_of_certificates_are_checked_and_both_files_are_needed(tmp_path: Path, served: Served) -> None:
    for name in ("a b", "", "http://x", "-x", "x" * 300):
        with pytest.raises(Usage):
            pki.https(tmp_path, [name], tmp_path)
    pki.https(tmp_path, ["*.example.net", "2001:db8::1"], tmp_path)
    assert not (tmp_path / pki.CA).exists(), "it is no CA of the region's parts"
    alone = served.cli("up", "--tls-cert", str(tmp_path / pki.HTTPS_CERTIFICATE))
    assert alone.returncode == 2 and "--tls-key" in alone.stderr
    key, locked = str(tmp_path / pki.HTTPS_KEY), str(tmp_path / "locked.pem")
    subprocess.run(["openssl", "pkey", "-in", key, "-aes128", "-passout", "pass:x", "-out", locked], check=True)
    asks = served.cli("up", "--tls-cert", str(tmp_path / pki.HTTPS_CERTIFICATE), "--tls-key", locked)
    assert asks.returncode == 2 and "the key has a passphrase" in asks.stderr
    other = served.cli("up", "--tls-cert", str(served.place / "out" / pki.HTTPS_CERTIFICATE), "--tls-key", key)
    assert other.returncode == 2 and "the key belongs to another certificate" in other.stderr
    wrong = served.cli("up", "--tls-cert", str(tmp_path / pki.HTTPS_KEY), "--tls-key", str(tmp_path / pki.HTTPS_KEY))
    assert wrong.returncode == 2 and "cannot be used" in wrong.stderr
