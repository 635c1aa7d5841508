"""All records that there are: the machine's own, in this room, and those of each feature's ``model.py``."""

import sdnctl.model
from sdnctl.base.discovery import everything, modules
from sdnctl.model.resource import resources


def load(package: str = "") -> None:
    """Import every declared record, of one package or of all, so that ``resource.resources()`` is complete."""
    list(everything(sdnctl.model.__name__))
    list(modules("model", package))


def installed() -> tuple[type, ...]:
    """The resources of the machine and of the installed features, whatever else this process has declared."""
    homes = [*everything(sdnctl.model.__name__), *modules("model")]
    names = {module.__name__ for module in homes}
    return tuple(cls for cls in resources().values() if cls.__module__ in names)
