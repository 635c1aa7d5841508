"""The public command line `jdc`, in a venv of its own because it pins another version of the SDK.

`python -m tests.api.jdc` makes the venv (`make venv-jdc`); a test that finds none makes it too.
"""

import json
import os
import subprocess
import sys
import venv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.api.region import NAME, Refused, Tenant

VENV = Path(__file__).parent.parent.parent / ".venv-jdc"
JDC = VENV / "bin" / "jdc"
PINNED = "jdcloud_cli==1.2.12"
STAMP = VENV / f".{PINNED}"


def install() -> None:
    """Make the venv unless it is there; the package index is asked once."""
    if STAMP.exists():
        return
    venv.create(VENV, with_pip=True, clear=True)
    pip = [str(VENV / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, PINNED], check=True)
    STAMP.touch()


@dataclass(frozen=True, slots=True)
class Jdc:
    """A tenant's command line, with a home of its own."""

    home: Path

    @classmethod
    def of(cls, tenant: Tenant, home: Path) -> "Jdc":
        """Configure it for a tenant as the manual says."""
        made = cls(home)
        keys = ["--access-key", tenant.access_key, "--secret-key", tenant.secret_key]
        where = ["--region-id", NAME, "--endpoint", tenant.endpoint, "--scheme", "http"]
        made.run("configure", "add", "--profile", "test", *keys, *where)
        return made

    def run(self, *words: str) -> str:
        """The text that it prints; its exit code is 0 whatever happens."""
        environment = {**os.environ, "HOME": str(self.home), "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
        done = subprocess.run([str(JDC), *words], env=environment, capture_output=True, text=True, timeout=60)
        return done.stdout + done.stderr

    def call(self, service: str, operation: str, **options: Any) -> dict[str, Any]:
        """The result of an operation; raises Refused, and AssertionError for what is no answer."""
        words = [service, operation]
        for name, value in options.items():
            text = json.dumps(value) if isinstance(value, Mapping | list) else str(value)
            words += [f"--{name.replace('_', '-')}", text]
        printed = self.run(*words)
        start = printed.find("{")
        assert start >= 0, printed
        answer = json.loads(printed[start:])
        if answer.get("error"):
            error = answer["error"]
            raise Refused(error["code"], error["status"], error["message"])
        result: dict[str, Any] = answer["result"]
        return result


if __name__ == "__main__":
    install()
    sys.stdout.write(f"{JDC}\n")
