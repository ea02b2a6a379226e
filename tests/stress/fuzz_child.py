"""Reads fuzzed inputs in a process of its own, so that a crash, a hang or a bomb is seen from outside.

`python -m tests.stress.fuzz_child TARGET FIRST COUNT FOLDER` prints one JSON line for each broken promise. The seed
it works on is in FOLDER/seed.
"""

import argparse
import io
import json
import mmap
import os
import resource
import signal
import sys
import time
import unicodedata
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path

from msgspec import to_builtins

from runner.errors import ModelError, RetrainError
from runner.http.headers import LONGEST, read_date, retry_after
from runner.http.responses import Answer
from runner.manifest.load import read
from runner.manifest.model import MetricDefinition, Place, Rule, ThresholdPolicy
from runner.policy.decide import Inputs, evaluate
from runner.providers.base import Effect, ServiceError, ServiceOptions
from runner.providers.fields import Fields
from runner.providers.prediction_one.errors import switch_effect, upload_effect
from runner.providers.prediction_one.response_reading import (
    expiry,
    read_api_key,
    read_classifiers,
    read_job,
    read_status,
)
from runner.reports.inspection import Inspected, inspected_json, inspected_text
from runner.results.inspection import inspect_result
from tests.fakes.prediction_one import STATUSES
from tests.stress.fuzz_inputs import make_input

LONGEST_S = 1.0  # of the processor: the machine may be shared
MOST_BYTES = 256 << 20  # beyond what the process has before the first input
_HANG_S = 20.0
_STATUSES = (200, 200, 200, 204, 400, 403, 404, 429, 500)
_PROFIT = MetricDefinition(
    name="profit", file=None, select="/summary/profit", direction="higher", target=None, unit=None
)
_RULES = tuple(
    Rule(metric=name, kind="min", limit=Decimal("0.5"), against=None, level="decide", any_eval=False)
    for name in ("auc", "recall", "profit")
)
_POLICY = ThresholdPolicy(
    name="p",
    rules=_RULES,
    on_pass="switch",
    on_fail="hold",
    on_inconclusive="hold",
    first_run="pass",
    expires=None,
    place=Place(file="m.yaml", line=1, column=1),
)
_INPUTS = Inputs(policy=_POLICY, definitions={"profit": _PROFIT}, baseline=None, eval_sha256=None)


class BrokenPromiseError(Exception):
    """A reader returned what it never should."""


def main() -> int:
    """Read the inputs of the seeds FIRST to FIRST + COUNT - 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", choices=READERS)
    parser.add_argument("first", type=int)
    parser.add_argument("count", type=int)
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    read_input = READERS[arguments.target]
    for seed in (0, 1, 2):  # what the first inputs load stays loaded, and is not the next ones' doing
        look(read_input, make_input(arguments.target, seed), arguments.folder)
    _limit_memory()
    with (arguments.folder / "seed").open("w+b") as file:
        file.write(bytes(8))
        file.flush()
        place = mmap.mmap(file.fileno(), 8)
        for seed in range(arguments.first, arguments.first + arguments.count):
            place[:8] = seed.to_bytes(8, "big")
            content = make_input(arguments.target, seed)
            signal.setitimer(signal.ITIMER_VIRTUAL, _HANG_S)
            problem = look(read_input, content, arguments.folder)
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            if problem is not None:
                print(json.dumps({"seed": seed, "what": problem}))  # noqa: T201 -- told to the parent
    return 0


def look(read_input: Callable[[bytes, Path], None], content: bytes, folder: Path) -> str | None:
    """Read one input; return what broke a promise, or None."""
    began = time.process_time()
    try:
        read_input(content, folder)
    except RetrainError as error:
        if not (error.message.endswith(".") and error.hint.endswith(".") and _is_one_line(error.message)):
            return f"not a plain sentence: {error.message[:200]!r}"
    except MemoryError:
        return f"more than {MOST_BYTES >> 20} MiB"
    except Exception as error:  # noqa: BLE001 -- whatever is not ours is the finding
        return f"{type(error).__name__}: {str(error)[:200]}"
    took = time.process_time() - began
    return f"{took:.1f} s" if took > LONGEST_S else None


def _is_one_line(text: str) -> bool:
    """Return whether a text has no control characters; letters of private use are ordinary in Shift_JIS."""
    return all(letter.isprintable() or unicodedata.category(letter) == "Co" for letter in text)


def _limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    limit = pages * os.sysconf("SC_PAGE_SIZE") + MOST_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _read_manifest(content: bytes, folder: Path) -> None:
    file = folder / "m.yaml"
    file.write_bytes(content)
    reading = read([file])
    errors = [problem for problem in reading.problems if problem.severity == "error"]
    if (reading.manifest is None) != bool(errors):
        raise BrokenPromiseError(f"a manifest with {len(errors)} errors")
    if not all(problem.line_text().isprintable() for problem in reading.problems):
        raise BrokenPromiseError("a problem that is not one printable line")


ASKED = "https://127.0.0.1/v1"


def _read_answer(content: bytes, _folder: Path) -> None:
    """Read the body as the answer to every call; what the body says first also chooses the HTTP status."""
    status = _STATUSES[sum(content[:64]) % len(_STATUSES)]
    text = content[:200].decode("latin-1")
    answer = Answer(
        host="127.0.0.1", status=status, date=read_date(text), after=retry_after(text), body=content, flaw=None
    )
    reads: tuple[Callable[[], object], ...] = (
        lambda: read_job(answer, Fields(), ASKED),
        lambda: read_status(answer, "job-1", Fields(), STATUSES, ASKED),
        lambda: read_api_key(answer),
        lambda: read_classifiers(answer),
    )
    for ask in reads:
        try:
            ask()
        except ServiceError as error:
            if not _is_one_line(error.message):
                raise BrokenPromiseError(f"an error that is not one printable line: {error.message!r}") from None
    for effect in (upload_effect(answer, handed_over=True), switched(answer)):
        _check_effect(effect)
    wait = retry_after(text)
    if wait is not None and not 0 <= wait <= LONGEST:
        raise BrokenPromiseError(f"a wait of {wait} s")
    expiry(f"https://127.0.0.1/a?{text}")


def switched(answer: Answer) -> Effect:
    return switch_effect(answer, "job-1", ServiceOptions(), STATUSES.busy)


def _check_effect(effect: object) -> None:
    if not isinstance(effect, Effect):
        raise BrokenPromiseError(f"no effect but {effect!r}")


def _read_result(content: bytes, _folder: Path) -> None:
    inspection = inspect_result(io.BytesIO(content), {})
    inspected = Inspected(file="r", bytes=len(content), model=None, retrain_job_id=None, inspection=inspection)
    inspected_json(inspected).encode()
    if not all(_is_one_line(line) for line in inspected_text(inspected, width=None).splitlines()):
        raise BrokenPromiseError("an inspection that is not printable")
    try:
        record = evaluate(_INPUTS, io.BytesIO(content))
    except ModelError as error:
        if error.kind != "result":
            raise BrokenPromiseError(f"an error of kind {error.kind}") from None
        raise
    json.dumps(to_builtins(record), allow_nan=False).encode()
    if record.decision.action == "switch" and record.verdict != "passed":
        raise BrokenPromiseError("a switch without a pass")


READERS: Mapping[str, Callable[[bytes, Path], None]] = {
    "manifest": _read_manifest,
    "answer": _read_answer,
    "json": _read_result,
    "csv": _read_result,
    "zip": _read_result,
    "tar": _read_result,
    "workbook": _read_result,
}

if __name__ == "__main__":
    sys.exit(main())
