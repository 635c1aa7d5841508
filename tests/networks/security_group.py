"""Security groups with rules of every kind."""

from apps.prefix_list.model import PrefixEntry, PrefixList
from sdnctl.base.addresses import Cidr
from tests.build import ELSEWHERE, Network


def block_list(net: Network, name: str, *blocks: str) -> PrefixList:
    """A prefix list of some blocks, ``pl-NAME``."""
    made = PrefixList(id=f"pl-{name}", account="acc", most=max(len(blocks), 1))
    net.store.transact(lambda txn: txn.put(made))
    for number, block in enumerate(blocks):
        id = f"ple-{name}-{number}"
        entry = PrefixEntry(id=id, account="acc", prefix_list=made.id, block=Cidr.parse(block))
        net.store.transact(lambda txn, entry=entry: txn.put(entry))
    return made


def grouped() -> Network:
    """Web servers and a database behind them: blocks, ports, a list, a group as source, denial."""
    net = Network()
    net.uplink()
    vpc = net.vpc("a", "10.0.0.0/16")
    front, back = net.subnet(vpc, "front", "10.0.1.0/24"), net.subnet(vpc, "back", "10.0.2.0/24")
    web, admin, data = net.group(vpc, "web"), net.group(vpc, "admin"), net.group(vpc, "data")
    offices = block_list(net, "offices", "198.51.100.0/24", "203.0.113.128/25")
    net.rule(web, "in", protocol="tcp", first=80, last=90)
    net.rule(web, "in", action="deny", cidr=Cidr.parse("10.0.2.128/25"), priority=10)
    net.rule(admin, "in", protocol="icmp", prefix_list=offices.id, priority=20)
    net.rule(admin, "in", protocol="tcp", first=22, last=22, prefix_list=offices.id)
    net.rule(data, "in", protocol="tcp", first=5432, last=5432, peer=web.id)
    net.rule(data, "in", protocol="udp", first=1, last=65535, peer=data.id)
    net.rule(data, "out", protocol="udp", first=53, last=53, cidr=Cidr.parse("10.0.0.0/16"))
    one = net.port(front, "web1", "10.0.1.10", "10.0.1.20", groups=(web, admin))
    net.port(front, "web2", "10.0.1.11", groups=(web,), host=ELSEWHERE)
    net.port(back, "data1", "10.0.2.10", groups=(data,))
    net.port(back, "data2", "10.0.2.200", groups=(data,), host=ELSEWHERE)
    net.port(back, "plain", "10.0.2.11")
    net.eip("web", "203.0.113.10", one)
    return net


def restarted() -> Network:
    """The same on a host whose switch has just started."""
    net = grouped()
    net.grace()
    return net


def moved() -> Network:
    """The same when one of the web servers has just moved here."""
    net = grouped()
    net.grace("port-web1")
    return net
