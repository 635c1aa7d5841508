"""One real region for all tests of the command line; each module is a tenant of its own in it."""

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import structlog

from sdnctl.cli import main
from sdnctl.cli.signed import Tenant
from sdnctl.testing.ovs import DummySwitch
from tests.outcome import Outcome
from topologies.service import Service

REGION = "cn-test-1"


def run(*args: str, stdin: str = "", **environment: str) -> Outcome:
    """Run the command in this process, as a user would."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    env, logging = {"COLUMNS": "200", **environment}, structlog.get_config()
    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.dict(os.environ, env))
        stack.enter_context(mock.patch.object(sys, "argv", ["sdnctl", *args]))
        stack.enter_context(mock.patch.object(sys, "stdin", io.StringIO(stdin)))
        stack.enter_context(contextlib.redirect_stdout(out))
        stack.enter_context(contextlib.redirect_stderr(err))
        stack.callback(lambda: structlog.configure(**logging))
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(bool(end.code))
    return Outcome(code, out.getvalue(), err.getvalue())


class User:
    """Somebody at a terminal, with the keys of one account in the environment."""

    def __init__(self, data: Path, endpoint: str, name: str) -> None:
        made = run("account", "create", name, "--json", SDNCTL_DATA=str(data)).json
        self.data, self.endpoint, self.name, self.account = data, endpoint, name, made["account"]
        self.environment = {
            "SDNCTL_DATA": str(data),
            "SDNCTL_ACCESS_KEY": made["accessKey"],
            "SDNCTL_SECRET_KEY": made["secretKey"],
        }

    def __call__(self, *args: str, stdin: str = "", **environment: str) -> Outcome:
        return run(*args, stdin=stdin, **{**self.environment, **environment})

    def ok(self, *args: str, stdin: str = "") -> str:
        """Run a command that must succeed; what it printed."""
        done = self(*args, stdin=stdin)
        assert done.code == 0, done.err
        return done.out

    def json(self, *args: str, stdin: str = "") -> Any:
        """Run a command that must succeed with --json."""
        return self(*args, "--json", stdin=stdin).json

    def calls(self, *args: str, stdin: str = "") -> list[str]:
        """Run a command that must succeed; the ends of the paths of the calls by which it changed something."""
        seen: list[str] = []
        ask = Tenant.call

        def noted(tenant: Tenant, service: str, method: str, path: str, *more: Any, **named: Any) -> Any:
            if method != "GET" and not tenant.rehearsal:
                seen.append(path.rpartition(":")[2])
            return ask(tenant, service, method, path, *more, **named)

        with mock.patch.object(Tenant, "call", noted):
            self.ok(*args, stdin=stdin)
        return seen

    def refused(self, *args: str, code: int = 1, stdin: str = "") -> str:
        """Run a command that must fail with this exit code; what it said."""
        done = self(*args, stdin=stdin)
        assert (done.code, done.out) == (code, ""), (done.out, done.err)
        assert done.err.startswith("error: ")
        return done.err.removeprefix("error: ").strip()


@pytest.fixture(scope="session")
def switch() -> Iterator[DummySwitch]:
    with DummySwitch() as made:
        yield made


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory, switch: DummySwitch) -> Iterator[Service]:
    made = Service(tmp_path_factory.mktemp("region"), switch.rundir / "db.sock", region=REGION)
    made.up()
    try:
        made.cli("pool", "add", "--cidr", "203.0.113.0/24", "--gateway", "203.0.113.1")
        yield made
    finally:
        made.down()


@pytest.fixture(scope="module")
def user(service: Service, request: pytest.FixtureRequest) -> User:
    return User(service.data, service.endpoint, request.module.__name__.rpartition(".")[2])
