"""The keys of an intent file, declared once: how each is read, what the API calls it, and whether it can change.

The same declaration checks a file, reads the region, tells the difference and writes an export.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sdnctl.cli.intent import reading
from sdnctl.cli.intent.reading import ANY, Reader
from sdnctl.cli.kinds import EIP, ENI, INSTANCE, ROUTE_TABLE, SUBNET, VPC, Kind

if TYPE_CHECKING:
    from sdnctl.cli.intent.live import Live

Json = dict[str, Any]
Path = tuple[str, ...]
Show = Callable[["Live", Json], Any]
GENERATED_MAC = "fa:16:3e"


def always(value: Any) -> bool:
    """It may become anything."""
    return True


def never(value: Any) -> bool:
    """It stays what it was made with."""
    return False


@dataclass(frozen=True, slots=True)
class Key:
    """One key: ``wire`` is the parameter of the API's calls ("" when a step of its own deals with it)."""

    name: str
    read: Reader
    show: Show
    wire: str = ""
    may_become: Callable[[Any], bool] = always
    default: Any = None  # a value that an export leaves out
    required: bool = False
    ordered: bool = False
    send: Callable[[Any], Any] = lambda value: list(value) if isinstance(value, tuple) else value

    def same(self, wanted: Any, found: Any) -> bool:
        """Whether two values mean the same."""
        if isinstance(wanted, tuple) and not self.ordered:
            return sorted(wanted) == sorted(found)
        return bool(wanted == found)


@dataclass(frozen=True, slots=True)
class Part:
    """A kind of resource in the file: its section's name and its keys."""

    kind: Kind
    section: str
    keys: dict[str, Key]
    parts: tuple["Part", ...] = ()


@dataclass(slots=True)
class Item:
    """A resource: as a file wants it (what the file says, and where) or as it is (everything, with its id)."""

    part: Part
    path: Path
    values: dict[str, Any] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)  # key -> line; "" is its own
    sections: frozenset[str] = frozenset()  # which sections it has, even empty ones
    id: str = ""
    shown: Json = field(default_factory=dict)

    @property
    def command(self) -> str:
        """The command of its kind: the first half of how it is known."""
        return self.part.kind.command

    @property
    def name(self) -> str:
        """How it is called: ``VPC/NAME`` inside a VPC."""
        return "/".join(self.path)

    def line(self, key: str = "") -> int:
        """Where the file says this key, else where it starts."""
        return self.lines.get(key) or self.lines.get("", 0)


def plain(wire: str) -> Show:
    """What the API shows under the same key."""
    return lambda live, shown: shown[wire]


def listed(wire: str) -> Show:
    """A list that the API shows."""
    return lambda live, shown: tuple(shown[wire])


def _tags(live: "Live", shown: Json) -> Any:
    return tuple(sorted((tag["key"], tag["value"]) for tag in shown["tags"]))


def _send_tags(value: Any) -> Any:
    return [{"key": key, "value": text} for key, text in value]


def _keys(*keys: Key) -> dict[str, Key]:
    return {key.name: key for key in keys}


def _described(may_become: Callable[[Any], bool] = always) -> tuple[Key, Key]:
    return (
        Key("description", reading.text, plain("description"), "description", may_become, default=""),
        Key("tags", reading.pairs, _tags, "userTags", never, default=(), send=_send_tags),
    )


