"""A journal that lacks events is refused; after a loss that was accepted, a person decides about each model."""

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from runner.app.audit.evidence import Note, head
from runner.app.audit.verify import verify
from runner.app.queries.status import status
from runner.app.state.loss import loss_warning
from runner.app.state.manage import AcceptLossRequest, accept_loss, missing_history
from runner.app.state.read_state import read_progress
from runner.app.state.session import session
from runner.errors import StateError, UsageError
from runner.journal.end_marks import EMPTY, HeadFile
from runner.journal.store import open_for_reading
from runner.plan.model_plan import Choice
from tests.fakes.cut_journal import cut, events_of, rewind
from tests.fakes.world import ONE_MODEL, World

NOW = timedelta(0)


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path, ONE_MODEL)
    world.run()
    with session(str(world.state.root), lock_timeout=NOW):
        """Write the files of the run, which ended without an end."""
    return world


def state_of(world: World) -> str:
    return str(world.state.root)


def open_session(state: str) -> None:
    with session(state, lock_timeout=NOW):
        """Do nothing more."""


def doubts(world: World) -> list[str]:
    """Return what `verify` has to say, except that the world's runs name no tool."""
    findings = verify(state_of(world), None).findings
    return [f"{one.where} {one.what}" for one in findings if "/fact/tool" not in one.what and "/tool/" not in one.what]


def accept(world: World) -> Path | None:
    aside = accept_loss(AcceptLossRequest(reason="the disk failed", state=state_of(world)), [state_of(world)])
    return Path(aside[0]) if aside else None


def test_every_event_that_is_missing_is_counted(world: World) -> None:
    events = events_of(world.state.root)
    cut(world.state.root, events - 3)
    with pytest.raises(StateError, match=rf"lacks its last 3 events: it ends at {events - 3} and ended with") as caught:
        open_session(state_of(world))
    assert f'accept-loss --reason "..." --state {state_of(world)}' in caught.value.hint
    assert "lacks its last 3" in (loss_warning(state_of(world)) or "")
    assert any("lacks its last 3" in one.what for one in verify(state_of(world), None).findings)


def test_a_whole_journal_says_nothing(world: World) -> None:
    open_session(state_of(world))
    assert loss_warning(state_of(world)) is None
    assert doubts(world) == []
    with pytest.raises(UsageError, match="Nothing is missing"):
        missing_history(state_of(world))
    with pytest.raises(UsageError, match="Nothing is missing"):
        accept(world)


def test_a_state_without_a_journal_has_lost_nothing(tmp_path: Path) -> None:
    assert loss_warning(str(tmp_path / "state")) is None
    with pytest.raises(UsageError, match="no journal"):
        missing_history(str(tmp_path / "state"))


def test_two_copies_that_went_different_ways_are_told_apart(world: World, tmp_path: Path) -> None:
    shutil.copytree(world.state.root, tmp_path / "copy", symlinks=True)
    world.write_data("2")
    world.run()
    newer = HeadFile(world.state.head).read()
    assert newer is not None
    shutil.copy(tmp_path / "copy" / "journal.sqlite3", world.state.journal)
    shutil.copy(tmp_path / "copy" / "journal.head", world.state.head)
    world.write_data("3")
    world.run()
    world.write_data("4")
    world.run()
    HeadFile(world.state.head).write(newer)
    with pytest.raises(StateError, match="differs from the journal that had event"):
        open_session(state_of(world))


def test_a_note_that_is_behind_is_made_good(world: World) -> None:
    note = world.state.head.read_bytes()
    world.write_data("2")
    world.run()
    world.state.head.write_bytes(note)
    open_session(state_of(world))
    head = HeadFile(world.state.head).read()
    assert head is not None
    assert head.events == events_of(world.state.root)


def test_the_note_is_there_before_the_first_commit(tmp_path: Path) -> None:
    """Or a kill between that commit and its note would leave a journal without one, which is refused."""
    with session(str(tmp_path / "state"), lock_timeout=NOW) as opened:
        assert HeadFile(opened.folder.head).read() == EMPTY


@pytest.mark.parametrize("content", [b"\xff" * 512, b"{}", b" "])
def test_a_note_that_is_none_is_refused(world: World, content: bytes) -> None:
    world.state.head.write_bytes(content)
    with pytest.raises(StateError, match="does not say where the journal ended"):
        open_session(state_of(world))


def test_a_report_that_says_nothing_of_its_journal_is_refused(world: World) -> None:
    cut(world.state.root, events_of(world.state.root) - 1)  # the record of the report
    rewind(world.state.root)
    report = next(world.state.runs.glob("*/report.json"))
    open_session(state_of(world))
    cut(world.state.root, events_of(world.state.root) - 1)
    rewind(world.state.root)
    report.write_bytes(b"{}")
    with pytest.raises(StateError, match="does not say which journal it was written from"):
        open_session(state_of(world))


