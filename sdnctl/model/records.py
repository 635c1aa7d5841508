"""All records that there are: the machine's own, in this room, and those of each feature's ``model.py``."""

import sdnctl.model
from sdnctl.base.discovery import FEATURES, everything, modules


def load(package: str = FEATURES) -> None:
    """Import every declared record, so that ``resource.resources()`` is complete."""
    list(everything(sdnctl.model.__name__))
    list(modules(package, "model"))