def _nic(show: Callable[[Show], Show]) -> tuple[Key, ...]:
    """The keys that a network interface has, and an instance for its primary one."""

    def addresses(live: "Live", shown: Json) -> Any:
        return tuple(one["privateIpAddress"] for one in shown["secondaryIps"])

    def own_mac(live: "Live", shown: Json) -> Any:
        return None if shown["macAddress"].startswith(GENERATED_MAC) else shown["macAddress"]

    def subnet(live: "Live", shown: Json) -> Any:
        return live.label(SUBNET, shown["subnetId"])

    def primary(live: "Live", shown: Json) -> Any:
        return shown["primaryIp"]["privateIpAddress"]

    def checked(live: "Live", shown: Json) -> Any:
        return bool(shown["sanityCheck"])

    address, names = reading.several(reading.address), reading.several(reading.text)
    groups = listed("networkSecurityGroupIds")
    return (
        Key("subnet", reading.text, show(subnet), "", never, required=True),
        Key("address", reading.address, show(primary), "primaryIpAddress", never),
        Key("secondary", address, show(addresses), "secondaryIpAddresses", default=()),
        Key("source-check", reading.flag, show(checked), "sanityCheck", default=True, send=int),
        Key("security-groups", names, show(groups), "securityGroups", default=(), ordered=True),
        Key("mac", reading.mac, show(own_mac), "macAddress"),
    )


def _of_primary(show: Show) -> Show:
    return lambda live, shown: show(live, live.primary(shown))


def _cidr(live: "Live", shown: Json) -> Any:
    return shown["addressPrefix"] or ANY


def _table(live: "Live", shown: Json) -> Any:
    return live.label(ROUTE_TABLE, shown["routeTableId"])


def _rules(live: "Live", shown: Json) -> Any:
    def order(rule: reading.Rule) -> Any:  # the API's own, but for equal rules, which it orders by their ids
        return -int(rule.to.rpartition("/")[2]), rule.priority, rule

    return tuple(sorted((rule for _, rule in live.rules(shown)), key=order))


def _attached(live: "Live", shown: Json) -> Any:
    ids = [one["networkInterface"]["networkInterfaceId"] for one in shown["secondaryNetworkInterfaces"]]
    return tuple(live.label(ENI, id) for id in ids)


def _charge(live: "Live", shown: Json) -> Any:
    return shown["charge"]["chargeMode"]


SUBNETS = Part(
    SUBNET,
    "subnets",
    _keys(
        Key("cidr", reading.cidr, plain("addressPrefix"), "addressPrefix", never, required=True),
        Key("route-table", reading.text, _table),
        Key(
            "dns", reading.several(reading.address), listed("domainNameServers"), "domainNameServers", default=(),
            ordered=True,
        ),
        Key("domains", reading.several(reading.text), listed("domainNames"), "domainNames", default=(), ordered=True),
        *_described(),
    ),
)  # fmt: skip
ROUTE_TABLES = Part(
    ROUTE_TABLE,
    "route-tables",
    _keys(Key("rules", reading.several(reading.rule), _rules), *_described()),
)
INTERFACES = Part(ENI, "interfaces", _keys(*_nic(lambda show: show), *_described()))
INSTANCES = Part(
    INSTANCE,
    "instances",
    _keys(
        Key("type", reading.text, plain("instanceType"), "instanceType"),
        Key("image", reading.text, plain("imageId"), "imageId", never),
        *_nic(_of_primary),
        Key("interfaces", reading.several(reading.text), _attached),
        Key("state", reading.choice("running", "stopped"), plain("status")),
        *_described(never),
    ),
)
VPCS = Part(
    VPC,
    "vpcs",
    _keys(Key("cidr", reading.cidr_or_any, _cidr, "addressPrefix", lambda value: bool(value == ANY)), *_described()),
    (ROUTE_TABLES, SUBNETS, INTERFACES, INSTANCES),
)
EIPS = Part(
    EIP,
    "elastic-ips",
    _keys(
        Key("bandwidth", reading.whole(1, 5000), plain("bandwidthMbps"), "bandwidthMbps", required=True),
        Key("address", reading.address, plain("elasticIpAddress"), "elasticIpAddress", never),
        Key("charge", reading.text, _charge, "", never, default="postpaid_by_duration"),
        Key("bound-to", reading.target, lambda live, shown: live.holder(shown)),
        Key("private", reading.address, lambda live, shown: shown["privateIpAddress"] or None),
        *_described()[1:],
    ),
)
ROOTS = (VPCS, EIPS)
ALL = (VPCS, *VPCS.parts, EIPS)
