"""Whoever may write the state folder, or what is beside it, gets nothing written, removed or read outside of it."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import msgspec
from filelock import FileLock

from runner.app.site import LISTING
from runner.journal.end_marks import Head, HeadFile
from runner.journal.folder import StateFolder
from runner.journal.lock import Holder
from tests.fakes import preloaded
from tests.fakes.forged_journal import Forge, forge_all
from tests.stress.hostile.attack import Attack
from tests.stress.hostile.states import made_state

_ROOT = Path(__file__).parents[3]
_STATE_ERROR, _LOCKED = 7, 6
_MANIFEST = """
version: 1
service: {emulator: true}
datasets: {d: {train: d.csv}}
policies: {p: {type: auto}}
models:
  churn: {api_key: {env: K}, dataset: d, policy: p, emulator: {task: binary_classification, target: churned}}
"""
_COMMANDS: tuple[tuple[str, ...], ...] = (
    ("run", "models.yaml", "--emulator"),
    ("status",),
    ("history",),
    ("report",),
    ("verify",),
    ("replay", "models.yaml"),
    ("plan", "models.yaml"),
    ("approve", "churn", "--yes", "--reason", "x"),
    ("reject", "churn", "--yes", "--reason", "x"),
    ("rollback", "churn", "--yes", "--reason", "x"),
    ("audit", "head"),
    ("audit", "bundle", "--out", "evidence.zip"),
    ("site", "public"),
)


class Scene:
    """A project with a state of two runs, and beside it what an attacker is after."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "project"
        self.victim = folder / "victim"
        self.victim.mkdir()
        for name in (".keep", "notes.download", "report.json", "secret.txt"):
            (self.victim / name).write_text(f"mine: {name}", encoding="utf-8")
        self.folder.mkdir()
        (self.folder / "models.yaml").write_text(_MANIFEST, encoding="utf-8")
        (self.folder / "d.csv").write_text("visits,churned\n" + "1,y\n2,n\n" * 60, encoding="utf-8")
        self.state = StateFolder(self.folder / ".retrain")
        self.links = made_state(self.state.root, [None, None])
        self.before = self.outside()

    def retrain(self, *words: str, environment: Mapping[str, str] | None = None) -> tuple[int, str]:
        """Run the real command, and return its exit code and what it said."""
        done = preloaded.retrain(words, folder=self.folder, environment={"COLUMNS": "500", **(environment or {})})
        return done.code, (done.out + done.err).decode()

    def refused(self, words: Sequence[str], *, names: str) -> Iterator[str]:
        """Yield what went wrong when this command is to refuse the state and to say why."""
        code, said = self.retrain(*words)
        if code != _STATE_ERROR or names not in said or "Traceback" in said:
            yield f"`retrain {' '.join(words)}` ended with {code} and said: {said[:300]}"
        yield from self.harm()

    def harm(self) -> Iterator[str]:
        """Yield what happened to what is outside the state."""
        after = self.outside()
        for name in sorted({*self.before, *after}):
            if self.before.get(name) != after.get(name):
                yield f"{name} beside the state was changed, made or removed"

    def outside(self) -> dict[str, bytes]:
        """Return the content of all files but those of the state and the site."""
        files = [path for path in sorted(self.victim.parent.rglob("*")) if path.is_file() and not path.is_symlink()]
        ours = (self.state.root, self.folder / "public")
        kept = [file for file in files if not any(file.is_relative_to(place) for place in ours)]
        return {str(one.relative_to(self.victim.parent)): one.read_bytes() for one in kept}


def forge_noted(state: StateFolder, change: Forge) -> None:
    """Replace the events, and let the note beside the journal say that it ends so."""
    forge_all(state.journal, change)
    with closing(sqlite3.connect(state.journal)) as database:
        [[events, sha256]] = database.execute("SELECT seq, sha256 FROM events ORDER BY seq DESC LIMIT 1")
        [[lineage]] = database.execute("SELECT sha256 FROM events ORDER BY seq LIMIT 1")
    note = HeadFile(state.head)
    note.write(Head(events=events, sha256=sha256, lineage=lineage))
    note.close()


