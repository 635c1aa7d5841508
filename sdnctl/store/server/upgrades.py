"""The steps that stored rows of older programs take, version by version (see ``convert.Step``)."""

from typing import Any

from sdnctl.store.ovsdb.rights import API, WRITER

Rows = dict[str, list[dict[str, Any]]]
STATUS = ("applied", "flows", "errors", "drops", "seen")


def status_apart(rows: Rows) -> Rows:
    """1.1.0: how a host does is a row of its own, which it reports anew; an elastic IP names its VPC; rows a writer."""
    made = {name: [dict(row) for row in there] for name, there in rows.items()}
    for host in made.get("Host", []):
        for column in STATUS:
            host.pop(column, None)
    vpcs = {port["id"]: port["vpc"] for port in made.get("NetworkInterface", [])}
    for eip in made.get("ElasticIp", []):
        eip["vpc"] = vpcs.get(eip.get("port"), "")
    for there in made.values():
        for row in there:
            row[WRITER] = API
    return made


def one_holder(rows: Rows) -> Rows:
    """1.2.0: whatever one host presents at a time has a holder; elastic IPs and the active gateway had their own."""
    made = {name: there for name, there in rows.items() if name not in ("EipHolder", "ActiveGateway")}
    gateways = [{**row, "vpc": "", "turn": 0} for row in rows.get("ActiveGateway", [])]
    return made | {"Holder": [*rows.get("EipHolder", []), *gateways]}
