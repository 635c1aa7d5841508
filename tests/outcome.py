"""The outcome of a command of the program, for tests that run it."""

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Outcome:
    """The exit code and the output of a command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The document that it printed."""
        assert self.code == 0, self.err
        return json.loads(self.out)
