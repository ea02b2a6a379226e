"""The memory of a run is taken away: the journal is cut, an older or another one is put in its place, and so on.

The scene is two finished runs of the real command, each of which trained and switched. Whatever is lost of them, the
next command that changes something must say so and start nothing; the service's own log is the judge.
"""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random

from tests.acceptance.contract.contract_project import Finished, Project, rows
from tests.fakes.cut_journal import HEAD, JOURNAL, cut, events_of, rewind
from tests.fakes.two_port_service import TwoPortService
from tests.stress.hostile.attack import Attack

MODEL = "churn"
RUNS = "runs"
_REASON = ("--reason", "a reason")
COMMANDS: tuple[tuple[str, ...], ...] = (
    ("run", "models.yaml"),
    ("approve", MODEL, *_REASON, "--yes", "--force"),
    ("reject", MODEL, *_REASON),
    ("rollback", MODEL, *_REASON, "--yes"),
    ("adopt", MODEL, "--metric", "auc=0.5", *_REASON, "--yes"),
    ("resolve", MODEL, "--as", "not-started", *_REASON),
)
_RUN = COMMANDS[0]
_LOOKS_FIRST = ("approve", "reject", "rollback")  # at what the journal says, before it looks at what runs left
_TAKES_THE_STATE = tuple(one for one in COMMANDS if one[0] not in _LOOKS_FIRST)


@dataclass(frozen=True, slots=True)
class Scene:
    """Two finished runs. `after_first` is the state as it was between them; `ends` numbers each run's last events.

    The last run's events that its report knows of end at `reported`.
    """

    project: Project
    after_first: Path
    first_end: int
    reported: int
    events: int


@cache
def scene() -> Scene:
    """Make the scene once for this process."""
    folder = Path(tempfile.mkdtemp(prefix="journal-"))
    project = Project(folder=folder / "project", service=TwoPortService())
    project.add(MODEL)
    _must_end_well(project.run())
    shutil.copytree(project.state, folder / "first", symlinks=True)
    first_end = events_of(project.state)
    project.write_data(MODEL, rows(seed=7))
    _must_end_well(project.run())
    reported = project.report()["journal"]["events"]
    return Scene(project, folder / "first", first_end, reported, events_of(project.state))


def _must_end_well(done: Finished) -> None:
    if done.code != 0:
        raise RuntimeError(f"the scene did not come about: exit {done.code}: {done.err}")


def _copy(folder: Path) -> Project:
    """Return a copy of the scene's project, with its home folder."""
    made = scene().project
    project = Project(folder=folder / "project", service=made.service)
    shutil.copytree(made.folder, project.folder, symlinks=True, dirs_exist_ok=True)
    project.manifest, project.environment = made.manifest, dict(made.environment)
    project.write_data(MODEL, rows(seed=9))  # new data: a run that forgets would train at once
    return project


def refused(project: Project, command: tuple[str, ...], how: str) -> Iterator[str]:
    """Yield what is wrong unless the command refuses the state, says the way back, and starts and writes nothing."""
    service = project.service
    before = len(service.accepted(MODEL)), len(service.switches(MODEL))
    reports = _reports(project.state)
    done = project.retrain(*command)
    if done.code != 7:
        yield f"{how}: `{' '.join(command)}` ended with {done.code}: {done.err[-200:]}"
    if done.code == 7 and "accept-loss" not in done.err and "Restore" not in done.err:
        yield f"{how}: no way back is named: {done.err}"
    if (len(service.accepted(MODEL)), len(service.switches(MODEL))) != before:
        yield f"{how}: a model was trained or switched again"
    if _reports(project.state) != reports:
        yield f"{how}: a report was written over"


def unverified(project: Project, how: str) -> Iterator[str]:
    """Yield what is wrong unless `verify` has a finding."""
    if project.retrain("verify").code != 7:
        yield f"{how}: `verify` finds nothing"


def _reports(state: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(state.glob("runs/2*/report.*"))}


