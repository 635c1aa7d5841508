"""Single changes on our side of the comparison with OVN: one API call each, seen by the switch's own flow monitor."""

import re
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from apps.eni.facts import mac_of
from apps.eni.model import NetworkInterface
from bench.cloud import ACCOUNT, PUBLIC
from sdnctl.base.addresses import Ip4
from sdnctl.of import message
from sdnctl.store import Txn
from sdnctl.testing.ovs import Connection

if TYPE_CHECKING:
    from bench.ours import Side

now = time.monotonic
QUIET_S, LATE_S, PATIENCE_S = 0.15, 0.15, 30.0
SPARE_KEY = 1 << 20
ANY_EVENT = "event="
Measured = dict[str, dict[str, list[Any]]]


class MeterWatch:
    """Asks the switch for its meters as fast as it answers, and notes when they changed."""

    def __init__(self, path: str) -> None:
        self.changed: list[float] = []
        self._stop = threading.Event()
        self._wire = Connection(path)  # type: ignore[arg-type]
        self._known = self._ask()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _ask(self) -> list[bytes]:
        return [reply[8:] for reply in self._wire.ask(message.meter_config_request(1))]

    def _run(self) -> None:
        while not self._stop.is_set():
            found = self._ask()
            if found != self._known:
                self._known = found
                self.changed.append(now())

    def close(self) -> None:
        """Stop asking."""
        self._stop.set()
        self._thread.join()
        self._wire.__exit__(None, None, None)


