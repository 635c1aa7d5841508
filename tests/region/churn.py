"""Tenants who never pause: twenty calls a second at both API servers, and a ledger of what was acknowledged."""

import itertools
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, Self

from topologies.customer import Customer, Unreachable
from topologies.region import Region
from topologies.tenant import ApiError

PER_SECOND = 20
AT_ONCE = 64
KEPT = 40  # interfaces of an account are limited to 100
GONE = ""
UNAVAILABLE = 503


class Told(NamedTuple):
    """The outcome of a call: its end (seconds, time.monotonic), its duration, and whether it was acknowledged."""

    at: float
    took: float
    done: bool


class Churn:
    """Makes, renames and deletes network interfaces and changes bandwidths during a `with` block.

    Every call goes to one API server, in turn, and is not tried again: a call without an answer may have happened or
    not, and both are right afterwards.  An answer is a promise.
    """

    def __init__(self, region: Region, account: str = "red") -> None:
        owner = region.tenants[account]
        assert isinstance(owner, Customer)
        self._doors = itertools.cycle([owner.by(0), owner.by(1)])
        self._owner = owner
        self._subnet = region.ids[account, "net", "front"]
        self._eip = region.elastic["red1", "10.0.0.11"]["elasticIpId"]
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._number = itertools.count(1)
        self._names: dict[str, set[str]] = {}  # what an interface may be called, GONE when it may be deleted
        self._free: list[str] = []  # interfaces that no call is about
        self._bandwidth: set[int] = set()
        self._changing = threading.Lock()
        self.told: list[Told] = []
        self.refused: list[str] = []
        self._mark = f"churn-{time.monotonic_ns():x}"
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        work = itertools.cycle((self._make, self._rename, self._make, self._widen, self._delete))
        due = time.monotonic()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            while not self._over.is_set():
                pool.submit(self._timed, next(work), next(self._doors))
                due += 1 / PER_SECOND
                self._over.wait(max(0.0, due - time.monotonic()))

    def _timed(self, work: Callable[[Customer], bool], customer: Customer) -> None:
        started = time.monotonic()
        done = work(customer)
        self.told.append(Told(time.monotonic(), time.monotonic() - started, done))

    def _call(self, customer: Customer, operation: str, **parameters: object) -> dict[str, object] | None:
        """The answer, or None when nobody knows what happened; a plain refusal is a defect and is kept."""
        try:
            return customer.vpc(operation, **parameters)
        except Unreachable:
            return None
        except ApiError as error:
            if error.code != UNAVAILABLE:
                self.refused.append(str(error))
            return None

    # One call each; True when it was acknowledged.

    def _make(self, customer: Customer) -> bool:
        with self._lock:
            if len(self._names) - sum(names == {GONE} for names in self._names.values()) >= KEPT:
                made = None
            else:
                made = f"{self._mark}-{next(self._number)}"
        if made is None:
            return self._delete(customer)
        answer = self._call(customer, "createNetworkInterface", subnetId=self._subnet, networkInterfaceName=made)
        if answer is None:
            return False
        with self._lock:
            identity = str(answer["networkInterfaceId"])
            self._names[identity] = {made}
            self._free.append(identity)
        return True

    def _rename(self, customer: Customer) -> bool:
        return self._on_one(customer, "modifyNetworkInterface", f"{self._mark}-{next(self._number)}")

    def _delete(self, customer: Customer) -> bool:
        return self._on_one(customer, "deleteNetworkInterface", GONE)

    def _on_one(self, customer: Customer, operation: str, name: str) -> bool:
        """Do something with the interface that has waited longest; it is called `name` afterwards."""
        with self._lock:
            if not self._free:
                return True
            identity = self._free.pop(0)
        more = {"networkInterfaceName": name} if name else {}
        answer = self._call(customer, operation, networkInterfaceId=identity, **more)
        with self._lock:
            if answer is None:
                self._names[identity].add(name)  # and no other call is about it from now on
                return False
            self._names[identity] = {name}
            if name:
                self._free.append(identity)
        return True

    def _widen(self, customer: Customer) -> bool:
        """Change a bandwidth, one call at a time."""
        if not self._changing.acquire(blocking=False):
            return self._rename(customer)
        try:
            wanted = 50 + next(self._number) % 100
            answer = self._call(customer, "modifyElasticIp", elasticIpId=self._eip, bandwidthMbps=wanted)
            self._bandwidth = {wanted} if answer is not None else self._bandwidth | {wanted}
            return answer is not None
        finally:
            self._changing.release()

    # What came of it.

    @property
    def acknowledged(self) -> int:
        """Calls that were answered with success."""
        return sum(one.done for one in self.told)

    def silence(self) -> float:
        """The longest time without any acknowledgement, in seconds."""
        moments = sorted(one.at for one in self.told if one.done)
        return max((after - before for before, after in itertools.pairwise(moments)), default=0.0)

    def lost(self, door: int) -> list[str]:
        """Acknowledged changes that an API server does not show."""
        there = self._listed(self._owner.by(door))
        wrong = [
            f"{identity} is {there.get(identity, GONE)!r}, not one of {sorted(names)}"
            for identity, names in self._names.items()
            if there.get(identity, GONE) not in names
        ]
        bandwidth = self._owner.by(door).elastic_ip(self._eip)["bandwidthMbps"]
        if self._bandwidth and bandwidth not in self._bandwidth:
            wrong.append(f"the bandwidth is {bandwidth}, not one of {self._bandwidth}")
        return wrong

    def _listed(self, customer: Customer) -> dict[str, str]:
        found: dict[str, str] = {}
        for page in itertools.count(1):
            answer = customer.vpc("describeNetworkInterfaces", pageNumber=page, pageSize=100)
            found |= {one["networkInterfaceId"]: one["networkInterfaceName"] for one in answer["networkInterfaces"]}
            if page * 100 >= answer["totalCount"]:
                return found
        return found

    def clear(self) -> None:
        """Delete every interface that was made, also those of which nobody knows."""
        for identity, name in self._listed(self._owner).items():
            if name.startswith("churn-"):
                self._owner.vpc("deleteNetworkInterface", networkInterfaceId=identity)
