"""An iterator that is a few items ahead of its taker, in a second thread."""

from collections.abc import Generator, Iterator
from queue import SimpleQueue
from threading import Event, Semaphore, Thread
from typing import TypeVar

from msgspec import Struct

T = TypeVar("T")
_MOST_MADE = 3  # items not yet taken, the one being made included: enough for both threads to have work


class _End(Struct, frozen=True):
    """What comes after the last item."""

    error: Exception | None


def ahead(items: Iterator[T]) -> Generator[T]:
    """Yield the items, of which the next three are made meanwhile. Close it, or take all, to let go of its thread.

    Raises:
        Whatever the iterator raises, in the place of the item.
    """
    made: SimpleQueue[T | _End] = SimpleQueue()
    room, closing = Semaphore(_MOST_MADE), Event()

    def make() -> None:
        try:
            while room.acquire() and not closing.is_set():
                made.put(next(items))
        except StopIteration:
            made.put(_End(None))
        except Exception as error:  # noqa: BLE001 -- it is raised where the item is taken
            made.put(_End(error))

    thread = Thread(target=make, name="ahead", daemon=True)
    thread.start()
    try:
        while not isinstance(item := made.get(), _End):
            room.release()
            yield item
        if item.error is not None:
            raise item.error
    finally:
        closing.set()
        room.release()
        thread.join()
