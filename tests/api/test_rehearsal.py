"""Rehearsals: which path is one, what they see of each other, and how long they last."""

import threading

import pytest

from sdnctl.api.rehearsal import AT_ONCE, BEGINS, CALLS_MOST, IDLE_S, Rehearsals, part
from sdnctl.base.errors import IntentError
from sdnctl.model.account import Account
from sdnctl.store import Txn
from sdnctl.store.memory import MemoryStore

TOKEN = "a" * 16
NEW = BEGINS + TOKEN


def put(id: str, refuse: bool = False) -> object:
    def work(txn: Txn) -> None:
        txn.put(Account(id=id))
        if refuse:
            raise IntentError(None, "no")

    return work


def test_a_path_says_whether_it_is_a_rehearsal() -> None:
    assert part(f"/v1/regions/r/rehearsals/{TOKEN}/vpcs/") == ("/v1/regions/r/vpcs/", TOKEN)
    for real in ("/v1/regions/r/vpcs/", "/v1/regions/r/rehearsals/short/vpcs/", f"/v1/regions/r/rehearsals/{TOKEN}"):
        assert part(real) == (real, "")


def test_what_was_rehearsed_is_seen_there_only_and_what_was_refused_nowhere() -> None:
    store = MemoryStore()
    rehearsals = Rehearsals(store)
    mine = rehearsals.of("me", NEW, 0.0)
    mine.transact(put("one"))
    with pytest.raises(IntentError):
        mine.transact(put("two", refuse=True))
    for token, account, seen in ((TOKEN, "me", {"one"}), (NEW, "you", set()), (BEGINS + "b" * 16, "me", set())):
        with rehearsals.of(account, token, 0.0).read() as state:
            assert set(state.all(Account)) == seen
    assert not store.state.all(Account) and store.state.sequence == 0


def test_who_reads_a_rehearsal_at_leisure_keeps_nobody_from_the_store() -> None:
    store = MemoryStore()
    mine = Rehearsals(store).of("me", NEW, 0.0)
    mine.transact(put("one"))
    with mine.moment() as seen:
        writer = threading.Thread(target=store.transact, args=(put("meanwhile"),))
        writer.start()
        writer.join(5)
        assert not writer.is_alive() and "meanwhile" in store.state.all(Account)
        assert set(seen.all(Account)) == {"one"}


def test_a_server_that_did_not_begin_a_rehearsal_refuses_its_calls() -> None:
    store = MemoryStore()
    one, other = Rehearsals(store), Rehearsals(store)
    one.of("me", NEW, 0.0)
    with pytest.raises(IntentError, match="another one began it"):
        other.of("me", TOKEN, 0.0)


def test_a_rehearsal_is_forgotten_and_bounded() -> None:
    now = [0.0]
    rehearsals = Rehearsals(MemoryStore(), lambda: now[0])
    first = rehearsals.of("me", NEW, 0.0)
    now[0] = IDLE_S - 1
    assert rehearsals.of("me", TOKEN, 0.0) is first
    now[0] += IDLE_S + 1
    with pytest.raises(IntentError, match="no such rehearsal"):
        rehearsals.of("me", TOKEN, 0.0)
    for number in range(AT_ONCE + 1):
        rehearsals.of(f"other-{number}", NEW, 0.0)
    assert len(rehearsals._known) == AT_ONCE
    rehearsals.of("busy", NEW, 0.0)
    for _ in range(CALLS_MOST - 1):
        rehearsals.of("busy", TOKEN, 0.0)
    with pytest.raises(IntentError, match="at most"):
        rehearsals.of("busy", TOKEN, 0.0)
