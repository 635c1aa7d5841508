"""The layers of imports: the decisions stay pure, and each outside library is known to one place only.

Read from the sources with ``ast``, so that an import inside a function counts too.
"""

import ast
import re
import sys
import tokenize
from collections.abc import Callable, Iterable, Iterator, Set
from functools import cache
from pathlib import Path

import pytest

REPO = Path(__file__).parent.parent
SOURCES = sorted(
    path.relative_to(REPO) for room in ("sdnctl", "apps", "topologies") for path in (REPO / room).rglob("*.py")
)

# What has effects or an own will: a module that may not use these gives the same answer every time.
IMPURE = frozenset(
    """asyncio concurrent ctypes datetime fcntl http io logging multiprocessing os pathlib queue random secrets select
    selectors shutil signal socket subprocess tempfile threading time urllib uuid""".split()  # noqa: SIM905
)
OURS = ("sdnctl", "apps", "topologies")
ROOMS = """base of packet model program store engine switch bridge trace verify agent services region api cli
    testing""".split()  # noqa: SIM905
"""The rooms of sdnctl/, each of which may use those before it (docs/architecture.md)."""
FOUNDATION = ("sdnctl.base.addresses", "sdnctl.base.discovery", "sdnctl.base.errors", "sdnctl.model")
# What decides: it has no I/O, no clock, no threads and no chance in it.
PURE = (
    *FOUNDATION,
    "sdnctl.of",
    "sdnctl.program",
    "sdnctl.engine",
    "sdnctl.switch.plan",
    "sdnctl.switch.bundle",
    "sdnctl.switch.readback",
    "sdnctl.switch.refusals",
    "sdnctl.switch.session",
    "sdnctl.switch.commands",
    "sdnctl.switch.forgetting",
    "sdnctl.switch.revalidation",
    "sdnctl.bridge.local",
    "sdnctl.bridge.ports",
    "sdnctl.bridge.snapshot",
    "sdnctl.trace.account",
    "sdnctl.trace.model",
    "sdnctl.trace.ofproto",
    "sdnctl.trace.wire",
    "sdnctl.trace.words",
    "sdnctl.verify",
    "sdnctl.agent.counters",
    "sdnctl.agent.events",
    "sdnctl.agent.owners",
    "sdnctl.store.reach",
    "sdnctl.agent.region",
    "sdnctl.agent.status",
    "sdnctl.agent.tallies",
    "sdnctl.agent.totals",
)
FEATURE_FILES = frozenset(
    {"__init__", "model", "facts", "writes", "tables", "targets", "flows", "api", "cli", "service", "upgrades"}
)
# What a feature may know of others: tables, records, what is derived from them, and what a transaction does with them.
SHARED_FILES = frozenset({"model", "facts", "writes", "tables", "targets"})
# A command talks to people and to the API: it decides nothing about packets.
COMMANDS = frozenset({"cli"})
# What touches a machine and so may do what it likes; ``guest`` does it with the standard library, inside an instance.
SERVICES = frozenset({"service", "host", "guest"})

LIBRARIES = frozenset({"cryptography", "netaddr", "ovs", "structlog", "uvloop"})  # of the store
# Which files may import a library; everything else may not.
ONLY = {
    "os_ken": ("sdnctl.agent.app", "sdnctl.switch", "sdnctl.packet"),
    "ovs": ("sdnctl.bridge.vswitch", "sdnctl.store"),
    "cryptography": ("sdnctl.region.pki", "sdnctl.store.ovsdb.seal"),
    "pyroute2": ("sdnctl.bridge.vswitch", "apps.multi_queue.host", "topologies"),
    "netaddr": ("sdnctl.base.addresses", "sdnctl.model", "sdnctl.store"),
    "starlette": ("sdnctl.api",),
    "uvicorn": ("sdnctl.api",),
    "prometheus_client": ("sdnctl.agent.metrics", "sdnctl.api", "sdnctl.services.figures"),
    "typer": ("sdnctl.cli",),
    "rich": ("sdnctl.cli", "topologies"),
    "yaml": ("sdnctl.cli.intent",),
    "mininet": ("topologies",),
    "jdcloud_sdk": ("topologies",),
}

