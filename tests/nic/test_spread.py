"""Many flows through real interfaces: one CPU before, all of them after, counted in softnet_stat; never a speed."""

import json
import os
import subprocess
import sys
from typing import Any

from tests.nic.namespace import Namespace

CPUS = os.cpu_count() or 1
FRAMES, TRIES = 60_000, 4


def counted(space: Namespace, name: str, send: Any) -> dict[str, Any]:
    """The answer of ``sdnctl nic verify`` for the time in which ``send`` runs."""
    command = [sys.executable, "-m", "sdnctl", "nic", "verify", name, "--seconds", "2.5", "--json"]
    verify = space.spawn(*command, "--data", str(space.data), stderr=subprocess.PIPE)
    assert verify.stderr is not None
    while "counting" not in verify.stderr.readline():
        assert verify.poll() is None
    send()
    out, _ = verify.communicate(timeout=60)
    found: dict[str, Any] = json.loads(out)
    assert verify.returncode == int(found["verdict"] in ("one cpu", "idle"))
    return found


def top_share(report: dict[str, Any]) -> float:
    return float(max(report["packets"]["shares"].values()))


def until(good: Any, measure: Any) -> dict[str, Any]:
    """The first measurement that is good, or the last: the counters are the machine's, and others use it too."""
    for _ in range(TRIES):
        found: dict[str, Any] = measure()
        if good(found):
            break
    return found


def test_a_flood_through_a_veth_is_one_cpu_before_and_all_after(space: Namespace) -> None:
    space.veth("v0", "v1")

    def flood() -> None:
        space.flood("v0", FRAMES, cpu=CPUS - 1)

    before = until(lambda found: top_share(found) > 0.8, lambda: counted(space, "v1", flood))
    assert top_share(before) > 0.8 and sum(before["packets"]["counts"].values()) >= FRAMES / 4
    space.done("apply", "v1")
    after = until(lambda found: found["verdict"] == "even", lambda: counted(space, "v1", flood))
    assert after["verdict"] == "even" and after["packets"]["busyCpus"] == CPUS
    assert after["packets"]["gini"] < before["packets"]["gini"]
    assert top_share(after) < 1 / CPUS + 0.25
    assert sum(after["handed"].values()) > 0, "RPS calls another CPU"


def test_what_a_guest_sends_into_a_tap_is_spread(space: Namespace) -> None:
    guest = space.tap("t0", 4)
    subprocess.run(["taskset", "-pc", "0", str(guest.pid)], check=True, capture_output=True)

    def send() -> None:
        assert guest.stdin is not None and guest.stdout is not None
        guest.stdin.write(f"{FRAMES} 512\n")
        guest.stdin.flush()
        assert guest.stdout.readline() == "sent\n"

    before = until(lambda found: top_share(found) > 0.8, lambda: counted(space, "t0", send))
    assert top_share(before) > 0.8
    space.done("apply", "t0")
    after = until(lambda found: found["verdict"] == "even", lambda: counted(space, "t0", send))
    assert after["verdict"] == "even" and top_share(after) < 1 / CPUS + 0.25


def test_the_chart_has_a_bar_for_each_cpu(space: Namespace) -> None:
    space.veth("v0", "v1")
    done = space.nic("verify", "v1", "--seconds", "0.2")
    lines = done.out.splitlines()
    assert len(lines) == CPUS + 2 and "v1" in lines[-1] and "Gini" in lines[-1], done


def received(space: Namespace, name: str) -> int:
    """The packets that the kernel says an interface has received."""
    return int(space.run("cat", f"/sys/class/net/{name}/statistics/rx_packets").out)


def test_an_interface_without_traffic_is_said_to_have_none(space: Namespace) -> None:
    """However much another one has."""
    space.run("sh", "-c", "echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6")
    space.veth("v0", "v1")
    space.veth("w0", "w1")
    space.done("apply", "w1")
    before = received(space, "w1")
    found = counted(space, "w1", lambda: space.flood("v0", FRAMES, cpu=CPUS - 1))
    assert (found["verdict"], sum(found["packets"]["counts"].values())) == ("idle", 0) and received(
        space, "w1"
    ) == before
    done = space.nic("verify", "w1", "--seconds", "0.2")
    assert done.code == 1 and done.out.splitlines()[-1].startswith("no traffic: w1 received 0 packets in 0.2"), done.out


def test_the_packets_counted_are_the_interfaces_own(space: Namespace) -> None:
    """One by one, those that it sends not among them, while another has ten times as many."""
    space.run("sh", "-c", "echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6")
    space.veth("v0", "v1")
    space.veth("w0", "w1")
    before = received(space, "v1")

    def send() -> None:
        space.flood("v0", FRAMES // 10, cpu=0)
        space.flood("v1", FRAMES // 20, cpu=0)
        space.flood("w0", FRAMES, cpu=CPUS - 1)

    found = counted(space, "v1", send)
    own = received(space, "v1") - before
    assert sum(found["packets"]["counts"].values()) == own > FRAMES // 20


def test_an_interface_that_is_down_has_no_traffic(space: Namespace) -> None:
    space.veth("v0", "v1")
    space.run("ip", "link", "set", "v1", "down")
    done = space.nic("verify", "v1", "--seconds", "0.2")
    assert done.code == 1 and "no traffic: v1 received 0 packets" in done.out
