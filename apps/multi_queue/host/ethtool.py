"""Channels, rings and coalescing of an interface, as ethtool(8) shows and sets them.

By ioctl: ``set_channels`` of pyroute2 0.9.7's netlink client fails on its own message type, that of its ioctl client
works.  Nothing outside this module knows.
"""

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pyroute2.ethtool.ioctl import IoctlEthtool, NoSuchDevice, NotSupportedError

from apps.multi_queue.model import Channels
from sdnctl.base.problem import Problem

RINGS = ("rx", "tx", "rx_max", "tx_max")
COALESCE = (
    "rx_coalesce_usecs",
    "rx_max_coalesced_frames",
    "tx_coalesce_usecs",
    "tx_max_coalesced_frames",
    "use_adaptive_rx_coalesce",
    "use_adaptive_tx_coalesce",
)


@contextmanager
def _opened(name: str) -> Iterator[Any]:
    """A socket for one interface."""
    client = IoctlEthtool(name)
    try:
        yield client
    finally:
        client.close()


def _asked(name: str, ask: Callable[[Any], Any]) -> Any:
    """An answer of the driver, or None where it has none to this question."""
    with _opened(name) as client:
        try:
            return ask(client)
        except NotSupportedError:
            return None
        except NoSuchDevice:
            raise Problem(f"there is no interface {name}") from None
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.EPERM, errno.EIO):
                return None
            raise Problem(f"{name}: {error.strerror}") from None


def channels(name: str) -> tuple[Channels, Channels] | None:
    """Channels now and at most; None when the driver tells none."""
    found = _asked(name, lambda client: client.get_channels())
    if found is None:
        return None
    now = Channels(found.combined_count, found.rx_count, found.tx_count)
    return now, Channels(found.max_combined, found.max_rx, found.max_tx)


def set_channels(name: str, wanted: Channels) -> None:
    """Change the channels; Problem with the driver's limit when it refuses."""
    with _opened(name) as client:
        try:
            found = client.get_channels()
            limit = Channels(found.max_combined, found.max_rx, found.max_tx)
            found.combined_count, found.rx_count, found.tx_count = wanted.combined, wanted.rx, wanted.tx
            client.set_channels(found)
        except NotSupportedError:
            raise Problem(f"{name}: the driver cannot change its channels") from None
        except NoSuchDevice:
            raise Problem(f"there is no interface {name}") from None
        except PermissionError:
            raise Problem(f"{name}: changing channels needs root") from None
        except OSError as error:
            text = f"{name}: the driver refused channels {wanted} ({error.strerror}); its most is {limit}"
            raise Problem(text) from None


def rings(name: str) -> dict[str, int]:
    """Ring sizes in descriptors; empty when the driver tells none."""
    found = _asked(name, lambda client: client.get_rings())
    return {} if found is None else {key: int(getattr(found, key)) for key in RINGS}


def coalesce(name: str) -> dict[str, int]:
    """The interrupt coalescing (microseconds, frames, adaptive or not); empty when the driver tells nothing."""
    found = _asked(name, lambda client: client.get_coalesce())
    return {} if found is None else {key: int(getattr(found, key)) for key in COALESCE}
