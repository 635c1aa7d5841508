"""The ports of a switch are read once each, and again when their rows change."""

import queue
from collections.abc import Callable

from sdnctl.bridge.snapshot import Snapshot
from sdnctl.bridge.vswitch import Vswitch
from sdnctl.testing.ovs import DummySwitch


def test_a_change_of_one_port_leaves_the_others_as_they_were_read() -> None:
    """Any change is seen, whatever it is; the rows beside it are the same objects as before."""
    heard: queue.SimpleQueue[Snapshot] = queue.SimpleQueue()

    def until(wanted: Callable[[Snapshot], bool]) -> Snapshot:
        while True:
            seen = heard.get(timeout=10)
            if wanted(seen):
                return seen

    with DummySwitch() as switch:
        for name in ("p1", "p2", "p3"):
            ids = f"external_ids:iface-id=port-{name}"
            switch.vsctl("add-port", "br-int", name, "--", "set", "interface", name, "type=dummy", ids)
        vswitch = Vswitch(switch.db, heard.put)
        vswitch.start()
        try:
            first = until(lambda seen: len(seen.ports) == 3)

            switch.vsctl("set", "interface", "p1", "external_ids:iface-id=port-else")
            named = until(lambda seen: "port-else" in seen.ports)
            assert set(named.ports) == {"port-else", "port-p2", "port-p3"}
            assert all(named.ports[id] is first.ports[id] for id in ("port-p2", "port-p3"))

            switch.vsctl("set", "interface", "p2", "ofport_request=77")
            numbered = until(lambda seen: seen.ports["port-p2"].ofport == 77)
            assert numbered.ports["port-p3"] is first.ports["port-p3"]

            switch.vsctl("del-port", "p3")
            gone = until(lambda seen: "port-p3" not in seen.ports)
            assert set(gone.ports) == {"port-else", "port-p2"}

            row = "external_ids:iface-id=port-p3"
            switch.vsctl("add-port", "br-int", "p3", "--", "set", "interface", "p3", "type=dummy", row)
            again = until(lambda seen: "port-p3" in seen.ports)
            assert again.ports["port-p3"].uuid != first.ports["port-p3"].uuid
        finally:
            vswitch.close()
