"""A customer of the region, acting only through the public API with the vendor's own SDK."""

import importlib
import time
from typing import Any

from jdcloud_sdk.core.config import Config
from jdcloud_sdk.core.credential import Credential
from jdcloud_sdk.core.jdcloudrequest import JDCloudRequest
from jdcloud_sdk.core.logger import FATAL, Logger


class ApiError(Exception):
    """The API refused: `code` and `status` as it said them."""

    def __init__(self, operation: str, code: int, status: str, message: str) -> None:
        super().__init__(f"{operation}: {code} {status}: {message}")
        self.code = code
        self.status = status


_NATGW = "/regions/{regionId}/natGateways/{natGatewayId}"
_RULES = [f"{verb}{kind}Rules" for verb in ("add", "modify", "remove") for kind in ("Snat", "Dnat")]
HAVIPS = "/regions/{regionId}/haVips/"
BESIDE = {
    "createFlowTrace": ("POST", "/regions/{regionId}/flowTraces"),
    "setElasticIpStatus": ("POST", f"{_NATGW}:setElasticIpStatus"),
    "describeSnatRules": ("GET", f"{_NATGW}/snatRules"),
    "describeDnatRules": ("GET", f"{_NATGW}/dnatRules"),
    **{name: ("POST", f"{_NATGW}:{name}") for name in _RULES},
    "createHaVip": ("POST", HAVIPS),
    "describeHaVips": ("GET", HAVIPS),
    "describeHaVipEvents": ("GET", "/regions/{regionId}/haVipEvents/"),
    **{
        f"{verb}HaVip": (method, f"{HAVIPS}{{haVipId}}")
        for verb, method in (("describe", "GET"), ("modify", "PATCH"), ("delete", "DELETE"))
    },
    **{
        action: ("POST", f"{HAVIPS}{{haVipId}}:{action}")
        for action in ("associateHaVipResources", "disassociateHaVipResources", "setHaVipMaster")
    },
}
"""Operations that the vendor's SDK does not have, by name: method and path."""


def request_of(service: str, operation: str, parameters: dict[str, Any]) -> JDCloudRequest:
    """The request of an operation: the SDK's, or ours where it has none."""
    if operation in BESIDE:
        method, path = BESIDE[operation]
        made = JDCloudRequest(path, method, None, "v1")
        made.parameters = parameters
        return made
    name = f"{operation[0].upper()}{operation[1:]}Request"
    return getattr(importlib.import_module(f"jdcloud_sdk.services.{service}.apis.{name}"), name)(parameters)


class Tenant:
    """One account: its keys, and every operation of the SDK as a call that raises ApiError when refused."""

    def __init__(self, name: str, endpoint: str, region: str, access_key: str, secret_key: str) -> None:
        self.name = name
        self.region = region
        self.keys = {"SDNCTL_ACCESS_KEY": access_key, "SDNCTL_SECRET_KEY": secret_key}
        """The environment that makes the command line act for this account."""
        self._credential = Credential(access_key, secret_key)
        self._config = Config(endpoint, "http", 15)
        self._clients: dict[str, Any] = {}

    def _client(self, service: str) -> Any:
        if service not in self._clients:
            name = f"{service.capitalize()}Client"
            module = importlib.import_module(f"jdcloud_sdk.services.{service}.client.{name}")
            self._clients[service] = getattr(module, name)(self._credential, self._config, Logger(FATAL))
        return self._clients[service]

    def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        """Send one operation, `call("vpc", "createVpc", vpcName="a")`, and return its result."""
        request = request_of(service, operation, {"regionId": self.region, **parameters})
        response = self._client(service).send(request)
        if response.error is not None:
            raise ApiError(operation, response.error.code, response.error.status, response.error.message)
        return response.result or {}

    def vpc(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """An operation of the vpc service."""
        return self.call("vpc", operation, **parameters)

    def vm(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """An operation of the vm service."""
        return self.call("vm", operation, **parameters)

    def instance_type(self) -> str:
        """An instance type with room for several network interfaces."""
        types = self.vm("describeInstanceTypes")["instanceTypes"]
        return str(max(types, key=lambda one: one.get("nicLimit") or 0)["instanceType"])

    def trace(self, sender: str, to: str, **more: Any) -> dict[str, Any]:
        """createFlowTrace: what would become of a packet."""
        return dict(self.vpc("createFlowTrace", **{"from": sender, "to": to, **more})["flowTrace"])

    def network_interface(self, identity: str) -> dict[str, Any]:
        """describeNetworkInterface."""
        return dict(self.vpc("describeNetworkInterface", networkInterfaceId=identity)["networkInterface"])

    def primary_interface(self, instance: str) -> dict[str, Any]:
        """The primary network interface of an instance, as the vpc service describes it."""
        found = self.vm("describeInstance", instanceId=instance)["instance"]["primaryNetworkInterface"]
        return self.network_interface(found["networkInterface"]["networkInterfaceId"])

    def elastic_ip(self, identity: str) -> dict[str, Any]:
        """describeElasticIp."""
        return dict(self.vpc("describeElasticIp", elasticIpId=identity)["elasticIp"])

    def new_elastic_ip(self, mbps: int) -> dict[str, Any]:
        """Buy one public address with `mbps` of outbound bandwidth."""
        spec = {"bandwidthMbps": mbps, "provider": "bgp"}
        made = self.vpc("createElasticIps", maxCount=1, elasticIpSpec=spec)
        return self.elastic_ip(made["elasticIpIds"][0])

    def bind(self, elastic_ip: str, interface: str, private: str = "", patience: float = 15.0) -> float:
        """Bind a public address to an interface and wait for UP; seconds from the call to UP."""
        started = time.monotonic()
        extra = {"privateIpAddress": private} if private else {}
        self.vpc("associateElasticIp", networkInterfaceId=interface, elasticIpId=elastic_ip, **extra)
        self.wait_up(elastic_ip, patience)
        return time.monotonic() - started

    def move(self, elastic_ip: str, interface: str, patience: float = 15.0) -> float:
        """Move a public address to an interface in one call and wait for UP; seconds from the call to UP."""
        started = time.monotonic()
        self.vpc("associateElasticIp", networkInterfaceId=interface, elasticIpId=elastic_ip, reassociate=True)
        self.wait_up(elastic_ip, patience)
        return time.monotonic() - started

    def unbind(self, elastic_ip: str, interface: str) -> None:
        """Take a public address off an interface."""
        self.vpc("disassociateElasticIp", networkInterfaceId=interface, elasticIpId=elastic_ip)

    def set_bandwidth(self, elastic_ip: str, mbps: int, patience: float = 15.0) -> float:
        """Change the bandwidth and wait for UP; the moment of UP (time.monotonic)."""
        self.vpc("modifyElasticIp", elasticIpId=elastic_ip, bandwidthMbps=mbps)
        return self.wait_up(elastic_ip, patience)

    def wait_up(self, elastic_ip: str, patience: float = 15.0) -> float:
        """Wait until the switch has confirmed (`state` UP); that moment (time.monotonic)."""
        end = time.monotonic() + patience
        while (state := self.elastic_ip(elastic_ip)["state"]) != "UP":
            if time.monotonic() > end:
                raise TimeoutError(f"{elastic_ip} is still {state} after {patience} s")
            time.sleep(0.01)
        return time.monotonic()
