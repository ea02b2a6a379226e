"""The manifest's line with a caret: under the right column, and without what may be a secret."""

from pathlib import Path

import pytest
from rich.cells import cell_len

from runner.cli.terminal.capabilities import TerminalCapabilities
from runner.cli.terminal.excerpt import problem_lines
from runner.manifest.document import Problem
from runner.manifest.load import read

CANARY = "CANARYd3adb33f"


def shown(path: Path, line: int, column: int, *, code: str = "wrong-value", columns: int | None = None) -> list[str]:
    problem = Problem(file=str(path), line=line, column=column, code=code, message="M.", hint="H.")
    return list(problem_lines([problem], TerminalCapabilities(columns=columns)))[1:]


def written(folder: Path, text: str) -> Path:
    path = folder / "models.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("line", "column", "caret_under"),
    [("models: {churn: 1}", 10, "churn"), ("需要: {予測: x}", 10, "x}"), ("a: '\x1b[2J' b", 11, "b"), ("abc", 9, "")],
)
def test_the_caret_stands_under_the_column_also_behind_wide_characters(
    tmp_path: Path, line: str, column: int, caret_under: str
) -> None:
    text, caret = shown(written(tmp_path, f"version: 1\n{line}\n"), 2, column)
    assert text.startswith("    2 | ")
    place = cell_len(caret) - 1
    before = next(cut for cut in range(len(text) + 1) if cell_len(text[:cut]) == place)
    assert text[before:].startswith(caret_under)
    assert "\x1b" not in text


@pytest.mark.parametrize("columns", [40, 80, None])
@pytest.mark.parametrize("place", [1, 500, 1000])
def test_a_long_line_is_cut_around_the_column(tmp_path: Path, columns: int | None, place: int) -> None:
    path = written(tmp_path, f"{'需' * (place - 1)}HERE{'x' * (1200 - place)}")
    text, caret = shown(path, 1, place, columns=columns)
    assert cell_len(text) <= (columns or 108)
    assert text.index("HERE") == len(text[: text.index("HERE")])
    assert cell_len(text[: text.index("HERE")]) == cell_len(caret) - 1


SECRETS = [
    "  api_key: {canary}",
    "  api_key: '{canary}, x' # why",
    "  api_key: [{canary}]",
    "  m: {{api_key: {canary}, dataset: d}}",
    "  m: {{api_key: {{env: {canary}}}, dataset: d}}",
    '  m: {{dataset: d, "api_key": "{canary}}}", policy: p}}',
    "  apikey: {canary}",
    "  Api-Key: {canary}",
    "  password: {canary}",
    "  - {{on: [failed], to: https://hooks.example.com/{canary}}}",
    "  - ping: https://hc-ping.com/{canary}",
    "  train: https://user:{canary}@example.com/a.csv",
    "  train: s3://bucket/a.csv?X-Amz-Signature={canary}&x=1",
    "  api_key:\n    {canary}",
    "  api_key:\n    vaule: {canary}",
    "  api_key: |\n    first\n    {canary}",
    '  api_key: "first\n    {canary}"',
    "  m: {{api_key:\n      {canary}, dataset: d}}",
]


@pytest.mark.parametrize("text", SECRETS)
def test_no_value_under_a_key_for_secrets_is_shown_whatever_is_wrong_and_wherever(tmp_path: Path, text: str) -> None:
    content = text.format(canary=CANARY)
    path = written(tmp_path, content)
    for number, line in enumerate(content.splitlines(), start=1):
        for column in range(1, len(line) + 2):
            for code in ("literal-key", "unknown-key", "syntax"):
                lines = "\n".join(shown(path, number, column, code=code))
                assert not any(CANARY[at : at + 4] in lines for at in range(len(CANARY) - 3)), lines


def test_a_value_that_is_not_a_secret_is_shown_beside_one_that_may_be(tmp_path: Path) -> None:
    path = written(tmp_path, f"m: {{api_key: {CANARY}, policy: wrong}}")
    text, caret = shown(path, 1, path.read_text(encoding="utf-8").index("wrong") + 1)
    assert text == "    1 | m: {api_key: ***, policy: wrong}"
    assert text[len(caret) - 1 :] == "wrong}"


def test_a_real_literal_key_is_pointed_at_and_not_shown(tmp_path: Path) -> None:
    path = written(tmp_path, f"version: 1\nmodels:\n  churn: {{api_key: {CANARY}, dataset: d}}\n")
    lines = "\n".join(problem_lines(read([path]).problems, TerminalCapabilities()))
    assert "  churn: {api_key: ***\n      |                    ^" in lines
    assert CANARY not in lines


@pytest.mark.parametrize(("line", "name"), [(99, "models.yaml"), (2, "models.yaml"), (1, "gone.yaml"), (1, "a\0b")])
def test_where_there_is_no_line_there_is_no_excerpt(tmp_path: Path, line: int, name: str) -> None:
    written(tmp_path, "version: 1\n   \n")
    assert shown(tmp_path / name, line, 1) == []


def test_the_caret_is_coloured_where_colours_are(tmp_path: Path) -> None:
    path = written(tmp_path, "version: 1\n")
    problem = Problem(file=str(path), line=1, column=1, code="c", message="M.", hint="H.")
    assert list(problem_lines([problem], TerminalCapabilities(colour=True, columns=80)))[2].endswith(
        "\x1b[1;31m^\x1b[0m"
    )


def test_a_line_of_megabytes_is_clipped_before_it_is_looked_at(tmp_path: Path) -> None:
    path = written(tmp_path, "models: {a: soon, " + "a-key-" * 500_000)
    text, caret = shown(path, 1, 13)
    assert text == "    1 | models: {a: soon,"
    assert caret.index("^") == text.index("soon")
    assert shown(path, 1, 19) == []
    assert shown(path, 1, 1_000_000) == []


def test_a_long_line_without_a_blank_is_not_shown(tmp_path: Path) -> None:
    """What is cut may be half of an address, whose other half would tell that it holds a password."""
    assert shown(written(tmp_path, f"https://me:{CANARY}{'x' * 5000}@host"), 1, 1) == []


def test_below_a_very_long_line_nothing_is_shown(tmp_path: Path) -> None:
    """Whether a key for secrets ends it is not looked for."""
    path = written(tmp_path, f"a: {'x ' * 2000}secret:\n  {CANARY}\n")
    assert shown(path, 2, 3) == []


def test_characters_without_width_do_not_make_a_line_long(tmp_path: Path) -> None:
    text, _ = shown(written(tmp_path, f"a: b{chr(0x301) * 1900}"), 1, 1)
    assert len(text) < 150


def test_lines_beyond_half_a_million_are_not_shown(tmp_path: Path) -> None:
    path = written(tmp_path, "\n" * 499_999 + "a: b\nc: d\n")
    assert shown(path, 500_000, 1)[0].endswith("a: b")
    assert shown(path, 500_001, 1) == []
