"""What a stream is taken to be able to show, and in which encoding it is written."""

import io
import subprocess
import sys
from pathlib import Path

import pytest

from runner.cli.terminal.capabilities import terminal_of
from runner.cli.terminal.stdio import has_own_encoding

UTF8 = {"LANG": "ja_JP.UTF-8", "TERM": "xterm"}


class FakeTerminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


def terminal(encoding: str = "utf-8") -> FakeTerminal:
    return FakeTerminal(io.BytesIO(), encoding=encoding)


def test_a_terminal_has_colours_symbols_and_a_size() -> None:
    found = terminal_of(terminal(), plain=False, environment=UTF8)
    assert (found.colour, found.symbols, found.live) == (True, True, True)
    assert found.columns is not None


@pytest.mark.parametrize(
    ("more", "plain", "colour"),
    [
        ({"NO_COLOR": "1"}, False, False),
        ({"NO_COLOR": "off"}, False, False),
        ({"NO_COLOR": ""}, False, True),
        ({}, True, False),
        ({"TERM": "dumb"}, False, False),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, False),
    ],
)
def test_colours_are_given_up_when_anybody_wishes(more: dict[str, str], plain: bool, colour: bool) -> None:
    assert terminal_of(terminal(), plain=plain, environment={**UTF8, **more}).colour is colour


def test_a_file_has_neither_colours_nor_symbols_nor_a_width() -> None:
    found = terminal_of(io.StringIO(), plain=False, environment=UTF8)
    assert (found.colour, found.symbols, found.columns, found.live) == (False, False, None, False)
    assert terminal_of(io.StringIO(), plain=False, environment={"FORCE_COLOR": "1"}).colour


@pytest.mark.parametrize("more", [{"CI": "true"}, {"TERM": "dumb"}, {"TERM": ""}])
def test_lines_are_not_written_anew_where_nobody_watches(more: dict[str, str]) -> None:
    live = more.get("TERM") == ""  # set to nothing is not dumb; curses would be asked, and is not
    assert terminal_of(terminal(), plain=False, environment={**UTF8, **more}).live is live


@pytest.mark.parametrize(
    ("environment", "encoding", "own", "symbols"),
    [
        ({"LANG": "ja_JP.UTF-8"}, "utf-8", True, True),
        ({"LANG": "ja_JP.SJIS"}, "shift_jis", True, False),
        ({"LC_ALL": "C", "LANG": "ja_JP.UTF-8"}, "utf-8", False, False),
        ({}, "utf-8", False, False),
        ({"PYTHONIOENCODING": "cp932"}, "cp932", True, False),
    ],
)
def test_the_locale_of_a_terminal_decides_on_symbols(
    environment: dict[str, str], encoding: str, own: bool, symbols: bool
) -> None:
    stream = terminal(encoding)
    assert has_own_encoding(stream, environment) is own
    assert terminal_of(stream, plain=False, environment=environment).symbols is symbols


def test_a_stream_that_was_closed_shows_nothing() -> None:
    stream = io.StringIO()
    stream.close()
    assert terminal_of(stream, plain=False, environment=UTF8).columns is None


HEAVY = {"rich", "jsonschema", "requests", "msgspec", "jinja2"}


@pytest.mark.parametrize(
    ("words", "unwanted"),
    [
        (["--version"], {*HEAVY, "yaml", "logging", "shutil", "json", "pathlib"}),
        (["--help"], {*HEAVY, "yaml", "logging"}),
        (
            ["validate", "examples/configs/minimal"],
            {*HEAVY, "logging", "difflib", "runner.journal.events", "runner.plan.model_plan"} - {"msgspec"},
        ),
    ],
)
def test_a_command_loads_nothing_that_it_has_no_use_for(words: list[str], unwanted: set[str]) -> None:
    program = f"""
import sys
from runner.cli.main import main
try:
    main({words!r})
except SystemExit as end:
    loaded = [name for name in sys.modules if name in {unwanted!r}]
    sys.exit(f"loaded: {{loaded}}" if loaded else end.code)
"""
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
