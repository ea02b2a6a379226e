"""A sample of the fuzzed inputs, and the harness seen failing."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from runner.errors import RetrainError
from tests.stress import fuzz_child
from tests.stress.fuzz_inputs import TARGETS, make_input
from tests.stress.suite_fuzz import fuzz

COUNTS = {"manifest": 250, "answer": 250, "json": 150, "csv": 150, "zip": 100, "tar": 100, "workbook": 100}


@pytest.mark.parametrize("target", TARGETS)
def test_any_input_ends_in_a_value_or_in_our_own_error_soon_and_in_little_memory(target: str) -> None:
    assert fuzz(target, COUNTS[target]).violations == 0


@pytest.mark.parametrize("target", TARGETS)
def test_a_seed_always_gives_the_same_input(target: str) -> None:
    assert [make_input(target, seed) for seed in range(20)] == [make_input(target, seed) for seed in range(20)]
    assert len({make_input(target, seed) for seed in range(20)}) > 10


def _raise_foreign(_content: bytes, _folder: Path) -> None:
    raise KeyError("x")


def _take_long(_content: bytes, _folder: Path) -> None:
    sum(range(5_000_000))


def _take_memory(_content: bytes, _folder: Path) -> None:
    raise MemoryError


def _speak_badly(_content: bytes, _folder: Path) -> None:
    raise RetrainError("It broke.\x1b[31m", hint="Look.")


@pytest.mark.parametrize(
    ("reader", "beginning"),
    [(_raise_foreign, "KeyError"), (_take_memory, "more than 256 MiB"), (_speak_badly, "not a plain sentence")],
)
def test_the_harness_tells_foreign_errors_memory_and_bad_sentences(
    tmp_path: Path, reader: Callable[[bytes, Path], None], beginning: str
) -> None:
    found = fuzz_child.look(reader, b"", tmp_path)
    assert found is not None
    assert found.startswith(beginning)


def test_the_harness_tells_slowness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz_child, "LONGEST_S", 0.01)
    found = fuzz_child.look(_take_long, b"", tmp_path)
    assert found is not None
    assert found.endswith(" s")


def test_a_reader_that_kills_its_process_is_told_with_its_seed_and_the_rest_is_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    begun: list[int] = []

    def die_once(command: list[str], **_named: object) -> subprocess.CompletedProcess[str]:
        begun.append(int(command[4]))
        (Path(command[6]) / "seed").write_bytes((12).to_bytes(8, "big"))
        return subprocess.CompletedProcess(command, -11 if len(begun) == 1 else 0, "", "Segmentation fault")

    monkeypatch.setattr(subprocess, "run", die_once)
    assert fuzz("manifest", 10, first=10).violations == 1
    assert begun == [10, 13]
    assert "fuzz_child manifest 12 1 FOLDER: ended with -11" in capsys.readouterr().err
