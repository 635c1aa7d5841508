"""A customer of a region with several API servers, each in a network of its own that one enters to call it."""

from collections.abc import Sequence
from typing import Any

from jdcloud_sdk.core.exception import ClientException

from topologies.process import within
from topologies.station import Station
from topologies.tenant import ApiError, Tenant


class Unreachable(ApiError):
    """No answer came, or none that could be understood: whether the call was carried out is not known."""


class Customer(Tenant):
    """A Tenant that calls the API server of the station `doors[door]`."""

    def __init__(
        self, name: str, doors: Sequence[Station], endpoint: str, region: str, access_key: str, secret_key: str
    ) -> None:
        super().__init__(name, endpoint, region, access_key, secret_key)
        self._keys = (endpoint, region, access_key, secret_key)
        self._doors = doors
        self.door = 0

    def by(self, door: int) -> "Customer":
        """The same customer at another API server."""
        other = Customer(self.name, self._doors, *self._keys)
        other.door = door
        return other

    def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        """See Tenant.call; Unreachable when no answer came."""

        def work() -> dict[str, Any] | ApiError:
            try:
                return super(Customer, self).call(service, operation, **parameters)
            except ApiError as error:
                return error
            except ClientException as error:
                return Unreachable(operation, 0, "UNREACHABLE", str(error))

        answer = within(self._doors[self.door].pid, work)
        if isinstance(answer, ApiError):
            raise answer
        return answer
