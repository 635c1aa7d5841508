"""People's texts become addresses, or are refused, by the rules of the API: one way to write each, nothing guessed."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sdnctl.base.addresses import Cidr, HostPort, Ip4, Mac, without

QUAD = re.compile(r"(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})", re.ASCII)
DIGITS = "0123456789./:abfx -%\n\x00٠１"


def quad(text: str) -> int | None:
    """The rule in full, without a library: four decimal numbers up to 255, no zero before another digit."""
    match = QUAD.fullmatch(text)
    numbers = [int(group) for group in match.groups()] if match else [256]
    if max(numbers) > 255:
        return None
    return int.from_bytes(bytes(numbers))


def block(text: str) -> tuple[int, int] | None:
    """An address, a slash, a length of one or two digits up to 32; no bit beyond it."""
    address, slash, length = text.partition("/")
    if not slash or not (length.isascii() and length.isdigit() and len(length) <= 2) or int(length) > 32:
        return None
    first = quad(address)
    return None if first is None or first & (2 ** (32 - int(length)) - 1) else (first, int(length))


def ip4(text: str) -> int | None:
    try:
        return Ip4.parse(text)
    except ValueError:
        return None


def cidr(text: str) -> tuple[int, int] | None:
    try:
        return Cidr.parse(text)
    except ValueError:
        return None


numbers = st.integers(0, 300).map(str) | st.integers(0, 300).map("{:03d}".format) | st.sampled_from(["", "0x1", "1e1"])
quads = st.lists(numbers, min_size=1, max_size=5).map(".".join)
texts = quads | st.text(DIGITS, max_size=18) | st.text(max_size=20)
lengths = st.integers(0, 40).map(str) | st.sampled_from(["08", "", "+8", "255.255.0.0", "0.0.0.255", "１６", "8/8"])
blocks = st.tuples(quads | st.sampled_from(["10.0.0.0", "0.0.0.0", "10.128.0.0"]), lengths).map("/".join) | texts


@given(texts)
@example("10.1")
@example("010.0.0.1")
@example("10.0.0.1\n")
@example("10.0.0.1/24")
@example("::ffff:10.0.0.1")
def test_an_address_is_read_as_the_rule_says(text: str) -> None:
    assert ip4(text) == quad(text)


@given(blocks)
@example("10.0.0.0")
@example("10.1/16")
@example("10.0.0.0/255.255.0.0")
@example("10.0.0.1/8")
@example("0.0.0.0/0")
@example("fd00::/8")
def test_a_block_is_read_as_the_rule_says(text: str) -> None:
    assert cidr(text) == block(text)


@given(st.integers(0, 2**32 - 1))
def test_what_is_written_is_read_again(number: int) -> None:
    assert Ip4.parse(str(Ip4(number))) == number


@pytest.mark.parametrize("text", ["fa-16-3e-00-00-01", "fa163e000001", "fa16.3e00.0001", "fa:16:3e:0:0:1", ""])
def test_a_mac_address_has_one_form(text: str) -> None:
    with pytest.raises(ValueError, match="not a MAC address"):
        Mac.parse(text)


def test_a_refusal_says_what_was_wrong_and_what_was_meant() -> None:
    with pytest.raises(ValueError, match=r"'10\.0\.0\.300' is not an IPv4 address"):
        Cidr.parse("10.0.0.300/8")
    with pytest.raises(ValueError, match=r"did you mean 10\.0\.0\.0/8"):
        Cidr.parse("10.9.0.0/8")


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [("127.0.0.1:80", "127.0.0.1", 80), ("[::1]:0", "::1", 0), ("name.example:65535", "name.example", 65535)],
)
def test_a_place_to_listen_at(text: str, host: str, port: int) -> None:
    place = HostPort.parse(text)
    assert place == (host, port) and str(place) == text


@pytest.mark.parametrize("text", ["", "80", "host", "host:", "host:-1", "host:65536", "host:http", "[::1]"])
def test_what_has_no_port_is_no_place(text: str) -> None:
    with pytest.raises(ValueError, match="HOST:PORT"):
        HostPort.parse(text)


def test_blocks_without_others() -> None:
    ten, inside = Cidr.parse("10.0.0.0/30"), Cidr.parse("10.0.0.1/32")
    assert [str(block) for block in without([ten], [inside])] == ["10.0.0.0/32", "10.0.0.2/31"]
    assert without([ten], [Cidr.parse("0.0.0.0/0")]) == ()
