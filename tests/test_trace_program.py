"""A trace asked by command line and by the real SDK, of a whole region; and the figures and logs that it leaves."""

import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from jdcloud_sdk.core.config import Config
from jdcloud_sdk.core.credential import Credential
from jdcloud_sdk.core.jdcloudrequest import JDCloudRequest
from jdcloud_sdk.core.logger import FATAL, Logger
from jdcloud_sdk.services.vpc.client.VpcClient import VpcClient

from sdnctl.testing.ovs import DummySwitch
from tests.api.region import Refused, call
from tests.waiting import eventually
from topologies.service import Service

REGION = "cn-test-1"


class CreateFlowTraceRequest(JDCloudRequest):  # type: ignore[misc]
    def __init__(self, parameters: dict[str, Any]) -> None:
        super().__init__("/regions/{regionId}/flowTraces", "POST", None, "v1")
        self.parameters = parameters


class Tenant:
    """An account's calls through the SDK."""

    def __init__(self, endpoint: str, keys: dict[str, str]) -> None:
        credential = Credential(keys["accessKey"], keys["secretKey"])
        self.client = VpcClient(credential, Config(endpoint, "http", 10), Logger(FATAL))

    def vpc(self, name: str, **parameters: Any) -> dict[str, Any]:
        return call(self.client, "vpc", name, {"regionId": REGION, **parameters})

    def trace(self, sender: str, to: str, **more: Any) -> dict[str, Any]:
        answer = self.client.send(CreateFlowTraceRequest({"regionId": REGION, "from": sender, "to": to, **more}))
        if answer.error is not None:
            raise Refused(answer.error.code, answer.error.status, answer.error.message)
        told: dict[str, Any] = answer.result["flowTrace"]
        return told


class Site:
    """A region with two tenants, each with a port and an elastic IP."""

    def __init__(self, service: Service, switch: DummySwitch) -> None:
        self.service, self.switch = service, switch
        switch.vsctl("set", "open_vswitch", ".", "external_ids:sdnctl-uplink=up0")
        switch.add_port("up0", 9)
        service.cli("pool", "add", "--cidr", "203.0.113.0/24", "--gateway", "203.0.113.1")
        self.tenants, self.ports, self.addresses = [], list[str](), list[str]()
        for number, name in enumerate(("one", "two"), 1):
            tenant = Tenant(service.endpoint, service.cli("account", "create", name))
            vpc = tenant.vpc("createVpc", vpcName=name, addressPrefix="10.0.0.0/16")["vpcId"]
            subnet = tenant.vpc("createSubnet", vpcId=vpc, subnetName=name, addressPrefix="10.0.1.0/24")["subnetId"]
            port = tenant.vpc("createNetworkInterface", subnetId=subnet)["networkInterfaceId"]
            spec = {"bandwidthMbps": 5, "provider": "bgp"}
            eip = tenant.vpc("createElasticIps", maxCount=1, elasticIpSpec=spec)["elasticIpIds"][0]
            tenant.vpc("associateElasticIp", networkInterfaceId=port, elasticIpId=eip)
            switch.add_port(f"tap{number}", number)
            switch.vsctl("set", "interface", f"tap{number}", f"external_ids:iface-id={port}")
            shown = tenant.vpc("describeElasticIp", elasticIpId=eip)["elasticIp"]
            self.tenants.append(tenant)
            self.ports.append(port)
            self.addresses.append(shown["elasticIpAddress"])
        eventually(self.settled, 30)

    def settled(self) -> bool:
        status = self.service.cli("status")
        return bool(status["hosts"]) and all(h["lag"] == 0 and h["ports"] == 2 for h in status["hosts"])

    def scrape(self, url: str, token: str = "") -> str:
        wanted = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(wanted, timeout=5) as answer:
            return str(answer.read().decode())

    def controller(self) -> str:
        where = json.loads((self.service.data / "metrics.json").read_text())["controller"]
        return self.scrape(f"http://{where}/metrics")


def value(text: str, name: str) -> float:
    """One figure of a scrape, labels included in the name; 0 when it is not there."""
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with DummySwitch() as switch:
        service = Service(tmp_path_factory.mktemp("region"), switch.rundir / "db.sock", region=REGION)
        service.up()
        try:
            yield Site(service, switch)
        finally:
            service.down()


