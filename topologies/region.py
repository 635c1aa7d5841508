"""A region as it is meant to run: hypervisors with their own switches and controllers, a replicated store, two APIs.

    control   192.168.70.0/24   stores .11 .12 .13, APIs .21 .22, hosts .101 ...
    underlay  172.31.0.0/24     hosts .101 ...: what their tunnels use
    public    203.0.113.0/24    the hosts' uplinks, and the provider's router

Everything is a station (a namespace) on one machine; the three networks are bridges in a station of their own, where
any cable can be pulled.
"""

import contextlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdnctl.region.pki import init, issue
from topologies.cloud import Cloud
from topologies.customer import Customer
from topologies.fabric import Fabric
from topologies.guest import Guest
from topologies.hypervisor import Hypervisor
from topologies.internet import Internet
from topologies.process import wait_until
from topologies.program import Program
from topologies.scenarios import Instance
from topologies.service import ROOT
from topologies.station import CommandError, Station, environment

CONTROL, UNDERLAY, PUBLIC = "control", "underlay", "public"
STORE_PORT, RAFT_PORT, API_PORT = 6641, 6644, 7480
SMALL, SMALL_DISK = "store3", "24m"


@dataclass(frozen=True, slots=True)
class Spot:
    """A hypervisor to be: whether it has an uplink, and its preference as a gateway (0: it is none)."""

    name: str
    uplink: bool = True
    gateway: int = 0


FOUR = (Spot("hv1"), Spot("hv2", gateway=20), Spot("hv3", gateway=10), Spot("hv4", uplink=False))


