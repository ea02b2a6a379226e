"""A sample of the simulated histories, and that the bench is seen failing when a promise is broken."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from runner.errors import StateError
from runner.execute import settle_upload, upload
from runner.execute.coordinator import Coordinator
from runner.execute.model_run import ModelRun
from runner.execute.upload_evidence import UploadEnd
from runner.journal.events import Draft, RunFinished
from runner.journal.state_store import GuardTakenError
from runner.lib.timestamps import stamp
from runner.providers.base import Done
from tests.fakes.run_ids import run_id
from tests.stress.simulated_draws import Draws
from tests.stress.simulated_history import History, Told, play
from tests.stress.simulated_inputs import SimulatedInputs
from tests.stress.simulated_journal import Ledger
from tests.stress.simulated_time import START
from tests.stress.suite_simulator import figures, inputs, show

SAMPLE = 250  # histories in each of the four parts
PARTS = 4
OWN_CLOCKS = range(6700, 7200)


@pytest.fixture(name="shared", scope="module")
def shared_workshop() -> Iterator[SimulatedInputs]:
    with inputs() as opened:
        yield opened


def first_broken(shared: SimulatedInputs, seeds: range, sign: str) -> Told | None:
    """Return the first history with a violation of this kind."""
    for seed in seeds:
        told = play(seed, shared)
        if any(sign in text for text in told.violations):
            return told
    return None


@pytest.mark.parametrize("part", range(PARTS))
def test_no_promise_breaks_in_simulated_histories(shared: SimulatedInputs, part: int) -> None:
    told = [play(seed, shared) for seed in range(part * SAMPLE, (part + 1) * SAMPLE)]
    histories, _ = figures(told)
    assert histories.violations == 0, histories.detail
    assert sum(one.troubles["crashes"] for one in told) > SAMPLE / 4
    assert sum(one.troubles["fenced"] for one in told) > SAMPLE / 8
    assert sum(one.effects for one in told) > SAMPLE


def test_the_same_seed_is_the_same_history(shared: SimulatedInputs, tmp_path: Path) -> None:
    def requests(name: str) -> list[Any]:
        (tmp_path / name).mkdir()
        history = History(1210, shared, tmp_path / name)
        history.play()
        return [*history.service.log, history.time.seconds, history.service.calls]

    assert requests("first") == requests("second")


def draft(guard: str | None) -> Draft:
    fact = RunFinished(exit_code=0)
    return Draft(at=stamp(START), run_id=run_id(1), model=None, fact=fact, guard=guard)


@pytest.mark.parametrize("on_disk", [True, False])
def test_the_journal_in_memory_keeps_to_the_rules_of_the_one_on_disk(tmp_path: Path, on_disk: bool) -> None:
    ledger = Ledger(tmp_path, on_disk=on_disk)
    first, second = ledger.open(), ledger.open()
    assert [list(store.read()) for store in (first, second)] == [[], []]
    first.append([draft("one")])
    with pytest.raises(StateError):
        second.append([draft("two")])
    with pytest.raises(GuardTakenError):
        first.append([draft(None), draft("one")])
    first.append([draft("two")])
    second.close()
    first.close()
    third = ledger.open()
    assert [link.event.guard for link in third.read()] == ["one", "two"]
    assert third.head == (2, ledger.links[-1].sha256)
    third.close()


def test_a_seed_is_shown_event_by_event() -> None:
    lines, broken = show(3)
    assert broken == 0
    assert any("UploadIntended" in line for line in lines)


def test_the_bench_sees_a_runner_without_a_quarantine(shared: SimulatedInputs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ModelRun, "quarantine", property(lambda run: -run.context.manifest.service.url_lifetime))
    assert first_broken(shared, range(300), "I1: ") is not None


def test_the_bench_sees_runners_that_judge_an_uploads_end_by_their_own_clocks(
    shared: SimulatedInputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two machines whose clocks are 34 s apart, the slow one asleep before its upload: then both start."""
    seeds = [seed for seed in OWN_CLOCKS if Draws(seed).ambushed and Draws(seed).overlapping]
    assert [told for seed in seeds for told in play(seed, shared).violations] == []
    monkeypatch.setattr(settle_upload, "is_over", lambda run, expires, seen: seen.before >= expires + run.quarantine)
    monkeypatch.setattr(UploadEnd, "passed", lambda end, clock: clock.now() >= end.expires)
    assert any("times more than allowed" in told for seed in seeds for told in play(seed, shared).violations)


def test_the_bench_sees_a_runner_that_believes_an_unclear_upload(
    shared: SimulatedInputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = upload._put

    def believing(*arguments: Any) -> Any:
        effect = put(*arguments)
        return Done(detail="hoped") if type(effect).__name__ == "Unknown" else effect

    monkeypatch.setattr(upload, "_put", believing)
    assert first_broken(shared, range(300), "says that") is not None


def test_the_bench_sees_an_effect_without_a_durable_intent(
    shared: SimulatedInputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = Coordinator._commit_records

    def forgetting(coordinator: Coordinator) -> None:
        coordinator._records = [
            (workflow, replace(record, facts=record.facts[:1], guard=None)) for workflow, record in coordinator._records
        ]
        commit(coordinator)

    monkeypatch.setattr(Coordinator, "_commit_records", forgetting)
    assert first_broken(shared, range(50), "0 durable intents") is not None
