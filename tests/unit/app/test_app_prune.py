"""Results are removed only after the journal says so, and only what nothing needs."""

from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from runner.app.audit.verify import verify
from runner.app.state.prune import FolderResults, PruneRequest, propose_prune, prune, prune_after_run
from runner.errors import StateError, UsageError
from runner.execute.model_run import Recorder
from runner.journal.events import PrunedFile, ResultsPruned, RunFinished
from runner.journal.progress import Progress
from runner.journal.store import open_store
from runner.plan.eligibility import Keep
from tests.fakes.run_ids import run_id
from tests.fakes.world import ONE_MODEL, REALM, World

_OLD = timedelta(seconds=1)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return a world after four trainings; the last one serves, the third served before it."""
    world = World(tmp_path, ONE_MODEL)
    for number in range(4):
        world.write_data(str(number))
        assert world.run()["m"].outcome == "switched"
    return world


def request(world: World, keep: Keep = Keep(count=0)) -> PruneRequest:  # noqa: B008 -- frozen
    return PruneRequest(keep=keep, state=str(world.state.root))


def results(world: World) -> list[str]:
    return sorted(str(path.relative_to(world.state.root)) for path in world.state.runs.glob("*/results/*/*"))


def result(number: int) -> str:
    return f"runs/{run_id(number)}/results/m/result.zip"


def test_all_but_what_is_needed_goes_with_the_folders_it_leaves_empty(world: World) -> None:
    [done] = prune(request(world))
    assert [file.path for file in done.files] == [result(1), result(2)]
    assert done.bytes == sum(file.bytes for file in done.files) > 0
    assert results(world) == [result(3), result(4)]
    assert not (world.state.run_folder(run_id(1)) / "results").exists()


def test_a_proposal_removes_and_records_nothing(world: World) -> None:
    head = world.progress().head
    [found] = propose_prune(request(world))
    assert [file.path for file in found.files] == [result(1), result(2)]
    assert (world.progress().head, len(results(world))) == (head, 4)


def test_only_what_a_person_was_shown_goes(world: World) -> None:
    [found] = propose_prune(request(world))
    shown = replace(request(world), agreed=[replace(found, files=found.files[1:])])
    [done] = prune(shown)
    assert [file.path for file in done.files] == [result(2)]


def test_no_journal_is_begun(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no journal"):
        propose_prune(PruneRequest(keep=Keep(count=0), state=str(tmp_path / "none")))
    assert not (tmp_path / "none").exists()


def test_nothing_goes_before_the_journal_has_it(world: World) -> None:
    store, other = open_store(world.state), open_store(world.state)
    recorder = Recorder(store=store, progress=Progress(store.read()), clock=world.clock, run_id=run_id(4))
    world.clock.seconds += 86400
    list(other.read())
    second = Recorder(store=other, progress=world.progress(), clock=world.clock, run_id=run_id(4))
    second.run_fact(RunFinished(exit_code=0))
    with pytest.raises(StateError):
        prune_after_run(FolderResults(world.state), recorder, _OLD, [(REALM, "m")])
    assert len(results(world)) == 4
    store.close()
    other.close()


def test_a_run_prunes_by_age_and_the_models_of_its_manifest(world: World) -> None:
    store = open_store(world.state)
    recorder = Recorder(store=store, progress=Progress(store.read()), clock=world.clock, run_id=run_id(4))
    assert prune_after_run(FolderResults(world.state), recorder, timedelta(days=9), [(REALM, "m")]).count == 0
    world.clock.seconds += 10 * 86400
    assert prune_after_run(FolderResults(world.state), recorder, timedelta(days=9), [(REALM, "other")]).count == 0
    done = prune_after_run(FolderResults(world.state), recorder, timedelta(days=9), [(REALM, "m")])
    assert [file.path for file in done.files] == [result(1), result(2)]
    removal = recorder.progress.removed[result(1)]
    assert (removal.why, removal.file.sha256) == ("older than 9d (limits.keep)", done.files[0].sha256)
    store.close()


def test_a_removed_result_is_a_note_with_a_number_and_a_missing_one_a_finding(world: World) -> None:
    prune(request(world))
    (world.state.root / result(3)).unlink()
    found = verify(str(world.state.root), None)
    assert (found.removed_files, found.beyond_recomputing, found.decisions) == (2, 2, 2)
    assert [finding.where for finding in found.findings if result(3) in finding.where] == [
        str(world.state.root / result(3))
    ]
    assert not any(result(number) in finding.where for finding in found.findings for number in (1, 2))
    [note] = [one.what for one in found.notes if "removed" in one.what]
    assert "2 result files were removed by prune on " in note
    assert "2 decisions cannot be computed again" in note


def test_a_record_about_other_bytes_hides_no_loss(world: World) -> None:
    prune(request(world))
    store = open_store(world.state)
    recorder = Recorder(store=store, progress=Progress(store.read()), clock=world.clock, run_id=run_id(9))
    stored = recorder.progress.results[result(3)].fact
    forged = PrunedFile(path=stored.path, sha256="0" * 64, bytes=1, retrain_job_id=stored.retrain_job_id)
    recorder.run_fact(ResultsPruned(files=(forged,), by="x", why="y"))
    store.close()
    (world.state.root / result(3)).unlink()
    told = [f"{finding.where} {finding.what}" for finding in verify(str(world.state.root), None).findings]
    assert any(result(3) in one and "cannot be read" in one for one in told)
    assert any("never stored" in one for one in told)


def test_a_file_that_is_recorded_as_removed_and_still_there_is_a_note_and_goes_next_time(world: World) -> None:
    content = (world.state.root / result(1)).read_bytes()
    prune(request(world))
    (world.state.root / result(1)).parent.mkdir(parents=True)
    (world.state.root / result(1)).write_bytes(content)
    assert any("still there" in note.what for note in verify(str(world.state.root), None).notes)
    [done] = prune(request(world))
    assert ([one.path for one in done.left_over], done.files) == ([result(1)], ())
    assert results(world) == [result(3), result(4)]


@pytest.mark.parametrize("content", [None, b"other"])
def test_a_file_that_is_gone_or_another_is_neither_recorded_nor_removed(world: World, content: bytes | None) -> None:
    place = world.state.root / result(1)
    place.unlink()
    if content is not None:
        place.write_bytes(content)
    [done] = prune(request(world))
    assert [file.path for file in done.files] == [result(2)]
    [refused] = done.refused
    assert refused.startswith(str(place))
    assert result(1) not in world.progress().removed
    assert place.exists() == (content is not None)
