"""The command under a profiler in every thread: `python -m tests.bench.profiled FILE WORDS...`.

Each thread counts its own processor time, so a thread that waits costs nothing.
"""

import atexit
import cProfile
import pstats
import sys
import threading
import time
from collections.abc import Callable

file = sys.argv.pop(1)
profiles: list[cProfile.Profile] = []
plain_run: Callable[[threading.Thread], None] = threading.Thread.run


def run_profiled(thread: threading.Thread) -> None:
    """Run a thread's work under a profile of its own."""
    profile = cProfile.Profile(time.thread_time)
    profiles.append(profile)
    profile.runcall(plain_run, thread)


def write() -> None:
    """Write what all threads counted, together."""
    for profile in profiles:
        profile.disable()
    pstats.Stats(*profiles).dump_stats(file)


atexit.register(write)  # after the last thread has ended
threading.Thread.run = run_profiled  # type: ignore[method-assign, assignment] # the one place through which every thread goes
own = cProfile.Profile(time.thread_time)
profiles.append(own)
own.enable()

from runner.cli.main import main  # noqa: E402 -- the imports are part of what a command costs

main()
