"""The three ways in which something goes wrong, and what follows from each.

``IntentError``: what was asked cannot be; the transaction is refused, nothing changes, the user is told which field
and why.  ``FeatureError``: a unit could not be turned into flows; it keeps its last good flows and is reported.
``SwitchError``: the switch refused or vanished; read it again, plan again, back off.  ``StoreError`` is the store's
own: it cannot be reached, so nothing can be acknowledged.
"""


class IntentError(Exception):
    """A refused request: ``field`` names the culprit, ``code`` and ``status`` are those of the JD Cloud OpenAPI.

    ``again`` is in how many seconds the same may be granted, 0.0 where time changes nothing.
    """

    def __init__(
        self, field: str | None, message: str, code: int = 400, status: str = "INVALID_ARGUMENT", again: float = 0.0
    ) -> None:
        super().__init__(f"{field}: {message}" if field else message)
        self.field = field
        self.message = message
        self.code = code
        self.status = status
        self.again = again

    @classmethod
    def missing(cls, field: str, what: str) -> "IntentError":
        """The resource that a field names does not exist, or belongs to somebody else."""
        return cls(field, f"{what} does not exist", 404, "NOT_FOUND")

    @classmethod
    def precondition(cls, field: str | None, message: str) -> "IntentError":
        """The request is well formed, but the state of its resources forbids it."""
        return cls(field, message, 400, "FAILED_PRECONDITION")


class FeatureError(Exception):
    """A function of a feature failed: for which ``resource``, and at which ``line`` of which file; "" if not known."""

    def __init__(self, message: str, feature: str = "", resource: str = "", line: str = "") -> None:
        super().__init__(message)
        self.feature = feature
        self.resource = resource
        self.line = line


class FlowConflict(FeatureError):
    """Two units want the same flow key with different bodies; the message names both."""


class SwitchError(Exception):
    """The switch refused a message, or the connection to it broke in the middle."""


class StoreError(Exception):
    """The store cannot be reached, or refused a commit for a reason that is not the user's."""


class Refused(StoreError):
    """The store will never take a transaction: it violates a type, a constraint, a right or the protocol itself."""


class Doubtful(StoreError):
    """A commit was sent, and its answer did not come: nobody knows whether it happened."""


class DiskFull(StoreError):
    """The store has no room left on its disk: what is there can be read, and nothing was changed."""


def told(text: str) -> str:
    """A text as a store can hold it: what is no character (a lone surrogate, NUL) stands there as its escape."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")
