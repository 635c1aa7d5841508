"""The store that lasts: an OVSDB server keeps the region on disk, every process follows it in memory.

Reading is reading the replica.  Writing is running the work on the replica, sending what it changed on condition that
nobody was faster, and waiting until the replica shows it.  A broken connection comes back by itself, and followers get
the difference; they never see a reset.
"""

import random
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

from sdnctl.base.errors import Refused, StoreError
from sdnctl.model.resource import meta
from sdnctl.model.unreadable import Unreadable
from sdnctl.store import Batch, Change, Interest, Moment, State, Txn
from sdnctl.store.memory import everything
from sdnctl.store.moment import moment
from sdnctl.store.numbers import Hints
from sdnctl.store.ovsdb import commit
from sdnctl.store.ovsdb.codec import UNREADABLE
from sdnctl.store.ovsdb.commit import ENDS, Attempt, Effort
from sdnctl.store.ovsdb.dialogue import Dialogue
from sdnctl.store.ovsdb.followers import Followers
from sdnctl.store.ovsdb.link import Garbled, Link, Lost
from sdnctl.store.ovsdb.presence import Presence, Why
from sdnctl.store.ovsdb.replica import Replica, Updates
from sdnctl.store.ovsdb.room import Room
from sdnctl.store.ovsdb.schema import DATABASE, tables
from sdnctl.store.ovsdb.seal import Seal
from sdnctl.store.ovsdb.wire import Message

R = TypeVar("R")
_RECHECK_S = 0.05  # after a conflict, when no update of the replica tells that it caught up
_RIVALRY_S, _GIVE_WAY_S = 10.0, 0.003


