"""Each sentence of what security groups must do (S1 to S15) has a test that is named after it."""

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parent
SENTENCES = {f"s{number}" for number in range(1, 16)}


def named() -> set[str]:
    """The sentences in the names of tests: test_s1_s2_and_what_they_say."""
    found = set()
    for path in (*TESTS.glob("packet/*.py"), *TESTS.glob("api/*.py"), *TESTS.glob("verify/*.py")):
        for one in ast.walk(ast.parse(path.read_text())):
            if isinstance(one, ast.FunctionDef) and one.name.startswith("test_s"):
                found.update(re.findall(r"(?<=_)s\d+(?=_)", one.name))
    return found


def test_every_sentence_has_a_test() -> None:
    assert SENTENCES - named() == set()
