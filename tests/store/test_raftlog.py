"""A member whose disk was full for a moment opens again; judged by ovsdb-tool(1), which reads as ovsdb-server does."""

import subprocess
from pathlib import Path

import pytest

from sdnctl.store.server.raftlog import mend, written

SCHEMA = '{"name":"sdnctl","version":"1.0.0","tables":{"T":{"columns":{"a":{"type":"string"}}}}}'
ENTRY = {"term": 1, "index": 2, "data": [None, {"_comment": "one"}], "eid": "0972e15d-6171-461e-95c0-3b6397d7836b"}


def opens(path: Path) -> bool:
    """Whether the server would open the file."""
    return subprocess.run(["ovsdb-tool", "check-cluster", str(path)], capture_output=True).returncode == 0


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The log of a cluster of one, with one entry."""
    (tmp_path / "schema").write_text(SCHEMA)
    made = tmp_path / "store.db"
    command = ["ovsdb-tool", "create-cluster", str(made), str(tmp_path / "schema"), "tcp:127.0.0.1:1"]
    subprocess.run(command, check=True)
    append(made, {"term": 1, "vote": made_by(made)}, ENTRY, {"commit_index": 2})
    assert opens(made)
    return made


def made_by(path: Path) -> str:
    """The id of the member whose log this is."""
    return subprocess.check_output(["ovsdb-tool", "db-sid", str(path)], text=True).strip()


def append(path: Path, *records: dict[str, object]) -> None:
    """Write records at the end, whole ones."""
    with path.open("ab") as file:
        file.write(b"".join(written(record) for record in records))


def test_a_sound_log_stays_as_it_is(log: Path) -> None:
    before = log.read_bytes()
    assert mend(log) is None
    assert log.read_bytes() == before


def test_a_torn_tail_is_left_to_the_server(log: Path) -> None:
    with log.open("ab") as file:
        file.write(written({"commit_index": 2})[:-5])
    before = log.read_bytes()
    assert mend(log) is None
    assert log.read_bytes() == before


@pytest.mark.parametrize("behind", [{"commit_index": 3}, ENTRY | {"index": 4}], ids=["commit", "entry"])
def test_what_is_behind_a_hole_is_cut_off(log: Path, behind: dict[str, object]) -> None:
    before = log.read_bytes()
    append(log, behind, ENTRY | {"index": 5})
    whole = log.read_bytes()
    assert not opens(log)
    kept = mend(log)
    assert kept is not None and kept.read_bytes() == whole
    assert opens(log)
    assert log.read_bytes() == before
    assert mend(log) is None


def test_the_last_vote_is_kept(log: Path) -> None:
    append(log, {"commit_index": 9}, {"term": 2}, {"term": 3, "vote": made_by(log)}, ENTRY | {"index": 9})
    assert mend(log) is not None
    assert opens(log)
    shown = subprocess.check_output(["ovsdb-tool", "show-log", str(log)], text=True)
    assert "term: 3" in shown and "vote:" in shown


def test_an_entry_may_take_the_place_of_others(log: Path) -> None:
    """A leader may make a follower forget what was never committed."""
    append(log, ENTRY | {"index": 3}, ENTRY | {"index": 4}, {"term": 2}, ENTRY | {"term": 2, "index": 3})
    assert opens(log)
    assert mend(log) is None
