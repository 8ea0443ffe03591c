"""Holds the source itself to the rules of style that a linter does not know.

Each rule is a generator of findings over one file; one run of a test lists all that its rule finds.
"""

import ast
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = {
    "holdfast": ROOT / "client" / "holdfast",
    "holdfast_sidecar": ROOT / "sidecar" / "holdfast_sidecar",
    "holdfast_ledger": ROOT / "ledger" / "holdfast_ledger",
    "holdfast_rating": ROOT / "rating" / "holdfast_rating",
    "holdfast_bench": ROOT / "benchmarks" / "holdfast_bench",
}
CONTRACT = "holdfast.v1"
"""The generated messages: the one thing that sidecar, ledger and client share."""
RATING = "holdfast_rating"
"""What posting and enforcing must agree on: sidecar and ledger share it too."""
RATED = {"holdfast_sidecar", "holdfast_ledger"}

MAX_COLUMNS = 120
MAX_FUNCTION_LINES = 70
CODE_SUFFIXES = {".py", ".pyi", ".rs", ".proto", ".sql", ".sh", ".toml", ".yaml", ".yml", ".ts", ".tsx", ".css", ""}
TEXT_SUFFIXES = CODE_SUFFIXES | {".md"}
SKIPPED_FOLDERS = {"target", "__pycache__", "build", "dist", "node_modules", "static"}
SOURCE_FOLDERS = ("client", "sidecar", "ledger", "rating", "benchmarks", "tests", "protos", "deploy", "docs", ".ci")

# Joined here, so that this file does not name what it bans.
BANNED_WORDS = {
    "TO" + "DO": "open an issue, or do it",
    "FIX" + "ME": "fix it",
    "XX" + "X": "say what is odd in a sentence",
    "HA" + "CK": "say why it has to be so",
}

# An allow list, so that a new module that acts has to be argued for here.
ENGINE_IMPORTS = {
    "__future__",
    "bisect",
    "collections",
    "contextlib",
    "dataclasses",
    "enum",
    "functools",
    "google.protobuf",
    "hashlib",
    "heapq",
    "itertools",
    "math",
    "operator",
    "struct",
    "types",
    "typing",
    "zlib",
    CONTRACT,
    RATING,
    "holdfast_sidecar.engine",
    # Bytes to bytes: what is kept of an event is made where it is taken in, a few microseconds each.
    "holdfast_sidecar.event_wire",
}

_NOT_OF_RATING = {"google.protobuf", CONTRACT, "holdfast_sidecar.engine", "holdfast_sidecar.event_wire"}
RATING_IMPORTS = (ENGINE_IMPORTS - _NOT_OF_RATING) | {
    "array",
    "datetime",
    "decimal",
    "fractions",
    "genai_prices.types",
    "json",
    "tomllib",
}
"""`datetime` is for times that are given; its clock is refused."""

CLIENT_IMPORTS = {"grpc", "google.protobuf"}
"""What `import holdfast` may ask for beyond the standard library."""

Finding = str
Rule = Callable[[Path, str], Iterator[Finding]]


def is_generated(path: Path) -> bool:
    """Whether the proto compiler wrote this file."""
    return "_pb2" in path.name or path.name.endswith("_pb.ts")


def source_files(suffixes: set[str]) -> list[Path]:
    """All files of the project that people write, with one of these suffixes."""
    files = [path for path in ROOT.iterdir() if path.is_file() and not path.name.startswith(".")]
    for folder in SOURCE_FOLDERS:
        files += (path for path in (ROOT / folder).rglob("*") if path.is_file())
    return sorted(
        path
        for path in files
        if path.suffix in suffixes
        and not is_generated(path)
        and not SKIPPED_FOLDERS.intersection(path.relative_to(ROOT).parts)
        and not any(part.endswith(".egg-info") for part in path.parts)
    )


def python_files(folder: Path) -> list[Path]:
    """The modules below a folder that people write."""
    return [path for path in source_files({".py"}) if path.is_relative_to(folder)]


def imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and full dotted name of everything that a module imports, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def is_within(name: str, allowed: set[str]) -> bool:
    """Whether a dotted name is one of the allowed modules, or below one."""
    return any(name == module or name.startswith(f"{module}.") for module in allowed)


def long_functions(path: Path, text: str) -> Iterator[Finding]:
    """Functions that do not fit a screen."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            line_count = (node.end_lineno or node.lineno) - node.lineno + 1
            if line_count > MAX_FUNCTION_LINES:
                yield f"{path}:{node.lineno}: {node.name} has {line_count} lines of {MAX_FUNCTION_LINES}"


def missing_docstrings(path: Path, text: str) -> Iterator[Finding]:
    """Public modules that do not say what they are for."""
    is_public = not path.name.startswith("_") or path.name == "__init__.py"
    if is_public and text.strip() and ast.get_docstring(ast.parse(text)) is None:
        yield f"{path}:1: the module does not start with its responsibility"


def relative_imports(path: Path, text: str) -> Iterator[Finding]:
    """Relative imports, which hide from the boundary rules below."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.level:
            yield f"{path}:{node.lineno}: import by the full name"


def banned_words(path: Path, text: str) -> Iterator[Finding]:
    """Words that postpone or excuse."""
    for number, line in enumerate(text.splitlines(), start=1):
        for word, instead in BANNED_WORDS.items():
            if re.search(rf"\b{word}\b", line):
                yield f"{path}:{number}: {word}: {instead}"


def long_lines(path: Path, text: str) -> Iterator[Finding]:
    """Lines of code beyond the column limit."""
    for number, line in enumerate(text.splitlines(), start=1):
        if len(line) > MAX_COLUMNS:
            yield f"{path}:{number}: {len(line)} columns, the limit is {MAX_COLUMNS}"


