"""The upgrades of regions that were stored before security groups were enforced."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from apps.security_group.model import NO_BIT
from sdnctl.model.upgrade import Rows, upgrade

Row = dict[str, Any]
TABLES = ("Vpc", "NetworkInterface", "SecurityGroup", "GroupRule", "GroupProfile")


@upgrade("1.3.0", serves=TABLES)
def default_groups(rows: Rows) -> Rows:
    """Give every VPC the default group that it would be born with now, and forget groups that there never were.

    Interfaces may name anything as their groups in such a region, since nothing looked at them.
    """
    groups = [*rows.get("SecurityGroup", [])]
    defaults = {group["vpc"]: group["id"] for group in groups if group["default"]}
    new = [_group(vpc) for vpc in rows.get("Vpc", []) if vpc["id"] not in defaults]
    defaults |= {group["vpc"]: group["id"] for group in new}
    vpcs = {group["id"]: group["vpc"] for group in groups}
    ports = [_settled(port, vpcs) for port in rows.get("NetworkInterface", [])]
    return rows | {
        "SecurityGroup": [*groups, *new],
        "GroupRule": [*rows.get("GroupRule", []), *_rules([*groups, *new], rows.get("GroupRule", []))],
        "NetworkInterface": ports,
        "GroupProfile": [*rows.get("GroupProfile", []), *_profiles(ports, defaults, rows.get("GroupProfile", []))],
    }


def _id(prefix: str, *of: str) -> str:
    """The id of what is made for something: the same whoever makes it."""
    return f"{prefix}-{hashlib.blake2b('/'.join(of).encode(), digest_size=5).hexdigest()}"


def _group(vpc: Row) -> Row:
    fields = {name: vpc[name] for name in ("account", "created")}
    return {"id": _id("sg", vpc["id"]), "vpc": vpc["id"], "default": True, "name": "default", "bit": NO_BIT, **fields}


def _rules(groups: list[Row], known: list[Row]) -> Iterator[Row]:
    """The rules that default groups lack: everything, in and out."""
    there = {(rule["group"], rule["direction"]) for rule in known if rule["origin"] == "default"}
    for group in groups:
        for direction in ("in", "out"):
            if group["default"] and (group["id"], direction) not in there:
                fields = {name: group[name] for name in ("account", "vpc", "created")}
                verdict = {"action": "allow", "protocol": "all", "priority": 100, "origin": "default"}
                id = _id("sgr", group["id"], direction)
                yield {"id": id, "group": group["id"], "direction": direction, **verdict, **fields}


def _settled(port: Row, vpcs: dict[str, str]) -> Row:
    """An interface less the groups that are none of its VPC."""
    asked = json.loads(port.get("security_groups") or "[]")
    kept = [id for id in asked if vpcs.get(id) == port["vpc"]]
    return port if kept == asked else {**port, "security_groups": json.dumps(kept) if kept else ""}


def _profiles(ports: list[Row], defaults: dict[str, str], known: list[Row]) -> Iterator[Row]:
    """The profiles of the default groups that are in force somewhere; they get a number like every new column."""
    there = {profile["name"] for profile in known}
    for vpc, account in {port["vpc"]: port["account"] for port in ports if not port.get("security_groups")}.items():
        group = defaults.get(vpc, "")
        if group and group not in there:
            id, groups = _id("sgp", group), json.dumps([group])
            yield {"id": id, "account": account, "vpc": vpc, "groups": groups, "name": group}
