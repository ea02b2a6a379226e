"""A function over many items in a few threads, in order, that Ctrl-C can leave at once."""

import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

# A signal that arrives just before the interpreter waits for a lock is seen only after that wait ends.
_SIGNALS_SEEN_S = 0.2
_FIRST_LOOK_S = 0.003
_QUICK_S = 0.005  # an item; threads that hand the interpreter to each other take longer for such than one alone


def map_in_threads(function: Callable[[Item], Result], items: Iterable[Item], threads: int) -> list[Result]:
    """Return the function's results in the items' order; the error of the first item that has one is raised.

    One thread begins, and the others join it where an item takes longer than a few milliseconds: it waits.

    An interrupt ends the wait and leaves the threads to themselves: nobody waits for a gigabyte that is being read, and
    what has not begun is dropped.
    """
    left = deque(enumerate(items))
    results: dict[int, Result] = {}
    errors: dict[int, BaseException] = {}

    def work() -> None:
        while left:
            try:
                number, item = left.popleft()
            except IndexError:  # another thread was quicker
                return
            try:
                results[number] = function(item)
            except BaseException as error:  # noqa: BLE001 -- raised below
                errors[number] = error

    pool, began, pause = ThreadPoolExecutor(threads), time.monotonic(), _FIRST_LOOK_S
    try:
        futures = [pool.submit(work)]
        while wait(futures, timeout=pause).not_done:
            pause = min(2 * pause, _SIGNALS_SEEN_S)
            if len(futures) < threads and len(results) * _QUICK_S < time.monotonic() - began:
                futures += [pool.submit(work) for _ in range(min(threads - len(futures), len(left)))]
    finally:
        left.clear()
        pool.shutdown(wait=False, cancel_futures=True)
    if errors:
        raise errors[min(errors)]
    return [results[number] for number in range(len(results))]
