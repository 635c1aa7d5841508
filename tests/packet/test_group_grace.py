"""S16: connections go on when ovs-vswitchd starts anew, by what the rules allow; for half a minute, and no longer."""

import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

from tests.packet.test_security_groups import (
    API,
    IN,
    OUT,
    UDP_NUMBER,
    WEB,
    add,
    came,
    dropped,
    group,
    inside,
    remove,
    rule,
    rules_of,
    streaming,
)
from topologies import frames, scenarios
from topologies.cloud import Cloud
from topologies.process import wait_until, within
from topologies.station import Station

TCP_NUMBER = 6
SERVER_PORT, CLIENT_PORT, HIGH = 5001, 41003, 32768
GRACE_S = 30.0
SOON_S = 5.0
"""A server says again what was lost while the switch was away: after 0.2 s, then twice that, and so on."""


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with Cloud() as made:
        made.build(scenarios.elastic_ip())
        assert made.guests["web"].reaches(API, 10)
        yield made


@dataclass
class Stream:
    """A TCP connection of which one side sends only and the other reads only; ``got`` has the times of what came."""

    got: list[float] = field(default_factory=list)

    def comes(self, seconds: float = SOON_S) -> bool:
        """True when anything comes from now on."""
        before = len(self.got)
        return wait_until(lambda: len(self.got) > before + 10, seconds)


@contextmanager
def download(
    client: Station, server: Station, address: str, port: int, own: int, upload: bool = False
) -> Iterator[Stream]:
    """The server sends a kilobyte a hundred times a second, and the client never anything (or the other way round)."""
    stream, over = Stream(), threading.Event()
    with ExitStack() as opened:
        listener = opened.enter_context(within(server.pid, lambda: socket.create_server(("0.0.0.0", port))))
        source = ("", own)
        near = within(client.pid, lambda: socket.create_connection((address, port), 5, source))
        far, _ = listener.accept()
        sender, reader = (near, far) if upload else (far, near)
        threads = [
            threading.Thread(target=_send, args=(sender, over), daemon=True),
            threading.Thread(target=_read, args=(reader, stream, over), daemon=True),
        ]
        for end in (near, far):
            opened.enter_context(end)
            end.settimeout(0.2)
        for thread in threads:
            thread.start()
        try:
            yield stream
        finally:
            over.set()
            for thread in threads:
                thread.join()


def _send(sender: socket.socket, over: threading.Event) -> None:
    while not over.wait(0.01):
        try:
            sender.send(bytes(1000))
        except TimeoutError:
            continue


def _read(reader: socket.socket, stream: Stream, over: threading.Event) -> None:
    while not over.is_set():
        try:
            if reader.recv(65536):
                stream.got.append(time.monotonic())
        except TimeoutError:
            continue


def restart(cloud: Cloud) -> float:
    """Kill ovs-vswitchd and start it; the time when its router answers again."""
    cloud.host.kill_vswitchd()
    cloud.host.start_vswitchd()
    assert wait_until(lambda: cloud.guests["inner"].ping("10.0.0.1", count=1, wait=0.3), 20)
    back = time.monotonic()
    assert graces(cloud)
    return back


def graces(cloud: Cloud) -> int:
    """The flows of the switch that there are in a time of grace only."""
    return sum("udp" in flow and "tp_src=0x0/0x8000" in flow for flow in cloud.host.flows())


def known(cloud: Cloud, own: int) -> list[str]:
    """The addresses from which the client's connection began, as connection tracking knows it, in each zone."""
    began = re.compile(rf"orig=\(src=([\d.]+),\S*(?:sport={own},dport={SERVER_PORT}|sport={SERVER_PORT},dport={own}),?")
    return sorted(began.findall(cloud.host.appctl("dpctl/dump-conntrack", "-s")))


@contextmanager
def walls(cloud: Cloud, *more: dict[str, object]) -> Iterator[str]:
    """The client lets nothing in; the server lets in what is for its port, and out what ``more`` says; its group."""
    with (
        group(cloud) as closed,
        group(cloud, rule(IN, TCP_NUMBER, port=SERVER_PORT), *more) as served,
        inside(cloud, "web", closed),
        inside(cloud, "api", served),
    ):
        yield served


