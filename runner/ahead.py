"""An iterator that is a few items ahead of its taker, in a second thread."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from itertools import islice
from queue import SimpleQueue
from threading import Thread
from typing import TypeVar

T = TypeVar("T")
_MOST_MADE = 3  # items not yet taken, the one being made included: enough for both threads to have work
_WITHOUT_THREAD = 2  # items; what is a single one, and its end, needs none


@dataclass(frozen=True, slots=True)
class _End:
    """What comes after the last item."""

    error: Exception | None


def ahead(items: Iterator[T]) -> Generator[T]:
    """Yield the items, of which the next three are made meanwhile. Close it, or take all, to let go of its thread.

    Raises:
        Whatever the iterator raises, in the place of the item.
    """
    taken = 0
    for item in islice(items, _WITHOUT_THREAD):
        taken += 1
        yield item
    if taken == _WITHOUT_THREAD:
        yield from _made_beside(items)


def _made_beside(items: Iterator[T]) -> Generator[T]:
    made: SimpleQueue[T | _End] = SimpleQueue()
    room: SimpleQueue[bool] = SimpleQueue()  # a semaphore, with less to do than Python's own

    def make() -> None:
        try:
            while room.get():
                made.put(next(items))
        except StopIteration:
            made.put(_End(None))
        except Exception as error:  # noqa: BLE001 -- it is raised where the item is taken
            made.put(_End(error))

    for _ in range(_MOST_MADE):
        room.put(True)
    thread = Thread(target=make, name="ahead", daemon=True)
    thread.start()
    try:
        while not isinstance(item := made.get(), _End):
            room.put(True)
            yield item
        if item.error is not None:
            raise item.error
    finally:
        room.put(False)
        thread.join()
