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
    load()
    names = {module.__name__ for module in modules("model")}
    own = f"{sdnctl.__name__}."  # the region's sequence number is one of the machine's, and lives in the store's room
    return tuple(cls for cls in resources().values() if cls.__module__ in names or cls.__module__.startswith(own))
