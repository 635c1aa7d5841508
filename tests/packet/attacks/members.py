"""As a member of a group that a rule allows, without being one."""

from collections.abc import Iterator

from scapy.layers.inet import TCP, UDP

from tests.packet.attacks import MEMBERS_PORT, OUTSIDE, ROUTER, Ground, Sent, Who, attempt, frame

ALLOWED = UDP(sport=40000, dport=MEMBERS_PORT)


@attempt
def a_stranger(at: Ground, mark: bytes) -> Iterator[Sent]:
    """From those who are in no such group, on both hosts and in the other subnet."""
    for by in ("mallory", "far", "shut"):
        yield Sent(by, frame(at[by], at["web"], mark, ALLOWED), reason="group")
    yield Sent("inner", frame(at["inner"], Who(ROUTER, at["web"].ip), mark, ALLOWED), reason="group")


@attempt
def in_a_members_name(at: Ground, mark: bytes) -> Iterator[Sent]:
    """From a member's address, by one who is none."""
    for by in ("mallory", "far"):
        yield Sent(by, frame(Who(at[by].mac, at["member"].ip), at["web"], mark, ALLOWED), reason="spoofed-ip")


@attempt
def at_a_members_mac_address(at: Ground, mark: bytes) -> Iterator[Sent]:
    """From a member's MAC address as well."""
    for by in ("mallory", "free"):
        yield Sent(by, frame(at["member"], at["web"], mark, ALLOWED), reason="spoofed-mac")


@attempt
def by_another_port(at: Ground, mark: bytes) -> Iterator[Sent]:
    """A member, by another port than the rule allows, and by another protocol."""
    for layer in (UDP(sport=MEMBERS_PORT, dport=MEMBERS_PORT + 1), TCP(sport=40000, dport=MEMBERS_PORT, flags="S")):
        yield Sent("member", frame(at["member"], at["web"], mark, layer), reason="group")


@attempt
def with_an_equal_address(at: Ground, mark: bytes) -> Iterator[Sent]:
    """The other tenant's machine with a member's address: to his own neighbour who lets in other members."""
    yield Sent("clerk", frame(at["clerk"], at["till"], mark, ALLOWED), reason="group")


@attempt
def with_an_equal_address_across(at: Ground, mark: bytes) -> Iterator[Sent]:
    """The same machine, to the one who lets in that address in the first tenant's VPC."""
    yield Sent("clerk", frame(at["clerk"], at["web"], mark, ALLOWED))
    yield Sent("clerk", frame(at["clerk"], Who(ROUTER, at["web"].ip), mark, ALLOWED))
    yield Sent("clerk", frame(at["clerk"], Who(ROUTER, at.public("web")), mark, ALLOWED))


@attempt
def by_the_elastic_ip(at: Ground, mark: bytes) -> Iterator[Sent]:
    """A member, to the elastic IP: it is seen by its own elastic IP, which is no member's address.

    The two are on different hosts: the provider's router hands it back.
    """
    yield Sent("member", frame(at["member"], Who(ROUTER, at.public("web")), mark, ALLOWED), ("outside",), "group")


@attempt
def in_a_members_name_from_outside(at: Ground, mark: bytes) -> Iterator[Sent]:
    """From the internet, with a member's private address and with its elastic IP."""
    for ip in (at["member"].ip, at.public("member")):
        yield Sent(OUTSIDE, frame(*at.from_outside("web", ip), mark, ALLOWED))


@attempt
def a_former_member(at: Ground, mark: bytes) -> Iterator[Sent]:
    """One that was a member, in the connection that it had, and in a new one."""
    at.asked("member", "web", (40000, MEMBERS_PORT))
    at.put("member")
    at.later.callback(at.obeyed)
    at.later.callback(at.put, "member", "members")
    at.obeyed()
    for layer in (ALLOWED, UDP(sport=40009, dport=MEMBERS_PORT)):
        yield Sent("member", frame(at["member"], at["web"], mark, layer), reason="group")


@attempt
def replies_to_a_former_member(at: Ground, mark: bytes) -> Iterator[Sent]:
    """The answers of a connection that a member had."""
    at.asked("member", "web", (40000, MEMBERS_PORT))
    at.put("member")
    at.later.callback(at.obeyed)
    at.later.callback(at.put, "member", "members")
    at.obeyed()
    yield Sent("web", frame(at["web"], at["member"], mark, UDP(sport=MEMBERS_PORT, dport=40000)), reason="group")
