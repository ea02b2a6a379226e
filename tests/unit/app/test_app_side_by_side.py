"""How a run holds several partitions: side by side, and never so that two runs wait for each other."""

import random
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial

import pytest

from runner.app.run.side_by_side import Hold, held_in_order
from runner.errors import LockedError

NOT_AT_ALL, LONG = timedelta(0), timedelta(seconds=10)


class Store:
    """Partitions that one run at a time holds; `asked` are those asked for, with what the run held then and whether it
    waits."""

    def __init__(self, partitions: int = 4) -> None:
        self.locks = [threading.Lock() for _ in range(partitions)]
        self.asked = list[tuple[int, set[int], bool]]()

    def holds(self, chosen: Sequence[int]) -> list[Hold[int]]:
        held = set[int]()
        return [partial(self._hold, held, number) for number in chosen]

    @contextmanager
    def _hold(self, held: set[int], number: int, patience: timedelta) -> Iterator[int]:
        self.asked.append((number, set(held), patience > NOT_AT_ALL))
        time.sleep(0.001)
        if not self.locks[number].acquire(timeout=patience.total_seconds()):
            raise LockedError("held", hint="wait")
        held.add(number)
        try:
            time.sleep(0.001)
            yield number
        finally:
            held.discard(number)
            self.locks[number].release()

    def waits(self) -> list[tuple[int, set[int]]]:
        return [(number, held) for number, held, waits in self.asked if waits]


def test_all_are_asked_for_at_once_and_given_in_their_order() -> None:
    store, together = Store(), threading.Barrier(4, timeout=10)

    @contextmanager
    def hold(number: int, patience: timedelta) -> Iterator[int]:
        assert patience == NOT_AT_ALL
        together.wait()
        with store.holds([number])[0](patience) as held:
            yield held
        together.wait()  # so they are let go of

    with held_in_order([partial(hold, number) for number in range(4)], LONG, far=True) as found:
        assert found == [0, 1, 2, 3]
        assert all(lock.locked() for lock in store.locks)
    assert not any(lock.locked() for lock in store.locks)


def test_who_waits_for_a_partition_holds_those_before_it_and_none_after_it() -> None:
    store = Store()
    store.locks[1].acquire()
    threading.Timer(0.2, store.locks[1].release).start()
    with held_in_order(store.holds(range(4)), LONG, far=True) as found:
        assert found == [0, 1, 2, 3]
    assert store.waits() == [(1, {0}), (2, {0, 1}), (3, {0, 1, 2})]


def test_a_refused_run_holds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runner.app.run.side_by_side._BRIEFLY", timedelta(seconds=0.1))
    for far in (True, False):
        store = Store()
        store.locks[2].acquire()
        refused = held_in_order(store.holds(range(4)), NOT_AT_ALL, far=far)
        with pytest.raises(LockedError), refused:
            pass
        assert [lock.locked() for lock in store.locks] == [False, False, True, False]


def test_what_else_is_wrong_with_a_partition_is_told_and_the_others_are_let_go() -> None:
    store = Store()

    @contextmanager
    def broken(_: timedelta) -> Iterator[int]:
        if store.locks:
            raise OverflowError
        yield 4

    with pytest.raises(OverflowError), held_in_order([*store.holds(range(4)), broken], LONG, far=True):
        pass
    assert not any(lock.locked() for lock in store.locks)


def test_in_a_folder_one_is_asked_for_after_the_other() -> None:
    store = Store()
    with held_in_order(store.holds(range(3)), NOT_AT_ALL, far=False) as found:
        assert found == [0, 1, 2]
    assert store.asked == [(0, set(), False), (1, {0}, False), (2, {0, 1}, False)]


def test_many_runs_that_ask_for_the_same_partitions_all_have_their_turn() -> None:
    store, rng, done = Store(6), random.Random(19), list[int]()  # noqa: S311 -- repeatable

    def run(chosen: Sequence[int]) -> None:
        with held_in_order(store.holds(chosen), LONG, far=True) as found:
            assert found == list(chosen)
            done.append(len(found))

    choices = [sorted(rng.sample(range(6), rng.randint(1, 6))) for _ in range(24)]
    runs = [threading.Thread(target=run, args=(chosen,), daemon=True) for chosen in choices]
    for thread in runs:
        thread.start()
    for thread in runs:
        thread.join(60)
    assert len(done) == len(choices)
    assert all(max(held, default=-1) < number for number, held in store.waits())


def test_of_two_runs_that_begin_at_once_and_do_not_wait_one_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runner.app.run.side_by_side._BRIEFLY", timedelta(seconds=0.5))
    for _ in range(3):
        store, told, together = Store(), list[str](), threading.Barrier(2, timeout=10)
        both = threading.Barrier(2, timeout=30)

        def run(store: Store, told: list[str], together: threading.Barrier, both: threading.Barrier) -> None:
            together.wait()
            try:
                with held_in_order(store.holds(range(4)), NOT_AT_ALL, far=True):
                    told.append("runs")
                    both.wait()
            except LockedError:
                told.append("is refused")
                both.wait()

        runs = [threading.Thread(target=run, args=(store, told, together, both), daemon=True) for _ in range(2)]
        for thread in runs:
            thread.start()
        for thread in runs:
            thread.join(60)
        assert sorted(told) == ["is refused", "runs"]
