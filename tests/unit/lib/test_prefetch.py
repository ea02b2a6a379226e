import threading
from collections.abc import Iterator

import pytest

from runner.http.upload_body import ahead


def test_all_items_come_in_order() -> None:
    assert list(ahead(iter(range(100)))) == list(range(100))
    assert list(ahead(iter(()))) == []


def test_the_next_item_is_made_while_the_last_one_is_used() -> None:
    made = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        made.set()
        yield 2

    taken = ahead(items())
    assert next(taken) == 1
    assert made.wait(10)  # though nobody has asked for it
    taken.close()


def test_items_are_never_far_ahead_so_memory_is_bounded() -> None:
    made: list[int] = []

    def items() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    most = 0
    for number in ahead(items()):
        most = max(most, len(made) - number)
    assert 1 <= most <= 4


def test_an_error_comes_in_its_place_and_nothing_after_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise OSError("the disk is gone")

    taken = ahead(items())
    assert next(taken) == 1
    with pytest.raises(OSError, match="the disk is gone"):
        next(taken)
    assert list(taken) == []


def test_closing_early_lets_go_of_the_thread() -> None:
    taken = ahead(iter(range(10**9)))
    assert next(taken) == 0
    assert any(thread.name.startswith("ahead") for thread in threading.enumerate())
    taken.close()
    assert not any(thread.name.startswith("ahead") for thread in threading.enumerate())
