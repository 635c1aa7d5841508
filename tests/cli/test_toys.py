"""Features of another package are on the command line and in the intent file, with no edit of sdnctl/ or apps/.

The public API is a small server here that keeps what it is sent: what is tested is what the command makes of the
declarations in ``tests/cli/toys``.
"""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from sdnctl.cli.intent.order import Edge, ordered

REPO = Path(__file__).parent.parent.parent
SINGULAR = {"vpcs": "vpc", "walls": "wall", "bricks": "brick", "anchors": "anchor", "instances": "instance"}
NETWORK = """
anchors:
  big: {holds: net/north/first}
vpcs:
  net:
    cidr: 10.0.0.0/16
    fence: high
    walls:
      north:
        colour: red
        bricks:
          first: {size: 3}
"""


class Kept(ThreadingHTTPServer):
    """Resources by the path of their list, and every call that changed one."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.kept: dict[str, dict[str, Any]] = {}
        self.calls: list[tuple[str, str, Any]] = []


class Handler(BaseHTTPRequestHandler):
    """Lists, shows, makes, changes and deletes; an action sets what it is given."""

    server: Kept

    def parse_request(self) -> bool:
        """As of an older server, which knows of no rehearsals."""
        if super().parse_request() and "/rehearsals/" in self.path:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            error = {"code": 501, "status": "NOT_IMPLEMENTED", "message": "not implemented"}
            self._send(501, {"error": error})
            return False
        return True

    def do_GET(self) -> None:
        plural, id, _ = self._place()
        of = self.server.kept.get(plural, {})
        if id:
            self._answer({SINGULAR[plural]: of[id]} if id in of else None)
        else:
            asked = re.search(r"filters\.1\.values\.1=([\w-]+)", self.path)
            found = [one for one in of.values() if asked is None or asked[1] in one.values()]
            self._answer({plural: found, "totalCount": len(found)})

    def do_POST(self) -> None:
        plural, id, action = self._place()
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.calls.append((f"{plural}:{action}" if action else plural, id, body))
        of = self.server.kept.setdefault(plural, {})
        if id:
            of[id] |= body
            self._answer({})
            return
        singular = SINGULAR[plural]
        made = f"{singular}-{len(self.server.calls):010}"
        born = {"description": "", "tags": [], "subnets": [], "routeTableIds": [], "addressPrefix": "", "colour": ""}
        of[made] = {**born, **body, f"{singular}Id": made}
        self._answer({f"{singular}Id": made})

    def do_DELETE(self) -> None:
        plural, id, _ = self._place()
        self.server.calls.append((f"delete {plural}", id, None))
        self._answer({} if self.server.kept[plural].pop(id, None) else None)

    def _place(self) -> tuple[str, str, str]:
        path = re.sub(r"^/v1/regions/[^/]+/|\?.*$|/$", "", self.path.partition("?")[0])
        plural, _, rest = path.partition("/")
        id, _, action = rest.partition(":")
        return plural, id, action

    def _answer(self, result: Any) -> None:
        error = {"code": 404, "status": "NOT_FOUND", "message": "no such thing"}
        self._send(404 if result is None else 200, {"error": error} if result is None else {"result": result})

    def _send(self, code: int, document: Any) -> None:
        body = json.dumps(document).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: a test says what it saw."""


