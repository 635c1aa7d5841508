"""Values derived from load balancers: who owns which slot of a target group."""

from apps.load_balancer.model import BY_ADDRESS, Backend, Target
from apps.load_balancer.tables import SLOTS
from sdnctl.program.feature import View
from sdnctl.program.slots import weighted


def slots_of(group: str, here: str, view: View) -> tuple[str, ...]:
    """The target that has each slot of a group, by slot; none when no target takes connections."""
    targets = (view.get(Target, id) for id in view.by(Target, ("group",), group))
    weights = {target.id: target.weight for target in targets if target is not None and target.weight}
    return weighted(weights, SLOTS) if weights else ()


def keeps_client(backend: Backend) -> bool:
    """True when all connections of a client go to one target."""
    return backend.sticky or backend.algorithm == BY_ADDRESS
