"""Shows in what the golden flow tables differ from those of an older commit: numbers and names, questions, barriers.

    python -m tests.golden_rename COMMIT

What only has another name or number now is renamed in the lines of COMMIT (``RENAMED``); in both, the unit behind a
line is left out, and matches stand in one order.  Lines that are then on one side only must be about questions, limits
and barriers (``ASKING``); each other one is printed, and the exit status is 1.
"""

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

FOLDER = Path(__file__).parent / "golden"
"""The folder that held all of them; some stand beside the tests of their feature now."""
RENAMED = (
    # A field of less than a register is loaded, not set; the one bit of a register has a name.
    (re.compile(r"set_field:([^,>]+)->(pool|reason|slot|too_big)\b"), r"load:\1->\2"),
    (re.compile(r"->reg9\[0\]"), "->too_big"),
    (re.compile(r"\breg0\["), "vpc["),
    (re.compile(r"\breg5\["), "out_port["),
    # What was a table for each question is the number of the question, asked by one table.
    (re.compile(r"goto_table:(ask_\w+)"), r"load:\1->question,goto_table:asker"),
    # A table stands between these two.
    (re.compile(r"goto_table:source\b"), "goto_table:asks"),
    # ARP at the uplink is answered behind a barrier, in a table of its own.
    (re.compile(r"^table=arrival, (priority=300, arp, arp_op=1, arp_tpa=)"), r"table=public_arp, \1"),
)
ASKING = re.compile(
    r"table=(asks|behind|asker|account|shared|answer|ask_\w+)\b"  # the questions' own tables
    r"|table=arrival, .*\barp\b"  # what comes by ARP at the uplink: limits, barrier, the gateway's own
    r"|table=public_arp, priority=0 "
    r"|group=|meter=rate=\d+ packets/s "
)
METER = re.compile(r"^meter=(\d+) (rate=.*)$", re.MULTILINE)
USES = re.compile(r"\bmeter:(\d+)\b")
LINE = re.compile(r"(table=[\w-]+, priority=\d+)(.*?) actions=(.*)")


def normal(line: str, *, old: bool) -> str:
    """A line without the unit behind it, its matches in order; renamed when it is an old one."""
    line = line.partition("    # ")[0]
    for pattern, now in RENAMED if old else ():
        line = pattern.sub(now, line)
    found = LINE.fullmatch(line)
    if found is None:
        return line
    head, match, actions = found.groups()
    return f"{', '.join([head, *sorted(filter(None, match.split(', ')))])} actions={actions}"


def lines(text: str, *, old: bool) -> Counter[str]:
    """The lines of a golden table, each in its normal form; a meter is called by its rate instead of its number."""
    rates = dict(METER.findall(text))
    named = USES.sub(lambda found: f"meter:{rates[found[1]]}", text)
    return Counter(normal(line, old=old) for line in METER.sub(r"meter=\2", named).splitlines())


def at(commit: str, name: str) -> str:
    """A golden table as it was at a commit; empty when it was not there."""
    shown = ["git", "show", f"{commit}:./{name}"]
    return subprocess.run(shown, capture_output=True, text=True, check=False, cwd=FOLDER).stdout


def main(commit: str) -> int:
    """Compare every golden table; 0 when all differences are about questions, limits and barriers."""
    strange = 0
    for path in sorted(FOLDER.parent.rglob("golden/*.txt")):
        then = at(commit, path.name)
        if not then:
            print(f"{path.name}: was not there")
            continue
        before, after = lines(then, old=True), lines(path.read_text(), old=False)
        gone, come = before - after, after - before
        others = [("-", line) for line in gone if not ASKING.match(line)]
        others += [("+", line) for line in come if not ASKING.match(line)]
        print(
            f"{path.name}: {(before & after).total()} lines equal, questions and barriers: "
            f"{gone.total()} gone, {come.total()} come; others: {len(others)}"
        )
        for sign, line in others:
            print(f"  {sign} {line}")
        strange += len(others)
    return 1 if strange else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
