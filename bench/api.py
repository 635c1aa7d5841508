"""Benchmark of the API's calls: 200 a second, mixed, for 20 s, in a region of 5000 ports.

All ports are in one security group of ten rules.

``python -m bench.api [RATE] [SECONDS] [PORTS]`` starts a private store and the real ``python -m sdnctl.api`` on it.
Calls start on the clock, whether earlier ones were answered or not, and a late start counts as waiting.
"""

import asyncio
import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.region import Region, put
from bench.rig import cpu, resident
from bench.table import milliseconds, show
from sdnctl.base.addresses import Cidr
from sdnctl.model.account import AccessKey, Account
from sdnctl.program import feature
from sdnctl.store.ovsdb.client import OvsdbStore
from sdnctl.store.server.single import Server
from tests.api.raw import Call
from tests.api.region import Tenant

NAME = "cn-bench-1"
R = f"/v1/regions/{NAME}"
KEY, SECRET = "JDC_BENCH", "BENCHSECRET"
ROOMY = "subnet-roomy00000"
CONNECTIONS = 32
AIM_MS = 50
WARM_S = 2.0
QUOTAS = dict.fromkeys(
    ("flow", "network_interface", "requestRate", "elastic_ip", "vpc", "routeTable", "securityGroupRule"), "1000000"
)
GROUP = "sg-0000000000"
"""The group that every interface is in."""
Made = Callable[[random.Random, int, "Own"], Call]


def call(method: str, path: str, service: str = "vpc", **body: object) -> Call:
    """A call that is not signed yet."""
    data = json.dumps(body).encode() if body else b""
    return Call(method, (R + path).encode(), data, service=service, region=NAME)


def listed(kind: str, name: str, value: str) -> Call:
    """A list that is narrowed to one id."""
    return call("GET", f"/{kind}/?filters.1.name={name}&filters.1.values.1={value}&pageSize=100")


class Own:
    """The ids of what a client has made and not deleted."""

    def __init__(self) -> None:
        self.ports: list[str] = []
        self.rules: list[str] = []

    def learn(self, kind: str, result: dict[str, Any]) -> None:
        """Note what an answer says was made."""
        if kind == "createNetworkInterface":
            self.ports.append(result["networkInterfaceId"])
        elif kind == "add a rule":
            self.rules.extend(rule["ruleId"] for rule in result["securityGroupRules"])


def _delete(chance: random.Random, ports: int, own: Own) -> Call:
    return call("DELETE", f"/networkInterfaces/{own.ports.pop() if own.ports else 'port-gone'}")


def _add_rule(chance: random.Random, ports: int, own: Own) -> Call:
    block, port = f"100.{chance.randrange(64, 128)}.{chance.randrange(256)}.0/24", chance.randrange(1, 65536)
    rule = {"protocol": 6, "direction": 0, "addressPrefix": block, "fromPort": port, "toPort": port}
    path = f"/networkSecurityGroups/{GROUP}:addNetworkSecurityGroupRules"
    return call("POST", path, networkSecurityGroupRuleSpecs=[rule])


def _remove_rule(chance: random.Random, ports: int, own: Own) -> Call:
    path = f"/networkSecurityGroups/{GROUP}:removeNetworkSecurityGroupRules"
    return call("POST", path, ruleIds=[own.rules.pop() if own.rules else "sgr-gone"])


# Out of a hundred calls, how many are what; two in three only read, as clients that poll do.
MIX: dict[str, tuple[int, Made]] = {
    "describeNetworkInterface": (20, lambda c, n, m: call("GET", f"/networkInterfaces/port-{c.randrange(n):010d}")),
    "describeElasticIp": (12, lambda c, n, m: call("GET", f"/elasticIps/fip-{c.randrange(100):010d}")),
    "describeSubnet": (5, lambda c, n, m: call("GET", f"/subnets/subnet-{c.randrange(n // 250):010d}")),
    "list, by id": (
        10,
        lambda c, n, m: listed("networkInterfaces", "networkInterfaceIds", f"port-{c.randrange(n):010d}"),
    ),
    "list, of a subnet": (
        5,
        lambda c, n, m: listed("networkInterfaces", "subnetId", f"subnet-{c.randrange(n // 250):010d}"),
    ),
    "list, page of 100 of all": (
        5,
        lambda c, n, m: call("GET", f"/networkInterfaces/?pageSize=100&pageNumber={c.randrange(n // 100) + 1}"),
    ),
    "createNetworkInterface": (
        10,
        lambda c, n, m: call("POST", "/networkInterfaces/", subnetId=ROOMY, securityGroups=[GROUP]),
    ),
    "describe the group of all": (2, lambda c, n, m: call("GET", f"/networkSecurityGroups/{GROUP}")),
    "add a rule": (3, _add_rule),
    "remove a rule": (3, _remove_rule),
    "deleteNetworkInterface": (8, _delete),
    "modifyElasticIp": (
        10,
        lambda c, n, m: call("PATCH", f"/elasticIps/fip-{c.randrange(100):010d}", bandwidthMbps=c.randrange(1, 200)),
    ),
    "refused": (7, lambda c, n, m: call("POST", "/vpcs/", vpcName="a b")),
}


