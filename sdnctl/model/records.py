"""All records that there are: the machine's own, in this room, and those of each feature's ``model.py``."""

import sdnctl.model
from sdnctl.base.discovery import everything, modules


def load(package: str = "") -> None:
    """Import every declared record, of one package or of all, so that ``resource.resources()`` is complete."""
    list(everything(sdnctl.model.__name__))
    list(modules("model", package))
