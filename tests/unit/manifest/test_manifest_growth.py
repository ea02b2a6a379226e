"""Reading and explaining take steps in proportion to what is read, counted as calls: clocks are not asked."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from runner.manifest.load import read
from runner.manifest.source_excerpt import excerpts

SMALL, TIMES = 60, 4
MOST = TIMES * 1.15  # a constant share makes it less than TIMES, sorting a little more
HEAD = "version: 1\nservice: {url: 'https://service.test'}\n"
MODEL = "  m{0}:\n    api_key: {{env: K{0}}}\n    dataset: d{1}\n    policy: p{1}\n    wait: {{timeout: {2}}}\n"


def sections(numbers: range) -> str:
    datasets = "".join(f"  d{number}: {{train: t{number}.csv}}\n" for number in numbers)
    rule = "{{type: threshold, rules: [{{metric: x{0}, min: 1}}]}}"
    policies = "".join(f"  p{number}: {rule.format(number)}\n" for number in numbers)
    metrics = "".join(f"  x{number}: {{select: /x, direction: higher}}\n" for number in numbers)
    return f"{HEAD}datasets:\n{datasets}policies:\n{policies}metrics:\n{metrics}models:\n"


def whole(count: int, *, shared: bool = False, timeout: str = "6h") -> str:
    numbers = range(count)
    head = sections(range(1) if shared else numbers)
    return head + "".join(MODEL.format(number, 0 if shared else number, timeout) for number in numbers)


def calls(work: Callable[[], object]) -> int:
    """Return how many functions the work called, those of C among them."""
    count = 0

    def tell(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(tell)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


def told(count: int) -> str:
    """Return a recipient who names each model, four times."""
    names = ", ".join(f"m{number}" for number in range(count))
    return "notify:\n" + f"  - {{on: [failed], to: {{env: T}}, select: [{names}]}}\n" * 4


def chain(count: int) -> str:
    moves = "".join(f"  - {{from: a{number}, to: a{number + 1}}}\n" for number in range(count))
    return f"moved:\n{moves}  - {{from: a{count}, to: m0}}\n"


def checked(paths: list[Path]) -> None:
    list(excerpts(read(paths).problems))


FILES: dict[str, Callable[[int], list[str]]] = {
    "models that share all": lambda count: [whole(count, shared=True)],
    "models that share nothing": lambda count: [whole(count)],
    "a wrong value in each model": lambda count: [whole(count, timeout="soon")],
    "an impossible value in each model": lambda count: [whole(count, timeout="9999d")],
    "a file for each model": lambda count: [
        sections(range(1)), *(f"models:\n{MODEL.format(number, 0, '6h')}" for number in range(count))
    ],
    "a file for each wrong model": lambda count: [
        sections(range(1)), *(f"models:\n{MODEL.format(number, 0, 'soon')}" for number in range(count))
    ],
    "unknown keys": lambda count: ["".join(f"key{number:06}: 1\n" for number in range(count))],
    "recipients who name each model": lambda count: [whole(count, shared=True), told(count)],
    "names that moved on and on": lambda count: [sections(range(1)) + MODEL.format(0, 0, "6h"), chain(count)],
    "datasets that nothing uses": lambda count: [sections(range(count)) + MODEL.format(0, 0, "6h")],
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_four_times_as_much_takes_four_times_the_steps(tmp_path: Path, name: str) -> None:
    def steps(count: int) -> int:
        folder = tmp_path / str(count)
        folder.mkdir(exist_ok=True)
        for number, text in enumerate(FILES[name](count)):
            (folder / f"{number:04}.yaml").write_text(text, encoding="utf-8")
        return calls(lambda: checked([folder]))

    steps(1)  # what is imported, compiled and remembered at the first time
    assert steps(SMALL * TIMES) < MOST * steps(SMALL)
