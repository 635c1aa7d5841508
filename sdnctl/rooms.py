"""The picture of the rooms and the features in docs/architecture.md: who uses whom, as the imports say.

``python -m sdnctl.rooms docs/architecture.md`` writes it between its two marks; a test fails when it is stale.
"""

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping, Set
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- written by make docs: who uses whom -->\n", "<!-- end -->\n"
SPOKESMEN = ("__init__", "model", "flows", "api", "service", "facts")
"""The files whose docstring says what a folder is: the first that has one."""
Uses = Mapping[str, Set[str]]
"""For each name the names that it uses."""


def uses(package: Path) -> dict[str, set[str]]:
    """The folders of a package with the folders of it that their files import, anywhere in a file."""
    folders = sorted(path for path in package.iterdir() if (path / "__init__.py").is_file())
    found = {}
    for folder in folders:
        named = {name for path in folder.rglob("*.py") for name in _imports(path)}
        parts = {name.split(".")[1] for name in named if name.startswith(f"{package.name}.")}
        found[folder.name] = parts & {other.name for other in folders} - {folder.name}
    return found


def _imports(path: Path) -> Iterator[str]:
    """The modules that a file imports; ``from a import b`` also as ``a.b``."""
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def ordered(graph: Uses) -> list[str]:
    """The names, each after all that it uses, else by name; ValueError when they use each other in a circle."""
    done: list[str] = []
    while len(done) < len(graph):
        ready = sorted(name for name, used in graph.items() if name not in done and used <= set(done))
        if not ready:
            raise ValueError(f"these use each other in a circle: {', '.join(sorted(set(graph) - set(done)))}")
        done += ready
    return done


def reduced(graph: Uses) -> dict[str, set[str]]:
    """The same without the arrows that others imply: what is used through something that is used."""
    beyond: dict[str, set[str]] = {}
    for name in ordered(graph):
        beyond[name] = set(graph[name]).union(*(beyond[used] for used in graph[name]))
    implied = {name: set[str]().union(*(beyond[one] for one in used)) for name, used in graph.items()}
    return {name: set(used) - implied[name] for name, used in graph.items()}


def diagram(graph: Uses) -> str:
    """The arrows as a Mermaid graph, the users above."""
    few = reduced(graph)
    lines = [f"    {name} --> {used}" for name in reversed(ordered(graph)) for used in sorted(few[name])]
    alone = sorted(name for name in graph if not graph[name] and not any(name in used for used in graph.values()))
    return "\n".join(["```mermaid", "graph TD", *lines, *(f"    {name}" for name in alone), "```", ""])


def table(graph: Uses, package: Path) -> str:
    """Each name with the first sentence of its folder's docstring and all that it uses, the used ones first."""
    rows = [f"| `{name}` | {_about(package / name)} | {_list(graph[name])} |" for name in ordered(graph)]
    return "\n".join(["| folder | what it is | uses |", "| --- | --- | --- |", *rows, ""])


def _about(folder: Path) -> str:
    files = (folder / f"{name}.py" for name in SPOKESMEN)
    said = (ast.get_docstring(ast.parse(path.read_text())) for path in files if path.is_file())
    told = next(filter(None, said), "")
    return " ".join(told.partition("\n\n")[0].split()).replace("|", "\\|")


def _list(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names)) or "–"


def picture(root: Path = ROOT) -> str:
    """The generated part of the page."""
    parts = []
    for title, package in (("The rooms of `sdnctl/`", root / "sdnctl"), ("The features in `apps/`", root / "apps")):
        graph = uses(package)
        parts += [f"### {title}\n", diagram(graph), table(graph, package)]
    return "\n".join(parts)


def renewed(page: str, made: str) -> str:
    """A page with another picture between its marks; ValueError when it has no marks."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"there is no part between {BEGIN.strip()} and {END.strip()}")
    return f"{before}{begin}\n{made}\n{end}{after}"


def main() -> None:
    """Write the picture into the file that is given."""
    page = Path(sys.argv[1])
    page.write_text(renewed(page.read_text(), picture()))


if __name__ == "__main__":
    main()
