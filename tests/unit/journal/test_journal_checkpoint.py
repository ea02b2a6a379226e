"""What is read of a journal that has a checkpoint, and that nothing depends on it, in every store."""

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from runner.journal.checkpoint import (
    FILES,
    LATEST,
    Mark,
    keep_checkpoint,
    lost_mark,
    never,
    read_mark,
    read_progress,
    show_checkpoint,
)
from runner.journal.events import Draft, ReportWritten, RunFinished
from runner.journal.folder import StateFolder
from runner.journal.folder_store import FolderStore
from runner.journal.model_progress import Intents
from runner.journal.progress import Progress
from runner.journal.state_store import Blobs, EventLog, StateStore
from runner.plan.eligibility import cut
from runner.reports.charts.rule_chart import PolicyLimits
from runner.reports.charts.trend import chart
from tests.fakes.memory_state import MemoryBlobs, MemoryState
from tests.fakes.random_history import RandomHistory

STORES: dict[str, Callable[[Path], StateStore]] = {
    "folder": lambda path: FolderStore(StateFolder(path / "state")),
    "memory": lambda path: MemoryState(path / "work"),
}
HISTORY = RandomHistory(7).play(40)
OTHER = RandomHistory(8).play(5).progress
ENDS = [
    place
    for place, (link, after) in enumerate(zip(HISTORY.links, HISTORY.links[1:], strict=False), start=1)
    if isinstance(link.event.fact, RunFinished) and isinstance(after.event.fact, ReportWritten)
]


def cut_down(progress: Progress) -> Progress:
    limits = PolicyLimits()
    return cut(progress, lambda model, job: chart(model, job, limits))


def content(progress: Progress) -> bytes:
    """Return all that is asked for of a progress, as bytes."""
    blobs = MemoryBlobs()
    mark = keep_checkpoint(blobs, cut_down(progress))
    assert mark is not None
    return blobs.files[mark.file]


def appended(log: EventLog, first: int, last: int) -> None:
    """Write these events of the history, as a run would."""
    links = HISTORY.links[first:last]
    log.append(
        [
            Draft(at=link.event.at, run_id=link.event.run_id, model=link.event.model, fact=link.event.fact)
            for link in links
        ]
    )


def with_checkpoint(log: EventLog, blobs: Blobs, at: int) -> Mark:
    """Write the end of a run's files, whose checkpoint is up to the event with this number, and show it."""
    mark = keep_checkpoint(blobs, cut_down(Progress(log.read())))
    assert mark is not None
    end = HISTORY.links[at].event
    log.append([Draft(at=end.at, run_id=end.run_id, model=None, fact=ReportWritten(files={}, checkpoint=mark.sha256))])
    show_checkpoint(blobs, mark)
    return mark