# What belongs to features: the machine serves resources that it has no word for.
TENANTS = re.compile(
    r"\b(?:ElasticIp|elasticIp|elastic_ip|NetworkInterface|RouteTable|routeTable|Subnet|subnet|Vpc|vpcs|NatGateway"
    r"|LoadBalancer|SecurityGroup|multi_queue|EipHolder)\b"
)
TERMINAL = frozenset({"typer", "rich"})  # of a feature's commands too


def name_of(path: Path) -> str:
    """The dotted module name of a source file."""
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def imports(path: Path) -> frozenset[str]:
    """Every module that a file imports, anywhere in it; ``from a import b`` counts as ``a.b`` when that is a module."""
    found = set()
    for node in ast.walk(ast.parse((REPO / path).read_text(), str(path))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} has a relative import"
            assert node.module is not None
            for alias in node.names:
                below = f"{node.module}.{alias.name}"
                found.add(below if is_module(below) else node.module)
    return frozenset(found)


def is_module(name: str) -> bool:
    """True when a dotted name is a module of ours."""
    place = REPO.joinpath(*name.split("."))
    return place.is_dir() or place.with_suffix(".py").is_file()


def under(name: str, *roots: str) -> bool:
    """True when a module is one of some, or inside one."""
    return any(name == root or name.startswith(f"{root}.") for root in roots)


def outside(names: Iterable[str]) -> set[str]:
    """The libraries among imports: neither the standard library's nor ours."""
    tops = {name.partition(".")[0] for name in names}
    return {top for top in tops if top not in sys.stdlib_module_names and top not in OURS}


def impure(names: Iterable[str]) -> set[str]:
    """The imports that a pure module may not have."""
    return {name for name in names if name.partition(".")[0] in IMPURE}


def ours(names: Iterable[str], *allowed: str) -> set[str]:
    """The imports of our own modules that are not among the allowed ones."""
    return {name for name in names if under(name, *OURS) and not under(name, *allowed)}


def modules(*roots: str) -> list[Path]:
    """The source files of some packages."""
    return [path for path in SOURCES if under(name_of(path), *roots)]


def offences(paths: Iterable[Path], wrong: Callable[[Path, Set[str]], Set[str]]) -> dict[str, Set[str]]:
    """File -> what it may not import, for the files that do."""
    found = {str(path): wrong(path, imports(path)) for path in paths}
    return {path: names for path, names in found.items() if names}


def test_openflow_needs_the_standard_library_only() -> None:
    def wrong(path: Path, names: Set[str]) -> Set[str]:
        return outside(names) | ours(names, "sdnctl.of") | impure(names)

    assert offences(modules("sdnctl.of"), wrong) == {}


def test_the_store_knows_the_model_and_nothing_above() -> None:
    def wrong(path: Path, names: Set[str]) -> Set[str]:
        return ours(names, *FOUNDATION, "sdnctl.store", "sdnctl.base") | outside(names) - LIBRARIES

    assert offences(modules(*FOUNDATION, "sdnctl.store"), wrong) == {}


def test_what_decides_is_pure() -> None:
    def wrong(path: Path, names: Set[str]) -> Set[str]:
        # The environment may name packages with more features.
        environment = {"os"} if name_of(path) == "sdnctl.base.discovery" else set()
        return ours(names, *PURE, "sdnctl.store") | outside(names) - {"netaddr"} | impure(names) - environment

    assert offences(modules(*PURE), wrong) == {}


def test_a_room_uses_only_the_rooms_before_it() -> None:
    def wrong(path: Path, names: Set[str]) -> Set[str]:
        later = ROOMS[ROOMS.index(path.parts[1]) + 1 :]
        return {name for name in names if under(name, *(f"sdnctl.{room}" for room in later))}

    assert offences([path for path in modules("sdnctl") if len(path.parts) > 2], wrong) == {}