@pytest.fixture
def region() -> Iterator[Kept]:
    with Kept() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def sdnctl(region: Kept | None, *arguments: str, stdin: str = "", **more: str) -> str:
    """Run the command with the toys among its features; what it printed."""
    here = {"PYTHONPATH": str(REPO), "SDNCTL_FEATURES": "tests.cli.toys", "COLUMNS": "200", **more}
    if region is not None:
        keys = {"SDNCTL_ACCESS_KEY": "a", "SDNCTL_SECRET_KEY": "s", "SDNCTL_REGION": "r"}
        here |= {**keys, "SDNCTL_ENDPOINT": f"127.0.0.1:{region.server_port}"}
    command = [sys.executable, "-m", "sdnctl", *arguments]
    env = {**os.environ, **here}
    done = subprocess.run(command, env=env, input=stdin, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def apply(region: Kept, text: str, *options: str) -> Any:
    return json.loads(sdnctl(region, "apply", "-f", "-", "--yes", "--json", *options, stdin=text))


def test_a_network_of_toys_is_made_changed_exported_and_deleted(region: Kept) -> None:
    done = apply(region, NETWORK)
    assert [call[0] for call in region.calls] == ["vpcs", "walls", "bricks", "anchors"], "by refs, not by name or line"
    (vpc,), (wall,), (brick,) = (list(region.kept[one]) for one in ("vpcs", "walls", "bricks"))
    assert [call[2] for call in region.calls] == [
        {"vpcName": "net", "addressPrefix": "10.0.0.0/16", "fence": "high"},
        {"wallName": "north", "colour": "red", "vpcId": vpc},
        {"brickName": "first", "size": 3, "wallId": wall},
        {"anchorName": "big", "brickId": brick},
    ]
    assert [change["name"] for change in done["changes"]] == ["big", "net", "net/north", "net/north/first"]

    exported = json.loads(sdnctl(region, "export", "--json"))
    assert exported.keys() == {"vpcs", "elastic-ips", "anchors"}
    assert exported["anchors"] == {"big": {"holds": "net/north/first"}}
    assert exported["vpcs"]["net"]["walls"]["north"] == {"colour": "red", "bricks": {"first": {"size": 3}}}

    region.calls.clear()
    changed = apply(region, NETWORK.replace("red", "blue").replace("    fence: high\n", ""))
    assert [change["details"] for change in changed["changes"]] == [["colour red → blue"]]
    assert region.calls == [("walls:paint", wall, {"colour": "blue"})]

    region.calls.clear()
    apply(region, "vpcs: {}\nanchors: {}\n", "--prune")
    assert [call[0] for call in region.calls] == [f"delete {one}" for one in ("anchors", "bricks", "walls", "vpcs")]


def test_a_toy_is_listed_shown_completed_and_has_its_verb(region: Kept) -> None:
    apply(region, NETWORK)
    heading, row = sdnctl(region, "wall", "list", "--vpc", "net").splitlines()
    assert heading.split() == ["id", "name", "colour", "vpc"]
    assert row.split()[1:] == ["north", "red", "net"], "the id of its VPC is shown by name"
    assert "painted" in sdnctl(region, "wall", "paint", "net/north", "painted")
    assert json.loads(sdnctl(region, "wall", "get", "north", "--json"))["wall"]["colour"] == "painted"
    words = {"COMP_WORDS": "sdnctl wall paint no", "COMP_CWORD": "3", "_SDNCTL_COMPLETE": "complete_bash"}
    assert sdnctl(region, **words).split() == ["north"]
    seen = json.loads(sdnctl(region, "watch", "--once", "--json"))
    assert [(wall["name"], wall["colour"], wall["outBits"]) for wall in seen["walls"]] == [("north", "painted", None)]
    assert "deleted anchor big" in sdnctl(region, "anchor", "delete", "big")


def test_a_group_of_commands_of_its_own() -> None:
    assert sdnctl(None, "harbour", "greet", "sailor") == "ahoy sailor\n"
    assert {"anchor", "harbour", "wall", "brick"} <= set(sdnctl(None, "--help").split())
    assert "harbour" not in sdnctl(None, "--help", SDNCTL_FEATURES="")


def test_an_order_keeps_what_must_be_and_drops_what_would_close_a_circle() -> None:
    must, says = [Edge("net", "block"), Edge("table", "block")], [Edge("block", "table"), Edge("block", "address")]
    assert ordered(["address", "block", "net", "table"], must, says) == ("net", "table", "block", "address")
    assert ordered(["a", "b", "c"], [Edge("c", "a")]) == ("b", "c", "a")
    assert ordered(["a", "b"], [Edge("b", "a"), Edge("a", "b"), Edge("x", "a")]) == ("a", "b")