class Region(Cloud):
    """Use it as a context manager, like a Cloud; `secure` gives every part a certificate and lets it speak TLS only."""

    def __init__(self, spots: Sequence[Spot] = FOUR, region: str = "cn-north-1", secure: bool = True) -> None:
        super().__init__(region)
        self.spots = spots
        self.secure = secure
        self.hosts: dict[str, Hypervisor] = {}
        self.stores: dict[str, Program] = {}
        self.apis: dict[str, Program] = {}
        self.agents: dict[str, Program] = {}

    def _start(self, undo: contextlib.ExitStack) -> None:
        self.fabric: Fabric = self.net.addHost("fabric", cls=Fabric)
        if self.secure:
            init(self.directory / "pki")
        self._store(1, undo).listening(STORE_PORT)
        others = [self._store(number, undo) for number in (2, 3)]
        servers = [self._api(number, undo) for number in (1, 2)]
        for number, spot in enumerate(self.spots, 101):
            self._host(number, spot, undo)
        self.host = next(iter(self.hosts.values()))
        self.internet = Internet(self.net, self.fabric, "internet")
        self.fabric.attach_wire("internet", PUBLIC)
        for member in others:
            member.listening(STORE_PORT)
        for server in servers:
            server.first_line()
        self.ready()

    # Its parts.

    def _station(self, name: str, number: int) -> Station:
        made: Station = self.net.addHost(name, cls=Station)
        self.fabric.join(self.net, made, CONTROL, f"192.168.70.{number}/24")
        return made

    def _store(self, number: int, undo: contextlib.ExitStack) -> Program:
        """A member of the store; the third has a small disk of its own (tmpfs(5)), which can be filled."""
        name, address = f"store{number}", f"192.168.70.{10 + number}"
        station = self._station(name, 10 + number)
        data = self.directory / name
        data.mkdir(mode=0o700)
        if name == SMALL:
            station.run("mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK},mode=700", "tmpfs", str(data))
        argv = ["store", "--data", str(data), "--listen", f"{address}:{STORE_PORT}", "--raft", f"{address}:{RAFT_PORT}"]
        others = [f"192.168.70.{10 + one}:{RAFT_PORT}" for one in (1, 2, 3) if one < number]
        argv += ["--join", ",".join(others)] if others else []
        member = Program(name, station, [*argv, *self._pki(name, "store")], self.directory / f"{name}.log")
        undo.callback(member.stop)
        self.stores[name] = member
        member.start()
        return member

    def _api(self, number: int, undo: contextlib.ExitStack) -> Program:
        name = f"api{number}"
        station = self._station(name, 20 + number)
        data = self.directory / name
        data.mkdir(mode=0o700)
        argv = ["api", "--store", self.remotes, "--data", str(data), "--listen", f"127.0.0.1:{API_PORT}"]
        argv += ["--region", self._region, *self._pki(name, "api")]
        server = Program(name, station, argv, self.directory / f"{name}.log", announces=True)
        undo.callback(server.stop)
        self.apis[name] = server
        server.start()
        return server

    def _host(self, number: int, spot: Spot, undo: contextlib.ExitStack) -> None:
        host: Hypervisor = self.net.addHost(spot.name, cls=Hypervisor)
        self.hosts[spot.name] = host
        host.start_switch()
        self.fabric.join(self.net, host, CONTROL, f"192.168.70.{number}/24")
        host.underlay(self.fabric.join(self.net, host, UNDERLAY), f"172.31.0.{number}/24")
        if spot.uplink:
            host.uplink(self.fabric.join(self.net, host, PUBLIC))
        if spot.gateway:
            host.tell(gateway=str(spot.gateway))
        argv = ["agent", "--store", self.remotes, "--ovs-db", f"unix:{host.database}", *self._pki(spot.name, "agent")]
        agent = Program(f"agent of {spot.name}", host, argv, self.directory / f"{spot.name}.log")
        undo.callback(agent.stop)
        self.agents[spot.name] = agent
        agent.start()

    @contextlib.contextmanager
    def serving(self, *names: str) -> Iterator[None]:
        """During a `with` block these hosts run their services."""
        with contextlib.ExitStack() as undo:
            for name in names:
                host, place = self.hosts[name], self.directory / f"{name}.services"
                argv = ["services", "--store", self.remotes, "--ovs-db", f"unix:{host.database}", "--name", name]
                if self.secure:
                    issue(self.directory / "pki", name, "services", place / "pki")
                    argv += ["--pki", str(place / "pki")]
                made = Program(
                    f"services of {name}", host, [*argv, "--data", str(place)], self.directory / f"{name}.s.log"
                )
                undo.callback(made.stop)
                made.start()
            yield

    @contextlib.contextmanager
    def deciding(self) -> Iterator[None]:
        """During a `with` block the services that the region has once run, beside both API servers."""
        with contextlib.ExitStack() as undo:
            for name, server in self.apis.items():
                place = self.directory / f"{name}.once"
                argv = ["services", "--per", "region", "--store", self.remotes, "--data", str(place)]
                if self.secure:
                    issue(self.directory / "pki", "services", "services", place / "pki")
                    argv += ["--pki", str(place / "pki")]
                log = self.directory / f"{name}.once.log"
                made = Program(f"the region's services beside {name}", server.station, argv, log)
                undo.callback(made.stop)
                made.start()
            yield

    @property
    def remotes(self) -> str:
        """The store's addresses, as every program of the region is told."""
        kind = "ssl" if self.secure else "tcp"
        return ",".join(f"{kind}:192.168.70.{10 + number}:{STORE_PORT}" for number in (1, 2, 3))

    def _pki(self, name: str, role: str) -> list[str]:
        """A certificate for a part, as the arguments that name it; the store's rights are by its common name."""
        if not self.secure:
            return []
        issue(self.directory / "pki", name if role == "agent" else role, role, self.pki(name))
        return ["--pki", str(self.pki(name))]

    def pki(self, name: str) -> Path:
        """The directory of a part's certificate."""
        return self.directory / f"{name}.pki"

    # Asking it.

    def ready(self, patience: float = 60.0) -> None:
        """Wait until every host has told of itself."""
        names = set(self.hosts)
        if not wait_until(lambda: {one["host"] for one in self.host_list()} >= names, patience, 0.3):
            logs = "\n".join(agent.tail() for agent in self.agents.values())
            raise CommandError(f"hosts are missing, there are {self.host_list()}\n{logs}")

    def host_list(self) -> list[dict[str, Any]]:
        """The hosts as `sdnctl host list --json` shows them."""
        return list(self.cli("host", "list")["hosts"])

    def peers(self, host: str) -> dict[str, str]:
        """The hosts that a host has tunnels to, and whether packets get there ("up", "down")."""
        return dict(next(one["peers"] for one in self.host_list() if one["host"] == host))

    def waits(self, seconds: float) -> bool:
        """True when every host confirms the latest change within some time, as `sdnctl wait` says."""
        try:
            self.cli("wait", "--timeout", str(seconds))
        except CommandError:
            return False
        return True

    def cli(self, *args: str, api: str = "") -> Any:
        """Run an `sdnctl` command beside an API server, by default the first that runs; its JSON."""
        name = api or next(name for name, server in self.apis.items() if server.running)
        inside = ["mnexec", "-a", str(self.apis[name].station.pid)]
        return self._sdnctl(*args, "--data", str(self.directory / name), "--json", inside=inside)

    def _sdnctl(self, *args: str, inside: Sequence[str] = ()) -> Any:
        argv = [*inside, sys.executable, "-m", "sdnctl", *args]
        env = environment(PYTHONPATH=str(ROOT))
        done = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=90)
        if done.returncode:
            raise CommandError(f"sdnctl {' '.join(args)} -> {done.returncode}: {done.stderr.strip()} {done.stdout}")
        return json.loads(done.stdout) if "--json" in args and done.stdout.strip() else done.stdout

    def _tenant(self, name: str, access_key: str, secret_key: str) -> Customer:
        doors = [server.station for server in self.apis.values()]
        return Customer(name, doors, f"127.0.0.1:{API_PORT}", self._region, access_key, secret_key)

    # The store's members.

    def leader(self) -> str:
        """The member that leads the store now; TimeoutError when none does for ten seconds."""
        found: list[str] = []

        def look() -> bool:
            found[:] = [name for name in self.stores if "Role: leader" in self.cluster_status(name)]
            return bool(found)

        if not wait_until(look, 10, 0.1):
            raise TimeoutError("no member leads the store")
        return found[0]

    def lead(self, name: str) -> None:
        """Make a member the leader: the one that leads stands still, and the third is slow to stand for election.

        Handing leadership over would not do: a leader always hands it to the same member.
        """
        leader = self.leader()
        for third in set(self.stores) - {leader, name} if leader != name else ():
            self._ask_member(third, "cluster/failure-test", "delay-election")
            with self.stores[leader].standing_still():
                elected = wait_until(lambda: "Role: leader" in self.cluster_status(name), 15, 0.1)
            self._ask_member(third, "cluster/failure-test", "none")
            if not elected:
                raise TimeoutError(f"{name} was not elected")

    def cluster_status(self, name: str) -> str:
        """The cluster as a member sees it (ovsdb-server(1), cluster/status); "" when it does not answer."""
        return self._ask_member(name, "cluster/status", "sdnctl")

    def _ask_member(self, name: str, *command: str) -> str:
        member = self.stores[name]
        if not member.running:
            return ""
        control = str(self.directory / name / "store.ctl")
        return member.station.run("ovs-appctl", "-T", "2", "-t", control, *command, check=False)

    def term(self, name: str) -> int:
        """The number of the last election that a member knows of."""
        found = re.search(r"^Term: (\d+)", self.cluster_status(name), re.M)
        return int(found[1]) if found else 0

    def log_end(self, name: str) -> int:
        """The last entry of a member's log, 0 when it does not answer or is no member yet."""
        found = re.search(r"^Log: \[\d+, (\d+)\]", self.cluster_status(name), re.M)
        return int(found[1]) if found else 0

    # Machines.

    def uplinks(self) -> dict[str, Hypervisor]:
        """The hosts with an uplink."""
        return {spot.name: self.hosts[spot.name] for spot in self.spots if spot.uplink}

    def machines_of(self, account: str) -> list[str]:
        """The names of a customer's machines; a machine keeps its name when it moves to another host."""
        return [name for name, owner in self.owners.items() if owner.name == account]

    def address(self, name: str) -> str:
        """A machine's first private address."""
        return self.machines[name][1].interfaces[0].address

    def _home(self, instance: Instance) -> Hypervisor:
        return self.hosts[instance.host] if instance.host else self.host

    def copy(self, name: str, host: str) -> Guest:
        """A machine's second half at the start of a live migration: the same interfaces on another host.

        Nothing is bound yet: `plug` does that.
        """
        twin: Guest = self.net.addHost(f"{name}.{host}", cls=Guest)
        vpc, instance = self.machines[name]
        for index in range(len(instance.interfaces)):
            twin.wire(self.net, self.hosts[host], self.interfaces[name, index], index)
        self._addresses(twin, vpc, instance)
        return twin

    def plug(self, name: str, twin: Guest, host: str) -> None:
        """Bind a copy's interfaces on its host; the first machine's stay bound where they are."""
        for index, port in twin.nics.items():
            self.hosts[host].plug(port, self.interfaces[name, index]["networkInterfaceId"])

    def leave(self, name: str, twin: Guest, host: str) -> Guest:
        """The end of a migration: the machine is on `host` alone now; returns the one that it was before."""
        old, home = self.guests[name], self.homes[name]
        for index in list(old.nics):
            old.detach(self.net, home, index)
        self.guests[name], self.homes[name] = twin, self.hosts[host]
        return old