def _lost(scene: Scene, run_id: str) -> None:
    """Let the last run have this id, and no report yet: a next run ends it, clears up after it and reports on it."""

    def change(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        last = events[-1]["run_id"]
        kept = [
            event for event in events if not (event["run_id"] == last and event["fact"]["kind"] == "report_written")
        ]
        for one in kept:
            one["run_id"] = run_id if one["run_id"] == last else one["run_id"]
        return kept

    last = scene.links[-1].event.run_id
    forge_noted(scene.state, change)
    shutil.rmtree(scene.state.run_folder(last))


def _run_id_that_is_a_path(folder: Path, rng: Random) -> Iterator[str]:
    scene = Scene(folder)
    ids = ("../../../victim", str(scene.victim), "..", ".", "", "latest", "a/b", "x\0y", "20260301T000001Z-abcdef\n")
    run_id = rng.choice((*ids, "../runs/../../../victim", "20260301T000001Z-abcdef/../../../../victim"))
    _lost(scene, run_id)
    yield from scene.refused(rng.choice(_COMMANDS), names="at event 4")


def _added(scene: Scene, model: str | None, fact: dict[str, Any]) -> None:
    def change(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [*events, {**events[-1], "model": model, "guard": None, "fact": fact}]

    forge_noted(scene.state, change)


def _names_that_are_paths(folder: Path, rng: Random) -> Iterator[str]:
    scene = Scene(folder)
    bad = rng.choice(("../../../victim/secret.txt", str(scene.victim / "secret.txt"), "..", "a\0b", "", "x\n"))
    run = scene.links[-1].event.run_id
    stored = {"kind": "result_downloaded", "retrain_job_id": "j", "sha256": "0" * 64, "bytes": 1}
    inside = f"runs/{run}/results/churn/result.zip"
    model, fact = rng.choice(
        (
            ("churn", {**stored, "path": bad}),
            ("churn", {**stored, "path": f"runs/{run}/results/../../../../victim/secret.txt"}),
            ("other", {**stored, "path": inside}),
            ("churn", {**stored, "path": inside, "sha256": bad}),
            (bad, {**stored, "path": f"runs/{run}/results/{bad}/result.zip"}),
            (None, {"kind": "report_written", "files": {bad: "0" * 64}}),
            (None, {"kind": "report_written", "files": {"report.json": "0" * 63}}),
            (None, {"kind": "models_moved", "moves": [{"old": "churn", "new": bad}]}),
        )
    )
    _added(scene, model, fact)
    yield from scene.refused(rng.choice(_COMMANDS), names="at event 7")


def _link_in_a_place(folder: Path, rng: Random) -> Iterator[str]:
    scene = Scene(folder)
    state = scene.state
    beside = [state.journal.with_name(f"{state.journal.name}{ending}") for ending in ("-journal", "-wal", "-shm")]
    place = rng.choice((state.journal, state.lock, state.holder, state.runs, state.spool, state.emulator, *beside))
    target = scene.victim / "secret.txt"
    if place in (state.runs, state.spool, state.emulator):
        target = scene.victim
    if place == state.journal:
        target = scene.victim / "journal"
        shutil.move(place, target)
        scene.before = scene.outside()
    elif place.is_dir():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)
    place.symlink_to(target)
    commands = _COMMANDS if place != state.runs else _COMMANDS[:1]
    yield from scene.refused(rng.choice(commands), names=str(place.name))


def _run_folder_that_is_a_link(folder: Path, rng: Random) -> Iterator[str]:
    scene = Scene(folder)
    run_id = scene.links[-1].event.run_id
    _lost(scene, run_id)
    target = rng.choice((scene.victim, scene.victim / "new", Path("../../../victim")))
    scene.state.run_folder(run_id).symlink_to(target)
    yield from scene.refused(_COMMANDS[0], names=run_id)


def _what_is_cleared(folder: Path, rng: Random) -> Iterator[str]:
    scene = Scene(folder)
    run_id, part = scene.links[-1].event.run_id, scene.state.spool / scene.links[-1].event.run_id
    places = {
        part / "upload-abcdefgh": part,
        part / "results": part,
        scene.state.spool / "mine": scene.state.spool,
        scene.state.run_folder(run_id) / "results": scene.state.run_folder(run_id),
        scene.state.run_folder(run_id) / ".git": scene.state.run_folder(run_id),
    }
    place = rng.choice(list(places))
    if rng.random() < 0.5:
        places[place].mkdir(parents=True, exist_ok=True)
        place.symlink_to(scene.victim)
    else:
        (place / "deeper").mkdir(parents=True)
        (place / "deeper" / ".notes").write_text("mine", encoding="utf-8")
    packed = part / "upload-12345678" / "train.csv"
    packed.parent.mkdir(parents=True, exist_ok=True)
    packed.write_text("ours", encoding="utf-8")
    scene.state.clear_leftovers([run_id])
    scene.state.clear_spool()
    if packed.exists():
        raise AssertionError("the spool was not cleared at all")
    if not os.path.lexists(place) or (not place.is_symlink() and not (place / "deeper" / ".notes").exists()):
        yield f"{place} was removed"
    yield from scene.harm()


def _git(folder: Path, *words: str) -> None:
    command = ["git", "-c", "user.name=x", "-c", "user.email=x@y.z", "-C", str(folder), *words]
    subprocess.run(command, check=True, capture_output=True)


def _tracked(scene: Scene, rng: Random) -> str:
    top = rng.choice((scene.folder, scene.folder.parent))
    _git(top, "init", "-q")
    names = rng.choice(([".retrain"], [".retrain/journal.sqlite3"], [".retrain/runs"]))
    _git(scene.folder, "add", "-f", *names)
    if rng.random() < 0.5:
        _git(top, "commit", "-q", "-m", "state")
    return "Git tracks"


def _open_to_others(scene: Scene, rng: Random) -> str:
    place = rng.choice((scene.state.root, scene.state.journal, scene.state.lock))
    place.touch()
    place.chmod(place.stat().st_mode | rng.choice((0o020, 0o002)))
    return "Others may write"


def _foreign(scene: Scene, rng: Random) -> str:
    if os.geteuid() != 0:
        return _open_to_others(scene, rng)
    place = rng.choice((scene.state.root, scene.state.journal))
    os.chown(place, 12345, 12345)
    return "belongs to"


def _linked(scene: Scene, _chance: Random) -> str:
    elsewhere = scene.folder.parent / "elsewhere"
    scene.state.root.rename(elsewhere)
    scene.state.root.symlink_to(elsewhere)
    scene.before = scene.outside()
    return "is a link"


_OWNERS: tuple[Callable[[Scene, Random], str], ...] = (_tracked, _open_to_others, _foreign, _linked)


def _state_of_others(folder: Path, rng: Random) -> Iterator[str]:
    scene = Scene(folder)
    told = rng.choice(_OWNERS)(scene, rng)
    scene.before = scene.outside()
    yield from scene.refused(rng.choice(_COMMANDS), names=told)
    code, said = scene.retrain("status", "--trust-state")
    if code != 0:
        yield f"the operator cannot accept it: {said[:200]}"


def _database_with_more(folder: Path, rng: Random) -> Iterator[str]:
    scene = Scene(folder)
    more = rng.choice(
        (
            "CREATE TRIGGER t AFTER INSERT ON events BEGIN DELETE FROM events WHERE seq > 3; END",
            "CREATE VIEW v AS SELECT * FROM events",
            "CREATE TABLE mine (x)",
            "CREATE INDEX i ON events (sha256)",
            "ALTER TABLE events ADD COLUMN extra DEFAULT 1",
            "PRAGMA journal_mode = WAL",
        )
    )
    with closing(sqlite3.connect(scene.state.journal)) as database:
        database.execute(more)
        database.commit()
    yield from scene.refused(rng.choice(_COMMANDS), names="retrain")


def _rollback_journal_of_others(folder: Path, rng: Random) -> Iterator[str]:
    """A rollback journal may name a "super-journal", which SQLite removes when it rolls back: any file at all."""
    scene = Scene(folder)
    target = scene.victim / rng.choice(("secret.txt", ".keep", "report.json"))
    _plant_rollback(scene.state.journal, target)
    proof = folder / "proof"
    shutil.copytree(scene.victim, proof)
    shutil.copytree(scene.state.root, folder / "copy")
    _plant_rollback(folder / "copy" / scene.state.journal.name, proof / target.name)
    with closing(sqlite3.connect(folder / "copy" / scene.state.journal.name)) as database:
        database.execute("SELECT * FROM events").fetchall()
    if (proof / target.name).exists():
        raise AssertionError("SQLite did not remove the file, so this scene proves nothing")
    scene.before = scene.outside()
    yield from scene.refused(rng.choice(_COMMANDS), names="-journal")


def _plant_rollback(journal: Path, target: Path) -> None:
    beside = journal.with_name(f"{journal.name}-journal")
    with closing(sqlite3.connect(journal, isolation_level=None)) as database:
        database.execute("PRAGMA cache_size = 1")
        database.execute("BEGIN IMMEDIATE")
        database.execute("UPDATE events SET body = body || zeroblob(100000)")
        half = journal.read_bytes(), beside.read_bytes()
        database.execute("ROLLBACK")
    name = str(target).encode()
    size, checksum = len(name), sum(name)
    record = (0x7FFFFFFF).to_bytes(4) + name + size.to_bytes(4) + checksum.to_bytes(4)
    journal.write_bytes(half[0])
    beside.write_bytes(half[1] + record + bytes.fromhex("d9d505f920a163d7"))


def _what_verify_sees(folder: Path, rng: Random) -> Iterator[str]:
    scene = Scene(folder)
    run = scene.state.run_folder(scene.links[0].event.run_id)
    place = rng.choice((scene.state.root, scene.state.runs, run, run / "results", scene.state.spool))
    place.mkdir(exist_ok=True)
    name = place / rng.choice((".hidden", ".report.json.swp", ".git"))
    kind = rng.choice(("file", "folder", "link", "pipe", "second name", "open"))
    if kind == "file":
        name.write_text("x", encoding="utf-8")
    elif kind == "folder":
        name.mkdir()
    elif kind == "link":
        name.symlink_to(scene.victim)
    elif kind == "pipe":
        os.mkfifo(name)
    else:
        name = run / "report.md"
        if kind == "second name":
            os.link(name, folder / "second")
        else:
            name.chmod(0o666)
    code, said = scene.retrain("verify")
    if code != _STATE_ERROR or name.name not in said:
        yield f"`verify` does not name {name} ({kind}): {code}, {said[:300]}"


def _note_of_the_lock(folder: Path, rng: Random) -> Iterator[str]:
    scene = Scene(folder)
    done = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    host = os.uname().nodename
    note: dict[str, Any] = {"run_id": "20260301T000001Z-abcdef", "user": "ann", "host": host, "since": "2026"}
    forged, hidden = rng.choice(
        (
            ({"pid": int(done.stdout)}, f"process {int(done.stdout)}"),
            ({"pid": os.getpid(), "started": 1}, f"process {os.getpid()}"),
            ({"pid": -1}, "kill"),
            ({"pid": 1}, "kill"),
            ({"pid": 77, "host": "gone", "run_id": "x; touch pwned"}, "touch"),
            ({"pid": 77, "host": "gone", "run_id": "$(touch pwned)"}, "touch"),
        )
    )
    with FileLock(scene.state.lock):
        scene.state.holder.write_bytes(msgspec.json.encode({**note, **forged}))
        words = rng.choice((("unlock",), _COMMANDS[0]))
        code, said = scene.retrain(*words)
        if code != _LOCKED or hidden in said:
            yield f"`retrain {words[0]}` ended with {code} and said: {said[:300]}"
        honest = Holder(**note, pid=os.getpid())
        scene.state.holder.write_bytes(msgspec.json.encode(honest))
        code, said = scene.retrain("unlock")
        if str(os.getpid()) not in said:
            raise AssertionError(f"a living holder is not named: {said}")


def _list_of_a_site(folder: Path, rng: Random) -> Iterator[str]:
    scene = Scene(folder)
    code, said = scene.retrain("site", "public")
    public, target = scene.folder / "public", "notes.txt"
    if code != 0:
        raise AssertionError(said)
    target = rng.choice(("notes.txt", "models/notes.txt", "../../victim/secret.txt", str(scene.victim / ".keep")))
    if not target.startswith((".", "/")):
        (public / target).parent.mkdir(exist_ok=True)
        (public / target).write_text("mine", encoding="utf-8")
    listing = msgspec.json.decode((public / LISTING).read_bytes())
    listing["files"][target] = {"sha256": "", "source": ""}
    (public / LISTING).write_bytes(msgspec.json.encode(listing))
    scene.retrain("site", "public")
    if not (public / target).exists():
        yield f"{target} was removed from the site's folder"
    yield from scene.harm()


ATTACKS = (
    Attack(name="a run id that is a path", sentence="S1", play=_run_id_that_is_a_path),
    Attack(name="names in events that are paths", sentence="S1", play=_names_that_are_paths),
    Attack(name="a link in the place of a file of the state", sentence="S2", play=_link_in_a_place),
    Attack(name="a run's folder that is a link", sentence="S2", play=_run_folder_that_is_a_link),
    Attack(name="what is in the way of clearing up", sentence="S3", play=_what_is_cleared),
    Attack(name="a listing of a site that names other files", sentence="S3", play=_list_of_a_site),
    Attack(name="a state that others may have written", sentence="S4", play=_state_of_others),
    Attack(name="a journal with more than events", sentence="S5", play=_database_with_more),
    Attack(name="a rollback journal that names another file", sentence="S5", play=_rollback_journal_of_others),
    Attack(name="what no run put into the state", sentence="S6", play=_what_verify_sees),
    Attack(name="a note of the lock that lies", sentence="S7", play=_note_of_the_lock),
)
