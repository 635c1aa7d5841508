"""DHCP through a real switch: offers, acknowledgements, refusals and silence, checked as scapy reads them."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Packet, Raw

from apps.dhcp.facts import LEASE_SECONDS, MTU, guest_mtu
from apps.dhcp.tables import MALFORMED
from apps.pipeline import DROP, REASON
from apps.vpc.model import Subnet
from sdnctl.base.addresses import Ip4, Mac
from sdnctl.model.host import TUNNEL, LocalTunnel
from sdnctl.program.pipeline import Priority
from sdnctl.store import Change
from tests.apps.live import Live, only, sound
from tests.apps.words import BROADCAST, ROUTER, Case, Cases, ip, running, told
from tests.apps.words import DHCP as DHCP_PORTS
from tests.build import ELSEWHERE, Network

XID = 0x1234ABCD
LIMITED = "255.255.255.255"


def network() -> Network:
    """Two subnets, an interface with several addresses, one elsewhere, and another VPC with the same addresses."""
    net = Network()
    vpc = net.vpc("a", "10.0.0.0/16")
    web, data = net.subnet(vpc, "web", "10.0.1.0/24"), net.subnet(vpc, "data", "10.0.2.64/26")
    net.port(web, "web1", "10.0.1.10", "10.0.1.50")
    net.port(web, "free", "10.0.1.11", check=False)
    net.port(web, "far", "10.0.1.12", host=ELSEWHERE)
    net.port(data, "data1", "10.0.2.70")
    net.port(net.subnet(net.vpc("b", "10.0.0.0/16"), "b", "10.0.1.0/24"), "b1", "10.0.1.99")
    return net


@pytest.fixture(scope="module")
def lab() -> Iterator[Live]:
    """One switch for all cases here."""
    with running(network()) as made:
        yield made


ASKED = "asks ask_dhcp"
CASES: Cases = {
    "by broadcast, without address": ("web1", ip(LIMITED, DHCP_PORTS, source="0.0.0.0", via=BROADCAST), ASKED),
    "by broadcast, with address": ("web1", ip(LIMITED, DHCP_PORTS, via=BROADCAST), ASKED),
    "renewal": ("web1", ip("10.0.1.2", DHCP_PORTS), ASKED),
    "renewal in another subnet": ("data1", ip("10.0.2.66", DHCP_PORTS), ASKED),
    "to an interface that plays server": ("web1", ip("10.0.1.11", DHCP_PORTS), "to free"),
    "an answer by broadcast": (
        "free",
        ip(LIMITED, "udp,udp_src=67,udp_dst=68", via=BROADCAST),
        "dropped: spoofed-dhcp",
    ),
    "relayed by an instance": ("free", ip("10.0.1.2", "udp,udp_src=67,udp_dst=67"), "dropped: spoofed-dhcp"),
    "from outside the subnet's address": (
        "web1",
        ip("10.0.1.2", DHCP_PORTS, source="10.0.1.11"),
        "dropped: spoofed-ip",
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_trace(lab: Live, case: Case) -> None:
    """Each case as its table says."""
    told(lab, case)


def message(
    lab: Live, kind: str, *, sender: str = "web1", source: str = "0.0.0.0", to: str = LIMITED, **given: object
) -> Packet:
    """A client's message; ``given``: options by name, ``flags`` and ``ciaddr``, ``chaddr`` of the BOOTP part."""
    mac = lab.mac(sender)
    fields = {name: given.pop(name) for name in ("flags", "ciaddr") if name in given}
    chaddr = Mac.parse(str(given.pop("chaddr", mac))).to_bytes(6, "big")
    options = [("message-type", kind), *given.items(), "end"]
    header = IP(src=source, dst=to) / UDP(sport=68, dport=67)
    return Ether(src=mac, dst=BROADCAST) / header / BOOTP(chaddr=chaddr, xid=XID, **fields) / DHCP(options=options)


def said(frame: bytes) -> dict[str, object]:
    """The options of an answer by name."""
    packet = sound(frame)
    assert (packet[Ether].src, packet[UDP].sport, packet[UDP].dport) == (ROUTER, 67, 68)
    assert (packet[BOOTP].op, packet[BOOTP].xid, packet[IP].ttl) == (2, XID, 64)
    options = (option for option in packet[DHCP].options if isinstance(option, tuple))
    return {name: value[0] if len(value) == 1 else list(value) for name, *value in options}


WEB = {
    "server_id": "10.0.1.2",
    "subnet_mask": "255.255.255.0",
    "router": "10.0.1.1",
    "name_server": ["114.114.114.114", "8.8.8.8"],
    "interface-mtu": MTU,
    "lease_time": LEASE_SECONDS,
    "renewal_time": LEASE_SECONDS // 2,
    "rebinding_time": LEASE_SECONDS * 7 // 8,
}
OFFER, ACK, NAK = 2, 5, 6


