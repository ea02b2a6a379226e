import threading
import time

import pytest

from runner.lib.parallel import map_in_threads


@pytest.mark.parametrize("threads", [1, 3, 16])
@pytest.mark.parametrize("number", [0, 1, 3, 1000])
def test_every_item_is_worked_on_once_and_the_results_are_in_order(threads: int, number: int) -> None:
    taken: list[int] = []

    def work(item: int) -> int:
        taken.append(item)
        time.sleep(0.001 if item % 100 == 0 else 0)
        return -item

    assert map_in_threads(work, range(number), threads) == [-item for item in range(number)]
    assert sorted(taken) == list(range(number))


def test_as_many_threads_as_wanted_work_at_once() -> None:
    together = threading.Barrier(4, timeout=10)
    places = map_in_threads(lambda _: together.wait(), range(8), 4)
    assert sorted(places) == [0, 0, 1, 1, 2, 2, 3, 3]


def test_the_error_of_the_first_item_that_has_one_is_raised() -> None:
    def work(item: int) -> int:
        if item == 3:
            time.sleep(0.05)
        return 1 // (item - 3) if item < 9 else [0][item]

    with pytest.raises(ZeroDivisionError):
        map_in_threads(work, range(20), 4)


def test_an_interrupt_ends_the_wait_and_drops_what_has_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[int] = []
    end = threading.Event()

    def work(item: int) -> None:
        begun.append(item)
        end.wait(10)

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("runner.lib.parallel.wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        map_in_threads(work, range(100), 2)
    end.set()
    time.sleep(0.05)
    assert len(begun) <= 2


def test_one_thread_is_enough_for_quick_items() -> None:
    assert len(set(map_in_threads(lambda _: threading.get_ident(), range(1000), 16))) == 1
