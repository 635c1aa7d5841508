"""``sdnctl nic watch``: what was applied is there again after a flap, a reset, a new interface of the same name."""

import json
import signal
import sys
from collections.abc import Callable
from typing import Any

from sdnctl.testing.ovs import DummySwitch
from tests.nic.namespace import Namespace


class Watch:
    """A watch that runs inside, and the events that it tells."""

    def __init__(self, space: Namespace, *args: str) -> None:
        self.log = space.data / "watch.log"
        command = [sys.executable, "-m", "sdnctl", "nic", "watch", *args, "--period", "600"]
        with open(self.log, "w") as log:
            self.process = space.spawn(*command, "--data", str(space.data), stderr=log.fileno())

    def event(self) -> dict[str, Any]:
        """The next event."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"the watch has ended: {self.log.read_text()[-3000:]}"
        found: dict[str, Any] = json.loads(line)
        return found

    def until(self, kind: str, ready: Callable[[], bool]) -> None:
        """Read events up to one of this kind after which all is as it should be."""
        while self.event()["event"] != kind or not ready():
            pass

    def end(self) -> int:
        """Stop it as systemd would."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(10)


def test_applied_again_after_a_flap_a_reset_and_a_new_interface(space: Namespace) -> None:
    space.veth("v0", "v1")
    before = space.raw("v0")
    watch = Watch(space, "v0", "--queues", "2")
    assert watch.event() == {"event": "watching"}
    assert (watch.event()["event"], space.raw("v0")["channels"].count("2")) == ("applied", 2)
    wanted, other = space.raw("v0"), space.raw("v1")
    # What a driver's reset does: everything as it was at its start, then the link comes up again.
    space.run("ip", "link", "set", "v0", "down")
    space.run("ethtool", "-L", "v0", "rx", "4", "tx", "4")
    space.run("sh", "-c", "cd /sys/class/net/v0/queues; for f in */[rx]ps_cpus; do echo 0 > $f; done")
    space.run("ip", "link", "set", "v0", "up")
    watch.until("re-applied", lambda: space.raw("v0") == wanted)
    space.run("ip", "link", "del", "v0")
    space.veth("v0", "v1")
    watch.until("applied", lambda: space.raw("v0") == wanted)
    assert space.raw("v1") == other, "nobody named the peer"
    assert watch.end() == 0
    assert space.raw("v0") == wanted, "it ends and leaves everything as it is"
    space.done("rollback", "v0")
    assert space.raw("v0") == before


def test_a_plain_flap_changes_nothing_and_says_nothing(space: Namespace) -> None:
    space.veth("v0", "v1")
    watch = Watch(space, "v0", "--queues", "3", "--metrics", "127.0.0.1:0")
    space.run("ip", "link", "set", "lo", "up")
    metrics = watch.event()
    assert [watch.event()["event"] for _ in range(2)] == ["watching", "applied"]
    wanted = space.raw("v0")
    for _ in range(3):
        space.run("ip", "link", "set", "v0", "down")
        space.run("ip", "link", "set", "v0", "up")
    space.run("ethtool", "-L", "v0", "rx", "1", "tx", "1")
    space.run("ip", "link", "set", "v0", "down")
    watch.until("re-applied", lambda: space.raw("v0") == wanted)
    script = f"import urllib.request as u; print(u.urlopen('http://{metrics['address']}/metrics').read().decode())"
    shown = space.run(sys.executable, "-c", script).out
    assert 'sdnctl_nic_queues{nic="v0"} 3.0' in shown
    assert 'sdnctl_nic_cpu_share{cpu="0",nic="v0"}' in shown and 'sdnctl_nic_spread{nic="v0",verdict=' in shown
    assert watch.end() == 0


def test_the_uplink_and_the_taps_of_bound_ports_are_looked_after_by_themselves(space: Namespace) -> None:
    space.veth("up0", "up1")
    space.tap("t0", 2)
    space.tap("t1", 2)
    free = space.raw("t1")
    with DummySwitch() as switch:
        switch.vsctl("set", "Open_vSwitch", ".", "external_ids:sdnctl-uplink=up0")
        for name, ids in (("t0", "external_ids:iface-id=port-a"), ("t1", "external_ids:purpose=none")):
            switch.vsctl("add-port", "br-int", name, "--", "set", "Interface", name, ids)
        watch = Watch(space, "--bound", "--ovs-db", switch.db)
        assert watch.event() == {"event": "watching"}
        assert [(e["event"], e["nic"]) for e in (watch.event(), watch.event())] == [
            ("applied", "up0"),
            ("applied", "t0"),
        ]
        assert space.raw("t1") == free
        # A port that is bound later: its tap comes, and is looked at.
        switch.vsctl("set", "Interface", "t1", "external_ids:iface-id=port-b")
        space.run("ip", "link", "set", "t1", "down")
        event = watch.event()
        assert (event["event"], event["nic"]) == ("applied", "t1")
        assert watch.end() == 0


def test_queues_that_a_guest_turns_on_later_are_looked_after_at_once(space: Namespace) -> None:
    guest = space.tap("t0", 1)
    watch = Watch(space, "t0")
    assert [watch.event()["event"] for _ in range(2)] == ["watching", "applied"]
    assert guest.stdin is not None
    guest.stdin.write("more 3\n")
    guest.stdin.flush()
    changes: dict[str, str] = {}
    while "rx-3/rps_cpus" not in changes:
        event = watch.event()
        assert event["event"] == "re-applied"
        changes |= event["changes"]
    assert len([path for path, text in space.raw("t0").items() if path.endswith("rps_cpus") and int(text, 16)]) == 4
    assert watch.end() == 0


def test_an_interface_that_comes_and_goes_does_not_stop_the_watch(space: Namespace) -> None:
    watch = Watch(space, "v0", "--queues", "2")
    assert watch.event() == {"event": "watching"}
    pair = "numtxqueues 4 numrxqueues 4"
    again = f"ip link add v0 {pair} type veth peer name v1 {pair}; ip link set v0 up; sleep 0.0$1; ip link del v0"
    space.run("bash", "-c", f"for n in $(seq 1 40); do set -- $((n % 10)); {again}; done")
    space.veth("v0", "v1")
    while (found := watch.event()) and space.raw("v0")["channels"].count("2") != 2:
        assert found["event"] in ("applied", "re-applied", "failed")
    assert watch.end() == 0


def test_what_cannot_be_is_said_once_and_the_rest_goes_on(space: Namespace) -> None:
    space.veth("v0", "v1")
    space.veth("w0", "w1", queues=2)
    watch = Watch(space, "v0", "w0", "--queues", "3")
    events = [watch.event() for _ in range(3)]
    assert [(e["event"], e.get("nic")) for e in events] == [("watching", None), ("applied", "v0"), ("failed", "w0")]
    assert events[2]["because"] == "w0: 3 queues were asked for, the driver veth has at most 2"
    space.run("ip", "link", "set", "w0", "down")
    space.run("ethtool", "-L", "v0", "rx", "1", "tx", "1")
    space.run("ip", "link", "set", "v0", "down")
    event = watch.event()
    assert (event["event"], event["nic"]) == ("re-applied", "v0")
    assert watch.end() == 0