def cut_anywhere(folder: Path, rng: Random) -> Iterator[str]:
    """Cut the journal after any of its events; every command that writes is tried."""
    project = _copy(folder)
    events, command = rng.randrange(0, scene().events), rng.choice(COMMANDS)
    cut(project.state, events)
    if rng.random() < 0.5:
        shutil.rmtree(project.state / RUNS)
    yield from refused(project, command if events else _RUN, f"cut at event {events} of {scene().events}")
    warned = project.retrain("status")
    if "lacks its last" not in warned.err:
        yield f"cut at event {events}: `status` does not warn: {warned.err}"


def cut_and_covered(folder: Path, rng: Random) -> Iterator[str]:
    """Cut the journal and let the note in the state agree: the reports and folders of the runs speak against it."""
    project = _copy(folder)
    events = rng.randrange(1, scene().reported)
    cut(project.state, events)
    rewind(project.state)
    shutil.rmtree(project.folder / "home")
    yield from refused(project, rng.choice((_RUN, COMMANDS[-1])), f"cut and covered at event {events}")
    yield from unverified(project, f"cut and covered at event {events}")


def older_copy(folder: Path, rng: Random) -> Iterator[str]:
    """Put the journal of one run earlier in place of the newest, with its note or without."""
    project = _copy(folder)
    names = rng.choice(((JOURNAL,), (JOURNAL, HEAD)))
    for name in names:
        shutil.copy(scene().after_first / name, project.state / name)
    shutil.rmtree(project.folder / "home")
    yield from refused(project, rng.choice(_TAKES_THE_STATE), f"an older {' and '.join(names)}")
    yield from unverified(project, f"an older {' and '.join(names)}")


def another_projects(folder: Path, rng: Random) -> Iterator[str]:
    """Put a journal of another project in place, with its note or without."""
    project = _copy(folder)
    other = project.retrain("run", "models.yaml", "--emulator", "--state", str(folder / "other"))
    if not (folder / "other" / JOURNAL).exists():
        raise RuntimeError(f"there is no other journal: {other.err}")
    names = rng.choice(((JOURNAL,), (JOURNAL, HEAD)))
    for name in names:
        shutil.copy(folder / "other" / name, project.state / name)
    yield from refused(project, _RUN, f"another project's {' and '.join(names)}")


def older_state(folder: Path, rng: Random) -> Iterator[str]:
    """Restore a whole older state folder, at its place or at another: the user's own note outside of it remembers."""
    project = _copy(folder)
    shutil.rmtree(project.state)
    shutil.copytree(scene().after_first, project.state, symlinks=True)
    yield from refused(project, rng.choice(COMMANDS), "an older state as a whole")
    yield from unverified(project, "an older state as a whole")


def without_home(folder: Path, rng: Random) -> Iterator[str]:
    """Run where no note can be kept outside of the state: nothing fails for that."""
    project = _copy(folder)
    home = project.folder / "home"
    shutil.rmtree(home)
    kind = rng.choice(("missing", "a file", "relative", "a folder in the way"))
    if kind == "a file":
        home.write_bytes(b"")
    elif kind == "relative":
        project.environment["XDG_STATE_HOME"] = "here"
    elif kind == "a folder in the way":
        (home / ".local/state/retrain/heads" / _lineage(project.state)).mkdir(parents=True)
    done = project.run()
    if done.code != 0:
        yield f"home is {kind}: exit {done.code}: {done.err}"


def _lineage(state: Path) -> str:
    with closing(sqlite3.connect(state / JOURNAL)) as connection:
        return str(connection.execute("SELECT sha256 FROM events WHERE seq = 1").fetchone()[0])


def note_spoilt(folder: Path, rng: Random) -> Iterator[str]:
    """Remove, change or redirect the note beside the journal: the state is refused, and nothing else is written to."""
    project, victim = _copy(folder), folder / "victim"
    victim.write_bytes(b"mine")
    how = rng.choice(tuple(_SPOILS))
    (project.state / HEAD).unlink()
    _SPOILS[how](project.state / HEAD, victim)
    yield from refused(project, rng.choice(COMMANDS), f"the note is {how}")
    if victim.read_bytes() != b"mine":
        yield f"the note is {how}: another file was written to"