def test_discover_is_offered_what_the_api_says(lab: Live) -> None:
    """The primary address and everything about its subnet, to the client alone."""
    found = only(lab.send("web1", message(lab, "discover", client_id=b"\x01abc")), "web1")
    assert said(found) == {"message-type": OFFER, **WEB, "client_id": b"\x01abc"}
    packet = Ether(found)
    assert (packet.dst, packet[IP].src, packet[IP].dst) == (lab.mac("web1"), "10.0.1.2", "10.0.1.10")
    assert packet[BOOTP].yiaddr == "10.0.1.10" and packet[BOOTP].chaddr[:6] == bytes.fromhex("fa163e000001")


def test_a_client_that_wants_broadcast_gets_it(lab: Live) -> None:
    """RFC 2131, 4.1; nobody else hears it all the same."""
    packet = Ether(only(lab.send("web1", message(lab, "discover", flags="B")), "web1"))
    assert (packet.dst, packet[IP].dst) == (BROADCAST, LIMITED)


def test_another_subnet_has_its_own_answers(lab: Live) -> None:
    """Mask, router and server are those of the subnet the client is in."""
    options = said(only(lab.send("data1", message(lab, "discover", sender="data1")), "data1"))
    answers = {name: options[name] for name in ("server_id", "subnet_mask", "router")}
    assert answers == {"server_id": "10.0.2.66", "subnet_mask": "255.255.255.192", "router": "10.0.2.65"}


@pytest.mark.parametrize(
    "given",
    [
        {"requested_addr": "10.0.1.10", "server_id": "10.0.1.2"},
        {"requested_addr": "10.0.1.10"},
        {"ciaddr": "10.0.1.10", "source": "10.0.1.10", "to": "10.0.1.2"},
        {"ciaddr": "10.0.1.10", "source": "10.0.1.10"},
    ],
    ids=["selecting", "after a reboot", "renewing", "rebinding"],
)
def test_its_own_address_is_acknowledged(lab: Live, given: dict[str, str]) -> None:
    """In each state that RFC 2131, 4.3.2 knows."""
    found = only(lab.send("web1", message(lab, "request", **given)), "web1")
    assert said(found) == {"message-type": ACK, **WEB}
    assert Ether(found)[BOOTP].yiaddr == "10.0.1.10"


@pytest.mark.parametrize("wanted", ["10.0.1.11", "10.0.1.50", "10.0.1.99", "192.168.1.5"])
def test_any_other_address_is_refused(lab: Live, wanted: str) -> None:
    """Somebody's, its own secondary one, nobody's, one of another network: NAK by broadcast, and nothing in it."""
    found = only(lab.send("web1", message(lab, "request", requested_addr=wanted)), "web1")
    assert said(found) == {"message-type": NAK, "server_id": "10.0.1.2"}
    packet = Ether(found)
    assert (packet.dst, packet[IP].dst, packet[BOOTP].yiaddr) == (BROADCAST, LIMITED, "0.0.0.0")


def test_inform_gets_everything_but_an_address(lab: Live) -> None:
    """RFC 2131, 4.3.5."""
    given = {"ciaddr": "10.0.1.10", "source": "10.0.1.10", "to": "10.0.1.2"}
    found = only(lab.send("web1", message(lab, "inform", **given)), "web1")
    assert said(found) == {"message-type": ACK, **{n: v for n, v in WEB.items() if not n.endswith("_time")}}
    assert Ether(found)[BOOTP].yiaddr == "0.0.0.0"


def test_silence_where_no_answer_is_due(lab: Live) -> None:
    """Another server was chosen; an address given back; another client's hardware address; no DHCP at all."""
    cut = bytes(message(lab, "discover"))
    quiet = [
        bytes(message(lab, "request", requested_addr="10.0.1.10", server_id="10.0.1.11")),
        bytes(message(lab, "release", ciaddr="10.0.1.10", source="10.0.1.10", to="10.0.1.2")),
        bytes(message(lab, "decline", requested_addr="10.0.1.10")),
        bytes(message(lab, "discover", chaddr=lab.mac("free"))),
        bytes(message(lab, "ack", requested_addr="10.0.1.10")),
        *(cut[:length] for length in (46, 100, 278, 281)),
    ]
    for frame in quiet:
        assert lab.send("web1", frame) == {}


