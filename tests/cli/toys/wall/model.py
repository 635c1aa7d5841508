"""A wall of bricks: resources that are no use to anybody."""

from sdnctl.model.resource import label, ref, resource


@resource(prefix="wall")
class Wall:
    """A wall in a VPC."""

    id: str
    vpc: str = ref("Vpc")
    name: str = label()


@resource(prefix="brick")
class Brick:
    """A brick of a wall; a wall may lean on it, as far as anybody knows later."""

    id: str
    wall: str = ref("Wall")
    name: str = label()