_SPOILS: dict[str, Callable[[Path, Path], object]] = {
    "gone": lambda _note, _victim: None,
    "empty": lambda note, _victim: note.write_bytes(b""),
    "garbage": lambda note, _victim: note.write_bytes(b"\xff" * 512),
    "another text": lambda note, _victim: note.write_bytes(b'{"events":1,"sha256":"none"}'),
    "a link": lambda note, victim: note.symlink_to(victim),
    "a hard link": lambda note, victim: os.link(victim, note),
    "a folder": lambda note, _victim: note.mkdir(),
    "a pipe": lambda note, _victim: os.mkfifo(note),
}


def journal_gone(folder: Path, rng: Random) -> Iterator[str]:
    """Remove the journal, and the run folders or the note with it."""
    project = _copy(folder)
    (project.state / JOURNAL).unlink()
    if rng.random() < 0.5:
        shutil.rmtree(project.state / RUNS)
    else:
        (project.state / HEAD).unlink()
    yield from refused(project, _RUN, "the journal is gone")


def accepted(folder: Path, rng: Random) -> Iterator[str]:
    """Accept a loss: nothing is trained or switched by itself; a forced run trains."""
    project, service = _copy(folder), scene().project.service
    events = rng.randrange(1, scene().events)
    cut(project.state, events)
    told = project.retrain("state", "accept-loss", *_REASON)
    if told.code != 0:
        raise RuntimeError(f"the loss was not accepted: {told.err}")
    before = len(service.accepted(MODEL)), len(service.switches(MODEL))
    done = project.run()
    if done.code not in (1, 4, 8) or (done.code < 8 and "lost" not in done.out):
        yield f"after a loss at event {events} a run ended with {done.code}: {done.out}"
    if (len(service.accepted(MODEL)), len(service.switches(MODEL))) != before:
        yield f"after a loss at event {events} a model was trained or switched by itself"
    if project.retrain("verify").code != 0:
        yield f"after a loss at event {events} `verify` is not content: {project.retrain('verify').out}"
    if project.run("--force").code != 0 or len(service.accepted(MODEL)) != before[0] + 1:
        yield f"after a loss at event {events} --force does not train"


def killed_before_the_note(folder: Path, rng: Random) -> Iterator[str]:
    """Let the note be behind, as a kill between a commit and its note leaves it: nothing is lost, the run continues."""
    project, whole = _copy(folder), folder / "whole"
    events = rng.randrange(1, scene().events)
    shutil.copy(project.state / JOURNAL, whole)
    cut(project.state, events)
    rewind(project.state)
    shutil.copy(whole, project.state / JOURNAL)
    done = project.run()
    if done.code != 0:
        yield f"a note at event {events} of {scene().events} is taken for a loss: {done.err}"
    yield from refused_when_cut_now(project)


def refused_when_cut_now(project: Project) -> Iterator[str]:
    """Yield what is wrong unless the note is right again after a run."""
    cut(project.state, events_of(project.state) - 1)
    yield from refused(project, _RUN, "cut after the note was made good")


ATTACKS = tuple(
    Attack(name=name, sentence=sentence, play=play)
    for name, sentence, play in (
        ("cut_anywhere", "L1", cut_anywhere),
        ("cut_and_covered", "L1", cut_and_covered),
        ("older_copy", "L1", older_copy),
        ("another_projects_journal", "L1", another_projects),
        ("journal_gone", "L1", journal_gone),
        ("note_spoilt", "L2", note_spoilt),
        ("older_state", "L3", older_state),
        ("without_home", "L3", without_home),
        ("accepted_loss", "L4", accepted),
        ("killed_before_the_note", "L5", killed_before_the_note),
    )
)