def test_a_loss_needs_a_reason_and_a_run(world: World) -> None:
    cut(world.state.root, 0)
    with pytest.raises(UsageError, match="needs a reason"):
        accept_loss(AcceptLossRequest(reason=" ", state=state_of(world)), [])
    with pytest.raises(UsageError, match="has no run to continue from"):
        accept(world)


def test_what_the_journal_does_not_know_is_set_aside(world: World) -> None:
    (world.state.runs / "20260301T040506Z-1a2b3c").mkdir()
    with pytest.raises(StateError, match="belongs to no run"):
        open_session(state_of(world))
    aside = accept(world)
    assert aside is not None
    assert [path.name for path in aside.iterdir()] == ["20260301T040506Z-1a2b3c"]
    open_session(state_of(world))
    assert doubts(world) == []
    loss = read_progress(state_of(world)).loss
    assert loss is not None
    assert loss.fact.reason == "the disk failed"


def lose_after(world: World, kind: str) -> None:
    """Cut the journal after the last event of a kind, and accept that."""
    store = open_for_reading(world.state)
    assert store is not None
    kinds = [one.event.fact.__struct_config__.tag for one in store.read()]
    store.close()
    cut(world.state.root, len(kinds) - kinds[::-1].index(kind))
    accept(world)


def test_after_a_loss_a_training_waits_for_a_person(world: World) -> None:
    world.write_data("2")
    lose_after(world, "switch_succeeded")
    ended = world.run()["m"]
    assert ended.outcome == "failed"
    assert ended.error is not None
    assert "may have been trained already: events of the journal are lost" in ended.error.message
    assert world.service.calls("put") == 1
    world.options = Choice(force=True)
    assert world.run()["m"].outcome == "switched"
    world.options = Choice()
    world.write_data("3")
    assert world.run()["m"].outcome == "switched"  # a person has decided about it


def test_after_a_loss_a_candidate_is_held(world: World) -> None:
    lose_after(world, "training_finished")
    ended = world.run()["m"]
    assert ended.outcome == "held"
    assert "a newer job may have been switched to in them" in ended.reason
    assert world.service.calls("switch") == 1  # of the run that was lost


def test_after_a_loss_what_is_trained_already_stays_as_it_is(world: World) -> None:
    lose_after(world, "switch_succeeded")
    assert world.run()["m"].outcome == "unchanged"


def test_after_a_loss_an_unknown_model_waits_for_a_person(world: World) -> None:
    lose_after(world, "switch_succeeded")
    world.write_manifest(ONE_MODEL.replace("  m: {api_key: {env: KEY}", "  n: {api_key: {env: KEY}"))
    ended = world.run()["n"]
    assert ended.outcome == "failed"
    assert ended.error is not None
    assert "n may have been trained already" in ended.error.message


def test_a_file_of_somebody_among_the_runs_is_not_a_loss(world: World) -> None:
    for name in ("notes.txt", "Thumbs.db", "my-copy"):
        (world.state.runs / name).write_text("mine", encoding="utf-8")
    open_session(state_of(world))
    assert (world.state.runs / "notes.txt").read_text(encoding="utf-8") == "mine"


def test_the_head_of_a_journal_that_lacks_events_is_noted_nowhere(world: World) -> None:
    cut(world.state.root, events_of(world.state.root) - 3)
    with pytest.raises(StateError, match=r"lacks its last 3 events"):
        head(state_of(world), note=Note(name="retrain"))
    assert head(state_of(world)).events == events_of(world.state.root)


def test_after_a_loss_a_candidate_that_waits_is_held_with_the_command_that_lets_it_serve(world: World) -> None:
    """Both in the run that judges it and in the one after it; `status` says so, and why nothing continues."""
    world.write_manifest(ONE_MODEL.replace("{type: threshold, rules: [{metric: auc, min: 0.9}]}", "{type: manual}"))
    lose_after(world, "training_finished")
    job = next(reversed(read_progress(state_of(world)).model("service.test", "m").jobs))
    for ended in (world.run()["m"], world.run()["m"]):
        assert ended.outcome == "held"
        forced = f'`retrain approve m --job {job} --force --reason "..."'
        assert forced in ended.reason
    [found] = status(state_of(world)).models
    assert (found.waiting, found.held, found.switch_due) == (None, job, None)
    assert "events of the journal are lost, which" in str(found.history_lost)


def test_the_command_that_trains_after_a_loss_names_the_whole_run(world: World) -> None:
    world.write_data("2")
    lose_after(world, "switch_succeeded")
    choice = Choice(paths=[Path("my models.yaml")], emulator=True, state="old state")
    world.options = choice
    error = world.run()["m"].error
    assert error is not None
    assert "`retrain run 'my models.yaml' --emulator --state 'old state' --force --select m` trains it" in error.hint
