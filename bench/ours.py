"""Our side of the comparison with OVN, in OVN's own laboratory: real programs, real switch, the same measurements."""

import http.client
import json
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.cloud import ACCOUNT, KEY, REAL, SECRET, Cloud
from bench.region import put
from bench.single import Changes
from sdnctl.model.host import HostStatus
from sdnctl.store import Batch, Region
from sdnctl.store.ovsdb.client import OvsdbStore
from sdnctl.store.server.single import Server
from tests.api.raw import Call
from tests.api.region import Tenant

HERE, UPLINK, NAME = "bench-1", "up0", "cn-bench-1"
ENDS = ("real-a", "real-b")
R = f"/v1/regions/{NAME}"
ROOT = Path(__file__).resolve().parents[1]
BATCH = 500
LIVE_S = 120.0
IDLE_S = 0.5
SAMPLES_HZ = 40
STABLE_S = 1.0
DAEMONS = ("controller", "api", "store", "ovs-vswitchd", "ovsdb-conf")
now = time.monotonic


class Seen:
    """The store as this process reads it: the time of each commit, and how far the host has got."""

    def __init__(self, store: OvsdbStore) -> None:
        self.committed: dict[int, float] = {}
        self.confirmed: list[tuple[float, int]] = []
        self._changed = threading.Condition()
        store.subscribe(self._deliver)

    def _deliver(self, batch: Batch) -> None:
        at = now()
        with self._changed:
            for change in batch.changes:
                if change.cls is Region and change.new is not None:
                    self.committed[change.new.sequence] = at
                elif change.cls is HostStatus and change.new is not None:
                    self.confirmed.append((at, change.new.applied))
            self._changed.notify_all()

    def wait_committed(self, sequence: int, seconds: float = LIVE_S) -> float:
        """The time at which that transaction was seen here."""
        with self._changed:
            if not self._changed.wait_for(lambda: sequence in self.committed, seconds):
                raise TimeoutError(f"{sequence} was never committed: {max(self.committed, default=0)}")
            return self.committed[sequence]

    def wait(self, sequence: int, seconds: float = LIVE_S) -> float:
        """The time at which the host had confirmed that transaction; TimeoutError when it does not in time."""
        with self._changed:
            self._changed.wait_for(lambda: any(done >= sequence for _, done in self.confirmed), seconds)
            for at, done in self.confirmed:
                if done >= sequence:
                    return at
        raise TimeoutError(f"the host has not confirmed {sequence}: {self.confirmed[-1:]}")


class Api:
    """A client that keeps its connection; requests are signed before the clock runs, as OVN's are encoded before."""

    def __init__(self, endpoint: str) -> None:
        host, port = endpoint.split(":")
        self._tenant = Tenant(endpoint, ACCOUNT, KEY, SECRET, None, None)
        self._connection = http.client.HTTPConnection(host, int(port), timeout=30)
        self._used = 0.0

    def ready(self, method: str, path: str, **body: object) -> Callable[[], Any]:
        """The call, ready to be sent; calling it returns the result."""
        data = json.dumps(body).encode() if body else b""
        made = Call(method, (R + path).encode(), data, region=NAME).sign(self._tenant)
        if now() - self._used > IDLE_S:  # the server closes connections that idle; dialling is no part of a call
            self._connection.close()
            self._connection.connect()
        self._used = now()

        def send() -> Any:
            self._connection.request(made.method, made.target.decode(), made.body, made.headers)
            answer = self._connection.getresponse()
            found = json.loads(answer.read())
            if answer.status >= 300:
                raise RuntimeError(f"{method} {path}: {answer.status} {found}")
            return found.get("result")

        return send

    def call(self, method: str, path: str, **body: object) -> Any:
        """Send it now."""
        return self.ready(method, path, **body)()


