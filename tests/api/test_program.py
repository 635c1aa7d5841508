"""`python -m sdnctl.api` as its supervisor starts it: the first line, the files, and what a restart keeps."""

import json
import os
import signal
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from jdcloud_sdk.core.config import Config
from jdcloud_sdk.core.credential import Credential
from jdcloud_sdk.core.logger import FATAL, Logger
from jdcloud_sdk.services.vpc.client.VpcClient import VpcClient

from sdnctl.api import files
from sdnctl.program import feature
from sdnctl.store.server.single import Server
from tests.api.region import call
from tests.product import CLASSES


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Server]:
    """A real store in the test's directory."""
    feature.discover()
    server = Server(tmp_path, classes=CLASSES)
    server.prepare()
    process = subprocess.Popen(server.argv())
    yield server
    process.terminate()
    process.wait(10)


@contextmanager
def serving(data: Path, store: str, listen: str, end: signal.Signals) -> Iterator[dict[str, Any]]:
    """A running API and its first line; `end` ends it."""
    command = [sys.executable, "-m", "sdnctl.api", "--store", store, "--data", str(data), "--listen", listen]
    process = subprocess.Popen([*command, "--region", "cn-test-1"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.send_signal(end)
        assert process.wait(10) in (0, -end)
        process.stdout.close()


def client(line: dict[str, Any]) -> VpcClient:
    """The SDK, set up from the first line alone."""
    credential = Credential(line["accessKey"], line["secretKey"])
    return VpcClient(credential, Config(line["endpoint"], "http", 5), Logger(FATAL))


def test_the_first_line_and_the_files(tmp_path: Path) -> None:
    with serving(tmp_path, "memory", "127.0.0.1:0", signal.SIGTERM) as line:
        assert set(line) == {"endpoint", "region", "accessKey", "secretKey"} and line["region"] == "cn-test-1"
        account, endpoint = (files.read(tmp_path / name) for name in (files.ACCOUNT, files.ENDPOINT))
        assert (account["accessKey"], account["secretKey"]) == (line["accessKey"], line["secretKey"])
        assert (endpoint["endpoint"], endpoint["region"]) == (line["endpoint"], "cn-test-1")
        for name in (files.ACCOUNT, files.ENDPOINT):
            assert stat.S_IMODE(os.stat(tmp_path / name).st_mode) == 0o600
        headers = {"Authorization": f"Bearer {endpoint['operator']}"}
        wanted = urllib.request.Request(f"http://{line['endpoint']}/x/v1/accounts", headers=headers)
        with urllib.request.urlopen(wanted, timeout=10) as answer:
            (listed,) = json.load(answer)["accounts"]
        assert (listed["account"], listed["name"]) == (account["account"], "default")


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_a_restart_keeps_port_keys_and_resources(tmp_path: Path, store: Server, end: signal.Signals) -> None:
    with serving(tmp_path, store.remote, "127.0.0.1:0", end) as first:
        kept = files.read(tmp_path / files.ENDPOINT)["operator"]
        made = call(client(first), "vpc", "createVpc", {"vpcName": "名", "addressPrefix": "10.0.0.0/16"})["vpcId"]
        shown = call(client(first), "vpc", "describeVpc", {"vpcId": made})
    with serving(tmp_path, store.remote, first["endpoint"], end) as second:
        assert second == first
        assert files.read(tmp_path / files.ENDPOINT)["operator"] == kept
        assert call(client(second), "vpc", "describeVpc", {"vpcId": made}) == shown


def test_without_a_store_it_says_so_and_ends(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sdnctl.api", "--store", f"unix:{tmp_path}/nothing", "--data", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert ended.returncode == 1 and ended.stdout == ""
    assert "Traceback" not in ended.stderr and "store" in ended.stderr