def test_an_interface_gets_only_its_own_address(lab: Live) -> None:
    """Without source check it may claim any hardware address, and still is told nothing of others."""
    assert lab.send("free", message(lab, "discover", sender="free", chaddr=lab.mac("web1"))) == {}
    found = only(lab.send("free", message(lab, "discover", sender="free")), "free")
    assert Ether(found)[BOOTP].yiaddr == "10.0.1.11"


DISCOVERS = bytes((53, 1, 1))


def raw(lab: Live, options: bytes) -> Packet:
    """A client's message with options byte by byte."""
    whole = message(lab, "discover")
    whole[BOOTP].options = b"\x63\x82\x53\x63"
    whole[BOOTP].remove_payload()
    return whole / Raw(options)


def changed(lab: Live, **given: object) -> None:
    """The subnet of web1 changes."""
    subnet = lab.engine.state.get(Subnet, "subnet-web")
    assert subnet is not None
    lab.take(Change(Subnet, subnet.id, subnet, replace(subnet, **given)))


def test_a_long_client_identifier_is_answered_and_sent_back(lab: Live) -> None:
    """RFC 3396: 300 bytes in two parts, put together again and sent back in two."""
    parts = b"\x3d\xc8" + b"a" * 200 + b"\x3d\x64" + b"b" * 100
    found = only(lab.send("web1", raw(lab, DISCOVERS + parts + b"\xff")), "web1")
    options = bytes(sound(found)[DHCP])
    assert b"\x3d\xff" + b"a" * 200 + b"b" * 55 + b"\x3d\x2d" + b"b" * 45 in options
    assert Ether(found)[BOOTP].yiaddr == "10.0.1.10" and lab.engine.unanswered == 0


def malformed(lab: Live) -> int:
    """The packets that the switch has counted as malformed DHCP."""
    flow = DROP.flow(Priority.NORMAL, {REASON: MALFORMED.number}, [])
    (told,) = lab.switch.ofctl("dump-flows", f"cookie={flow.cookie:#x}/-1").splitlines()[1:]
    return int(told.partition("n_packets=")[2].partition(",")[0])


def test_what_is_broken_is_dropped_and_counted(lab: Live) -> None:
    """Options cut short, of a wrong size, twice, without a type; an identifier that no answer has room for."""
    wrong = (b"\x3d\x20abc", b"\x3d", DISCOVERS, b"\x36\x03abc", (b"\x3d\xff" + b"x" * 255) * 5 + b"\xff")
    frames = [raw(lab, options) for options in (b"", b"\xff", *(DISCOVERS + more for more in wrong))]
    before = malformed(lab)
    for number, frame in enumerate(frames, 1):
        assert lab.send("web1", frame) == {}
        assert malformed(lab) == before + number
    assert lab.engine.unanswered == 0 and not lab.engine.errors


def test_domain_names_of_the_subnet(lab: Live) -> None:
    """The first as the guest's own, all as its search list where it asks; what DNS has no form for is left out."""
    subnet = lab.engine.state.get(Subnet, "subnet-web")
    changed(lab, domains=("shop.example", "corp.example", "old..example", "x" * 64))
    asking = b"\x37\x02\x0f\x77\xff"
    options = bytes(sound(only(lab.send("web1", raw(lab, DISCOVERS + asking)), "web1"))[DHCP])
    assert b"\x0f\x0cshop.example" in options
    assert b"\x77\x15\x04shop\x07example\x00\x04corp\xc0\x05" in options
    unasked = sound(only(lab.send("web1", raw(lab, DISCOVERS + b"\x37\x01\x0f\xff")), "web1"))
    assert b"shop.example" in bytes(unasked[DHCP]) and b"corp" not in bytes(unasked[DHCP])
    lab.take(Change(Subnet, "subnet-web", None, subnet))


def test_name_servers_of_the_subnet(lab: Live) -> None:
    """The tenant's name servers of the subnet are told, from the next message on."""
    subnet = lab.engine.state.get(Subnet, "subnet-web")
    assert subnet is not None
    lab.take(Change(Subnet, subnet.id, subnet, replace(subnet, dns=(Ip4.parse("10.0.1.53"),))))
    assert said(only(lab.send("web1", message(lab, "discover")), "web1"))["name_server"] == "10.0.1.53"
    lab.take(Change(Subnet, subnet.id, None, subnet))


@pytest.mark.parametrize(("inside", "told"), [(None, 1500), (1450, 1450), (8950, 8950)])
def test_guests_are_told_what_fits_into_a_tunnel(inside: int | None, told: int) -> None:
    """Also where the underlay carries jumbo frames."""
    net = Network()
    if inside is not None:
        net.local[LocalTunnel, TUNNEL] = LocalTunnel(id=TUNNEL, ofport=7, mtu=inside)
    assert guest_mtu(net.engine().view()) == told
