"""What others wrote is shown, and commands nothing."""

import pytest

from sdnctl.cli import show

EVIL = "hv\x1b[2J\x1b]0;x\x07\x9b31m\u202e7"


def test_a_terminal_obeys_nothing_that_a_host_reports(capsys: pytest.CaptureFixture[str]) -> None:
    row, columns = {"host": EVIL, "errors": [EVIL, "two\tlines"]}, {"host": "host", "errors": "errors"}
    show.table([row], columns, "", False, "hosts")
    show.record({"host": EVIL}, False)
    show.line(EVIL)
    show.error(ValueError(EVIL), False)
    said = "".join(capsys.readouterr())
    assert not set("\x1b\x07\x9b\u202e") & set(said)
    assert said.count(r"hv\x1b[2J\x1b]0;x\x07\x9b31m\u202e7") == 5


def test_what_people_write_stays_as_it_is() -> None:
    for text in ("网络-1 é [bold]", "one\ntwo\tthree", "–", ""):
        assert show.printable(text) == text
