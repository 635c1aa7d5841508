"""Into connections that somebody else has, has had, or may not have any more."""

import socket
import struct
from collections.abc import Iterator

from scapy.layers.inet import ICMP, TCP, UDP

from tests.packet.attacks import OUTSIDE, SERVERS, WEB_PORT, Ground, Sent, Who, attempt, frame, rule
from topologies.process import wait_until

TCP_NUMBER, UDP_NUMBER = 6, 17


def _back(ports: tuple[int, int]) -> UDP:
    return UDP(sport=ports[1], dport=ports[0])


def _tcp_back(ports: tuple[int, int], flags: str = "PA") -> TCP:
    return TCP(sport=ports[1], dport=ports[0], flags=flags, seq=7, ack=7)


@attempt
def an_answer_by_a_third(at: Ground, mark: bytes) -> Iterator[Sent]:
    """The ports of a connection are guessed; the sender is a third, on either host."""
    ports = at.ports()
    at.asked("shut", "far", ports)
    for by in ("mallory", "near"):
        yield Sent(by, frame(at[by], at["shut"], mark, _back(ports)), reason="group")


@attempt
def an_answer_in_the_peers_name(at: Ground, mark: bytes) -> Iterator[Sent]:
    """The addresses of a connection too."""
    ports = at.ports()
    at.asked("shut", "far", ports)
    yield Sent(
        "mallory", frame(Who(at["mallory"].mac, at["far"].ip), at["shut"], mark, _back(ports)), reason="spoofed-ip"
    )


@attempt
def a_segment_by_a_third(at: Ground, mark: bytes) -> Iterator[Sent]:
    """Into a TCP connection."""
    ports = at.ports()
    at.connected("shut", "far", ports)
    for flags, reason in (("PA", "group"), ("R", "group"), ("FA", "group"), ("SA", "invalid")):
        yield Sent("mallory", frame(at["mallory"], at["shut"], mark, _tcp_back(ports, flags)), reason=reason)


@attempt
def a_segment_in_the_peers_name(at: Ground, mark: bytes) -> Iterator[Sent]:
    """Into a TCP connection, in the name of either end."""
    ports = at.ports()
    at.connected("shut", "far", ports)
    for flags in ("PA", "R"):
        lie = frame(Who(at["mallory"].mac, at["far"].ip), at["shut"], mark, _tcp_back(ports, flags))
        yield Sent("mallory", lie, reason="spoofed-ip")
        forth = TCP(sport=ports[0], dport=ports[1], flags=flags)
        lie = frame(Who(at["mallory"].mac, at["shut"].ip), at["far"], mark, forth)
        yield Sent("mallory", lie, reason="spoofed-ip")


@attempt
def an_answer_from_elsewhere_in_the_internet(at: Ground, mark: bytes) -> Iterator[Sent]:
    """To a question that went out by the elastic IP, from another address than was asked."""
    ports = at.ports()
    at.asked("shut", OUTSIDE, ports)
    yield Sent(OUTSIDE, frame(*at.from_outside("shut", SERVERS[1]), mark, _back(ports)), reason="group")


@attempt
def an_answer_to_a_neighbours_question(at: Ground, mark: bytes) -> Iterator[Sent]:
    """The server that a neighbour has asked answers somebody else, in the VPC and from outside."""
    ports = at.ports()
    at.asked("mallory", "far", ports)
    at.asked("mallory", OUTSIDE, ports)
    yield Sent("far", frame(at["far"], at["shut"], mark, _back(ports)), reason="group")
    yield Sent(OUTSIDE, frame(*at.from_outside("shut"), mark, _back(ports)), reason="group")


@attempt
def an_answer_from_another_port(at: Ground, mark: bytes) -> Iterator[Sent]:
    """The one who was asked answers from another port than was asked, or to another."""
    ports = at.ports()
    at.asked("shut", "far", ports)
    for sport, dport in ((ports[1] + 1, ports[0]), (ports[1], ports[0] + 1), ports):
        yield Sent("far", frame(at["far"], at["shut"], mark, UDP(sport=sport, dport=dport)), reason="group")


@attempt
def an_answer_from_another_port_outside(at: Ground, mark: bytes) -> Iterator[Sent]:
    """The same from the internet."""
    ports = at.ports()
    at.asked("shut", OUTSIDE, ports)
    for sport, dport in ((ports[1] + 1, ports[0]), (ports[1], ports[0] + 1)):
        layer = UDP(sport=sport, dport=dport)
        yield Sent(OUTSIDE, frame(*at.from_outside("shut"), mark, layer), reason="group")


