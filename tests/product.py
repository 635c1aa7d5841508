"""The resources that the product stores, without those that other tests declare for themselves."""

from sdnctl.model.resource import meta, resources
from sdnctl.program.feature import discover

discover()
CLASSES = tuple(
    cls
    for cls in resources().values()
    if cls.__module__.partition(".")[0] in ("apps", "sdnctl") and not meta(cls).local
)
