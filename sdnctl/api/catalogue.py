"""Every operation of the public API that a client could send here, so that what is not served yet is answered as such.

The table lies beside the features, `apps/operations.txt`, and with it `apps/services.txt`, the names of the services of
which nothing is served; a test compares both with the installed SDK. What is declared with `@operation` is served, the
rest answers 501 NOT_IMPLEMENTED.
"""

from collections.abc import Iterator, Mapping, Set
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from sdnctl.base.discovery import FEATURES

REGION = "/v1/regions/{regionId}"  # written as R; ":*" ends a path with the operation's own name
TABLE, OTHERS = "operations.txt", "services.txt"
APART = "~"  # before an operation that has nothing to do with the network


class Known(NamedTuple):
    """An operation as the public clients spell it."""

    service: str
    name: str
    method: str
    path: str


class Listed(NamedTuple):
    """A known operation, and whether it belongs to the network."""

    known: Known
    network: bool


def known() -> Iterator[Known]:
    """Every operation of the public API, service by service."""
    return (one.known for one in _table())


def services() -> Set[str]:
    """The names of the public API's services whose operations are in the table."""
    return _titles().keys()


@cache
def public_services() -> Set[str]:
    """The names of all services of the public API, those of which nothing is served too."""
    return services() | {name for line in _lines(OTHERS) for name in line.split()}


def of_network() -> Mapping[tuple[str, str], list[Known]]:
    """The operations that the project could ever serve, by (service, its title)."""
    return {
        (service, title): [one.known for one in _table() if one.known.service == service and one.network]
        for service, title in _titles().items()
        if title
    }


@cache
def _titles() -> dict[str, str]:
    heads = (line.partition(":") for line in _lines(TABLE) if not line.startswith(" "))
    return {service: title.strip() for service, _, title in heads}


@cache
def _table() -> tuple[Listed, ...]:
    made, service = [], ""
    for line in _lines(TABLE):
        if not line.startswith(" "):
            service = line.partition(":")[0]
            continue
        *marks, name, method, path = line.split()
        made.append(Listed(Known(service, name, method, _whole(path, name)), APART not in marks))
    return tuple(made)


def _lines(file: str) -> list[str]:
    text = files(FEATURES).joinpath(file).read_text()
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]


def _whole(path: str, name: str) -> str:
    path = f"{REGION}{path[1:]}" if path.startswith("R/") else path
    return path.replace(":*", f":{name}")
