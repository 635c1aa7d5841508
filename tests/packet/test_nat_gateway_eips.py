"""NAT gateways with several elastic IPs: which a connection leaves by, what becomes of it when one goes, many held."""

import socket
import struct
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from topologies import frames
from topologies.cloud import Cloud
from topologies.internet import SERVER
from topologies.natgw import ROUTER, Echo, Natted, behind_a_gateway, datagrams, held, packets, private, sources
from topologies.process import wait_until, within
from topologies.scenarios import machine
from topologies.station import Station

ADDRESS = {"one": "10.0.0.10", "two": "10.0.0.11"}
ROUTER_MAC = "0e:00:00:00:00:01"
PORT = 8000
CONNECTIONS = 20_000
PATIENCE = 30.0
"""Seconds in which TCP sends a lost byte some six times, also on a machine that is busy with other things."""


@pytest.fixture(scope="module")
def natted() -> Iterator[Natted]:
    with Cloud() as cloud:
        cloud.build(behind_a_gateway(tuple(machine(name, "front", address) for name, address in ADDRESS.items())))
        made = Natted(cloud, eips=3)
        assert cloud.guests["one"].reaches(SERVER, 10)
        yield made


class Connections:
    """TCP connections of a machine to the server, during a `with` block, by the elastic IP that the server sees."""

    def __init__(self, client: Station, server: Station, number: int) -> None:
        self._listener = within(server.pid, lambda: socket.create_server(("0.0.0.0", PORT), backlog=1024))
        self.ends: list[tuple[socket.socket, socket.socket, str, int]] = []
        with self._listener:
            for _ in range(number):
                near = within(client.pid, lambda: socket.create_connection((SERVER, PORT), timeout=5))
                far, (public, port) = self._listener.accept()
                far.setblocking(False)
                self.ends.append((near, far, public, port))

    def __enter__(self) -> "Connections":
        return self

    def __exit__(self, *_: object) -> None:
        for near, far, *_rest in self.ends:
            near.close()
            far.close()

    @property
    def publics(self) -> Counter[str]:
        """The connections of each elastic IP."""
        return Counter(public for _, _, public, _ in self.ends)

    def alive(self, but: str = "") -> Counter[str]:
        """Those on which a byte gets there, after all have sent theirs.

        Waits as long as TCP sends it again, for all of them ``but`` those of an elastic IP that is not expected to.
        """
        for near, *_ in self.ends:
            near.sendall(b"x")
        waits = {place for place, (_, _, public, _) in enumerate(self.ends) if public != but}
        heard: set[int] = set()

        def listen() -> bool:
            heard.update(place for place, (_, far, *_rest) in enumerate(self.ends) if _hears(far))
            return heard >= waits

        wait_until(listen, PATIENCE)
        return Counter(self.ends[place][2] for place in heard)


def _hears(end: socket.socket) -> bool:
    try:
        return end.recv(1) != b""
    except BlockingIOError:
        return False


def connections(natted: Natted, number: int, name: str = "one") -> Connections:
    return Connections(natted.cloud.guests[name], natted.cloud.internet.server, number)


def test_n5_connections_share_the_elastic_ips(natted: Natted) -> None:
    with connections(natted, 150) as made:
        assert set(made.publics) == set(natted.publics())
        assert min(made.publics.values()) > 150 / 3 * 0.5, made.publics


def test_n5_with_affinity_a_source_keeps_to_one(natted: Natted) -> None:
    (rule,) = natted.owner.vpc("describeSnatRules", natGatewayId=natted.id)["snatRules"]
    for affinity, addresses in (("ENABLE", 1), ("DISABLE", 3)):
        natted.do("modifySnatRules", snatRuleSpecs=[{"snatRuleId": rule["snatRuleId"], "ipAffinity": affinity}])
        with connections(natted, 60) as made:
            assert len(made.publics) == addresses, (affinity, made.publics)


def test_a_rule_for_one_source_names_its_elastic_ips(natted: Natted) -> None:
    chosen = sorted(natted.publics())[0]
    spec = {"sourceCidr": f"{ADDRESS['two']}/32", "snatIpAddresses": [chosen]}
    (id,) = natted.do("addSnatRules", snatRuleSpecs=[spec])["snatRuleIds"]
    with connections(natted, 30, "two") as two, connections(natted, 60) as one:
        assert set(two.publics) == {chosen} and len(one.publics) == 3
    natted.do("removeSnatRules", snatRuleIds=[id])


def test_n5_offline_an_elastic_ip_keeps_what_it_has_and_gets_nothing_new(natted: Natted) -> None:
    with connections(natted, 60) as before:
        gone, id = next(iter(natted.publics().items()))
        natted.do("setElasticIpStatus", elasticIpIds=[id], status="offline")
        with connections(natted, 60) as after:
            assert gone not in after.publics
        assert before.alive() == before.publics
        natted.do("setElasticIpStatus", elasticIpIds=[id], status="online")


