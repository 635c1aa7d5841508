"""Regions of two hosts for ``sdnctl.verify``, and one with a hole in it."""

from dataclasses import replace

from apps.pipeline import VPC
from apps.vpc.model import Vpc
from sdnctl.base.addresses import Ip4, Mac
from sdnctl.model.host import UPLINK, Binding, Host, LocalUplink
from sdnctl.store import Change
from sdnctl.store.memory import everything
from sdnctl.verify.network import Network as Computed
from sdnctl.verify.network import computed
from sdnctl.verify.rules import Rule, Switch, Write, rule
from sdnctl.verify.walk import ORIGIN
from tests.build import ELSEWHERE, HERE, Network

HOSTS = (HERE, ELSEWHERE)


def region(vpcs: int = 2, each: int = 2) -> Network:
    """VPCs of the same addresses, each with two subnets of ``each`` interfaces on both hosts, and two elastic IPs."""
    net = Network()
    net.uplink()
    for number, name in enumerate(HOSTS):
        mac, end = Mac.parse(f"02:00:00:00:00:{9 + number:02x}"), Ip4(Ip4.parse("192.0.2.1") + number)
        host = Host(id=name, encap_ip=end, uplink="eth0", uplink_mac=mac)
        net.store.report(lambda txn, host=host: txn.put(host))
    for number in range(vpcs):
        vpc = net.vpc(f"v{number}", "10.0.0.0/16")
        for place in range(2):
            subnet = net.subnet(vpc, f"v{number}s{place}", f"10.0.{place}.0/24")
            for at in range(each):
                name = f"v{number}s{place}-{at}"
                port = net.port(subnet, name, f"10.0.{place}.{10 + at}", host="")
                where = Binding(id=port.id, port=port.id, vpc=vpc.id, host=HOSTS[at % 2], row=f"row-{name}")
                net.store.report(lambda txn, where=where: txn.put(where))
                if at == 0:
                    net.eip(name, f"203.0.113.{10 + number * 2 + place}", port)
    return net


def joined(net: Network) -> Computed:
    """Both hosts of a network whose interfaces are bound to them, and tunnels between; ``HERE`` has the uplink."""
    for number, name in enumerate(HOSTS):
        end, uplink = Ip4(Ip4.parse("192.0.2.1") + number), net.local.get((LocalUplink, UPLINK))
        host = Host(id=name, encap_ip=end)
        if isinstance(uplink, LocalUplink) and name == HERE:
            host = replace(host, uplink="eth0", uplink_mac=uplink.mac)
        net.store.report(lambda txn, host=host: txn.put(host))
    for where in net.store.state.all(Binding).values():
        net.store.report(lambda txn, where=where: txn.put(replace(where, row=f"row-{where.id}")))
    return hosts_of(net)


def hosts_of(net: Network) -> Computed:
    """The hosts of a region as they are computed from what is stored."""
    return computed(net.program, everything(net.store.state))


def with_hole(found: Computed, sender: str, network: str) -> Computed:
    """The same hosts, but the packets of an interface count for another network's."""
    entry = next(one for one in found.entries if one.owner == sender)
    engine, switch = found.engines[entry.host], found.region.switches[entry.host]
    keys = engine.state.all(Vpc)
    flows = map(rule, engine.desired.flows.values())
    rules = [misled(one, entry.port, keys[entry.network].key, keys[network].key) for one in flows]
    groups = engine.desired.groups.values()
    found.region.switches[entry.host] = Switch(entry.host, rules, groups, switch.ports, end=switch.end)
    return found


def misled(one: Rule, port: int, right: int, wrong: int) -> Rule:
    """A flow that takes the packets of a port for another VPC's, where it is the one that says whose they are."""
    if one.table != ORIGIN or not any(str(field) == "in_port" and value == port for field, _, value in one.match):
        return one
    said = VPC.home, right
    actions = [
        action._replace(value=wrong) if isinstance(action, Write) and (action.field, action.value) == said else action
        for action in one.actions
    ]
    return one._replace(actions=tuple(actions))


def without_rows(net: Network) -> list[Change]:
    """What is stored, but no binding is of a port in a switch."""
    changes = everything(net.store.state)
    return [replace(one, new=replace(one.new, row="")) if one.cls is Binding else one for one in changes]
