"""The upgrades of stored elastic IPs."""

from sdnctl.model.upgrade import Rows, upgrade


@upgrade("1.1.0")
def name_the_vpc(rows: Rows) -> Rows:
    """An elastic IP names the VPC of the interface that it is bound to."""
    vpcs = {port["id"]: port["vpc"] for port in rows.get("NetworkInterface", [])}
    return rows | {"ElasticIp": [{**eip, "vpc": vpcs.get(eip.get("port"), "")} for eip in rows.get("ElasticIp", [])]}