def trailing_space(path: Path, text: str) -> Iterator[Finding]:
    """Space at the end of a line, and files that do not end with one newline."""
    for number, line in enumerate(text.split("\n"), start=1):
        if line != line.rstrip():
            yield f"{path}:{number}: space at the end"
    if text and (not text.endswith("\n") or text.endswith("\n\n")):
        yield f"{path}: does not end with exactly one newline"


def acting_imports(path: Path, text: str) -> Iterator[Finding]:
    """Imports of the engine that are not on its allow list (I/O, threads, clocks, randomness)."""
    for line, name in imports(ast.parse(text)):
        if not is_within(name, ENGINE_IMPORTS):
            yield f"{path}:{line}: the engine imports {name}"


def rating_that_acts(path: Path, text: str) -> Iterator[Finding]:
    """Imports of the rating package that are not on its allow list, and calls of a clock."""
    tree = ast.parse(text)
    for line, name in imports(tree):
        if not is_within(name, RATING_IMPORTS):
            yield f"{path}:{line}: rating imports {name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in {"now", "utcnow", "today"}:
            yield f"{path}:{node.lineno}: rating asks for the time"


def foreign_imports(path: Path, text: str) -> Iterator[Finding]:
    """Imports of one deployable by another; the contract is common to all, rating to sidecar and ledger."""
    own = next(package for package, folder in PACKAGES.items() if path.is_relative_to(folder))
    others = set(PACKAGES) - {own} - ({RATING} if own in RATED else set())
    for line, name in imports(ast.parse(text)):
        if is_within(name, others) and not is_within(name, {CONTRACT}):
            yield f"{path}:{line}: {own} imports {name}"


def heavy_client_imports(path: Path, text: str) -> Iterator[Finding]:
    """Imports of the client beyond the standard library, grpcio and protobuf."""
    for line, name in imports(ast.parse(text)):
        if name.split(".")[0] not in {*sys.stdlib_module_names, "holdfast"} and not is_within(name, CLIENT_IMPORTS):
            yield f"{path}:{line}: the client imports {name}"


def assert_clean(rule: Rule, files: list[Path]) -> None:
    """Fails with all that a rule finds, or when there is nothing to look at: such a test could not fail."""
    assert files, "no files: the folder has moved, and this rule with it"
    found = [finding for path in files for finding in rule(path, path.read_text(encoding="utf-8"))]
    assert not found, "\n" + "\n".join(finding.removeprefix(f"{ROOT}/") for finding in found)


@pytest.mark.parametrize("rule", [long_functions, missing_docstrings, relative_imports])
def test_python_source(rule: Rule) -> None:
    """Functions fit a screen; modules state their purpose; imports are absolute."""
    assert_clean(rule, source_files({".py"}))


@pytest.mark.parametrize("rule", [banned_words, trailing_space])
def test_all_text(rule: Rule) -> None:
    """Nothing is postponed in the text; no stray space."""
    assert_clean(rule, source_files(TEXT_SUFFIXES))


def test_columns() -> None:
    """Code stays within the column limit; prose may run on, and what a database wrote is as it is."""
    assert_clean(long_lines, [path for path in source_files(CODE_SUFFIXES) if "fixtures" not in path.parts])


def test_engine_imports_nothing_that_acts() -> None:
    """The engine has no I/O, no threads, no clock and no randomness of its own."""
    assert_clean(acting_imports, python_files(PACKAGES["holdfast_sidecar"] / "engine"))


def test_rating_only_computes() -> None:
    """Rating has no I/O and no clock of its own; its command reads files, and is not part of what is shared."""
    files = python_files(PACKAGES[RATING])
    assert_clean(rating_that_acts, [path for path in files if path.name != "cli.py"])


@pytest.mark.parametrize("package", ["holdfast", "holdfast_sidecar", "holdfast_ledger", RATING])
def test_deployables_share_the_contract_alone(package: str) -> None:
    """Sidecar, ledger and client never import one another; rating imports none of them."""
    assert_clean(foreign_imports, python_files(PACKAGES[package]))


def test_client_is_light() -> None:
    """`import holdfast` asks for grpcio and protobuf alone."""
    assert_clean(heavy_client_imports, python_files(PACKAGES["holdfast"]))


@pytest.mark.parametrize(
    ("rule", "path", "text"),
    [
        (long_functions, "engine/a.py", "def f() -> None:\n" + "    x = 1\n" * MAX_FUNCTION_LINES),
        (missing_docstrings, "engine/a.py", "import math\n"),
        (relative_imports, "engine/a.py", "from . import b\n"),
        (banned_words, "engine/a.py", "# TO" + "DO later\n"),
        (long_lines, "engine/a.py", "x" * (MAX_COLUMNS + 1)),
        (trailing_space, "engine/a.py", "x \n"),
        (trailing_space, "engine/a.py", "x"),
        (acting_imports, "engine/a.py", "import time\n"),
        (acting_imports, "engine/a.py", "def f() -> None:\n    from os import path\n"),
        (foreign_imports, "engine/a.py", "from holdfast.client import Client\n"),
        (foreign_imports, "engine/a.py", "import holdfast_ledger.store\n"),
        (rating_that_acts, "engine/a.py", "import pathlib\n"),
        (rating_that_acts, "engine/a.py", "at = datetime.datetime.now()\n"),
        (heavy_client_imports, "engine/a.py", "import pydantic\n"),
    ],
)
def test_each_rule_finds_its_offence(rule: Rule, path: str, text: str) -> None:
    """A rule that finds nothing in an offence would pass everything."""
    assert list(rule(PACKAGES["holdfast_sidecar"] / path, text))
