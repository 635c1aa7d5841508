"""The resources that the product stores, without those that other tests declare for themselves."""

from sdnctl.model.records import installed
from sdnctl.model.resource import meta
from sdnctl.program.feature import discover

discover()
CLASSES = tuple(cls for cls in installed() if not meta(cls).local)