class Client:
    """A few connections that are kept open, and what was measured over them, in seconds by kind of call."""

    def __init__(self, tenant: Tenant, ports: int) -> None:
        self._tenant = tenant
        self._ports = ports
        self._chance = random.Random(1)
        self._idle: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
        self._own = Own()
        self.took: dict[str, list[float]] = defaultdict(list)
        self.codes: dict[int, int] = defaultdict(int)

    async def measure(self, rate: int, seconds: float, programs: list[int]) -> list[float]:
        """Run for a while, forget that, and run in earnest; returns how many cores each program used."""
        await self.run(rate, WARM_S)
        self.took.clear()
        self.codes.clear()
        before = [cpu(pid) for pid in programs]
        await self.run(rate, seconds)
        return [(cpu(pid) - spent) / seconds for pid, spent in zip(programs, before, strict=True)]

    async def run(self, rate: int, seconds: float) -> None:
        """Start ``rate`` calls a second and wait for all answers."""
        host, port = self._tenant.endpoint.split(":")
        for _ in range(CONNECTIONS):
            self._idle.put_nowait(await asyncio.open_connection(host, int(port)))
        kinds = self._chance.choices(list(MIX), [share for share, _ in MIX.values()], k=int(rate * seconds))
        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for n, kind in enumerate(kinds):
                due = began + n / rate
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                group.create_task(self._one(kind, due))
        while not self._idle.empty():
            self._idle.get_nowait()[1].close()

    async def _one(self, kind: str, due: float) -> None:
        made = MIX[kind][1](self._chance, self._ports, self._own).sign(self._tenant)
        reader, writer = await self._idle.get()
        lines = [f"{name}: {value}" for name, value in made.headers.items()]
        lines.append(f"content-length: {len(made.body)}")
        head = f"{made.method} {made.target.decode()} HTTP/1.1\r\n" + "\r\n".join(lines) + "\r\n\r\n"
        writer.write(head.encode() + made.body)
        top = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line.split(b":")[1]) for line in top.lower().split(b"\r\n") if line.startswith(b"content-le"))
        body = await reader.readexactly(length)
        self.took[kind].append(time.perf_counter() - due)
        self._idle.put_nowait((reader, writer))
        self.codes[int(top.split()[1])] += 1
        if b" 200 " in top[:16]:
            self._own.learn(kind, json.loads(body)["result"] or {})


@contextlib.contextmanager
def program(argv: list[str], data: Path, name: str) -> Iterator[subprocess.Popen[str]]:
    """A program that runs as long as the block."""
    with (data / f"{name}.log").open("a") as log:
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(10)


def fill(server: Server, ports: int) -> None:
    """Write the region, and the keys of its account."""
    store = OvsdbStore(server.remote, timeout=60)
    region = Region(ports=ports, here=200, eips=100)
    region.fill(store.transact)
    roomy = replace(region.subnet(0), id=ROOMY, cidr=Cidr.parse("10.200.0.0/16"), key=100_000)
    store.transact(put([roomy]))
    fill_keys(store, QUOTAS)
    store.close()


def fill_keys(store: OvsdbStore, quotas: dict[str, str]) -> None:
    """Give the region's account its keys, and quotas that no bench reaches."""
    with store.read() as state:
        account = state.get(Account, "acct-bench")
    assert account is not None
    key = AccessKey(id=KEY, account=account.id, secret=SECRET)
    store.transact(put([replace(account, quotas=quotas), key]))


def main(rate: int, seconds: float, ports: int) -> None:
    """Measure and print."""
    feature.discover()
    with tempfile.TemporaryDirectory(prefix="sdnctl-bench-") as directory:
        data = Path(directory)
        server = Server(data)
        server.prepare()
        serve = [sys.executable, "-m", "sdnctl.api", "--store", server.remote, "--data", str(data), "--region", NAME]
        with program(server.argv(), data, "store") as store:
            fill(server, ports)
            with program(serve, data, "api") as api:
                assert api.stdout is not None
                endpoint = json.loads(api.stdout.readline())["endpoint"]
                client = Client(tenant(endpoint), ports)
                used = asyncio.run(client.measure(rate, seconds, [api.pid, store.pid]))
                report(client, f"{rate} calls a second for {seconds:g} s, {ports} ports")
                codes = ", ".join(f"{count} x {code}" for code, count in sorted(client.codes.items()))
                print(f"\nanswers: {codes}; cores used: API {used[0]:.2f}, store {used[1]:.2f}")
                print(f"resident memory of the API: {resident(api.pid):.0f} MiB; load average {os.getloadavg()[0]:.2f}")


def tenant(endpoint: str) -> Tenant:
    """The account of the region, with its keys."""
    return Tenant(endpoint, "acct-bench", KEY, SECRET, None, None)


def report(client: Client, title: str) -> None:
    """The table of all kinds and of all together."""
    everything = [one for took in client.took.values() for one in took]
    kinds = sorted(client.took.items(), key=lambda item: item[0])
    rows = [(kind, str(len(took)), milliseconds(took), f"{max(took) * 1e3:.1f}") for kind, took in kinds]
    rows.append(
        (
            f"all (aim: p99 < {AIM_MS} ms)",
            str(len(everything)),
            milliseconds(everything),
            f"{max(everything) * 1e3:.1f}",
        )
    )
    show(title, ("call", "count", "p50 / p99 ms", "worst ms"), rows)


if __name__ == "__main__":
    given = sys.argv[1:]
    main(
        int(given[0]) if given else 200,
        float(given[1]) if len(given) > 1 else 20.0,
        int(given[2]) if len(given) > 2 else 5000,
    )