def test_features_are_pure() -> None:
    def wrong(path: Path, names: Set[str]) -> Set[str]:
        api = path.stem == "api"
        rooms = ("apps", "sdnctl.of", "sdnctl.packet", "sdnctl.store", *PURE, *(["sdnctl.api"] if api else []))
        return ours(names, *rooms) | outside(names) - ({"pydantic"} if api else set()) | impure(names)

    decides = [path for path in modules("apps") if not (SERVICES | COMMANDS) & {path.stem, *path.parts}]
    assert offences(decides, wrong) == {}


def test_a_feature_s_commands_know_the_command_line_only() -> None:
    """And what the machine of a service is, for one that tunes it; each imports that when it is called."""

    def wrong(path: Path, names: Set[str]) -> Set[str]:
        own = f"apps.{path.parts[1]}"
        others = {f"apps.{found.parts[1]}.cli" for found in commands}
        rooms = (own, *others, "sdnctl.base", "sdnctl.cli", "sdnctl.services.figures")
        return ours(names, *rooms) | outside(names) - {"typer", "rich"}

    commands = [path for path in modules("apps") if path.stem in COMMANDS]
    assert offences(commands, wrong) == {}


def test_a_service_knows_the_machine_by_its_context_only() -> None:
    def wrong(path: Path, names: Set[str]) -> Set[str]:
        rooms = ("apps", "sdnctl.base", "sdnctl.of", "sdnctl.packet", "sdnctl.model", "sdnctl.program", "sdnctl.store")
        return ours(names, *rooms)

    assert offences([path for path in modules("apps") if SERVICES & {path.stem, *path.parts}], wrong) == {}


def test_the_guest_needs_the_standard_library_only() -> None:
    def wrong(path: Path, names: Set[str]) -> Set[str]:
        return outside(names) | ours(names, "apps.multi_queue.model", "apps.multi_queue.guest")

    assert offences(modules("apps.multi_queue.model", "apps.multi_queue.guest"), wrong) == {}


def foreign(path: Path, names: Set[str]) -> Set[str]:
    """The modules of other features that a feature's file imports."""
    return ours({name for name in names if under(name, "apps")}, f"apps.{path.parts[1]}", "apps.pipeline")


def test_a_feature_knows_of_others_what_they_share() -> None:
    def wrong(path: Path, names: Set[str]) -> Set[str]:
        shared = SHARED_FILES | ((COMMANDS | {"api"}) & {path.stem})
        return {name for name in foreign(path, names) if name.split(".")[2] not in shared}

    assert offences([path for path in modules("apps") if len(path.parts) > 2], wrong) == {}


def test_features_import_each_other_without_a_circle() -> None:
    """A thing that joins two features belongs to the upper one (docs/decisions/010)."""
    below: dict[str, set[str]] = {}
    for path in modules("apps"):
        if len(path.parts) > 2:
            below.setdefault(path.parts[1], set()).update(name.split(".")[1] for name in foreign(path, imports(path)))
    while free := {feature for feature, others in below.items() if not others & below.keys()}:
        below = {feature: others for feature, others in below.items() if feature not in free}
    assert below == {}, "these features need each other"


def test_records_know_no_other_feature() -> None:
    assert offences([path for path in modules("apps") if path.name == "model.py"], foreign) == {}


def test_a_feature_has_files_of_known_names_only() -> None:
    room = {path: path.parts[2].removesuffix(".py") for path in modules("apps") if len(path.parts) > 2}
    assert {str(path) for path, name in room.items() if name not in FEATURE_FILES | SERVICES} == set()


def test_the_machine_imports_no_feature() -> None:
    def wrong(path: Path, names: Set[str]) -> Set[str]:
        return {name for name in names if under(name, "apps")}

    assert offences(modules("sdnctl"), wrong) == {}


