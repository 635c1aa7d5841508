"""A machine that asks by DHCP gets its address and everything it needs, and keeps it."""

import re
import time
from collections.abc import Iterator

import pytest

from topologies import frames, scenarios
from topologies.cloud import Cloud
from topologies.process import wait_until


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with Cloud() as made:
        yield made.build(scenarios.routing(), configure=False)


@pytest.mark.parametrize(
    ("name", "address", "mask", "router", "server"),
    [
        ("vm-a", "10.0.0.10", "255.255.255.0", "10.0.0.1", "10.0.0.2"),
        ("vm-c", "10.0.1.10", "255.255.255.0", "10.0.1.1", "10.0.1.2"),
        ("vm-d", "10.0.143.254", "255.255.240.0", "10.0.128.1", "10.0.128.2"),
    ],
)
def test_a_real_client_is_configured(
    cloud: Cloud, name: str, address: str, mask: str, router: str, server: str
) -> None:
    guest = cloud.guests[name]
    started = time.monotonic()
    told = guest.dhcp()
    print(f"dhclient bound after {time.monotonic() - started:.2f} s: {told}")
    assert told["new_ip_address"] == address
    assert told["new_subnet_mask"] == mask
    assert told["new_routers"] == router
    assert told["new_dhcp_server_identifier"] == server
    assert int(told["new_dhcp_lease_time"]) >= 600
    assert re.fullmatch(r"[\d.]+( [\d.]+)*", told["new_domain_name_servers"])
    mtu = int(told["new_interface_mtu"])
    assert 1400 <= mtu <= 1500
    # What it was told is true: the router answers, and the largest packet passes.
    assert guest.ping(router, count=3) == 3
    assert f"mtu {mtu}" in guest.run("ip", "link", "show", "eth0")
    assert guest.ping(router, "-M", "do", "-s", str(mtu - 28), count=2) == 2


def test_machines_configured_by_dhcp_reach_each_other(cloud: Cloud) -> None:
    assert cloud.guests["vm-a"].dhcp_told("BOUND")
    cloud.guests["vm-b"].dhcp()
    for target in ("10.0.0.10", "10.0.1.10", "10.0.143.254"):
        assert cloud.guests["vm-b"].ping(target, count=3) == 3


def test_a_lease_is_renewed_and_the_address_stays(cloud: Cloud) -> None:
    guest = cloud.guests["vm-b"]
    guest.stop_dhcp()
    guest.dhcp(lease=4)
    assert wait_until(lambda: guest.dhcp_told("RENEW"), 8, 0.1)
    told = guest.dhcp_told("RENEW")
    assert told["new_ip_address"] == told["old_ip_address"] == "10.0.0.11"
    guest.stop_dhcp()


def test_a_client_that_remembers_another_network_is_told_no(cloud: Cloud) -> None:
    """INIT-REBOOT with a foreign address: DHCPNAK, then the right one (RFC 2131, 4.3.2)."""
    guest = cloud.guests["vm-c"]
    guest.stop_dhcp()
    leases = guest.lease_file()
    text = leases.read_text().replace("10.0.1.10", "10.0.0.77")
    leases.write_text(text)
    told = guest.dhcp()
    assert told["new_ip_address"] == "10.0.1.10"
    assert guest.ping("10.0.1.1", count=2) == 2


def test_dhcp_is_heard_by_the_switch_alone(cloud: Cloud) -> None:
    """Neither the questions nor the answers of one client reach another machine."""
    with cloud.guests["vm-a"].sniff() as same, cloud.guests["vm-d"].sniff() as other:
        cloud.guests["vm-b"].stop_dhcp()
        assert cloud.guests["vm-b"].dhcp()["new_ip_address"] == "10.0.0.11"
        for wire in (same, other):
            assert not wire.received(lambda one: (p := frames.ip(one)) is not None and p.proto == 17)


def test_a_real_client_is_told_the_domain_names_of_its_subnet(cloud: Cloud) -> None:
    """The first is its own, all are where it searches (options 15 and 119); many of them, which no longer fit into one
    field of the message, too."""
    guest, owner = cloud.guests["vm-c"], cloud.owners["vm-c"]
    subnet = cloud.interfaces["vm-c", 0]["subnetId"]
    many = [f"department-{number}.example" for number in range(11)]
    for names in (["shop.example", "corp.example"], many):
        owner.vpc("modifySubnet", subnetId=subnet, domainNames=names)
        found: dict[str, str] = {}

        def told(found: dict[str, str] = found, names: list[str] = names) -> bool:
            guest.stop_dhcp()
            found |= guest.dhcp()
            return found.get("new_domain_name") == names[0]

        assert wait_until(told, 15, 0.2), found
        assert found["new_domain_search"].replace(". ", " ").removesuffix(".") == " ".join(names)
        assert found["new_ip_address"] == "10.0.1.10"
