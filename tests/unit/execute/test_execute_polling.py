"""How often a training is asked after: seldom in all, and soon after its end."""

from collections import defaultdict
from contextlib import ExitStack
from datetime import timedelta
from itertools import pairwise, permutations
from pathlib import Path
from statistics import mean

import pytest

from runner.execute.polling import ASKED_A_SECOND, LONGEST, SHORTEST, TrainingStats, guess, next_pause
from tests.fakes.world import World

HOUR = 3600.0


def asked(length: float, last: float | None, usual: float | None = None) -> list[float]:
    """Return the moments, in seconds into a training of this length, at which its status is asked for."""
    moments = [0.0]
    while moments[-1] < length:
        moments.append(moments[-1] + next_pause(moments[-1], guess(last, usual), None))
    return moments


def test_a_fixed_pause_is_kept_whatever_is_known() -> None:
    assert next_pause(5 * HOUR, guess(HOUR, None), timedelta(seconds=30)) == 30.0
    assert next_pause(0.0, None, timedelta(seconds=30)) == 30.0


@pytest.mark.parametrize("last", [60.0, HOUR])
@pytest.mark.parametrize(("factor", "calls"), [(0.8, 30), (1.0, 40), (1.2, 55), (1.5, 75), (4.0, 120)])
def test_a_training_with_a_predecessor_costs_few_calls_and_its_end_is_seen_soon(
    last: float, factor: float, calls: int
) -> None:
    moments = asked(factor * last, last)
    assert len(moments) < calls
    assert moments[-1] - factor * last < 0.05 * factor * last


@pytest.mark.parametrize(("length", "calls"), [(60.0, 40), (HOUR, 150), (24 * HOUR, 300)])
def test_a_first_training_of_any_length_costs_a_bounded_number_of_calls_and_its_end_is_seen_soon(
    length: float, calls: int
) -> None:
    moments = asked(length, None)
    assert len(moments) < calls
    assert moments[-1] - length < 0.1 * length


def test_it_is_asked_more_often_when_the_end_is_due_than_before_and_long_after() -> None:
    early, due, late = (next_pause(at, guess(HOUR, None), None) for at in (0.4 * HOUR, HOUR, 3 * HOUR))
    assert early > 2 * due
    assert late > 2 * due


@pytest.mark.parametrize("last", [None, 0.0, 0.001, HOUR, 1e7])
@pytest.mark.parametrize("elapsed", [0.0, 1e-6, 1.0, HOUR, 1e6, 1e9])
def test_no_pause_is_shorter_or_longer_than_the_bounds(elapsed: float, last: float | None) -> None:
    for by in (guess(last, None), guess(None, last)):
        assert SHORTEST <= next_pause(elapsed, by, None) <= LONGEST


@pytest.mark.parametrize("usual", [180.0, 1200.0, 2 * HOUR])
def test_a_first_training_that_is_guessed_by_those_of_others_costs_less_in_calls_and_lag(usual: float) -> None:
    lengths = [usual * 2 ** (step / 8) for step in range(-8, 9)]

    def cost(by: float | None) -> float:
        """Return calls times relative lag: what is bought with the one is lost with the other."""
        found = [(length, asked(length, None, by)) for length in lengths]
        return mean(len(moments) for _, moments in found) * mean(moments[-1] / length - 1 for length, moments in found)

    assert cost(usual) < 0.7 * cost(None)


def test_a_model_with_a_training_of_its_own_is_not_guessed_by_others() -> None:
    assert asked(4 * HOUR, HOUR, 60.0) == asked(4 * HOUR, HOUR) != asked(4 * HOUR, None, 60.0)


def test_what_is_usual_is_the_median_of_the_known_trainings_in_whatever_order_they_are_learnt() -> None:
    assert TrainingStats().usual is None
    for lengths in permutations((1.0, 5.0, 900.0)):
        training_stats = TrainingStats()
        for one in (*lengths, None):
            training_stats.learn(one)
        assert training_stats.usual == 5.0


def test_a_fleet_asks_after_all_its_trainings_no_oftener_together_than_a_second_has_room_for() -> None:
    training_stats = TrainingStats()
    with ExitStack() as stack:
        for _ in range(4 * ASKED_A_SECOND):
            stack.enter_context(training_stats.waiting())
        assert training_stats.shortest == 4.0
        assert next_pause(HOUR, guess(HOUR, None), None, shortest=4.0) > 4.0
        assert next_pause(3.0, guess(3.0, None), None, shortest=training_stats.shortest) == 4.0
    assert training_stats.shortest == SHORTEST


ONE_AFTER_THE_OTHER = """
version: 1
service: {url: "https://service.test", quarantine: 5m}
limits: {parallel: PARALLEL, uploads: 1}
datasets: {d: {train: data.csv}}
policies:
  p: {type: threshold, rules: [{metric: auc, min: 0.9}]}
defaults: {dataset: d, policy: p, wait: {poll: POLL}}
models:
  a: {api_key: {env: KEY}}
  b: {api_key: {env: OTHER}}
"""


def ages_when_asked(world: World) -> dict[str, list[float]]:
    """Run the world's models, and return how old each job's training was whenever its status was asked for."""
    ages = defaultdict[str, list[float]](list)

    def note(call: str, job: str) -> None:
        uploaded = world.service.jobs[job].uploaded_at if call == "status" else None
        if uploaded is not None:
            ages[job].append(world.clock.seconds - uploaded)

    world.service.before = note
    assert {end.outcome for end in world.run().values()} == {"switched"}
    return ages


def two_models(folder: Path, *, parallel: int, poll: str = "adaptive") -> World:
    return World(folder, ONE_AFTER_THE_OTHER.replace("PARALLEL", str(parallel)).replace("POLL", poll))


def test_a_training_that_has_just_begun_is_left_alone_once_another_was_seen_going(memory_path: Path) -> None:
    ages = ages_when_asked(two_models(memory_path, parallel=2))
    assert ages["job-1"][0] == 0
    assert 0.4 < ages["job-2"][0] < 2.1


def test_models_that_wait_together_share_what_may_be_asked_in_a_second(
    memory_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.execute.polling.ASKED_A_SECOND", 0.1)
    ages = ages_when_asked(two_models(memory_path, parallel=2))
    gaps = [later - sooner for moments in ages.values() for sooner, later in pairwise(moments[1:-1])]
    assert 20 * 0.9 <= min(gaps) < 20 * 1.1


def test_with_a_fixed_pause_every_training_is_asked_after_at_once(memory_path: Path) -> None:
    ages = ages_when_asked(two_models(memory_path, parallel=2, poll="30s"))
    assert ages["job-1"][:3] == ages["job-2"][:3] == [0, 30, 60]


def test_a_training_that_ended_in_this_run_is_what_the_next_model_without_a_history_is_guessed_by(
    memory_path: Path,
) -> None:
    world = two_models(memory_path, parallel=1)
    ages = ages_when_asked(world)
    assert len(ages["job-2"]) < 0.75 * len(ages["job-1"])
    assert ages["job-2"][-1] - 600 < 30
    known = [world.progress().model("service.test", name) for name in "ab"]
    assert 600 <= (TrainingStats.known(known).usual or 0) == max(one.last_training_seconds() or 0 for one in known)