def segments(cloud: Cloud, *sent: str) -> list[str]:
    """The flags of the TCP segments that arrive at the client, of some that its server sends, each on another port."""
    web, api = cloud.guests["web"], cloud.guests["api"]
    (router,) = frames.who_has(api, "10.0.1.1", API)
    head = Ether(src=api.mac(), dst=router) / IP(src=API, dst=WEB)
    with web.sniff() as wire:
        for port, flags in enumerate(sent, 42001):
            api.send(bytes(head / TCP(sport=SERVER_PORT, dport=port, flags=flags)))
        time.sleep(0.5)
        packets = [p for one in wire.received() if (p := frames.ip(one)) is not None and p.src == API]
    return [str(p[TCP].flags) for p in packets if TCP in p]


@pytest.mark.parametrize(("own", "upload"), [(41001, False), (21001, False), (41002, True), (21002, True)])
def test_s16_a_download_and_an_upload_go_on(cloud: Cloud, own: int, upload: bool) -> None:
    """What only one side sends goes on, at a client that lets nothing in; whoever began is known on both sides.

    A client with a port below 32768 looks like a server, so of its connections only the first half is promised.
    """
    web, api = cloud.guests["web"], cloud.guests["api"]
    with walls(cloud), download(web, api, API, SERVER_PORT, own, upload) as stream:
        assert stream.comes()
        assert known(cloud, own) == [WEB, WEB]
        stopped = time.monotonic()
        back = restart(cloud)
        assert stream.comes(), "it goes on"
        first = next(at for at in stream.got if at > stopped + 0.3)
        what = f"{'up' if upload else 'down'}load from port {own}"
        print(f"{what}: {first - stopped:.2f} s after the switch's end, {first - back:.2f} s after its router answers")
        if own >= HIGH:
            assert wait_until(lambda: known(cloud, own) == [WEB, WEB], 5), known(cloud, own)


def test_s16_what_the_rules_allow_neither_way_ends(cloud: Cloud) -> None:
    """A rule was removed: the connection stands still, and the restart does not bring it back; a new one neither."""
    web, api = cloud.guests["web"], cloud.guests["api"]
    with walls(cloud, rule(OUT, UDP_NUMBER)) as served, download(web, api, API, SERVER_PORT, CLIENT_PORT) as stream:
        assert stream.comes()
        (allowed,) = [one["ruleId"] for one in rules_of(cloud, served) if one["direction"] == IN]
        remove(cloud, served, allowed)
        assert not stream.comes(1.0)
        restart(cloud)
        assert graces(cloud) and not stream.comes(4.0)
        with pytest.raises(TimeoutError):
            within(web.pid, lambda: socket.create_connection((API, SERVER_PORT), 2))
        add(cloud, served, rule(IN, TCP_NUMBER, port=SERVER_PORT))
        assert stream.comes(40.0), "the same connection, once it is allowed again"


def test_s16_nothing_new_comes_in_by_it(cloud: Cloud) -> None:
    """In a time of grace nobody can open a connection to a client that lets nothing in."""
    api = cloud.guests["api"]
    with walls(cloud):
        restart(cloud)
        assert graces(cloud)
        with pytest.raises(TimeoutError):
            within(api.pid, lambda: socket.create_connection((WEB, 6000), 2))
        assert segments(cloud, "S", "A", "SA") == ["A"], "nobody can tell whether it goes on with a connection"
        assert graces(cloud), "so the time was not over"


def test_s16_the_time_ends(cloud: Cloud) -> None:
    """A stream of datagrams that the client never answers is a server's for half a minute; then it is nobody's."""
    web, api = cloud.guests["web"], cloud.guests["api"]
    far = within(api.pid, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    with far, walls(cloud, rule(IN, UDP_NUMBER, port=7000)):
        far.bind(("0.0.0.0", 7000))
        with streaming(far, (WEB, CLIENT_PORT)):
            back = restart(cloud)
            with web.sniff() as wire:
                assert wait_until(lambda: came(wire, API), SOON_S)
            assert wait_until(lambda: not graces(cloud), GRACE_S + 5, 0.2)
            took = time.monotonic() - back
            with web.sniff() as wire:
                time.sleep(1.0)
                assert not came(wire, API)
        print(f"the time of grace was over {took:.1f} s after the switch was in step")
        assert took <= GRACE_S + 1
        before = dropped(cloud, "invalid")
        assert segments(cloud, "SA", "SA", "R", "A", "PA") == []
        assert wait_until(lambda: dropped(cloud, "invalid") >= before + 2, 10, 0.5), "no connection begins like that"
