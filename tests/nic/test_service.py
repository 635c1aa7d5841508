"""The watch as a service of the host: nothing is changed until the operator names interfaces in the switch."""

import json
import subprocess
import sys
import time

from sdnctl.model.host import Host
from sdnctl.model.service import ServiceHealth
from sdnctl.store.ovsdb.client import OvsdbStore
from sdnctl.store.server.single import Server
from sdnctl.testing.ovs import DummySwitch
from tests.nic.namespace import Namespace
from tests.product import CLASSES
from tests.waiting import eventually

NAME = "multi_queue.nics"


def test_interfaces_are_spread_once_the_operator_asks_and_figures_tell(space: Namespace) -> None:
    space.veth("v0", "v1")
    space.run("ip", "link", "set", "lo", "up")
    before, data = space.raw("v0"), space.data / "region"
    server = Server(data, classes=CLASSES)
    server.prepare()
    serving = subprocess.Popen(server.argv(), stderr=subprocess.DEVNULL)
    store = OvsdbStore(server.remote, classes=CLASSES, timeout=20)
    try:
        with DummySwitch() as switch:
            switch.vsctl("set", "Open_vSwitch", ".", "external_ids:sdnctl-host=hv1")
            store.report(lambda txn: txn.put(Host(id="hv1")))
            where = ["--store", server.remote, "--data", str(space.data), "--ovs-db", switch.db, "--per", "host"]
            figures = space.data / "services.json"
            more = ["--metrics", "127.0.0.1:0", "--metrics-file", str(figures)]
            started = space.spawn(sys.executable, "-m", "sdnctl.services", *where, *more)

            def health() -> ServiceHealth:
                found = store.state.get(ServiceHealth, f"{NAME}@hv1")
                return found or ServiceHealth(id="", service="", machine="", per="")

            eventually(lambda: health().says.startswith("off: no interface is changed unless"), 30)
            assert health().state == "running"
            time.sleep(1)
            assert space.raw("v0") == before, "nobody asked"
            switch.vsctl("set", "Open_vSwitch", ".", "external_ids:sdnctl-nics=v0")
            eventually(lambda: space.raw("v0") != before, 30)
            eventually(lambda: health().says == "looks after v0", 30)
            address = json.loads(figures.read_text())["services"]
            script = f"import urllib.request as u; print(u.urlopen('http://{address}/metrics').read().decode())"
            shown = space.run(sys.executable, "-c", script).out
            assert 'sdnctl_nic_queues{nic="v0"}' in shown and 'sdnctl_nic_spread{nic="v0",verdict=' in shown
            assert f'sdnctl_service_up{{service="{NAME}",state="running"}} 1.0' in shown
            switch.vsctl("remove", "Open_vSwitch", ".", "external_ids", "sdnctl-nics")
            eventually(lambda: health().says.startswith("off:"), 30)
            started.terminate()
            assert started.wait(10) == 0
            space.done("rollback", "v0")
            assert space.raw("v0") == before
    finally:
        store.close()
        serving.kill()
        serving.wait()
