"""docs/security.md says how many attempts there are, and names tests that exist."""

import ast
import re
from functools import cache
from pathlib import Path

from tests.packet.attacks import attempts

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "security.md").read_text()


@cache
def functions(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text())
    return frozenset(one.name for one in ast.walk(tree) if isinstance(one, ast.FunctionDef))


def named() -> list[tuple[str, str]]:
    """Each test that the page names, as file and function, "" for a whole file; `::name` is of the file before it."""
    found, path = [], ""
    for said in re.findall(r"`((?:tests/[a-z_/]+\.py)?(?:::\w+)?)`", PAGE):
        file, _, name = said.partition("::")
        path = file or path
        found.append((path, name))
    return found


def test_the_number_of_attempts() -> None:
    assert [int(number) for number in re.findall(r"\*\*(\d+) attempts\*\*", PAGE)] == [len(attempts())]


def test_what_it_names_is_there() -> None:
    assert len(named()) > 20
    missing = [(path, name) for path, name in named() if name and name not in functions(path)]
    assert missing == []
    assert all((ROOT / path).is_file() for path, _ in named())


def test_every_line_of_what_is_promised_names_a_test() -> None:
    promised = PAGE.partition("## Promised")[2].partition("| --- | --- |\n")[2].partition("\n\n")[0].splitlines()
    assert len(promised) > 10
    assert all("`tests/" in line for line in promised), promised
