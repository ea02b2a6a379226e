"""A function over many items in a few threads, in order, that Ctrl-C can leave at once."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

# A signal that arrives just before the interpreter waits for a lock is seen only after that wait ends.
_SIGNALS_SEEN_S = 0.2


def map_in_threads(function: Callable[[Item], Result], items: Iterable[Item], threads: int) -> list[Result]:
    """Return the function's results in the items' order; the first error is raised, what has not begun is dropped.

    An interrupt ends the wait and leaves the threads to themselves: nobody waits for a gigabyte that is being read.
    """
    pool = ThreadPoolExecutor(threads)
    try:
        futures = [pool.submit(function, item) for item in items]
        while wait(futures, timeout=_SIGNALS_SEEN_S).not_done:
            pass
        return [future.result() for future in futures]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
