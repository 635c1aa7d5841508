"""The pages say what is there: generated ones say what the code says, written ones name files and code that exist."""

import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache, reduce
from pathlib import Path
from typing import Any

import pytest
import typer.main

from sdnctl.cli import build
from sdnctl.docs import page
from sdnctl.of.fields import IP_DST
from sdnctl.program.feature import assemble, feature, packet_in
from sdnctl.program.pipeline import Pipeline

REPO = Path(__file__).parent.parent
GENERATED = {"pipeline.md", "api.md"}
PAGES = [
    path
    for path in (REPO / "README.md", *sorted((REPO / "docs").rglob("*.md")), REPO / "bench" / "README.md")
    if path.name not in GENERATED
]
TOPS = "sdnctl|apps|tests|topologies|bench|examples|systemd|docs"
PATH = re.compile(rf"(?<![\w./-])(?:{TOPS})/[\w./-]*\w|(?<![\w./*>-])(?:\w+/)*\w+\.py\b")
DOTTED = re.compile(r"(?<![\w./-])(?:sdnctl|apps|tests|topologies|bench)(?:\.[A-Za-z_]\w*)+")
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")
PAGE = re.compile(r"\bdocs/(?:decisions/\d{3}[\w-]*(?:\.md)?|[\w-]+\.md)")
COMMAND = re.compile(r"(?:\$ +|`)sdnctl +([a-z][^`\n#&>]*)")
TOUR = REPO / "docs" / "add-a-feature.md"
PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_pipeline_page_is_not_stale() -> None:
    made = subprocess.run([sys.executable, "-m", "sdnctl.docs"], cwd=REPO, capture_output=True, text=True, check=True)
    assert (REPO / "docs" / "pipeline.md").read_text() == made.stdout, "run 'make docs' and commit docs/pipeline.md"


def test_everything_declared_is_on_the_page() -> None:
    pipeline = Pipeline()
    first, second = pipeline.stage("enter"), pipeline.stage("leave")
    lost = pipeline.reason("lost", "nobody has this address")
    out = second.table("out", "where the packet leaves", matches=[IP_DST], miss=lost)
    first.table("admit", "whose packet it is", miss="onward")
    first.table("beside", "what only some packets meet", after="admit", aside=True)
    ask = pipeline.question("ask", "it wants to know")
    pipeline.limit("askers", "all askers", rate=50, burst=32)
    pipeline.barrier("wall", "nothing is looked at before", to=out)
    pipeline.field("vpc", since=first, until=second)
    pipeline.field("kind", bits=4, since=first, until=second)

    @feature(each=str)
    def exit(each: str, here: str, view: object) -> Iterator[Any]:
        """The way out.

        Not on the page.
        """
        yield from ()

    @packet_in(ask)
    def answer(packet: object, here: str, view: object) -> Iterator[Any]:
        """Answers it."""
        yield from ()

    text = page(assemble([exit, answer], pipeline))
    assert "| 16 | `out` | where the packet leaves | `eth_type`, `ip_dst`, `ip_proto` | drop: lost | – |" in text
    assert "| 0 | `admit` | whose packet it is | – | onward | `out` |" in text
    assert "| 1 | `beside` (aside) | what only some packets meet | – | – | `out` |" in text
    assert "| 1 | `askers` | all askers | 50 | 32 |" in text
    assert "| 1 | `wall` | nothing is looked at before | `out` |" in text
    assert "| 1 | `ask` | it wants to know | `answer` | Answers it. |" in text
    assert "| `vpc` | `reg0` | enter | leave |" in text
    assert "| `kind` | `reg1[0..3]` | enter | leave |" in text
    assert "| 1 | `lost` | nobody has this address |" in text
    assert "The way out. |" in text
    assert "Not on the page" not in text
    assert "Answers it." in text


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(REPO)))
def test_what_a_page_names_is_there(path: Path) -> None:
    text = path.read_text()
    missing = {found for found in PATH.findall(text) if not known(found)}
    missing |= {found for found in DOTTED.findall(text) if not importable(found)}
    missing |= {found for found in LINK.findall(text) if not (path.parent / found).exists()}
    assert missing == set()


def test_the_pages_that_code_names_are_there() -> None:
    listed = subprocess.run(["git", "ls-files", "*.py"], cwd=REPO, capture_output=True, text=True, check=True)
    named = {page for path in listed.stdout.split() for page in PAGE.findall((REPO / path).read_text())}
    assert {page for page in named if not list(REPO.glob(f"{page}*"))} == set()


def test_commands_on_the_pages_are_commands() -> None:
    root = typer.main.get_command(build())
    said = {line.strip() for path in PAGES if path != TOUR for line in COMMAND.findall(path.read_text())}
    assert len(said) > 50
    assert {line for line in said if not understood(root, line.split())} == set()


def test_the_tour_of_a_feature_quotes_one() -> None:
    code = "\0".join(f"\n{path.read_text()}" for path in sorted((REPO / "tests" / "one_folder").glob("*/*.py")))
    blocks = PYTHON.findall(TOUR.read_text())
    assert blocks
    assert [block for block in blocks if f"\n{block}" not in code] == []


@cache
def files() -> tuple[str, ...]:
    """The files of the repository that may be named by the end of their path: no helpers of tests."""
    listed = subprocess.run(["git", "ls-files"], cwd=REPO, capture_output=True, text=True, check=True)
    paths = [Path("/", name) for name in listed.stdout.split()]
    helpers = {path for path in paths if path.parts[1] == "tests" and not path.name.startswith(("test_", "conftest"))}
    return tuple(str(path) for path in paths if path not in helpers or "one_folder" in path.parts)


def known(path: str) -> bool:
    """True for a file or folder of the repository, or the end of the path of one."""
    return (REPO / path).exists() or any(name.endswith(f"/{path}") for name in files())


def importable(dotted: str) -> bool:
    """True for a module, or for what a module has."""
    parts = dotted.split(".")
    for end in range(len(parts), 0, -1):
        module = REPO.joinpath(*parts[:end])
        if module.is_dir() or module.with_suffix(".py").exists():
            if end == len(parts):
                return True
            try:
                reduce(getattr, parts[end:], importlib.import_module(".".join(parts[:end])))
            except AttributeError:
                return False
            return True
    return False


def understood(command: Any, words: list[str]) -> bool:
    """True when a command line names commands, and options that they have."""
    options = {name: option for option in command.params for name in option.opts}
    words = [word.strip("[],…") for word in words]
    while words:
        word, *words = words
        inner = getattr(command, "commands", {})
        if word in inner:
            return understood(inner[word], words)
        if word.startswith("--"):
            if word not in options and word != "--help":
                return False
            words = words if word == "--help" or options[word].is_flag else words[1:]
        elif inner and word.isalpha():
            return False
    return True