class Side:
    """A context manager: the laboratory with our programs in it; ``lab`` is ovnbench's."""

    def __init__(self, peer: Any, cloud: Cloud) -> None:
        self.peer = peer
        self.cloud = cloud
        self.lab = peer.Lab()
        self.lab.env |= {"SDNCTL_LOG_FORMAT": "text", "PYTHONPATH": str(ROOT)}
        self.server = Server(Path(self.lab.dir))
        self.store: OvsdbStore
        self.seen: Seen
        self.api: Api
        self._starts = 0

    def __enter__(self) -> "Side":
        try:
            self._switch()
            self.server.prepare()
            self.lab.spawn("store", self.server.argv())
            self.store = OvsdbStore(self.server.remote, timeout=60)
            self.seen = Seen(self.store)
            self.controller()
            self._serve()
            self.seen.wait(0)
        except BaseException as error:
            error.add_note(self._said())
            self.lab.close()
            raise
        return self

    def _said(self) -> str:
        """The last words of our programs."""
        outs = [(name, Path(self.lab.p(f"{name}.out"))) for name in ("store", "api", "controller")]
        return "\n".join(f"{name}: {out.read_text()[-2000:]}" for name, out in outs if out.exists())

    def __exit__(self, *_: object) -> None:
        self.lab.close()

    def _switch(self) -> None:
        lab = self.lab
        lab.start_switch(True, {"sdnctl-host": HERE, "sdnctl-uplink": UPLINK})
        lab.add_bridge("br-int", {"fail_mode": "secure"})
        lab.ns_a, lab.ns_b = lab.add_ns("a"), lab.add_ns("b")
        lab.add_ports([(UPLINK, "", None), *((name, "internal", id) for name, id in zip(ENDS, REAL, strict=True))])
        ends = list(zip(ENDS, (lab.ns_a, lab.ns_b), REAL.items(), strict=True))
        for name, ns, (id, last) in ends:
            lab.adopt(name, ns, "eth0", self.cloud.real_mac(id), f"10.0.0.{last}/24")
        for (_, ns, _), (_, _, (id, last)) in zip(ends, reversed(ends), strict=True):
            lab.neigh(ns, f"10.0.0.{last}", self.cloud.real_mac(id))

    def log(self) -> str:
        """The log of the controllers until now, one after the other."""
        return Path(self.lab.p("controller.out")).read_text()

    def in_step(self) -> None:
        """Wait until the controller started last says that the switch is in step."""
        end = now() + LIVE_S
        while self.log().count("the switch is in step") < self._starts:
            if now() > end or self.lab.procs["controller"].poll() is not None:
                raise TimeoutError(f"the controller did not get there: {self._said()}")
            time.sleep(0.005)

    def controller(self) -> None:
        """Start the controller."""
        self._starts += 1
        argv = [sys.executable, "-m", "sdnctl.agent.app", "--store", self.server.remote]
        self.lab.spawn("controller", [*argv, "--ovs-db", f"unix:{self.lab.p('conf.sock')}"])

    def _serve(self) -> None:
        where = ["--store", self.server.remote, "--data", self.lab.dir, "--region", NAME]
        self.lab.spawn("api", [sys.executable, "-m", "sdnctl.api", *where])
        out = Path(self.lab.p("api.out"))
        for _ in range(400):
            time.sleep(0.05)
            if line := next((x for x in out.read_text().splitlines() if x.startswith("{")), ""):
                self.api = Api(json.loads(line)["endpoint"])
                return
        raise TimeoutError(out.read_text())

    def fill(self) -> int:
        """Write the whole cloud, as an import would; the last sequence number."""
        batch: list[Any] = []
        for record in self.cloud.records():
            batch.append(record)
            if len(batch) == BATCH:
                self.store.transact(put(batch))
                batch = []
        self.store.transact(put(batch))
        return self.store.state.sequence

    def settled(self, sampler: Any) -> tuple[float, int]:
        """Wait until all ports are programmed and the number of rules stays; when it last changed, and what it is.

        TimeoutError when that does not come to pass: what is half programmed has no time to be measured.
        """
        end, wanted = now() + LIVE_S, self.cloud.bound + len(REAL)
        while (ports := self._programmed()) < wanted:
            if now() > end:
                raise TimeoutError(f"{ports} of {wanted} ports are programmed: {self._said()}")
            time.sleep(0.01)
        complete = now()
        while now() - max(sampler.last_change() or complete, complete) < STABLE_S:
            time.sleep(0.05)
        sampler.stop()
        last = sampler.last_change()
        if last is None:
            raise TimeoutError("the number of rules was never seen to change")
        return last, sampler.samples[-1][1]

    def _programmed(self) -> int:
        """The number of this host's ports that the first table knows."""
        dump = ["ovs-ofctl", "-O", "OpenFlow14", "--no-names", "dump-flows", self.lab.mgmt("br-int"), "table=0"]
        known = set(re.findall(r"in_port=(\d+)", self.peer.sh(dump, self.lab.env)))
        return len(known - {str(self.lab.ofport(UPLINK))})

    def used(self, before: dict[str, float]) -> dict[str, float]:
        """CPU seconds of each program since."""
        return {name: round(spent - before.get(name, 0.0), 2) for name, spent in self.lab.cpu().items()}


def bulk(side: Side) -> dict[str, Any]:
    """Everything, from nothing: the intent is written while the controller runs and the ports are plugged in."""
    lab, cloud = side.lab, side.cloud
    plugged = lab.add_ports([(f"d{n}", "", id) for n, id in enumerate(cloud.plugged())])
    time.sleep(1)
    cpu, messages = lab.cpu(), lab.coverage("vswitchd.ctl", "ofproto_recv_openflow")
    sampler = side.peer.RuleSampler(lab, hz=SAMPLES_HZ)
    began = now()
    sequence = side.fill()
    committed = now()
    confirmed = side.seen.wait(sequence)
    last, rules = side.settled(sampler)
    return {
        "ports": cloud.size,
        "bound": cloud.bound,
        "t_ovs_ports": plugged,
        "t_intent": committed - began,
        "t_flows_stable": max(last, confirmed) - began,
        "t_from_commit": max(last, confirmed) - committed,
        "flows": lab.flow_count(),
        "rules": rules,
        "cpu": side.used(cpu),
        "of_msgs": lab.coverage("vswitchd.ctl", "ofproto_recv_openflow") - messages,
        "rss": lab.rss(),
    }


