"""An older region opens in a newer program: what was stored under one schema is carried over to another.

Additions convert by themselves.  Everything else would lose data, so it takes an ``Upgrade``: a function from the old
rows to the new ones.  They run in the order of their versions; the result is checked against the new schema by
``ovsdb-tool``, and the old file is kept beside the new one.
"""

import hashlib
import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sdnctl.base.errors import DiskFull, StoreError
from sdnctl.model.upgrade import Rows, Upgrade
from sdnctl.store.ovsdb.codec import UNREADABLE
from sdnctl.store.ovsdb.schema import DATABASE, canonical

Schema = dict[str, Any]


def numbers(version: str) -> tuple[int, ...]:
    """``1.10.0`` as what it is compared by."""
    return tuple(int(part) for part in version.split("."))


def stored_schema(database: Path) -> Schema:
    """The schema that a database file was written with: its first record (ovsdb(5)).  StoreError when there is none."""
    with database.open("rb") as file:
        header = file.readline().split()
        if len(header) < 4 or header[:2] != [b"OVSDB", b"JSON"]:
            raise StoreError(f"{database} is not a store")
        made: Schema = json.loads(file.read(int(header[2])))
    return made


def drop_torn_tail(database: Path) -> None:
    """Cut off what was being written when the power went, as ovsdb-server does and ovsdb-tool does not.

    StoreError when it is not the last record that is damaged.
    """
    size = database.stat().st_size
    with database.open("r+b") as file:
        while (start := file.tell()) < size:
            header = file.readline().split()
            length = int(header[2]) if len(header) > 3 and header[2].isdigit() else size
            end = file.tell() + length
            if end <= size and hashlib.sha1(file.read(length)).hexdigest().encode() == header[3]:
                continue
            if end < size:
                raise StoreError(f"{database} is damaged at byte {start}")
            file.truncate(start)
            return


def losses(old: Schema, new: Schema) -> list[str]:
    """The tables and columns of ``old`` that ``new`` does not hold, or holds as another type."""
    lost = []
    for name, table in old["tables"].items():
        there = new["tables"].get(name)
        if there is None:
            lost.append(name)
            continue
        for column, described in table["columns"].items():
            kept = there["columns"].get(column)
            if kept is None or canonical(kept["type"]) != canonical(described["type"]):
                lost.append(f"{name}.{column}")
    return sorted(lost)


def upgraded(step: Upgrade, rows: Rows) -> Rows:
    """The rows after an upgrade; StoreError, with the step's name, when it makes nothing of what is stored."""
    try:
        return step.work(rows)
    except (*UNREADABLE, AttributeError) as error:
        where = f"{step.work.__module__}.{step.work.__name__}"
        raise StoreError(
            f"the upgrade to {step.to} ({where}) fails on a row: {type(error).__name__}: {error}"
        ) from error


def due(old: str, new: str, upgrades: Sequence[Upgrade]) -> list[Upgrade]:
    """The steps between two versions, in order."""
    wanted = [step for step in upgrades if numbers(old) < numbers(step.to) <= numbers(new)]
    return sorted(wanted, key=lambda step: numbers(step.to))


def dump(database: Path, old: Schema) -> Rows:
    """Every row of a database nobody serves."""
    names = sorted(old["tables"])
    query = [DATABASE, *({"op": "select", "table": name, "where": []} for name in names)]
    answers = tool("query", str(database), json.dumps(query))
    return {name: answer["rows"] for name, answer in zip(names, json.loads(answers), strict=True)}


def write(target: Path, schema_file: Path, rows: Rows) -> None:
    """A new database with these rows; StoreError when they do not fit the schema.

    They are appended as one transaction record (ovsdb(5), "Standalone Format"), since an argument of a command holds
    128 KiB only; ``compact`` reads them back and checks every type and constraint.
    """
    tool("create", str(target), str(schema_file))
    record: dict[str, dict[str, Any]] = {
        name: {row["_uuid"][1]: {k: v for k, v in row.items() if not k.startswith("_")} for row in there}
        for name, there in rows.items()
    }
    text = json.dumps({**record, "_comment": "converted"}).encode()
    with target.open("ab") as file:
        file.write(b"OVSDB JSON %d %s\n%s" % (len(text), hashlib.sha1(text).hexdigest().encode(), text))
    tool("compact", str(target))


def tool(*arguments: str) -> str:
    """Run ovsdb-tool(1) and return what it printed; StoreError with its words when it fails."""
    return run("ovsdb-tool", *arguments)


def run(program: str, *arguments: str, timeout: float | None = None) -> str:
    """Run a program of ovsdb and return what it printed; StoreError when it fails, or takes ``timeout`` seconds."""
    try:
        done = subprocess.run([program, *arguments], capture_output=True, text=True, check=True, timeout=timeout)
    except FileNotFoundError as error:
        raise StoreError(f"{program} is not installed (package openvswitch-common)") from error
    except subprocess.TimeoutExpired as error:
        raise StoreError(f"{program} {arguments[0]}: no answer in {timeout} s") from error
    except subprocess.CalledProcessError as error:
        said = error.stderr.strip()
        kind = DiskFull if "No space left" in said else StoreError
        raise kind(f"{program} {arguments[0]}: {said.rpartition(chr(10))[2]}") from error
    return done.stdout
