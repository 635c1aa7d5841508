"""The picture of the rooms in docs/architecture.md says what the imports say, and circles are refused."""

from pathlib import Path

import pytest

from sdnctl.rooms import BEGIN, END, diagram, ordered, picture, reduced, renewed, uses

REPO = Path(__file__).parent.parent


def test_the_picture_is_not_stale() -> None:
    page = (REPO / "docs" / "architecture.md").read_text()
    assert page == renewed(page, picture()), "run 'make docs' and commit docs/architecture.md"


def test_imports_anywhere_in_a_file_count(tmp_path: Path) -> None:
    package = tmp_path / "house"
    for name, code in (
        ("cellar", ""),
        ("hall", "import house.cellar.wine\n"),
        ("attic", "def late():\n    from house import hall\n"),
    ):
        (package / name).mkdir(parents=True)
        (package / name / "__init__.py").write_text(f'"""The {name}."""\n')
        (package / name / "stairs.py").write_text(code)
    (package / "no_room").mkdir()
    assert uses(package) == {"attic": {"hall"}, "cellar": set(), "hall": {"cellar"}}


def test_arrows_that_others_imply_are_left_out() -> None:
    graph = {"a": {"b", "c"}, "b": {"c"}, "c": set(), "alone": set()}
    assert reduced(graph) == {"a": {"b"}, "b": {"c"}, "c": set(), "alone": set()}
    assert ordered(graph) == ["alone", "c", "b", "a"]
    assert diagram(graph) == "```mermaid\ngraph TD\n    a --> b\n    b --> c\n    alone\n```\n"


def test_a_circle_has_no_order() -> None:
    with pytest.raises(ValueError, match="circle: a, b"):
        ordered({"a": {"b"}, "b": {"a"}, "c": set()})


def test_a_page_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="no part between"):
        renewed("# A page\n", "picture")
    assert renewed(f"a\n{BEGIN}old{END}z\n", "new") == f"a\n{BEGIN}\nnew\n{END}z\n"
