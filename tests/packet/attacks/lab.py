"""The region in which attempts are made: who is in it, and what is looked at."""

import re
import time
from collections import Counter
from contextlib import ExitStack, closing

from apps.pipeline import DROP, PIPELINE, REASON
from tests.packet.attacks import (
    MEMBERS_PORT,
    OUTSIDE,
    ROUTER,
    ROUTER_IP,
    SERVERS,
    STRANGER,
    WEB_PORT,
    Ground,
    Sent,
    rule,
)
from tests.product import CLASSES
from topologies.process import wait_until
from topologies.region import UNDERLAY, Region
from topologies.station import Station
from topologies.wires import raw_socket

assert CLASSES, "all features are there, so tables and reasons have the numbers that the agents give them"
TIMES = 2
"""How often each is sent: the first packet of a kind and later ones take different ways through the switch."""
SETTLED = 0.2
AT_ONCE, PAUSE = 50, 0.02
COUNTED = 5.0
"""Seconds: a switch that has nothing else to do says after half a one what it has dropped."""
RED = ("mallory", "free", "near", "far", "inner", "shut", "web", "member", "mute")
BLUE = ("shop", "pal", "depot", "vault", "till", "clerk")
ALL, TCP, UDP = 300, 6, 17


class Lab(Ground):
    """The region with its stations, those of the attackers and those of the victims."""

    def __init__(self, region: Region) -> None:
        super().__init__(region)
        stranger = region.net.addHost(STRANGER, cls=Station)
        region.fabric.join(region.net, stranger, UNDERLAY, "172.31.0.66/24")
        self.stations: dict[str, tuple[Station, str]] = {
            **{name: (guest, "eth0") for name, guest in region.guests.items()},
            OUTSIDE: (region.internet.gateway, "public"),
            STRANGER: (stranger, UNDERLAY),
        }
        self.places = {
            **self.stations,
            **{f"{name} {at}": (host, at) for name, host in region.hosts.items() for at in ("br-phy", "control")},
        }

    def guard(self) -> None:
        """Put those into security groups who are to be in some."""
        for account in ("red", "blue"):
            self.group(account, "members", rule(ALL))
        members = {
            name: {"addressPrefixType": "SECURITYGROUP", "addressPrefix": id} for name, id in self.groups.items()
        }
        self.group("red", "shut")
        self.group("red", "mute", rule(ALL), rule(TCP, 443, out=True))
        self.group("red", "web", rule(TCP, WEB_PORT), rule(UDP, MEMBERS_PORT, **members["red", "members"]))
        self.group("blue", "till", rule(ALL, **members["blue", "members"]))
        for name in ("shut", "mute", "web", "till"):
            self.put(name, name)
        for name in ("member", "depot"):
            self.put(name, "members")
        self.obeyed()

    def try_it(self, mark: bytes, sent: list[Sent]) -> dict[str, int]:
        """Send it; where it arrived among those who must not get it, and how often."""
        senders = {one.by for one in sent}
        watched = {name: place for name, place in self.places.items() if name not in senders}
        with ExitStack() as stack:
            wires = {name: stack.enter_context(at.sniff(eth)) for name, (at, eth) in watched.items()}
            for by in sorted(senders):
                station, interface = self.stations[by]
                wire = stack.enter_context(closing(raw_socket(station.pid, interface)))
                for number, frame in enumerate([one.frame for one in sent if one.by == by] * TIMES, 1):
                    wire.send(frame)
                    # A wire to a busy switch holds some hundred frames.
                    time.sleep(PAUSE if number % AT_ONCE == 0 else 0)
            time.sleep(SETTLED)
            got = {name: len(wire.received(lambda one: mark in one)) for name, wire in wires.items()}
        may = {name for one in sent for name in one.may}
        return {name: count for name, count in got.items() if count and name not in may}

    def drops(self) -> Counter[str]:
        """The packets that both switches have dropped so far, by reason."""
        found: Counter[str] = Counter()
        for host in self.region.hosts.values():
            for line in host.ofctl("dump-flows", f"table={DROP.id}").splitlines():
                if said := re.search(rf"n_packets=(\d+).*{REASON.home}=(0x[0-9a-f]+)", line):
                    number = int(said[2], 16) >> REASON.shift & REASON.limit
                    found[PIPELINE.reasons[number - 1].name if number else ""] += int(said[1])
        return found

    def counted(self, before: Counter[str], sent: list[Sent]) -> tuple[Counter[str], Counter[str]]:
        """The drops since then for the reasons that the attempt names, and how many they must be."""
        wanted = Counter(one.reason for one in sent if one.reason)
        must = Counter({reason: count * TIMES for reason, count in wanted.items()})
        found: Counter[str] = Counter()

        def done() -> bool:
            now = self.drops()
            found.update({reason: now[reason] - before[reason] for reason in must})
            return found >= must

        wait_until(done, COUNTED, 0.1)
        return found, must

    def believed(self, name: str) -> list[str]:
        """The things that a guest has in its ARP table, path MTUs and routes that are not true.

        Linux lists what it was told of a way only once that way is looked up, so each is looked up first.
        """
        owners = RED if name in RED else BLUE
        ways = [f"route get {ip}" for ip in (*(self[one].ip for one in owners if one != name), ROUTER_IP, *SERVERS)]
        asked = "\\n".join((*ways, "neigh show", "route show cache"))
        said = self.stations[name][0].run("sh", "-c", f"printf '{asked}' | ip -4 -force -batch -", check=False)
        true = {self[one].ip: self[one].mac for one in owners} | {ROUTER_IP: ROUTER, "10.0.1.1": ROUTER}
        entries = re.findall(r"^([0-9.]+) dev eth0 lladdr (\S+)", said, re.M)
        lies = [f"{ip} is at {mac}" for ip, mac in entries if true.get(ip) != mac]
        return list(dict.fromkeys(lies + re.findall(r"(?:mtu \d+|redirect\S*)", said)))