def test_n5_taken_away_its_connections_end_and_none_goes_on_by_another(natted: Natted) -> None:
    """Those of the other elastic IPs never notice."""
    with connections(natted, 90) as made, natted.cloud.internet.gateway.sniff("public") as wire:
        gone, id = next(iter(natted.publics().items()))
        ports = {port for _, _, public, port in made.ends if public == gone}
        natted.do("disassociateElasticIps", elasticIpIds=[id])
        since = len(wire.received())
        alive = made.alive(but=gone)
        time.sleep(1)
        assert alive == Counter({public: n for public, n in made.publics.items() if public != gone})
        left = list(packets(wire.received()[since:], 6))
        others = {(public, port) for _, _, public, port in made.ends if public != gone}
        seen = {(source, struct.unpack("!H", body[:2])[0]) for source, target, body in left if target == SERVER}
        assert gone not in {source for source, _ in seen} and seen <= others, seen - others
        assert ports and not wire.received(private)
    natted.do("associateElasticIps", elasticIpIds=[id])


def test_equal_ping_ids_of_two_machines_are_told_apart(natted: Natted) -> None:
    """One elastic IP keeps the id for one machine only: the other one's ping leaves by the next."""
    for target in (SERVER, ROUTER, "198.51.100.1"):
        for name in ADDRESS:
            guest = natted.cloud.guests[name]
            with guest.sniff() as wire:
                guest.send(frames.echo((guest.mac(), ADDRESS[name]), (ROUTER_MAC, target), b"equal"))
                own = ADDRESS[name]
                assert wait_until(lambda: target in sources(wire.received(), own), 2), (name, target)  # noqa: B023


def test_n1_twenty_thousand_connections_are_held(natted: Natted) -> None:
    """Each is answered, and still is when all of them are there."""
    guest, before = natted.cloud.guests["one"], held(natted)
    ports = range(10_000, 10_000 + CONNECTIONS)
    sent = datagrams(guest.mac(), ROUTER_MAC, ADDRESS["one"], SERVER, ports, 7)
    with Echo(natted.cloud.internet.server, 7) as server, guest.sniff() as wire:
        answered: set[bytes] = set()
        missing = sent
        for _ in range(6):
            for start in range(0, len(missing), 100):
                guest.send(*missing[start : start + 100])
                time.sleep(0.01)
            time.sleep(0.3)
            answered = {body[2:4] for source, _, body in packets(wire.received(), 17) if source == SERVER}
            missing = [frame for frame in sent if frame[34:36] not in answered]
            if not missing:
                break
        count = held(natted) - before
        print(f"{count} connections held, {len(answered)} answered, {len(server.peers)} seen by the server")
        assert len(answered) == CONNECTIONS == len(server.peers)
        assert count >= CONNECTIONS * 0.99
    assert sources(wire.received()) == set()


def test_a_restart_of_the_controller_sends_nothing_and_connections_go_on(natted: Natted) -> None:
    """Flows, meters, the group, the zone's limit and its idle times stay; the database is not written."""
    host = natted.cloud.host
    with connections(natted, 30) as made:
        changes, policies = host.count_changes(), host.vsctl("--columns=_uuid", "list", "CT_Zone")
        natted.cloud.service.kill_part("controller")
        assert changes.read_back() and changes() == 0
        assert made.alive() == made.publics
        natted.settle()
        assert host.vsctl("--columns=_uuid", "list", "CT_Zone") == policies and changes() == 0


def test_connections_outlive_a_restart_of_the_switch(natted: Natted) -> None:
    """Nothing is known of them any more: the machine's next packet gets the same elastic IP and port again."""
    host = natted.cloud.host
    with connections(natted, 60) as made:
        host.kill_vswitchd()
        host.start_vswitchd()
        assert wait_until(lambda: natted.cloud.guests["two"].ping(SERVER, count=1, wait=0.3), 60, 0.1)
        alive = made.alive()
        print(f"switch restarted: {alive.total()} of {len(made.ends)} connections go on")
        assert alive == made.publics
    # The zone has its limit again: what begins now is counted.
    with connections(natted, 1):
        assert wait_until(lambda: held(natted) > 0, 15, 0.2)


def test_the_addresses_of_a_gateway_are_up(natted: Natted) -> None:
    """Each is confirmed in force, as any elastic IP."""
    for id in natted.publics().values():
        assert wait_until(lambda id=id: natted.owner.elastic_ip(id)["state"] == "UP", 10)  # type: ignore[misc]
