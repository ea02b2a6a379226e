"""What the coordinator leaves when it cannot go on."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from runner.errors import StateError
from runner.execute.asks import Lane, Record, Steps, record, take_slot
from runner.execute.coordinator import Coordinator, Settings
from runner.journal.events import RunFinished
from tests.fakes.world import VirtualClock

FACT = RunFinished(exit_code=0)


def test_drives_have_ended_when_the_journal_refuses_and_before_any_garbage_is_collected() -> None:
    ended: list[str] = []

    def steps(name: str) -> Steps[None]:
        try:
            with (yield from take_slot()):
                yield from record(FACT)
        finally:
            ended.append(name)

    def refuse(_records: Sequence[tuple[str, Record]]) -> None:
        raise StateError("The journal moved on.", hint="Run again.")

    drives = [(name, steps(name)) for name in ("first", "second")]
    with ThreadPoolExecutor(1) as pool:
        coordinator = Coordinator(
            executors=dict.fromkeys(Lane, pool),
            clock=VirtualClock(),
            commit=refuse,
            settings=Settings(parallel=2, uploads=1),
        )
        with pytest.raises(StateError):
            coordinator.run(drives)
    assert ended == ["first", "second"]
