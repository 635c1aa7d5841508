"""An anchor, which sorts before all that it refers to."""

from sdnctl.model.resource import label, ref, resource


@resource(prefix="anchor")
class Anchor:
    """A thing that holds a brick; another may take its place later."""

    id: str
    brick: str = ref("Brick")
    next: str = ref("Anchor", default="", on_delete="clear")
    name: str = label()