@attempt
def an_answer_by_another_protocol(at: Ground, mark: bytes) -> Iterator[Sent]:
    """The one who was asked by UDP answers by TCP from the same ports, and by an echo reply."""
    ports = at.ports()
    at.asked("shut", "far", ports)
    for layer, reason in (
        (_tcp_back(ports, "S"), "group"),
        (_tcp_back(ports, "SA"), "invalid"),
        (ICMP(type=0), "invalid"),
    ):
        yield Sent("far", frame(at["far"], at["shut"], mark, layer), reason=reason)


@attempt
def an_echo_reply_by_a_third(at: Ground, mark: bytes) -> Iterator[Sent]:
    """With the number of a ping that is under way."""
    assert at.region.guests["shut"].ping(at["far"].ip, "-e", "77", count=1) in (0, 1)
    yield Sent("mallory", frame(at["mallory"], at["shut"], mark, ICMP(type=0, id=77, seq=1)), reason="invalid")


@attempt
def the_ports_of_a_closed_connection(at: Ground, mark: bytes) -> Iterator[Sent]:
    """A connection is over: its peer, and a third, begin one with the same ports, the other way."""
    ports = at.ports()
    near, far = at.connected("shut", "far", ports)
    for end in (near, far):
        end.close()
    for by in ("far", "mallory"):
        yield Sent(by, frame(at[by], at["shut"], mark, _tcp_back(ports, "S")), reason="group")


@attempt
def the_ports_of_a_broken_connection(at: Ground, mark: bytes) -> Iterator[Sent]:
    """The same after a reset."""
    ports = at.ports()
    near, far = at.connected("shut", "far", ports)
    reset(near)
    far.close()
    for by in ("far", "mallory"):
        yield Sent(by, frame(at[by], at["shut"], mark, _tcp_back(ports, "S")), reason="group")


def _without_its_rule(at: Ground) -> tuple[int, int]:
    """A connection of "far" to the web port of "shut" loses its rule; the first of the ports is the client's."""
    ports = at.ports()
    (id,) = at.allow("red", "shut", rule(TCP_NUMBER, WEB_PORT))
    at.obeyed()
    at.connected("far", "shut", (ports[0], WEB_PORT))
    at.forbid("red", "shut", id)
    at.obeyed()
    return ports


@attempt
def what_the_server_sends_after_its_rule_is_gone(at: Ground, mark: bytes) -> Iterator[Sent]:
    """A rule that let a connection in is removed: the server goes on to send, and tries to begin anew."""
    ports = _without_its_rule(at)
    for flags in ("PA", "A", "FA", "SA", "R"):
        layer = TCP(sport=WEB_PORT, dport=ports[0], flags=flags, seq=7, ack=7)
        yield Sent("shut", frame(at["shut"], at["far"], mark, layer), reason="group")


@attempt
def what_the_client_sends_after_the_rule_is_gone(at: Ground, mark: bytes) -> Iterator[Sent]:
    """The same from the other side."""
    ports = _without_its_rule(at)
    for flags in ("PA", "A", "S", "R"):
        layer = TCP(sport=ports[0], dport=WEB_PORT, flags=flags, seq=7, ack=7)
        yield Sent("far", frame(at["far"], at["shut"], mark, layer), reason="group")


@attempt
def what_the_server_sends_once_its_client_had_the_connection_forgotten(at: Ground, mark: bytes) -> Iterator[Sent]:
    """The rule is gone; the client resets the connection and begins it anew, in vain; the server goes on with it."""
    ports = _without_its_rule(at)
    layers = (TCP(sport=ports[0], dport=WEB_PORT, flags=flags, seq=7, ack=7) for flags in ("R", "S"))
    at.region.guests["far"].send(*(frame(at["far"], at["shut"], b"", layer) for layer in layers))
    home = at.region.homes["shut"]
    assert wait_until(lambda: f"sport={ports[0]},dport={WEB_PORT}" not in home.appctl("dpctl/dump-conntrack"), 20, 0.2)
    for flags in ("PA", "A", "FA"):
        layer = TCP(sport=WEB_PORT, dport=ports[0], flags=flags, seq=7, ack=7)
        yield Sent("shut", frame(at["shut"], at["far"], mark, layer), reason="group")


@attempt
def replies_alone_after_the_rule_is_gone(at: Ground, mark: bytes) -> Iterator[Sent]:
    """A stream of datagrams that reply to one."""
    ports = at.ports()
    (id,) = at.allow("red", "shut", rule(UDP_NUMBER, ports[1]))
    at.obeyed()
    _, server = at.asked("far", "shut", ports)
    server.send(b"answer")
    at.forbid("red", "shut", id)
    at.obeyed()
    for _ in range(10):
        yield Sent("shut", frame(at["shut"], at["far"], mark, _back(ports)), reason="group")


def reset(end: socket.socket) -> None:
    """Close a connection without a word of goodbye."""
    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    end.close()
