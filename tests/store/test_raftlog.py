"""A member whose disk was full for a moment opens again; judged by ovsdb-tool(1), which reads as ovsdb-server does."""

import subprocess
import sys
from pathlib import Path

import pytest

from sdnctl.base.errors import StoreError
from sdnctl.store.server.raftlog import hole, mend, written
from sdnctl.store.server.repair import alone, by_itself, look, repair
from tests.store.cluster import cluster

SCHEMA = '{"name":"sdnctl","version":"1.0.0","tables":{"T":{"columns":{"a":{"type":"string"}}}}}'
ENTRY = {"term": 1, "index": 2, "data": [None, {"_comment": "one"}], "eid": "0972e15d-6171-461e-95c0-3b6397d7836b"}


def opens(path: Path) -> bool:
    """True when the server would open the file."""
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


def test_a_keeper_leaves_a_member_without_others_to_its_operator(log: Path) -> None:
    assert look(log.parent) is None and by_itself(log.parent) is None
    append(log, {"commit_index": 3}, ENTRY | {"index": 5})
    before, found = log.read_bytes(), hole(log)
    assert found is not None and (found.records, found.members) == (2, 1)
    with pytest.raises(StoreError, match=rf"no other member has it: 'sdnctl store repair --data {log.parent}'"):
        by_itself(log.parent)
    assert log.read_bytes() == before
    kept = repair(log.parent)
    assert kept is not None and kept.read_bytes() == before
    assert opens(log) and repair(log.parent) is None


def test_a_keeper_cuts_where_others_have_what_is_missing(log: Path) -> None:
    others = {str(n): f"tcp:127.0.0.1:{n}" for n in range(3)}
    append(log, ENTRY | {"index": 3, "servers": others}, {"commit_index": 5})
    found = hole(log)
    assert found is not None and found.members == 3
    assert by_itself(log.parent) is not None
    assert hole(log) is None


def test_a_member_that_is_served_is_not_repaired(log: Path) -> None:
    """The lock is the process's: another one asks."""
    code = (
        "import sys; from pathlib import Path; from sdnctl.store.server.repair import repair; repair(Path(sys.argv[1]))"
    )
    with alone(log.parent):
        done = subprocess.run([sys.executable, "-c", code, str(log.parent)], capture_output=True, text=True)
    assert done.returncode == 1 and "another sdnctl store serves" in done.stderr
    with pytest.raises(StoreError, match="there is no member of a store in"):
        look(log.parent / "nowhere")


def test_how_many_members_there_are_is_in_a_real_member_s_log() -> None:
    with cluster() as three:
        three.leader.kill()
        for member in three.members:
            if member.process is not None and member.process.poll() is None:
                member.kill()
        for member in three.members:
            append(member.database, {"commit_index": 1 << 20})
            found = hole(member.database)
            assert found is not None and (found.records, found.members) == (1, 3), member.name


def test_the_operator_s_command_looks_first_and_then_cuts(log: Path) -> None:
    append(log, {"commit_index": 3})
    before = log.read_bytes()

    def told(*more: str) -> str:
        command = [sys.executable, "-m", "sdnctl", "store", "repair", "--data", str(log.parent), *more]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    assert "hole at byte" in told("--dry-run") and log.read_bytes() == before
    assert "kept" in told() and opens(log)
    assert "nothing to repair" in told()
