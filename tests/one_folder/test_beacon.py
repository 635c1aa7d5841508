"""One folder is a feature: everything that a feature can be, added by the environment and edited into nothing.

Real packets over a region started with ``SDNCTL_FEATURES=tests.one_folder``; docs/add-a-feature.md is the tour.
"""

import os
import re
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from topologies import scenarios
from topologies.cloud import Cloud
from topologies.process import wait_until
from topologies.station import CommandError, Station

ROOT = Path(__file__).parents[2]
PACKAGE = "tests.one_folder"
LIGHT, ECHO = "10.0.0.50", 7
SETTLED_S = 7.0
"""Until what was sent before is counted: the controller reads the switch every 5 s, which lags behind by 0.5 s."""
ASK = """
import socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
    line.settimeout(2)
    line.connect((sys.argv[1], int(sys.argv[2])))
    line.send(sys.argv[3].encode())
    try:
        print(line.recv(2000).decode())
    except OSError:
        pass
"""


@pytest.fixture(scope="module", autouse=True)
def environment() -> Iterator[None]:
    """Every program that a test starts has the feature."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SDNCTL_FEATURES", PACKAGE)
        yield


@pytest.fixture(scope="module")
def cloud(environment: None) -> Iterator[Cloud]:
    with Cloud() as made:
        made.build(scenarios.routing())
        yield made


@pytest.fixture(scope="module")
def tenant(cloud: Cloud) -> dict[str, str]:
    """The keys of the account that owns everything."""
    return next(iter(cloud.tenants.values())).keys


def cli(cloud: Cloud, keys: dict[str, str], *args: str) -> Any:
    """A command of the tenant's; its JSON."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in keys.items():
            patch.setenv(name, value)
        return cloud.cli(*args)


@pytest.fixture(scope="module")
def beacon(cloud: Cloud, tenant: dict[str, str]) -> dict[str, Any]:
    """A beacon in the first subnet, as the API shows it."""
    cli(cloud, tenant, "beacon", "create", "light", "--subnet", "front", "--address", LIGHT, "--wait")
    (shown,) = cli(cloud, tenant, "beacon", "list")["beacons"]
    return dict(shown)


def asked(station: Station, address: str, text: str, port: int = ECHO) -> str:
    """The echo of a text, "" when there is none within two seconds; asked again while ARP is not answered yet."""
    for _ in range(3):
        done = station.run(sys.executable, "-c", ASK, address, str(port), text, check=False)
        if done.strip():
            return str(done.strip())
    return ""


def test_it_is_named_nowhere_else() -> None:
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    code = [ROOT / name for name in files if name.startswith(("sdnctl/", "apps/", "tests/", "topologies/"))]
    others = [path for path in code if "one_folder" not in path.parts and path.suffix == ".py" and path.exists()]
    assert [str(path) for path in others if re.search(r"beacon", path.read_text(), re.IGNORECASE)] == []


def test_an_own_table_register_question_and_managed_interface(cloud: Cloud, beacon: dict[str, Any]) -> None:
    assert beacon["address"] == LIGHT
    assert asked(cloud.guests["vm-a"], LIGHT, "from its subnet") == "from its subnet"
    assert asked(cloud.guests["vm-c"], LIGHT, "through the router") == "through the router"


def test_the_interface_is_its_owners(cloud: Cloud, tenant: dict[str, str], beacon: dict[str, Any]) -> None:
    port = beacon["networkInterfaceId"]
    shown = cli(cloud, tenant, "eni", "get", port)["networkInterface"]
    assert (shown["role"], shown["instanceType"], shown["instanceId"]) == ("Managed", "beacon", beacon["beaconId"])
    with pytest.raises(CommandError, match="is managed by beacon"):
        cli(cloud, tenant, "eni", "delete", port)


def test_a_next_hop(cloud: Cloud, tenant: dict[str, str], beacon: dict[str, Any]) -> None:
    (table,) = [t for t in cli(cloud, tenant, "route-table", "list")["routeTables"] if t["routeTableType"] == "default"]
    id = table["routeTableId"]
    cli(cloud, tenant, "route-table", "add-rule", id, "172.31.0.0/16", "--via", "beacon:light", "--wait")
    assert asked(cloud.guests["vm-b"], "172.31.9.9", "wherever it is for") == "wherever it is for"
    with pytest.raises(CommandError, match="is the next hop of"):
        cli(cloud, tenant, "beacon", "delete", "light")
    cli(cloud, tenant, "route-table", "remove-rule", id, "172.31.0.0/16")


def test_a_target_of_elastic_ips(cloud: Cloud, tenant: dict[str, str], beacon: dict[str, Any]) -> None:
    owner = next(iter(cloud.tenants.values()))
    bought = owner.new_elastic_ip(10)
    owner.bind(bought["elasticIpId"], beacon["networkInterfaceId"])
    public = owner.elastic_ip(bought["elasticIpId"])["elasticIpAddress"]
    assert asked(cloud.internet.server, public, "from outside") == "from outside"
    second = owner.new_elastic_ip(10)
    with pytest.raises(CommandError, match="has an elastic IP"):
        cli(cloud, tenant, "eip", "bind", second["elasticIpId"], "beacon:light")
    cli(cloud, tenant, "eip", "unbind", bought["elasticIpId"])


