"""Each sentence of what groups, network ACLs and source checks must do has a test that is named after it."""

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parent
LAST = {"s": 17, "a": 9, "c": 4}
"""The sentences of security groups, of network ACLs and of source checks: S1 to S17, A1 to A9, C1 to C4."""
SENTENCES = {f"{kind}{number}" for kind, last in LAST.items() for number in range(1, last + 1)}


def named() -> set[str]:
    """The sentences in the names of tests: test_s1_s2_and_what_they_say."""
    found = set()
    for path in (*TESTS.glob("packet/*.py"), *TESTS.glob("api/*.py"), *TESTS.glob("verify/*.py")):
        for one in ast.walk(ast.parse(path.read_text())):
            if isinstance(one, ast.FunctionDef) and re.match(r"test_[sac]\d", one.name):
                found.update(re.findall(r"(?<=_)[sac]\d+(?=_)", one.name))
    return found


def test_every_sentence_has_a_test() -> None:
    assert SENTENCES - named() == set()
