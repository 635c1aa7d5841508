"""The folders of a package, searched for one file each: so that what a feature adds need not be listed anywhere.

A decorator gives an object back; whoever needs all of its kind asks for them here.  They come in the order of their
modules' and their own names, so nothing depends on what was imported first.
"""

import importlib
import os
import pkgutil
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from types import ModuleType
from typing import Protocol, TypeVar

FEATURES = "apps"
"""The package whose folders are this project's features."""


class About(Protocol):
    """A declaration about a class of records."""

    @property
    def of(self) -> type:
        """The class."""


K = TypeVar("K")
A = TypeVar("A", bound=About)


def packages() -> tuple[str, ...]:
    """The packages whose folders are features: this project's, and those in $SDNCTL_FEATURES, separated by colons."""
    return (FEATURES, *filter(None, os.environ.get("SDNCTL_FEATURES", "").split(":")))


def modules(leaf: str, package: str = "") -> Iterator[ModuleType]:
    """The modules ``package.<folder>.<leaf>`` that exist, imported, in order of name; of all packages by default."""
    for one in (package,) if package else packages():
        yield from _modules(one, leaf)


def _modules(package: str, leaf: str) -> Iterator[ModuleType]:
    for name, ispkg in _inside(package).items():
        if ispkg and leaf in _inside(f"{package}.{name}"):
            yield importlib.import_module(f"{package}.{name}.{leaf}")


def everything(package: str) -> Iterator[ModuleType]:
    """All modules of a package, imported, in order of name."""
    for name in _inside(package):
        yield importlib.import_module(f"{package}.{name}")


@cache
def _inside(package: str) -> Mapping[str, bool]:
    """The modules of a package in order of name, each with True when it is a package too; looked up once a process."""
    found = pkgutil.iter_modules(importlib.import_module(package).__path__)
    return {name: ispkg for _, name, ispkg in sorted(found, key=lambda module: module.name)}


def declared(kind: type[K], leaf: str) -> tuple[K, ...]:
    """Every ``kind`` that a feature declares in its file of this name."""
    every = (vars(module) for module in modules(leaf))
    found = (value for names in every for _, value in sorted(names.items()) if isinstance(value, kind))
    return tuple(dict.fromkeys(found))


def by_class(kind: type[A], leaf: str) -> Mapping[type, Sequence[A]]:
    """The same by the class that each declaration is about."""
    made: dict[type, list[A]] = {}
    for item in declared(kind, leaf):
        made.setdefault(item.of, []).append(item)
    return made
