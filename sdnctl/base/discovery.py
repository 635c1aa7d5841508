"""The folders of a package, searched for one file each: so that what a feature adds need not be listed anywhere."""

import importlib
import pkgutil
from collections.abc import Iterator
from types import ModuleType


def modules(package: str, leaf: str) -> Iterator[ModuleType]:
    """The modules ``package.<folder>.<leaf>`` that exist, imported, in order of name."""
    for found in sorted(pkgutil.iter_modules(importlib.import_module(package).__path__), key=lambda m: m.name):
        if not found.ispkg:
            continue
        folder = importlib.import_module(f"{package}.{found.name}")
        if any(m.name == leaf for m in pkgutil.iter_modules(folder.__path__)):
            yield importlib.import_module(f"{package}.{found.name}.{leaf}")
