"""Named networks that the suites run over: golden tables, any order, isolation, reference.

Each file adds some: every public function of it that needs no argument makes a network, named as the function.  A
feature outside the project has them in its folder's ``networks.py``.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator

from sdnctl.base.discovery import modules, packages
from tests.build import Network


def found() -> Iterator[tuple[str, Callable[[], Network]]]:
    """The functions of these files that make a network, by name; AssertionError for two of one name."""
    seen = set()
    own = [importlib.import_module(module.name) for module in pkgutil.iter_modules(__path__, f"{__name__}.")]
    others = [module for package in packages()[1:] for module in modules("networks", package)]
    for here in (*own, *others):
        for name, made in inspect.getmembers(here, inspect.isfunction):
            if made.__module__ == here.__name__ and not name.startswith("_") and not inspect.signature(made).parameters:
                assert name not in seen, f"{name} is in two files"
                seen.add(name)
                yield name, made


NETWORKS: dict[str, Callable[[], Network]] = dict(found())
