"""A row that a host reported and nobody can read: it is put aside, so that it stops nobody but the host itself."""

from sdnctl.model.resource import field, label, resource


@resource(local=True)
class Unreadable:
    """A row of ``table`` that is put aside; the id is ``table/row``, ``row`` its UUID in the store.

    ``record`` is the id that it claims, ``host`` the host that it names, ``error`` why it cannot be read.  Each process
    that follows the store finds such rows by itself.  Deleting this record deletes the row.
    """

    id: str
    table: str = field()
    row: str = field()
    record: str = label(default="")
    host: str = label(default="")
    error: str = label(default="")


@resource()
class Unsealed:
    """A row that held a secret unsealed when a store of an earlier program was converted; the id is ``table/row``.

    A member of the store notes it, which no host may.  The next API server that starts seals the secret.
    """

    id: str