def test_the_command_tells_the_operator_everything(site: Site) -> None:
    told = site.service.cli("trace", "--from", site.ports[0], "--to", "10.0.1.99")
    assert told["outcome"] == "dropped" and told["reason"] == "no-such-address"
    assert re.fullmatch(r"dropped: nobody in vpc-\w+ has 10\.0\.1\.99 \(no-such-address\)", told["verdict"])
    shown = site.service.cli("trace", "--from", site.ports[0], "--to", "10.0.1.1", json_output=False)
    assert f"from {site.ports[0]} on " in shown
    assert "ping answered by 10.0.1.1, router of subnet-" in shown
    across = site.service.cli(
        "trace", "--from", "internet", "--to", site.addresses[1], "--proto", "tcp", "--dport", "80"
    )
    assert across["verdict"].startswith(f"delivered to {site.ports[1]} on host ")


def test_a_tenant_asks_with_the_sdk_and_hears_nothing_of_others(site: Site) -> None:
    one = site.tenants[0]
    assert one.trace(site.ports[0], "10.0.1.1")["outcome"] == "answered"
    across = one.trace(site.ports[0], site.addresses[1], protocol="tcp", destinationPort=22)
    assert across["verdict"].startswith(("out to the public", "delivered to another account's", "dropped: this host"))
    assert site.ports[1] not in json.dumps(across)
    assert across["host"] == ""
    for foreign, to in ((site.ports[1], "10.0.1.1"), ("port-unknown", "10.0.1.1"), ("internet", site.addresses[1])):
        with pytest.raises(Refused) as refusal:
            one.trace(foreign, to)
        assert refusal.value.code == 404


def test_a_trace_sends_no_packet(site: Site) -> None:
    before = site.switch.sent("tap1")
    site.service.cli("trace", "--from", site.ports[0], "--to", "10.0.1.1")
    assert site.switch.sent("tap1") == before


def test_the_api_counts_its_calls_and_commits(site: Site) -> None:
    endpoint = f"http://{site.service.endpoint}/metrics"
    with pytest.raises(urllib.error.HTTPError, match="401"):
        site.scrape(endpoint)
    figures = site.scrape(endpoint, (site.service.data / "operator.token").read_text().strip())
    assert value(figures, 'sdnctl_api_request_seconds_count{operation="vpc.createVpc",status="200"}') == 2
    assert value(figures, 'sdnctl_api_commits_total{operation="vpc.createVpc"}') == 2
    assert value(figures, 'sdnctl_api_commits_total{operation="vpc.describeVpc"}') == 0


def test_the_controller_counts_what_the_switch_does(site: Site) -> None:
    mac = site.tenants[0].vpc("describeNetworkInterface", networkInterfaceId=site.ports[0])["networkInterface"]
    source = bytes.fromhex(mac["macAddress"].replace(":", ""))
    for _ in range(3):  # IPv6 is not supported, and is no spoofing
        site.switch.receive("tap1", bytes.fromhex("333300000001") + source + bytes.fromhex("86dd60") + bytes(59))
    figures = site.controller()
    assert value(figures, "sdnctl_controller_up") == 1
    assert value(figures, "sdnctl_flows") == value(figures, "sdnctl_flows_desired") > 0
    assert value(figures, "sdnctl_units_run_total") > 0
    assert value(figures, "sdnctl_bundle_errors_total") == 0
    assert value(figures, "sdnctl_commit_to_switch_seconds_count") > 0
    eventually(lambda: value(site.controller(), 'sdnctl_drops_total{reason="unsupported"}') == 3, 10)
    assert re.search(r'^sdnctl_eip_bits_total\{direction="out",eip="fip-\w+"\} ', site.controller(), re.MULTILINE)
    eventually(lambda: site.service.cli("status")["hosts"][0]["drops"].get("unsupported") == 3, 15)


def test_a_call_can_be_followed_to_the_switch(site: Site) -> None:
    lines = [json.loads(line) for line in (site.service.data / "api.log").read_text().splitlines() if line[:1] == "{"]
    calls = [line for line in lines if line.get("operation") == "vpc.createVpc"]
    assert len(calls) == 2
    assert all(re.fullmatch("[0-9a-f]{32}", line["request"]) and line["sequence"] > 0 for line in calls)
    told = [json.loads(line) for line in (site.service.data / "controller.log").read_text().splitlines()]
    assert {"host", "sequence", "event", "level", "timestamp"} <= next(t for t in told if t["event"] == "loaded").keys()