def words(path: Path) -> Iterator[str]:
    """The names and texts in a file's code: everything but its comments and docstrings."""
    tree = ast.parse((REPO / path).read_text())
    told = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        for value in (getattr(node, name, None) for name in ("id", "attr", "arg", "name", "asname", "module")):
            yield value if isinstance(value, str) else ""
        if isinstance(node, ast.Constant) and id(node) not in told:
            yield str(node.value)


def test_the_machine_names_no_feature_and_no_resource_of_a_tenant() -> None:
    """The command line is another matter: what its words are comes from the features' ``cli.py``."""
    machine = [path for path in modules("sdnctl") if not under(name_of(path), "sdnctl.cli")]
    found = {str(path): sorted({word for text in words(path) for word in TENANTS.findall(text)}) for path in machine}
    assert {path: names for path, names in found.items() if names} == {}


RESOURCES = re.compile(
    r"\b(ElasticIp|elasticIp|elastic_ip|NetworkInterface|RouteTable|routeTable|Subnet|subnet|Vpc|VPC|vpcs|NatGateway|"
    r"LoadBalancer|SecurityGroup|multi_queue|EipHolder|EIP|ENI|SUBNET|INSTANCE|ROUTE_TABLE)\b"
)


def test_the_command_line_names_no_resource() -> None:
    found = {}
    for path in modules("sdnctl.cli"):
        with (REPO / path).open("rb") as source:
            code = [one for one in tokenize.tokenize(source.readline) if one.type != tokenize.COMMENT]
        if named := {word for one in code for word in RESOURCES.findall(one.string)}:
            found[str(path)] = named
    assert found == {}


@pytest.mark.parametrize("library", ONLY)
def test_each_library_has_one_home(library: str) -> None:
    def wrong(path: Path, names: Set[str]) -> Set[str]:
        return {name for name in names if under(name, library)}

    elsewhere = [path for path in SOURCES if not under(name_of(path), *ONLY[library])]
    if library in TERMINAL:
        elsewhere = [path for path in elsewhere if path.stem not in COMMANDS]
    assert offences(elsewhere, wrong) == {}


def test_files_are_short() -> None:
    lines = {str(path): len((REPO / path).read_text().splitlines()) for path in SOURCES}
    assert {path: count for path, count in lines.items() if count > 400} == {}, "which two ideas share this file?"


BORDER = Path("sdnctl/engine/border.py")
"""The one file in which whatever a wrong feature raises is caught."""


def test_nobody_catches_everything_but_the_border_to_the_features() -> None:
    found = []
    for path in SOURCES:
        for node in ast.walk(ast.parse((REPO / path).read_text())):
            if isinstance(node, ast.ExceptHandler):
                names = {part.id for part in ast.walk(node.type) if isinstance(part, ast.Name)} if node.type else {""}
                found += [path] * bool(names & {"", "Exception", "BaseException"})
    assert found == [BORDER]


RIDDLES = frozenset({"Who", "Whom", "Whose", "What", "Whether", "How", "Why", "When", "Where", "Which"})
DOCUMENTED = ("sdnctl", "apps", "topologies", "bench", "examples")


def riddles(source: str) -> list[int]:
    """The lines of the docstrings, of modules, classes, functions and names, that begin like a question."""
    found = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Expr)]
    told = {one.lineno: one.value.value for one in found if isinstance(one.value, ast.Constant)}
    return [line for line, text in told.items() if re.split(r"\W", str(text), maxsplit=1)[0] in RIDDLES]


def test_docstrings_say_what_a_thing_is() -> None:
    assert riddles('"""How it is."""\ndef f():\n    """What\'s it?"""\nclass C:\n    """A row."""\n') == [1, 3]
    files = [path for room in DOCUMENTED for path in sorted((REPO / room).rglob("*.py"))]
    found = {str(path.relative_to(REPO)): riddles(path.read_text()) for path in files}
    assert {path: lines for path, lines in found.items() if lines} == {}, "say what it is, returns or does"