class OvsdbStore:
    """A Store (see the protocol) on an OVSDB server, or on a cluster of them; batches come on the thread "store".

    While the server is away, reads go on with what is known; writes wait up to ``timeout`` seconds, less when it has
    been away for longer.  Of a cluster, any member does; one that dies, is cut off, is behind or does not answer is
    left for another (docs/decisions/007).
    A store that follows a part of the region takes reports only.
    """

    def __init__(
        self,
        remote: str,
        *,
        classes: Iterable[type] | None = None,
        interest: Interest | None = None,
        pki: Path | None = None,
        clock: Callable[[], float] = time.time,
        timeout: float = 5.0,
    ) -> None:
        """Start to follow ``remote``: ``unix:PATH``, ``tcp:HOST:PORT`` or ``ssl:HOST:PORT``, or several, with commas.

        ``classes`` are the resources to follow, by default all that are declared now; ``interest`` says which of
        their records until the first ``follow``, None is all of them.  ``pki`` is the directory of ca.pem, cert.pem
        and key.pem for ``ssl:``; StoreError when they are not there.
        """
        self._replica = Replica(tables(classes, Seal.of(pki)))
        self.state: State = self._replica.state
        self._hints = Hints()
        self._clock = clock
        self._timeout = timeout
        self._changed = threading.Condition(threading.RLock())  # held while the replica is read or changed
        self._reader = 0
        self._turn = threading.Lock()  # held by the one transaction of this process
        self._generation = 0
        self._own, self._committed, self._rivalled = 0, 0.0, 0.0  # our last commit, when it was, when others' was
        self._loaded = False
        self._presence = Presence(remote)
        self._room = Room()
        self._dialogue = Dialogue(self._replica.tables, interest)
        self._held = self._dialogue.in_force
        self._followers = Followers()
        self.arbitrated = "ssl:" in remote
        self._link = Link(remote.split(","), timeout, self, pki)
        self._link.start()

    def transact(self, work: Callable[[Txn], R]) -> R:
        """See Store.transact; the commit is on disk when this returns."""
        if not self._held.all:
            raise RuntimeError("intent is checked against the whole region, and this process follows a part of it")
        effort = self._effort(self._presence.patience(self._timeout))
        while True:
            self._await_current(effort)
            self._give_way()
            with effort.doubts(), self._my_turn(effort):
                made = self._settle(effort)
                if made is None:
                    attempt = self._attempt(work, effort)
                    if attempt is None:
                        continue
                    if not attempt.changes:
                        return cast(R, attempt.result)
                    made = attempt if self._commit(attempt, effort) else None
            if made is not None:
                return cast(R, self._finish(made, effort))

    def report(self, work: Callable[[Txn], R]) -> R:
        """See Store.report; rows are written one by one, so a lost answer is mended by writing again."""
        effort = self._effort(self._timeout)
        while True:
            self._await_current(effort)
            with self._my_turn(effort):
                attempt = self._attempt_report(work)
                if not attempt.changes or self._commit(attempt, effort):
                    return cast(R, attempt.result)

    def subscribe(self, deliver: Callable[[Batch], None]) -> None:
        """See Store.subscribe; returns after the first batch if the store was loaded before, else at once."""
        with self._changed:
            follower = self._followers.join(deliver)
            loaded = self._loaded
        if self._link.here:
            self._welcome()
            return
        self._link.wake()
        while loaded and self._link.alive and not follower.welcome.wait(0.1):
            pass

    def follow(self, interest: Interest) -> int:
        """See Store.follow; a record that leaves the interest comes as a deletion, one that enters it as new.

        A class that this store does not keep has no records.  ValueError when a clause names no field.
        """
        number = self._dialogue.want(interest)
        self._link.wake()
        return number

    @contextmanager
    def read(self) -> Iterator[State]:
        """See Store.read; waits for the first load, StoreError when it does not come in time."""
        with self._changed:
            if not self._loaded:
                self._wait_until(lambda: self._loaded, time.monotonic() + self._timeout)
            outer, self._reader = self._reader, threading.get_ident()
            try:
                yield self.state
            finally:
                self._reader = outer

    def moment(self) -> AbstractContextManager[Moment]:
        """See Store.moment; waits for the first load, StoreError when it does not come in time."""
        with self.read() as state:
            return moment(state, self._changed)

    def unsealed(self, aside: Unreadable) -> Any:
        """The record of a row that is put aside, with its secrets as they stand there; None when it makes none."""
        return self._replica.unsealed(aside.table, aside.row)

    def close(self) -> None:
        """Stop following; a transaction that waits gets a StoreError."""
        self._link.close()
        with self._changed:
            self._changed.notify_all()

    @property
    def current(self) -> bool:
        """True while the replica follows the server; False while the server is away."""
        return self._presence.current

    @property
    def trouble(self) -> str:
        """See Store.trouble."""
        return self._presence.trouble

    @property
    def full(self) -> bool:
        """See Store.full."""
        return self._room.full(self.remote)

    @property
    def remote(self) -> str:
        """The server that is followed, or tried next."""
        return self._link.remote

    def _effort(self, seconds: float) -> Effort:
        if self._link.here or self._reader == threading.get_ident():
            raise RuntimeError("a transaction inside a delivery or a read would wait for itself")
        return Effort(time.monotonic() + seconds)

    @contextmanager
    def _my_turn(self, effort: Effort) -> Iterator[None]:
        """The turn to write, for one attempt: who waits for the store, or for others' commits, does so without it."""
        if not self._turn.acquire(timeout=max(0.0, effort.deadline - time.monotonic())):
            raise StoreError(f"the store is busy: no turn within {self._timeout} s")
        try:
            yield
        finally:
            self._turn.release()

    def _wait_until(self, true: Callable[[], bool], deadline: float) -> None:
        """Wait for the link's thread to make something true (with the lock held); StoreError after ``deadline``."""
        while not true():
            left = deadline - time.monotonic()
            if left <= 0 or not self._link.alive:
                raise StoreError(f"the store cannot be reached: {self._presence.problem}")
            self._changed.wait(min(left, 0.5))

    def _await_current(self, effort: Effort) -> None:
        with effort.doubts(), self._changed:
            if effort.pause is not None:
                self._changed.wait_for(effort.pause, _RECHECK_S)
                effort.pause = None
            self._wait_until(lambda: self.current, effort.deadline)
            if time.monotonic() > effort.deadline:
                raise StoreError(f"no commit within {self._timeout} s: {self._presence.problem}")

    def _attempt(self, work: Callable[[Txn], R], effort: Effort) -> Attempt | None:
        """Run the work; None when a doubtful attempt must be settled first, since somebody has committed since."""
        with self._changed:
            if effort.doubtful and self.state.sequence != effort.doubtful[0].base:
                return None
            txn = Txn(self.state, self._hints, self._clock())
            result = work(txn)
            changes = txn.changes()
            id = uuid.uuid4().hex
            with commit.encodable(self._replica, changes):
                operations = commit.intent(self._replica, changes, id, self._dialogue.is_cluster) if changes else []
            return Attempt(id, result, changes, operations, self.state.sequence, self._generation)

    def _attempt_report(self, work: Callable[[Txn], R]) -> Attempt:
        with self._changed:
            txn = Txn(self.state, self._hints, self._clock(), self._held.covers)
            result = work(txn)
            changes = txn.changes()
            wrong = [change.cls.__name__ for change in changes if not meta(change.cls).report]
            if wrong:
                raise ValueError(f"{wrong[0]} is intent: use transact")
            with commit.encodable(self._replica, changes):
                operations = commit.report(self._replica, changes) + commit.checks(txn.assumed)
            return Attempt("", result, changes, operations, 0, self._generation, txn.assumed)

    def _give_way(self) -> None:
        """Wait a moment after a commit: its maker is the first to know of it, and would win again and again.

        Nobody waits who has had no rival for a while, and nobody whose rival was the last.
        """
        now = time.monotonic()
        if self.state.sequence != self._own:
            self._rivalled = now
        elif self._dialogue.is_cluster and now - self._rivalled < _RIVALRY_S:
            time.sleep(max(0.0, self._committed + random.random() * _GIVE_WAY_S - now))

    def _ask(self, parameters: list[Any], effort: Effort) -> Message:
        """Have operations carried out.

        A member of a cluster may keep a transaction for good that it passed on to a leader that died (OVS 3.1): it is
        left after a while, which makes it forget the transaction.
        """
        leave = self._dialogue.is_cluster
        until = min(effort.deadline, time.monotonic() + effort.patience) if leave else effort.deadline
        try:
            return self._link.call("transact", parameters, until, leave)
        except Lost:
            effort.patience *= 2
            raise

    def _commit(self, attempt: Attempt, effort: Effort) -> bool:
        """Send an attempt; False when it did not happen, or is ``doubtful`` because nobody knows.

        IntentError when a value cannot be stored; Refused when the store will not take it however often it is sent.
        """
        try:
            with commit.encodable(self._replica, attempt.changes):
                answer = self._ask([DATABASE, *attempt.operations], effort)
        except Lost as lost:
            self._was_lost(attempt, lost, effort)
            return False
        refused = commit.refusal(answer)
        self._room.answered(refused)
        if refused is None:
            return True
        commit.check(self._replica, attempt, answer)
        if self._beaten_by_itself(answer, attempt, effort.doubtful):
            return True
        self._presence.problem = f"others were faster ({refused})"
        effort.pause = lambda: self._generation != attempt.generation
        return False

    def _was_lost(self, attempt: Attempt, lost: Lost, effort: Effort) -> None:
        """Note what may have become of an attempt; Refused when its connection ended each time that it was sent."""
        if lost.sent:
            effort.doubtful.append(attempt)
        effort.ends += lost.closed
        if effort.ends >= ENDS:
            raise Refused(f"the store ended the connection {ENDS} times on one transaction")
        with self._changed:
            if self.current:
                self._presence.problem = str(lost)  # until the link says why
        effort.pause = lambda: not self.current

    def _beaten_by_itself(self, answer: Message, attempt: Attempt, doubtful: list[Attempt]) -> bool:
        """True when a conflict is with the attempt's own commit: when a cluster loses its leader, servers try again."""
        if not commit.asks(attempt):
            return False
        winner = commit.maker(answer, attempt.base + 1)
        if winner is None or winner in {other.id for other in doubtful}:
            doubtful.append(attempt)
        elif winner != attempt.id:
            doubtful.clear()  # somebody else's: of those on the same number, none can be committed any more
        return winner == attempt.id

    def _settle(self, effort: Effort) -> Attempt | None:
        """The doubtful attempt that was committed after all; forgets them once none can be.

        All were computed on the same sequence number.  While that is the latest one, one of them may still lie in a
        socket's buffer: running again is safe then, because the server takes at most one of them.
        """
        doubtful = effort.doubtful
        with self._changed:
            if not doubtful or self.state.sequence == doubtful[0].base:
                return None
        sequence = doubtful[0].base + 1
        try:
            winner = commit.maker(self._ask(commit.who_made(sequence), effort), sequence)
        except Lost:
            return None  # asked again after the next connect
        if winner is None:
            return None
        made = [attempt for attempt in doubtful if attempt.id == winner]
        doubtful.clear()
        return made[0] if made else None

    def _finish(self, attempt: Attempt, effort: Effort) -> Any:
        """Wait until the replica shows the commit; the server sends the update before the answer."""
        effort.doubtful.append(attempt)
        with effort.doubts(), self._changed:
            self._wait_until(lambda: self.state.sequence > attempt.base, effort.deadline)
        self._own, self._committed = max(self._own, attempt.base + 1), time.monotonic()
        return attempt.result

    def connected(self) -> list[Message]:
        """Say what this process wants to know; this and what follows is called on the link's thread."""
        return self._dialogue.greeting()

    def received(self, message: Message) -> list[Message]:
        """Take in what the server says."""
        heard = self._dialogue.hear(message)
        if heard.updates is not None:
            self._take(heard.updates, heard.whole)
        elif self._held is not self._dialogue.in_force:
            self._take({}, whole=False)
        return heard.say

    def lost(self, reason: str, hangs: int | None = None) -> None:
        """Let waiting readers and writers know why they wait."""
        if hangs is None:
            self._dialogue.ended()
        with self._changed:
            self._presence.lost(Why(self.remote, reason, hangs))
            self._changed.notify_all()

    def answers(self) -> None:
        """Go on where the server was: what it says is read in order."""
        with self._changed:
            self._presence.answers()
            self._changed.notify_all()

    def woken(self) -> list[Message]:
        """Welcome those who subscribed since, and say what is wanted now."""
        self._welcome()
        return self._dialogue.ask()

    def _welcome(self) -> None:
        if not self._loaded:
            return
        with self._changed:
            joining = self._followers.joining()
        for follower in joining:
            self._followers.welcome(follower, Batch(everything(self.state), self.state.sequence, self._held.number))

    def _take(self, updates: Updates, whole: bool) -> None:
        try:
            changes = self._replica.read(updates, whole)
        except UNREADABLE as error:
            self._dialogue.forget()
            raise Garbled(f"the store holds what cannot be read: {error!r}") from error
        with self._changed:
            self.state.apply(changes)
            before, self._held = self._held, self._dialogue.in_force
            self._generation += 1
            self._loaded = True
            self._presence.followed()
            self._changed.notify_all()
        self._deliver(changes, followed=before is not self._held)

    def _deliver(self, changes: list[Change], followed: bool) -> None:
        if changes or followed:
            self._followers.deliver(Batch(changes, self.state.sequence, self._held.number))
        self._welcome()
