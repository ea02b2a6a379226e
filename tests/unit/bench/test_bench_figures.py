"""The arithmetic of the bench: a bench that could not say "missed" would measure nothing."""

import math
import subprocess
import sys
from functools import partial

import psutil
import pytest

from tests.bench.__main__ import LINES
from tests.bench.figure import Part, Row, Target, at_least, at_most, exponent, number, ratio, sample
from tests.bench.measure import ROOT, NotMeasuredError, cost_of, in_turn
from tests.bench.page import line_of, page


@pytest.mark.parametrize(
    ("value", "target", "verdict"),
    [
        (1.1, at_least(1.1, ""), "met"),
        (1.09, at_least(1.1, ""), "missed"),
        (100.0, at_most(100, ""), "met"),
        (100.1, at_most(100, ""), "missed"),
        (math.nan, at_most(100, ""), "missed"),
        (math.nan, at_least(0, ""), "missed"),
        (5.0, None, ""),
    ],
)
def test_a_verdict_follows_from_the_figure(value: float, target: Target | None, verdict: str) -> None:
    assert Row(what="w", ours="o", value=value, target=target).verdict == verdict


def test_what_could_not_be_measured_is_never_met() -> None:
    assert Row(what="w", ours="", value=5, target=at_least(1, ""), trouble="no curl").verdict == "not measured"


def test_a_sample_is_its_median_with_lowest_and_highest() -> None:
    assert str(sample([5, 1, 2, 9, 3], "s")) == "3.00 s (1.00 to 9.00)"
    assert str(sample([2.0], "s")) == "2.00 s"


def test_a_ratio_divides_round_by_round() -> None:
    # The third round is slow for both sides; the ratio of the medians would be 2.5.
    assert ratio([4, 4, 40], [2, 1, 20]).values == (2, 4, 2)


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (0.01234, "0.0123"), (9.876, "9.88"), (1234.5, "1,234"), (math.nan, "no number")]
)
def test_numbers_have_three_digits_that_count(value: float, text: str) -> None:
    assert number(value) == text


def test_growth_is_the_exponent_between_the_last_two_sizes() -> None:
    assert exponent([1, 10, 100], [50, 1, 10]) == pytest.approx(1)
    assert exponent([10, 100], [1, 100]) == pytest.approx(2)
    assert math.isnan(exponent([10], [1]))
    assert math.isnan(exponent([10, 100], [0, 1]))


def test_sides_are_called_in_turn_and_the_first_round_does_not_count() -> None:
    called: list[str] = []

    def side(name: str) -> int:
        called.append(name)
        return len(called)

    assert in_turn([partial(side, "a"), partial(side, "b")], rounds=2) == [[3, 5], [4, 6]]
    assert called == ["a", "b"] * 3


def test_memory_and_threads_are_those_of_the_whole_tree() -> None:
    hold = "import time; held = bytearray(60_000_000); time.sleep(0.4)"
    both = f"import subprocess, sys; child = subprocess.Popen([sys.executable, '-c', {hold!r}]); {hold}; child.wait()"
    alone, tree = cost_of([sys.executable, "-c", hold]), cost_of([sys.executable, "-c", both])
    assert 57 < alone.mebibytes < 90
    assert 114 < tree.mebibytes < 180
    assert tree.threads == 2


def test_the_memory_of_the_bench_is_not_taken_for_that_of_a_small_process() -> None:
    held = bytearray(300_000_000)
    assert cost_of([sys.executable, "-c", "import time; time.sleep(0.1)"]).mebibytes < 60
    assert held


def test_a_command_that_fails_is_not_a_figure() -> None:
    with pytest.raises(NotMeasuredError, match="ended with 3: out of luck"):
        cost_of([sys.executable, "-c", "import sys; print('out of luck', file=sys.stderr); sys.exit(3)"])
    with pytest.raises(NotMeasuredError, match="cannot be started"):
        cost_of(["/nowhere/at-all"])


def test_an_interrupted_measurement_leaves_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_self: object, root: psutil.Process) -> None:
        if root.children():
            raise KeyboardInterrupt

    monkeypatch.setattr("tests.bench.measure._Peak.look", interrupted)
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    sleeper = [sys.executable, "-c", "import subprocess; subprocess.run(['sleep', '60'])"]
    with pytest.raises(KeyboardInterrupt):
        cost_of(sleeper)
    left = [one for one in psutil.Process().children(recursive=True) if one.pid not in before]
    assert psutil.wait_procs(left, timeout=5)[1] == []


def test_a_command_may_be_kept_on_one_core() -> None:
    count = [sys.executable, "-c", "import os; print(len(os.sched_getaffinity(0)))"]
    assert cost_of(count, cores=1).output.strip() == "1"
    everywhere = subprocess.run(count, capture_output=True, text=True, check=True).stdout
    assert cost_of(count).output == everywhere


def test_every_line_is_measured_by_default() -> None:
    modules = {path.stem for path in (ROOT / "tests" / "bench").glob("line_*.py")}
    assert modules == {f"line_{name}" for name in LINES}


def test_the_page_says_missed_and_counts_it() -> None:
    missed = Row(what="a|b", ours="o", value=1, target=at_least(2, "at least 2x"))
    told = page([Part(rows=(missed, Row(what="w", ours="o", value=3, target=at_least(2, "at least 2x"))))], 5)
    assert line_of(missed) == "| a\\|b | o |  |  | at least 2x | **missed** |"
    assert "Targets met: 1 of 2." in told