class Changes:
    """One change after the other; what was measured is kept by kind, in seconds from the call."""

    def __init__(self, side: "Side") -> None:
        self._side = side
        self._watch = side.peer.FlowWatch(side.lab)
        self._found: Measured = {}

    def measure(self, rounds: int) -> Measured:
        """Each kind ``rounds`` times; what is added is deleted again."""
        for n in range(rounds):
            self._round(n, n % self._side.cloud.served)
        self._watch.close()
        return self._found

    def _round(self, n: int, v: int) -> None:
        side, cloud, api = self._side, self._side.cloud, self._side.api
        subnet, first, second = cloud.subnet_id(v, 1), cloud.port_id(v, 0, 10), cloud.port_id(v, 0, 15)
        made, known = self._add_port(f"n{n}", subnet, cloud.group_id(v))
        eip = api.call(
            "POST",
            "/elasticIps/",
            maxCount=1,
            elasticIpAddress=str(Ip4(PUBLIC.network + 0x9000 + n)),
            elasticIpSpec={"bandwidthMbps": 5, "provider": "bgp"},
        )["elasticIpIds"][0]
        self._calls("add EIP", [self._bind(first, eip)])
        self._calls("move EIP", [self._bind(second, eip, reassociate=True)])
        resize = api.ready("PATCH", f"/elasticIps/fip-{v:010d}", bandwidthMbps=20 + n % 50)
        self._calls("change EIP bandwidth", [resize], meters=True)
        rule = {"addressPrefix": f"192.168.{100 + n}.0/24", "nextHopType": "elastic_network_interface"}
        rules = [{**rule, "nextHopId": cloud.port_id(v, 0, 0)}]
        add = api.ready("POST", f"/routeTables/{cloud.table_id(v)}:addRouteTableRules", routeTableRuleSpecs=rules)
        self._calls("add static route", [add])
        gone = [api.ready("DELETE", f"/networkInterfaces/{made}")]
        self._calls("delete port", gone, before=lambda: self._unplug(known), expect="event=DELETED.* table=0 ")
        side.lab.ovs.wait(self._unplugging)
        side.lab.wait_vswitchd()
        self._calls("delete EIP", [self._bind(second, eip, "dis")])
        api.call("DELETE", f"/elasticIps/{eip}")
        self._spare(n, subnet, v)
        self._switch_alone(f"x{n}")

    def _bind(self, port: str, eip: str, what: str = "", **more: Any) -> Callable[[], Any]:
        path = f"/networkInterfaces/{port}:{what}associateElasticIp"
        return self._side.api.ready("POST", path, elasticIpId=eip, **more)

    def _add_port(self, name: str, subnet: str, group: str) -> tuple[str, Any]:
        """Order a port, then plug in what the answer names; its id and its Port row."""
        lab = self._side.lab
        create = self._side.api.ready("POST", "/networkInterfaces/", subnetId=subnet, securityGroups=[group])
        made: list[str] = []

        def order() -> None:
            made.append(create()["networkInterfaceId"])
            plug.append(lab.ovs.send("transact", ["Open_vSwitch", *lab.ovs_ports_ops([(name, "", made[0])])]))

        plug: list[int] = []
        self._calls("add port (ordered, then plugged in)", [order], expect="event=ADDED.* table=0 ")
        lab.ovs.check(lab.ovs.wait(plug[0])[1])
        lab.wait_vswitchd()
        return made[0], lab.port_uuid(name)

    def _unplug(self, row: Any) -> None:
        gone = {"op": "mutate", "table": "Bridge", "where": [["name", "==", "br-int"]]}
        gone["mutations"] = [["ports", "delete", row]]
        more = {"op": "mutate", "table": "Open_vSwitch", "where": [], "mutations": [["next_cfg", "+=", 1]]}
        self._unplugging = self._side.lab.ovs.send("transact", ["Open_vSwitch", gone, more])

    def _spare(self, n: int, subnet: str, v: int) -> None:
        """A port that is plugged in before it is ordered: what the controller takes, without the switch's part."""
        lab, store = self._side.lab, self._side.store
        id, name, number = f"port-spare{n:05d}", f"s{n}", SPARE_KEY + n
        lab.add_ports([(name, "", id)])
        like = store.state.get(NetworkInterface, self._side.cloud.port_id(v, 1, 0))
        assert like is not None and like.subnet == subnet and like.account == ACCOUNT
        address = Ip4(like.addresses[0] + 150)
        port = replace(like, id=id, key=number, mac=mac_of(number), addresses=(address,))

        def add(txn: Txn) -> None:
            txn.put(port)

        self._calls("add port (plugged in before; by the store)", [lambda: store.transact(add)])
        gone = self._side.api.ready("DELETE", f"/networkInterfaces/{id}")
        self._calls("delete port (still plugged in)", [gone])
        lab.vsctl("--", "del-port", "br-int", name)
        lab.wait_vswitchd()

    def _switch_alone(self, name: str) -> None:
        """Measure what the switch alone takes for a port that no controller cares about."""
        lab = self._side.lab
        began = now()
        lab.add_ports([(name, "", None)])
        self._note("(switch alone: add a port)", {"flow": now() - began})
        began = now()
        lab.vsctl("--", "del-port", "br-int", name)
        lab.wait_vswitchd()
        self._note("(switch alone: delete a port)", {"flow": now() - began})

    def _calls(
        self,
        kind: str,
        calls: list[Callable[[], Any]],
        before: Callable[[], Any] | None = None,
        meters: bool = False,
        expect: str = ANY_EVENT,
    ) -> None:
        """Make these calls one after the other and note when the switch showed the last change of it."""
        side, watch = self._side, self._watch
        watch.quiet(QUIET_S)
        watch.clear()
        polled = MeterWatch(side.lab.p("br-int.mgmt")) if meters else None
        cpu, known, began = side.lab.cpu(), side.store.state.sequence, now()
        if before is not None:
            before()
        for call in calls:
            call()
        answered = now()
        sequence = known + len(calls)
        committed, confirmed = side.seen.wait_committed(sequence), side.seen.wait(sequence)
        at = self._seen(polled, expect)
        last = at[-1] if at else None
        if polled is not None:
            polled.close()
        measured: dict[str, float | None]
        measured = {"call": answered - began, "commit": committed - began, "hv": confirmed - began}
        measured["flow"] = last - began if last is not None else None
        plugging = expect != ANY_EVENT  # then the switch's own time is in between, and the commit says nothing
        measured["from_commit"] = last - committed if last is not None and not plugging else None
        self._note(kind, {**measured, "events": len(at), "cpu": side.used(cpu)})

    def _seen(self, polled: MeterWatch | None, expect: str) -> list[float]:
        """The time at which the switch changed: waits for the event that is expected, and until no more come."""
        end, watch = now() + PATIENCE_S, self._watch
        while now() < end:
            time.sleep(LATE_S)
            watch.quiet(LATE_S)
            if polled is not None and polled.changed:
                return polled.changed
            if polled is None and any(re.search(expect, line) for _, line in watch.events):
                break
        return [when for when, _ in watch.events]

    def _note(self, kind: str, measured: dict[str, Any]) -> None:
        kept = self._found.setdefault(kind, {})
        for name, value in measured.items():
            kept.setdefault(name, []).append(value)
