"""The upgrades of stored holders."""

from sdnctl.model.upgrade import Rows, upgrade


@upgrade("1.2.0", drops=("EipHolder", "ActiveGateway"))
def one_holder(rows: Rows) -> Rows:
    """Make one kind of holder of those that elastic IPs and the active gateway had of their own.

    Hosts report anew what they hold, where that was lost.
    """
    made = {name: there for name, there in rows.items() if name not in ("EipHolder", "ActiveGateway")}
    gateways = [{**row, "vpc": "", "turn": 0} for row in rows.get("ActiveGateway", [])]
    return made | {"Holder": [*rows.get("EipHolder", []), *gateways]}
