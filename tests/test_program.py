"""The controller as a process, with a real store and a real switch: started, killed, cut off; traffic feels nothing."""

import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from sdnctl.model.host import Binding, HostStatus
from sdnctl.model.resource import meta
from sdnctl.store import Batch, Region, Txn
from sdnctl.store.ovsdb.client import OvsdbStore
from sdnctl.store.server.single import Server
from sdnctl.testing.ovs import DummySwitch
from tests.build import HERE, Network
from tests.product import CLASSES
from tests.waiting import eventually

OSKEN = """
from os_ken import cfg
from os_ken.base.app_manager import AppManager
cfg.CONF(args=[], project="os_ken", default_config_files=[], default_config_dirs=[])
AppManager.run_apps(["sdnctl.agent.app"])
"""


wait = partial(eventually, seconds=20.0)  # a whole program starts


def copy(batches: list[Batch], txn: Txn) -> None:
    """Write what was written elsewhere, in the same order."""
    for batch in batches:
        for change in batch.changes:
            if change.new is not None and not meta(change.cls).report and change.cls is not Region:
                txn.put(change.new)


class Site:
    """One machine: a store on disk, a switch, and a network with one port that is plugged in."""

    def __init__(self, data: Path, switch: DummySwitch) -> None:
        self.data = data
        self.switch = switch
        network, batches = Network(), list[Batch]()
        network.store.subscribe(batches.append)
        subnet = network.subnet(network.vpc("a", "10.0.0.0/16"), "a", "10.0.1.0/24")
        self.port = network.port(subnet, "one", "10.0.1.5", host="")
        self.server = Server(data, classes=CLASSES)
        self.server.prepare()
        self.serve()
        self.store = OvsdbStore(self.server.remote, classes=CLASSES)
        try:
            self.store.transact(lambda txn: copy(batches, txn))
            switch.vsctl("set", "open_vswitch", ".", f"external_ids:sdnctl-host={HERE}")
            self.plug("tap1", self.port.id)
        except BaseException:
            self.close()
            raise

    def serve(self) -> None:
        """Start the store's server."""
        self.database = subprocess.Popen(self.server.argv(), stderr=subprocess.DEVNULL)
        wait(self.server.socket.exists)

    def plug(self, name: str, id: str) -> None:
        self.switch.vsctl("add-port", "br-int", name, "--", "set", "interface", name, f"external_ids:iface-id={id}")

    def applied(self) -> bool:
        """True when this host has reported all that the store has as confirmed."""
        with self.store.read() as state:
            host = state.get(HostStatus, HERE)
            return host is not None and host.applied == state.sequence and state.get(Binding, self.port.id) is not None

    def flows(self) -> list[str]:
        """The cookies in the switch."""
        return sorted(re.findall(r"cookie=0x[0-9a-f]+", self.switch.ofctl("dump-flows")))

    def close(self) -> None:
        self.store.close()
        self.database.kill()
        self.database.wait()


class Process:
    """A running controller and what it wrote."""

    def __init__(self, site: Site, *command: str) -> None:
        self.log = site.data / f"controller-{time.monotonic_ns()}.log"
        given = command or ("-m", "sdnctl.agent.app", "--store", site.server.remote, "--ovs-db", site.switch.db)
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, *given],
                stdout=out,
                stderr=out,
                env={"SDNCTL_STORE": site.server.remote, "SDNCTL_OVS_DB": site.switch.db, "PYTHONPATH": "."},
            )

    def flow_mods(self) -> list[int]:
        """The number of flow messages that each connection needed until the switch was in step."""
        wait(lambda: "in step" in self.log.read_text())
        return [int(number) for number in re.findall(r'"flow_mods": (\d+)', self.log.read_text())]

    def end(self, number: int) -> int:
        """Send a signal and wait; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(10)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.delenv("OVS_RUNDIR", raising=False)
    with tempfile.TemporaryDirectory(prefix="sdnctl-site-") as data, DummySwitch() as switch:
        made = Site(Path(data), switch)
        yield made
        made.close()


@pytest.fixture
def controller(site: Site) -> Iterator[Process]:
    made = Process(site)
    wait(site.applied)
    yield made
    if made.process.poll() is None:
        made.end(signal.SIGKILL)


def test_told_to_end_it_ends_and_a_restart_sends_nothing(site: Site, controller: Process) -> None:
    before = site.flows()
    assert controller.flow_mods()[0] > 0 and before
    assert controller.end(signal.SIGTERM) == 0
    assert site.flows() == before
    again = Process(site)
    assert again.flow_mods() == [0]
    assert again.end(signal.SIGINT) == 0
    assert site.flows() == before


def test_killed_it_comes_back_to_the_same_flows(site: Site, controller: Process) -> None:
    before = site.flows()
    controller.end(signal.SIGKILL)
    assert site.flows() == before
    again = Process(site)
    assert again.flow_mods() == [0]
    again.end(signal.SIGKILL)


def test_what_is_unplugged_while_it_is_down_is_withdrawn(site: Site, controller: Process) -> None:
    controller.end(signal.SIGKILL)
    site.switch.vsctl("del-port", "tap1")
    again = Process(site)
    wait(lambda: not site.store.state.get(Binding, site.port.id))
    assert again.flow_mods()[0] > 0
    again.end(signal.SIGTERM)


def test_without_its_store_it_goes_on_and_catches_up(site: Site, controller: Process) -> None:
    before = site.flows()
    site.database.kill()
    site.database.wait()
    site.switch.kill_vswitchd()
    site.switch.start_vswitchd()
    wait(site.switch.answers)
    eventually(lambda: len(site.flows()) == len(before), seconds=45.0)  # its time of grace ends after half a minute
    assert site.flows() == before, "a restarted switch is served from memory"
    site.serve()
    site.store.transact(lambda txn: txn.delete(type(site.port), site.port.id))
    wait(lambda: len(site.flows()) < len(before))


def test_renamed_it_ends_and_starts_again_under_its_new_name(site: Site, controller: Process) -> None:
    before = site.flows()
    site.switch.vsctl("set", "open_vswitch", ".", "external_ids:sdnctl-host=host-new")
    assert controller.process.wait(10) == 1
    assert site.flows() == before
    again = Process(site)
    wait(lambda: (binding := site.store.state.get(Binding, site.port.id)) and binding.host == "host-new")
    again.end(signal.SIGTERM)


def test_os_ken_s_own_manager_can_load_it(site: Site) -> None:
    loaded = Process(site, "-c", OSKEN)
    wait(site.applied)
    loaded.end(signal.SIGKILL)


def test_without_settings_it_says_what_is_missing() -> None:
    done = subprocess.run([sys.executable, "-m", "sdnctl.agent.app"], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "--store" in done.stderr
