"""Values derived from route tables."""

from apps.routing.model import INTERNET, LOCAL, Route
from sdnctl.program.feature import View


def leads_to_internet(table: str, here: str, view: View) -> bool:
    """True when any route of a table leads to the internet: only then do elastic IPs work behind it."""
    return view.any(Route, ("table", "next_hop_type"), (table, INTERNET))


def equal_routes(route: Route, view: View) -> list[Route]:
    """The routes of a table that are equal to this one but for their next hop, itself among them, in order of ids."""
    index = ("table", "prefix", "priority")
    every = (view.get(Route, id) for id in sorted(view.by(Route, index, (route.table, route.prefix, route.priority))))
    return [other for other in every if other is not None and other.next_hop_type != LOCAL]


def hop_id(route: Route) -> str:
    """The next hop as the API names it: ``local`` and ``internet`` are their own."""
    return route.next_hop or (route.next_hop_type if route.next_hop_type in (LOCAL, INTERNET) else "")


def precedence(rule: Route) -> tuple[bool, int, int, str]:
    """The place of a rule in the order in which the rules of a table are tried."""
    return rule.next_hop_type != LOCAL, -rule.prefix.length, rule.priority, rule.id
