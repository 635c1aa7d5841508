"""The meters of an elastic IP."""

from apps.eip.model import ElasticIp
from sdnctl.program.meters import FIRST_TENANT_METER


def outbound_id(eip: ElasticIp) -> int:
    """The meter of what leaves by the elastic IP."""
    return FIRST_TENANT_METER + 2 * (eip.key - 1)


def inbound_id(eip: ElasticIp) -> int:
    """The meter of what arrives for the elastic IP."""
    return outbound_id(eip) + 1
