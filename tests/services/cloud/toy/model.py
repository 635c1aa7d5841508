"""The records that the toy services read and write."""

from sdnctl.model.resource import field, resource


@resource(reach="region")
class ToyWish:
    """The operator's wish of a toy: the id says which, ``text`` what."""

    id: str
    text: str = field(default="")


@resource(report=True, reach="host")
class ToyAnswer:
    """A toy's answer on a host."""

    id: str
    host: str = field()
    text: str = field(default="")


@resource()
class ToyPage:
    """Intent that only the region's clerk may write."""

    id: str
    count: int = field(default=0)
    clerk: str = field(default="")