def start(side: Side) -> dict[str, Any]:
    """The controller starts with a loaded store and a switch without flows."""
    lab = side.lab
    lab.stop("controller")
    for command in ("del-flows", "del-meters"):
        side.peer.sh(["ovs-ofctl", "-O", "OpenFlow14", command, lab.mgmt("br-int")], lab.env)
    time.sleep(1)
    sampler = side.peer.RuleSampler(lab, hz=SAMPLES_HZ)
    began = now()
    side.controller()
    side.in_step()
    last, rules = side.settled(sampler)
    return {"t_flows_stable": last - began, "rules": rules, "cpu": lab.cpu()["controller"]}


def restart(side: Side) -> dict[str, Any]:
    """The controller is killed and started again, while pings go from one port to another a hundred times a second."""
    lab, peer = side.lab, side.peer
    base, watch = lab.rules(), peer.FlowWatch(lab)
    pings = peer.Pinger(lab, lab.ns_a, "10.0.0.241")
    time.sleep(1.5)
    messages, sampler = lab.coverage("vswitchd.ctl", "ofproto_recv_openflow"), peer.RuleSampler(lab)
    began = now()
    lab.stop("controller", signal.SIGKILL)
    side.controller()
    side.in_step()
    back = now() - began
    time.sleep(1.5)
    sampler.stop()
    found: dict[str, Any] = pings.stop()
    watch.close()
    said = [line for line in side.log().splitlines() if "the switch is in step" in line][-1]
    mods = re.findall(r"(?:flow|meter|group)_mods=(\d+)", said)
    assert len(mods) == 3, said
    found |= {"t_hv": back, "base": base, "rules_min": min(count for _, count in sampler.samples)}
    found |= {"mods": sum(map(int, mods)), "events": len(watch.events), "cpu": lab.cpu()["controller"]}
    found["of_msgs"] = lab.coverage("vswitchd.ctl", "ofproto_recv_openflow") - messages
    return found


def floor(side: Side) -> dict[str, Any]:
    """The same flows, less their meters, by ``ovs-ofctl --bundle`` into another bridge of that ovs-vswitchd.

    With OpenFlow 1.4: of 1.5 ovs-ofctl cannot read ``load:0->in_port`` (ovs-actions(7)) that it has written itself.
    """
    lab, sh, ofctl = side.lab, side.peer.sh, ["ovs-ofctl", "-O", "OpenFlow14"]
    dump = sh([*ofctl, "--no-stats", "--no-names", "dump-flows", lab.mgmt("br-int")], lab.env)
    flows = [re.sub(r"meter:\d+,?", "", line.strip()) for line in dump.splitlines() if "actions=" in line]
    Path(lab.p("replay.txt")).write_text("\n".join(flows))
    groups = sh([*ofctl, "dump-groups", lab.mgmt("br-int")], lab.env).splitlines()
    Path(lab.p("groups.txt")).write_text("\n".join(line.strip() for line in groups if "group_id=" in line))
    lab.add_bridge("br-replay", {"fail_mode": "secure"})
    lab.wait_vswitchd()
    sh([*ofctl, "add-groups", lab.mgmt("br-replay"), lab.p("groups.txt")], lab.env)
    began = now()
    sh([*ofctl, "--bundle", "add-flows", lab.mgmt("br-replay"), lab.p("replay.txt")], lab.env)
    took, installed = now() - began, lab.flow_count("br-replay")
    lab.vsctl("--", "del-br", "br-replay")
    return {"flows": len(flows), "installed": installed, "seconds": took}


def run(peer: Any, size: int, bound: int | None, rounds: int, restarts: int) -> dict[str, Any]:
    """Our side of one size."""
    cloud = Cloud.of(size, bound)
    with Side(peer, cloud) as side:
        empty = side.lab.rss()
        made: dict[str, Any] = {"n": size, "load": os.getloadavg()[0], "rss_empty": empty, "bulk": bulk(side)}
        made["start"] = start(side)
        made["ping_before"] = peer.ping_p50(side.lab, side.lab.ns_a, "10.0.0.241", 100)
        made["inc"] = Changes(side).measure(rounds)
        made["restart"] = [restart(side) for _ in range(restarts)]
        made["rss_end"] = side.lab.rss()
        made["replay"] = floor(side)
    return made
