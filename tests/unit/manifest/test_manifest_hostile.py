"""Hostile files end in a clear problem, soon, and never in a traceback or a dead process."""

import time
from decimal import Decimal
from typing import Protocol

import pytest
import yaml

from runner.manifest import yaml_parser as builder
from runner.manifest import yaml_values as opened
from runner.manifest.load import Reading
from runner.manifest.yaml_values import NumberRangeError, resolve

SECONDS = 5  # the claim is 1 s on a free machine; the test machine is shared


class Read(Protocol):
    def __call__(self, content: str | bytes) -> Reading: ...


def laughs(levels: int) -> str:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join(['*' + chr(97 + n)] * 9)}]" for n in range(levels)]
    return "\n".join(lines)


def merges(levels: int) -> str:
    lines = ["a: &a {k: x}"]
    lines += [f"{chr(98 + n)}: &{chr(98 + n)} {{<<: [{', '.join(['*' + chr(97 + n)] * 9)}]}}" for n in range(levels)]
    return "\n".join(lines)


HOSTILE: dict[str, tuple[str | bytes, str]] = {
    "lists in brackets": ("[" * 100_000, "too-deep"),
    "mappings in braces": ("{" * 100_000, "too-deep"),
    "keyed mappings": ("{a: " * 100_000, "too-deep"),
    "lists by dashes": ("- " * 100_000, "too-deep"),
    "keys by question marks": ("? " * 100_000, "too-deep"),
    "indented mappings": ("\n".join(" " * depth + "a:" for depth in range(1000)), "too-deep"),
    "billion laughs": (laughs(12), "alias-expansion"),
    "merge bomb": (merges(12), "alias-expansion"),
    "self reference": ("a: &a [*a]", "unknown-alias"),
    "python tag": ("a: !!python/object/apply:os.system [id]", "tag"),
    "binary tag": ("a: !!binary aGk=", "tag"),
    "directives": ("".join(f"%TAG !a{number}! tag:x\n" for number in range(20_000)) + "--- {}\n", "tag"),
    "aliases": ("a: &a 1\nb: [" + "*a," * 600_000 + "]", "too-many-nodes"),
    "second document": ("a: 1\n---\nb: 2\n", "several-documents"),
    "nul": ("a: b\0c", "control-character"),
    "escape sequence": ("a: \x1b[31mred", "control-character"),
    "bytes that are not text": (b"a: \xff\xfe", "not-utf8"),
    "lone surrogate": (b"a: \xed\xa0\x80", "not-utf8"),
    "utf-16": ("version: 1".encode("utf-16"), "not-utf8"),
    "fifty megabytes": (b"a" * 50_000_000, "too-large"),
    "open quote": ("a: '" + "x\n" * 100_000, "yaml-syntax"),
    "nothing": ("", "empty-file"),
    "spaces": (" \n" * 100, "empty-file"),
    "conflict markers": ("<<<<<<< ours\n" * 200_000, "merge-conflict"),
    "repeated key": ("a: 1\n" * 100_000, "duplicate-key"),
    "unknown keys": ("\n".join(f"k{number}: 1" for number in range(20_000)), "unknown-key"),
    "long number": ("version: " + "1" * 1_000_000, "number-range"),
}