def test_words_for_a_trace_and_a_counted_reason(cloud: Cloud, tenant: dict[str, str], beacon: dict[str, Any]) -> None:
    port = cloud.interfaces["vm-b", 0]["networkInterfaceId"]
    told = cloud.cli("trace", "--from", port, "--to", LIGHT, "--proto", "udp", "--dport", "9")
    assert "does not answer UDP port 9 (beacon-silent)" in told["verdict"]
    assert f"for beacon {beacon['beaconId']}" in [step["says"] for step in told["steps"]]
    assert asked(cloud.guests["vm-a"], LIGHT, "nothing", port=9) == ""
    assert wait_until(lambda: "beacon-silent" in cloud.cli("status")["drops"], 15, 0.5)


def test_a_meter_that_counts(cloud: Cloud, beacon: dict[str, Any]) -> None:
    def carried() -> bool:
        return f'sdnctl_beacon_packets_total{{beacon="{beacon["beaconId"]}",direction="in"}}' in figures(cloud)

    assert wait_until(carried, 15, 0.5), figures(cloud)


def test_a_flow_that_counts(cloud: Cloud, tenant: dict[str, str], beacon: dict[str, Any]) -> None:
    """Exactly as many packets as are sent to the beacon, for Prometheus and for ``sdnctl watch``."""
    labels = f'{{beacon="{beacon["beaconId"]}",direction="seen"}}'

    def seen() -> int:
        found = re.search(re.escape(f"sdnctl_beacon_packets_total{labels}") + r" (\d+)", figures(cloud))
        return int(found[1]) if found is not None else -1

    assert asked(cloud.guests["vm-a"], LIGHT, "known now") == "known now"
    time.sleep(SETTLED_S)
    before = seen()
    for number in range(7):
        assert cloud.guests["vm-a"].run(sys.executable, "-c", ASK, LIGHT, str(ECHO), str(number)).strip() == str(number)
    assert wait_until(lambda: seen() == before + 7, 15, 0.5), (before, seen())
    (row,) = cli(cloud, tenant, "watch", "--once", "--json")["beacons"]
    assert row["seenBits"] > 7 * 8 * 42 and row["inBits"] > 0


def figures(cloud: Cloud) -> str:
    """The controller's figures for Prometheus."""
    import json
    from urllib.request import urlopen

    address = json.loads((cloud.service.data / "metrics.json").read_text())["controller"]
    with urlopen(f"http://{address}/metrics", timeout=5) as answer:
        return str(answer.read().decode())


def test_services_of_host_and_region(cloud: Cloud, beacon: dict[str, Any]) -> None:
    def told() -> dict[str, tuple[str, str]]:
        return {one["service"]: (one["state"], one["says"]) for one in cloud.cli("services", "list")["services"]}

    wanted = {"beacon.watch": ("running", "sees 1 beacons"), "beacon.census": ("running", "counts 1 beacons")}
    assert wait_until(lambda: wanted.items() <= told().items(), 30, 0.5), told()


def test_a_section_of_the_intent_file(cloud: Cloud, tenant: dict[str, str], tmp_path: Path) -> None:
    """Made in the order of its references, exported, applied again without a change, and pruned."""
    file = tmp_path / "intent.yaml"
    file.write_text(
        textwrap.dedent("""
        vpcs:
          harbour:
            cidr: 10.9.0.0/16
            beacons:
              pier: {subnet: quay, rate: 50}
            subnets:
              quay: {cidr: 10.9.1.0/24}
        """)
    )
    done = cli(cloud, tenant, "apply", "-f", str(file), "--yes")
    assert {(one["action"], one["kind"]) for one in done["changes"]} == {
        ("create", "vpc"),
        ("create", "subnet"),
        ("create", "beacon"),
    }
    assert cli(cloud, tenant, "apply", "-f", str(file), "--yes")["changes"] == []
    assert cli(cloud, tenant, "export")["vpcs"]["harbour"]["beacons"]["pier"]["rate"] == 50
    file.write_text("vpcs:\n  harbour:\n    cidr: 10.9.0.0/16\n    beacons: {}\n")
    pruned = cli(cloud, tenant, "apply", "-f", str(file), "--yes", "--prune")
    assert ("delete", "beacon") in [(one["action"], one["kind"]) for one in pruned["changes"]]


@pytest.mark.timeout(900)
def test_the_feature_is_whole_without_the_rest_knowing() -> None:
    """Any order, isolation and reference run over its folder's network, and over random ones with beacons.

    The random networks of the reference are fewer: a thousand are drawn without the folder anyway.
    """
    suites = ["tests/test_any_order.py", "tests/test_isolation.py", "tests/test_reference.py"]
    chosen = ["-k", "beacons or switch_and_reference_agree"]
    argv = [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", *chosen, *suites]
    env = os.environ | {"SDNCTL_FEATURES": PACKAGE, "SDNCTL_NETWORKS_DRAWN": "300"}
    done = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.count("[beacons] PASSED") > len(suites), done.stdout[-3000:]
