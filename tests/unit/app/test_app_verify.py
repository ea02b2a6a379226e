"""A journal whose chain is whole may still say what its result files do not."""

import os
from collections.abc import Callable, Iterator
from errno import EACCES
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from runner.app.audit.verify import verify
from runner.errors import StateError
from runner.journal.events import CandidateEvaluated, Draft, Fact
from runner.journal.store import open_store
from tests.fakes.world import ONE_MODEL, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path, ONE_MODEL)
    world.service.metrics = {"AUC": "0.89"}
    assert world.run()["m"].outcome == "held"
    return world


def rewrite(world: World, change: Callable[[Fact], Fact]) -> None:
    """Write the whole journal again with changed facts, as somebody who owns the folder can."""
    store = open_store(world.state)
    events = [link.event for link in store.read()]
    store.close()
    world.state.journal.unlink()
    world.state.head.unlink()
    (world.state.root / "runs").rename(world.folder / "aside")
    store = open_store(world.state)
    list(store.read())
    store.append(
        [
            Draft(at=event.at, run_id=event.run_id, model=event.model, guard=event.guard, fact=change(event.fact))
            for event in events
        ]
    )
    store.close()
    (world.folder / "aside").rename(world.state.root / "runs")


def doubted(world: World) -> list[str]:
    """Return what verify has to say about decisions."""
    findings = verify(str(world.state.root), None).findings
    return [finding.what for finding in findings if "decision about m" in finding.where]


def test_a_decision_that_was_forged_in_an_unbroken_chain_is_named(world: World) -> None:
    def forge(fact: Fact) -> Fact:
        if not isinstance(fact, CandidateEvaluated):
            return fact
        decision = replace(fact.evaluation.decision, action="switch")
        return replace(fact, evaluation=replace(fact.evaluation, decision=decision))

    rewrite(world, forge)
    [what] = doubted(world)
    assert "comes out differently" in what


@pytest.mark.parametrize("changes", [{"policy_sha256": "0" * 64}, {"candidate_sha256": "0" * 64}])
def test_a_forged_digest_of_the_policy_or_the_candidate_is_named(world: World, changes: dict[str, str]) -> None:
    rewrite(world, lambda fact: replace(fact, **changes) if isinstance(fact, CandidateEvaluated) else fact)
    [what] = doubted(world)
    assert "digests" in what


def test_a_journal_that_was_only_copied_raises_no_doubt(world: World) -> None:
    rewrite(world, lambda fact: fact)
    assert doubted(world) == []
    assert verify(str(world.state.root), None).decisions == 1


def refuse(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let the system refuse to list a folder, also to those whom no permission stops."""
    for owner, name in ((Path, "iterdir"), (os, "scandir")):
        monkeypatch.setattr(owner, name, _unless(folder, getattr(owner, name)))


def _unless(folder: Path, listed: Callable[[Path], Any]) -> Callable[[Path], Any]:
    """Return the function, which fails for this folder."""

    def found(path: Path) -> Any:
        if Path(path) == folder:
            raise PermissionError(EACCES, "Permission denied", str(path))
        return listed(path)

    return found


def test_a_folder_of_runs_that_cannot_be_listed_is_a_finding_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(monkeypatch, world.state.runs)
    found = [(finding.where, finding.what) for finding in verify(str(world.state.root), None).findings]
    assert (str(world.state.runs), "cannot be read: Permission denied") in found


def test_what_cannot_be_read_while_verifying_is_an_error_of_the_state_that_names_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check(*_: object) -> Iterator[object]:
        raise PermissionError(EACCES, "Permission denied", "/state/some-file")

    monkeypatch.setattr("runner.app.audit.verify.check_schemas", check)
    with pytest.raises(StateError, match="/state/some-file cannot be read: Permission denied"):
        verify(str(world.state.root), None)


def test_an_event_that_does_not_fit_is_told_before_a_run_that_is_not_there(world: World) -> None:
    rewrite(world, lambda fact: replace(fact, retrain_job_id="other") if isinstance(fact, CandidateEvaluated) else fact)
    for run in (None, "nowhere"):
        with pytest.raises(StateError, match="it does not fit to the events before it"):
            verify(str(world.state.root), run)
