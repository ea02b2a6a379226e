"""An iterator that is a few items ahead of its taker, in a second thread."""

from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
_MOST_WAITING = 2  # items; enough for both threads to have work, and a bound for the memory


def ahead(items: Iterator[T]) -> Generator[T]:
    """Yield the items, the next two of which are made meanwhile. Close it, or take all, to let go of its thread.

    Raises:
        Whatever the iterator raises, in the place of the item.
    """
    end = object()
    thread = ThreadPoolExecutor(1, "ahead")
    try:
        waiting = deque(thread.submit(next, items, end) for _ in range(_MOST_WAITING))
        while (item := waiting.popleft().result()) is not end:
            waiting.append(thread.submit(next, items, end))
            yield item  # type: ignore[misc] # mypy cannot tell the items from their end
    finally:
        thread.shutdown(wait=True, cancel_futures=True)