@pytest.fixture(params=STORES, name="state")
def written(request: pytest.FixtureRequest, tmp_path: Path) -> StateStore:
    """Return a state whose journal has the history, and two checkpoints in it."""
    state = STORES[request.param](tmp_path)
    log = state.open_log()
    assert list(log.read()) == []
    older, newer = ENDS[len(ENDS) // 2], ENDS[len(ENDS) // 2 + 6]
    appended(log, 0, older)
    with_checkpoint(log, state.blobs, older)
    appended(log, older + 1, newer)
    with_checkpoint(log, state.blobs, newer)
    appended(log, newer + 1, newer + 40)
    log.close()
    return state


def whole(state: StateStore) -> bytes:
    log = state.read_log()
    assert log is not None
    try:
        return content(Progress(log.read()))
    finally:
        log.close()


def found(state: StateStore) -> Progress:
    log = state.read_log()
    assert log is not None
    try:
        return read_progress(log, state.blobs)
    finally:
        log.close()


def test_only_the_events_after_the_checkpoint_are_read(state: StateStore, monkeypatch: pytest.MonkeyPatch) -> None:
    log = state.read_log()
    assert log is not None
    read: list[int] = []
    reading = log.read

    def counted(after: tuple[int, str]) -> Iterator[object]:
        for link in reading(after):
            read.append(link.event.seq)
            yield link

    monkeypatch.setattr(log, "read", counted)
    progress = read_progress(log, state.blobs)
    log.close()
    mark = read_mark(state.blobs)
    assert mark is not None
    assert progress.checkpoint_at == mark.events
    assert read[0] == mark.events + 1
    assert len(read) == 40
    assert content(progress) == whole(state)


def test_everything_is_read_where_more_is_asked_for(state: StateStore) -> None:
    log = state.read_log()
    assert log is not None
    assert read_progress(log, state.blobs, never).checkpoint_at is None
    log.close()


def test_the_two_newest_checkpoints_are_kept_and_no_other(state: StateStore) -> None:
    assert all(map(state.blobs.holds, (*FILES, LATEST)))


SPOILT: dict[str, Callable[[Blobs, Mark], object]] = {
    "the mark is empty": lambda blobs, _: put(blobs, LATEST, b""),
    "the mark is no JSON": lambda blobs, _: put(blobs, LATEST, b"\xff{"),
    "the mark has another key": lambda blobs, mark: put(blobs, LATEST, encoded(mark)[:-1] + b',"more":1}'),
    "the mark names another file": lambda blobs, mark: put(
        blobs, LATEST, encoded(replace(mark, file=next(name for name in FILES if name != mark.file)))
    ),
    "the mark leads elsewhere": lambda blobs, mark: put(
        blobs, LATEST, encoded(mark).replace(mark.file.encode(), b"../journal")
    ),
    "the mark is of another version": lambda blobs, mark: put(blobs, LATEST, encoded(replace(mark, form="2 9.9.9"))),
    "the mark names another event": lambda blobs, mark: put(
        blobs, LATEST, encoded(replace(mark, events=mark.events - 1))
    ),
    "the mark names no event": lambda blobs, mark: put(blobs, LATEST, encoded(replace(mark, events=2**63 - 1))),
    "the mark is huge": lambda blobs, _: put(blobs, LATEST, b" " * 2**20),
    "the file is empty": lambda blobs, mark: put(blobs, mark.file, b""),
    "the file is cut": lambda blobs, mark: put(blobs, mark.file, read(blobs, mark.file)[:-1]),
    "a bit of the file is another": lambda blobs, mark: put(
        blobs, mark.file, read(blobs, mark.file)[:99] + b"?" + read(blobs, mark.file)[100:]
    ),
    "file and mark agree on other bytes": lambda blobs, mark: put(
        blobs, LATEST, encoded(replace(mark, sha256=put(blobs, mark.file, forged())))
    ),
    "the file has forgotten uploads": lambda blobs, mark: put(blobs, mark.file, forged()),
    "the files of another state": lambda blobs, _: of_another_state(blobs),
}


def forged() -> bytes:
    """Return the newest checkpoint as it would be if nothing had ever been uploaded."""
    progress = Progress(HISTORY.links[: ENDS[len(ENDS) // 2 + 6]])
    for model in progress.models.values():
        model.intents = Intents()
    return content(progress)


def put(blobs: Blobs, name: str, bytes_: bytes) -> str:
    return blobs.put(name, [bytes_])


def read(blobs: Blobs, name: str) -> bytes:
    with blobs.open(name) as stream:
        return stream.read()


def encoded(mark: Mark) -> bytes:
    return msgspec.json.encode(mark)


def of_another_state(blobs: Blobs) -> None:
    show_checkpoint(blobs, keep_checkpoint(blobs, cut_down(OTHER)))


@pytest.mark.parametrize("damage", SPOILT)
def test_without_a_sound_checkpoint_the_whole_journal_is_read_silently(state: StateStore, damage: str) -> None:
    mark = read_mark(state.blobs)
    assert mark is not None
    SPOILT[damage](state.blobs, mark)
    progress = found(state)
    assert progress.checkpoint_at is None
    assert content(progress) == whole(state)
    log = state.read_log()
    assert log is not None
    assert lost_mark(log, state.blobs) is None
    log.close()


def test_an_older_checkpoint_is_as_good(state: StateStore) -> None:
    newer = read_mark(state.blobs)
    assert newer is not None
    other = next(name for name in FILES if name != newer.file)
    log = state.open_log()
    ends = [link for link in log.read() if isinstance(link.event.fact, ReportWritten) and link.event.fact.checkpoint]
    older = ends[0].event
    assert isinstance(older.fact, ReportWritten)
    assert older.fact.checkpoint is not None
    mark = replace(newer, file=other, sha256=older.fact.checkpoint, events=older.seq - 1, head_sha256=older.prev)
    show_checkpoint(state.blobs, mark)
    progress = read_progress(log, state.blobs)
    log.close()
    assert progress.checkpoint_at == older.seq - 1
    assert content(progress) == whole(state)


def test_a_checkpoint_that_no_event_names_is_not_believed(state: StateStore) -> None:
    """A run that was killed between its files and their record leaves one."""
    log = state.open_log()
    mark = keep_checkpoint(state.blobs, cut_down(Progress(log.read())))
    show_checkpoint(state.blobs, mark)
    assert read_progress(log, state.blobs).checkpoint_at is None
    log.close()


def test_a_journal_without_the_event_of_its_checkpoint_has_lost_events(state: StateStore, tmp_path: Path) -> None:
    """It was restored from a copy, and the files beside it were not."""
    mark = read_mark(state.blobs)
    assert mark is not None
    older = FolderStore(StateFolder(tmp_path / "older"))
    log = older.open_log()
    assert list(log.read()) == []
    appended(log, 0, mark.events - 3)
    assert lost_mark(log, state.blobs) == mark
    assert read_progress(log, state.blobs).checkpoint_at is None
    put(state.blobs, mark.file, b"?")
    assert lost_mark(log, state.blobs) is None
    log.close()


def test_where_nothing_can_be_stored_there_is_no_checkpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(MemoryBlobs, "put", full)
    assert keep_checkpoint(MemoryBlobs(), cut_down(HISTORY.progress)) is None
    show_checkpoint(MemoryBlobs(), None)
