"""ARCHITECTURE.md says what the code is: its packages, and where its side effects are."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
SOURCES = sorted([*(ROOT / "runner").rglob("*.py"), *(ROOT / "emulator").rglob("*.py")])


def rows(heading: str) -> dict[str, list[str]]:
    """Return the first cell of each row of the table after a heading, with the code spans of the second one."""
    table = PAGE.split(heading, 1)[1].split("\n\n## ", 1)[0]
    found = re.findall(r"^\| `?([^`|]+?)`? \| (.*) \|$", table, re.MULTILINE)
    return {first: re.findall(r"`([^`]+)`", second) for first, second in found if set(first) != {"-"}}


def importers(*modules: str) -> set[str]:
    """Return the files that import one of the modules, wherever in the file."""
    return {file.relative_to(ROOT).as_posix() for file in SOURCES if not modules_of(file).isdisjoint(modules)}


def modules_of(file: Path) -> set[str]:
    return set(_imported(ast.parse(file.read_text(encoding="utf-8"))))


def _imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name.partition(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def test_the_page_names_every_package_and_no_other() -> None:
    inside = {
        path.relative_to(ROOT).as_posix().removesuffix("/__init__.py")
        for path in (ROOT / "runner").glob("*")
        if (path.suffix == ".py" and not path.name.startswith("__")) or (path / "__init__.py").exists()
    }
    named = {name for name in rows("Within a package") if name.startswith(("runner/", "emulator"))}
    assert named == {*inside, "emulator"}


def test_every_file_that_the_page_names_exists() -> None:
    for path in re.findall(r"`((?:runner|emulator|docs|schemas|tests)/[\w/.-]+)`", PAGE):
        assert (ROOT / path).exists(), path


def test_http_and_messages_are_sent_where_the_page_says() -> None:
    effects = rows("## Where side effects are")
    assert importers("requests", "urllib3") == set(effects["HTTP"])
    assert importers("apprise") <= set(effects["messages and pings"])
    assert importers("obstore") == set(effects["object stores"])
    assert importers("psycopg") == set(effects["statements to PostgreSQL"])


def test_programs_are_started_where_the_page_says() -> None:
    assert importers("subprocess") == set(rows("## Where side effects are")["programs that are started"])


def test_the_journal_is_written_where_the_page_says() -> None:
    databases = {file for file in importers("sqlite3") if not file.startswith("emulator/")}
    assert databases <= set(rows("## Where side effects are")["the journal"])
