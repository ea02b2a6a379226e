"""A sample of the simulated histories of shards, and that they are seen failing when a promise is broken."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import pytest

from runner.journal import object_lease
from runner.journal.progress import Progress
from runner.manifest.model import Manifest
from tests.stress import simulated_fleet
from tests.stress.simulated_history import play
from tests.stress.simulated_inputs import SimulatedInputs
from tests.stress.simulated_shards import ShardedHistory
from tests.stress.suite_simulator import inputs

SAMPLE = range(6)
TRIED = range(20)  # until a broken promise is seen


@pytest.fixture(name="shared", scope="module")
def shared_workshop() -> Iterator[SimulatedInputs]:
    with inputs() as opened:
        yield opened


def is_seen(shared: SimulatedInputs, sign: str) -> bool:
    """Return whether a history has a violation of this kind."""
    return any(sign in text for seed in TRIED for text in play(seed, shared, ShardedHistory).violations)


def test_no_promise_breaks_in_simulated_histories_of_shards(shared: SimulatedInputs) -> None:
    told = [play(seed, shared, ShardedHistory) for seed in SAMPLE]
    assert [text for history in told for text in history.violations] == []
    troubles = sum((history.troubles for history in told), Counter[str]())
    assert all(troubles[name] > len(SAMPLE) / 2 for name in ("shards", "crashes", "held by others", "suspensions"))


def test_the_bench_sees_models_that_are_where_their_place_in_the_manifest_says(
    shared: SimulatedInputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def by_place(manifest: Manifest, _service: str, progresses: Sequence[Progress]) -> Mapping[str, int]:
        return {name: number % len(progresses) for number, name in enumerate(manifest.models)}

    monkeypatch.setattr(simulated_fleet, "homes", by_place)
    assert is_seen(shared, "times more than allowed")


def test_the_bench_sees_machines_that_take_what_a_young_lease_holds(
    shared: SimulatedInputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_lease._Seen, "is_young", lambda *_: False)
    assert is_seen(shared, "held it")
