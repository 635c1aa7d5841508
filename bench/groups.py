"""Benchmark of security groups at scale: the calls that write much of them, from the API to a switch that has it all.

    python -m bench.groups [members]

A private store, the real ``python -m sdnctl.api``, a controller and an ovs-vswitchd with simulated ports.  Calls come
one after the other over one connection.  "Confirmed" is the controller's report that the switch has the last of it.
"""

import http.client
import json
import os
import sys
import time
from collections.abc import Sequence
from typing import Any

from bench.api import GROUP, NAME, QUOTAS, call, fill_keys, program, tenant
from bench.region import Region
from bench.rig import Rig
from bench.table import milliseconds, show
from tests.api.raw import Call

RULES, LARGEST_LIST, HERE = 350, 200, 200
ONE_BY_ONE_S, AT_ONCE_S = 10, 1
EMPTY = {"networkSecurityGroupName": "empty", "vpcId": "vpc-0000000000"}
SETTLED_S = 120.0


class Client:
    """One connection to the API that is kept open."""

    def __init__(self, endpoint: str) -> None:
        self._tenant = tenant(endpoint)
        host, port = endpoint.split(":")
        self._connection = http.client.HTTPConnection(host, int(port), timeout=60)

    def send(self, made: Call) -> Any:
        """The result of a call; RuntimeError when it is refused."""
        signed = made.sign(self._tenant)
        self._connection.request(signed.method, signed.target.decode(), signed.body, signed.headers)
        answer = self._connection.getresponse()
        found = json.loads(answer.read())
        if answer.status != 200:
            raise RuntimeError(f"{made.target!r}: {answer.status} {found}")
        return found["result"]


class Bench:
    """The programs, and the rows that were measured."""

    def __init__(self, rig: Rig, client: Client) -> None:
        self._rig = rig
        self._client = client
        self.rows: list[tuple[str, ...]] = []

    def measure(self, what: str, calls: Sequence[Call], aim: str = "") -> list[Any]:
        """Make the calls one after the other, wait until the switch has it all; their results."""
        took, results, began = [], [], time.monotonic()
        for made in calls:
            at = time.perf_counter()
            results.append(self._client.send(made))
            took.append(time.perf_counter() - at)
        answered, sequence = time.monotonic() - began, self._sequence()
        self._rig.watch.wait(lambda row: row.applied >= sequence, SETTLED_S)
        row = (f"{answered:.2f}", aim, milliseconds(took), f"{time.monotonic() - began:.2f}")
        self.rows.append((what, str(len(calls)), *row))
        return results

    def _sequence(self) -> int:
        """The last transaction, as this process knows of it; the answers' own are in it."""
        time.sleep(0.05)
        return self._rig.store.state.sequence


def rule(number: int, prefix: str = "", kind: str = "CIDR") -> dict[str, Any]:
    """A rule of its own block and port."""
    block, port = prefix or f"100.64.{number // 250}.{number % 250}/32", 1000 + number
    what = {"fromPort": port, "toPort": port, "priority": 1 + number % 100}
    return {"protocol": 6, "direction": 0, "addressPrefix": block, "addressPrefixType": kind, **what}


def add(*rules: dict[str, Any], group: str = GROUP) -> Call:
    """The call that adds rules to a group."""
    path = f"/networkSecurityGroups/{group}:addNetworkSecurityGroupRules"
    return call("POST", path, networkSecurityGroupRuleSpecs=rules)


def remove(ids: Sequence[str]) -> Call:
    """The call that removes rules of the group of all."""
    return call("POST", f"/networkSecurityGroups/{GROUP}:removeNetworkSecurityGroupRules", ruleIds=ids)


def rules_of(results: Sequence[Any]) -> list[str]:
    """The ids of the rules that calls have made."""
    return [made["ruleId"] for result in results for made in result["securityGroupRules"]]


def rules(bench: Bench) -> None:
    """Rules one by one and in one call."""
    made = bench.measure(f"{RULES} rules added, one by one", [add(rule(n)) for n in range(RULES)], f"{ONE_BY_ONE_S}")
    bench.measure("the same removed, in one call", [remove(rules_of(made))])
    whole = add(*(rule(n) for n in range(RULES)))
    made = bench.measure(f"{RULES} rules added, in one call", [whole], f"{AT_ONCE_S}")
    bench.measure("the same removed, one by one", [remove([id]) for id in rules_of(made)])


def members(bench: Bench, count: int) -> None:
    """A group given to all and taken again; what interfaces and groups show of each other."""
    ports = [f"/networkInterfaces/port-{n:010d}" for n in range(count)]
    made = bench.measure("a group made", [call("POST", "/networkSecurityGroups/", **EMPTY)])
    group = made[0]["networkSecurityGroupId"]

    def give(*ids: str) -> list[Call]:
        return [call("PATCH", at, securityGroups=ids) for at in ports]

    bench.measure(f"given to {count} interfaces beside theirs, one by one", give(GROUP, group))
    bench.measure("a rule from it: their addresses become known", [add(rule(0, group, "SECURITYGROUP"))])
    bench.measure("taken from them, one by one", give(GROUP))
    bench.measure(f"{count} interfaces describe their groups, one by one", [call("GET", at) for at in ports])
    pages = [f"/networkInterfaces/?pageSize=100&pageNumber={n + 1}" for n in range(count // 100)]
    bench.measure("the same in pages of 100", [call("GET", page) for page in pages])
    bench.measure("the group describes its members", [call("GET", f"/networkSecurityGroups/{GROUP}")])


def prefix_list(bench: Bench) -> None:
    """A rule that names a list of the largest size, and the list changes."""
    entries = [{"addressPrefix": f"100.65.{n}.0/24"} for n in range(LARGEST_LIST - 1)]
    order = {"prefixListName": "list", "maxNum": LARGEST_LIST, "prefixListEntrys": entries}
    made = bench.measure(f"a prefix list of {LARGEST_LIST - 1} entries made", [call("POST", "/prefixLists/", **order)])
    id = made[0]["prefixListId"]
    bench.measure("a rule that names it", [add(rule(1, id, "PREFIXLIST"))])
    one = [{"addressPrefix": "100.66.0.0/24"}]
    path = f"/prefixLists/{id}"
    made = bench.measure("one entry added", [call("POST", f"{path}:addPrefixListEntrys", prefixListEntrys=one)])
    ids = [entry["prefixListEntryId"] for entry in made[0]["prefixListEntrys"]]
    bench.measure("one removed", [call("POST", f"{path}:removePrefixListEntrys", prefixListEntryIds=ids)])


def main(count: int) -> None:
    """Measure and print."""
    with Rig(Region(ports=count, here=min(HERE, count), eips=0)) as rig:
        rig.region.fill(rig.store.transact)
        fill_keys(rig.store, QUOTAS | dict.fromkeys(("security_group", "prefixList"), "1000"))
        rig.plug_region()
        rig.controller()
        rig.watch.wait(lambda row: row.applied >= rig.store.state.sequence, SETTLED_S)
        serve = [sys.executable, "-m", "sdnctl.api", "--store", rig.server.remote]
        with program([*serve, "--data", str(rig.data), "--region", NAME], rig.data, "api") as api:
            assert api.stdout is not None
            bench = Bench(rig, Client(json.loads(api.stdout.readline())["endpoint"]))
            rules(bench)
            members(bench, count)
            prefix_list(bench)
    head = ("what", "calls", "all answered s", "aim s", "a call, p50 / p99 ms", "confirmed s")
    show(f"Security groups, {count} interfaces, {min(HERE, count)} here", head, bench.rows)
    print(f"\nload average {os.getloadavg()[0]:.2f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