@pytest.mark.parametrize(("content", "code"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_file_is_refused_with_a_reason_and_soon(read_text: Read, content: str | bytes, code: str) -> None:
    began = time.process_time()
    reading = read_text(content)
    assert time.process_time() - began < SECONDS
    assert reading.manifest is None
    assert code in {problem.code for problem in reading.problems}
    assert len(reading.problems) <= 1_001


def test_the_bombs_would_explode_without_the_limit(read_text: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    """The harness can fail: with the limit away the same file is read on."""
    monkeypatch.setattr(builder, "_ALIAS_FACTOR", 10**9)
    assert "alias-expansion" not in {problem.code for problem in read_text(laughs(3)).problems}


def test_values_beyond_the_limit_end_the_reading(read_text: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builder, "MAX_NODES", 1_000)
    assert [problem.code for problem in read_text("a: [" + "1," * 1_000 + "]").problems] == ["too-many-nodes"]


def test_keys_beyond_the_limit_of_one_mapping_end_the_reading(read_text: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opened, "MAX_KEYS", 3)
    assert "too-many-nodes" not in {problem.code for problem in read_text("a: 1\nb: 1\nc: {d: 1, e: 1, f: 1}").problems}
    (problem,) = read_text("a: 1\nb: 1\nc: 1\nd: 1\ne: 1\n").problems
    assert (problem.code, problem.line) == ("too-many-nodes", 4)


def test_depth_64_is_read_and_depth_65_is_not(read_text: Read) -> None:
    assert "too-deep" not in {p.code for p in read_text("a: " + "[" * 63 + "]" * 63).problems}
    assert "too-deep" in {p.code for p in read_text("a: " + "[" * 64 + "]" * 64).problems}


def test_the_position_of_a_wrong_byte_is_its_line_and_column(read_text: Read) -> None:
    (problem,) = read_text(b"version: 1\r\nowner: caf\xe9\r\n").problems
    assert (problem.code, problem.line, problem.column) == ("not-utf8", 2, 11)


def test_a_byte_order_mark_is_accepted_and_moves_no_column(read_text: Read) -> None:
    problems = read_text(b"\xef\xbb\xbfverzion: 1\n").problems
    assert [(p.code, p.line, p.column) for p in problems if p.code == "unknown-key"] == [("unknown-key", 1, 1)]


def test_a_conflict_marker_after_a_byte_order_mark_is_found(read_text: Read) -> None:
    (problem,) = read_text(b"\xef\xbb\xbf<<<<<<< ours\nversion: 1\n").problems
    assert (problem.code, problem.line, problem.column) == ("merge-conflict", 1, 1)


def test_thousands_of_wrong_references_are_told_soon(read_text: Read) -> None:
    """4,000 wrong references to 4,000 names: to compare each with each would take minutes."""
    numbers = range(4_000)
    datasets = "".join(f"  d{number}: {{train: x.csv}}\n" for number in numbers)
    models = "".join(f"  m{number}: {{api_key: {{env: K}}, dataset: e{number}, policy: p}}\n" for number in numbers)
    began = time.process_time()
    reading = read_text(f"version: 1\npolicies: {{p: {{type: auto}}}}\ndatasets:\n{datasets}models:\n{models}")
    assert time.process_time() - began < 6 * SECONDS
    assert {problem.code for problem in reading.problems} == {"unknown-dataset", "too-many-errors"}


def test_the_parser_in_python_finds_the_same_as_the_one_in_c(read_text: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "version: 1\nversion: 1\nmodels: {on: {owner: 'x', tags: [~, 12, 0.5, no]}}\nwrong: &a [*a\n"
    fast = [(p.line, p.column, p.code) for p in read_text(text).problems]
    monkeypatch.setattr(builder, "_LOADER", yaml.SafeLoader)
    assert [(p.line, p.column, p.code) for p in read_text(text).problems] == fast
    assert len(fast) == 2


def test_no_problem_is_said_of_what_follows_a_thousand_errors(read_text: Read) -> None:
    problems = read_text("a: 1\n" * 5_000).problems
    assert problems[-1].code == "too-many-errors"


def test_warnings_end_after_a_thousand(read_text: Read) -> None:
    policies = "".join(f"  p{number}: {{type: auto}}\n" for number in range(5_000))
    problems = read_text(f"version: 1\npolicies:\n{policies}").problems
    codes = [problem.code for problem in problems if problem.severity == "warning"]
    assert codes == ["unused"] * 1_000 + ["too-many-warnings"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("-7", -7),
        ("0.80", Decimal("0.80")),
        ("1e3", Decimal("1E+3")),
        ("-0.5E-2", Decimal("-0.005")),
        ("true", True),
        ("false", False),
        ("null", None),
        ("~", None),
        ("", None),
    ],
)
def test_numbers_and_constants_of_json_have_their_value(text: str, value: object) -> None:
    resolved = resolve(text)
    assert type(resolved) is type(value)
    assert resolved == value
    assert str(resolved) == str(value)


@pytest.mark.parametrize(
    "text",
    ["on", "no", "Yes", "TRUE", "Null", "12:30", "017", "2026-01-01", ".nan", "-.inf", "+1", ".5", "5.", "1_000", "0x1F", "0o7", "1e", "-", "٣"],  # noqa: E501 - a list
)  # fmt: skip
def test_every_other_plain_word_stays_text(text: str) -> None:
    assert resolve(text) == text


@pytest.mark.parametrize("text", ["1e101", "1e999", "1e-999", "1e99999999999999999999", "9" * 41, "0." + "1" * 5_000])
def test_numbers_of_no_sensible_size_are_refused(text: str) -> None:
    with pytest.raises(NumberRangeError):
        resolve(text)
