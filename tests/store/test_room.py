"""A full disk: what is there can be read, a change is refused in words and is not made, and room makes all well."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sdnctl.base.errors import DiskFull
from sdnctl.store import Txn
from sdnctl.store.ovsdb.room import Room
from tests.store.model import StoreNet
from tests.store.service import Service
from tests.waiting import eventually


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(place)], check=True)
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(place: Path) -> Path:
    """Take all the room that there is; the file that has it."""
    file = place / "filler"
    with file.open("ab", buffering=0) as out:
        for size in (4096, 64, 1):
            try:
                while True:
                    out.write(bytes(size))
            except OSError:
                continue
    return file


def test_a_full_disk_refuses_changes_in_words_and_room_lets_them_in(small: Path) -> None:
    service = Service(small / "data")
    store = service.open()

    def add(number: int) -> None:
        def work(txn: Txn) -> None:
            txn.put(StoreNet(id=f"net-{number}", account="a", key=number))

        store.transact(work)

    try:
        add(1)
        assert not store.full
        filler = fill(small)
        with pytest.raises(DiskFull, match="no room"):
            for number in range(2, 50):  # the last block of the file may have some room left
                add(number)
                fill(small)
        assert store.full and store.current
        there = len(store.state.all(StoreNet))
        assert there < 49
        filler.unlink()
        add(99)
        eventually(lambda: not store.full)
        assert len(store.state.all(StoreNet)) == there + 1
        service.kill()
        service.start()
        eventually(lambda: len(store.state.all(StoreNet)) == there + 1 and store.current)
    finally:
        store.close()
        service.kill()


def test_the_last_refusal_counts_for_some_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    room = Room()
    room.answered("constraint violation")
    assert not room.full("ssl:192.0.2.1:6641")
    room.answered("I/O error: No space left on device")
    assert room.full("ssl:192.0.2.1:6641")
    now[0] += 11
    assert not room.full("ssl:192.0.2.1:6641")
    room.answered("I/O error")
    assert room.full("ssl:192.0.2.1:6641")
    room.answered(None)
    assert not room.full("ssl:192.0.2.1:6641")
    assert not room.full(f"unix:{os.getcwd()}/no-store.sock")
