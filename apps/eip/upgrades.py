"""The upgrades of stored elastic IPs."""

from sdnctl.model.upgrade import Rows, upgrade


@upgrade("1.1.0")
def name_the_vpc(rows: Rows) -> Rows:
    """An elastic IP names the VPC of the interface that it is bound to."""
    vpcs = {port["id"]: port["vpc"] for port in rows.get("NetworkInterface", [])}
    return rows | {"ElasticIp": [{**eip, "vpc": vpcs.get(eip.get("port"), "")} for eip in rows.get("ElasticIp", [])]}


@upgrade("1.2.0", drops=("ElasticIp.key",))
def meters_of_the_pool(rows: Rows) -> Rows:
    """The meters of an elastic IP are numbers of a pool; it has no key any more that they were worked out from."""
    kept = [{name: value for name, value in eip.items() if name != "key"} for eip in rows.get("ElasticIp", [])]
    return rows | {"ElasticIp": kept}
