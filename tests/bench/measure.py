"""Whole processes, timed from outside: seconds and peak memory as the operating system accounts them."""

import os
import statistics
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Wall-clock seconds and peak resident memory in MiB of one process."""

    seconds: float
    mebibytes: float


def cost_of(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Cost:
    """Run a command that must succeed and return what it cost."""
    began = time.monotonic()
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env={**os.environ, **(environment or {})}
    )
    assert process.stderr is not None
    told = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command[0]} ended with {process.returncode}: {told.decode()[-500:]}")
    return Cost(seconds=time.monotonic() - began, mebibytes=usage.ru_maxrss / 1024)


def paired(ours: Sequence[str], peer: Sequence[str], *, runs: int) -> tuple[Cost, Cost]:
    """Run two commands in turn, after one round that does not count, and return the medians of each."""
    costs = [(cost_of(ours), cost_of(peer)) for _ in range(runs + 1)][1:]
    return median([mine for mine, _ in costs]), median([theirs for _, theirs in costs])


def median(costs: Sequence[Cost]) -> Cost:
    """Return the median of seconds and of memory."""
    return Cost(
        seconds=statistics.median(one.seconds for one in costs),
        mebibytes=statistics.median(one.mebibytes for one in costs),
    )
