"""A bandwidth package as what limits an elastic IP."""

from apps.bandwidth_package.facts import share_words
from apps.eip.model import ElasticIp
from apps.eip.targets import eip_limit
from sdnctl.program.feature import View


@eip_limit
def in_a_package(eip: ElasticIp, view: View) -> str:
    """Its share of the package, in words."""
    return share_words(eip, view)
