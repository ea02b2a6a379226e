"""A finished run's state, damaged one place at a time and judged by `verify`, which must see it and say where."""

import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from runner.app.audit.verify import verify
from runner.errors import StateError
from runner.journal.events import Draft, StatusChanged
from runner.journal.folder import ANSWERS, StateFolder
from runner.journal.state_store import GuardTakenError
from runner.journal.store import Store
from tests.fakes.cut_journal import HEAD, JOURNAL, rewind
from tests.fakes.run_ids import run_id

Verdict = Literal["found", "no effect", "silent", "traceback"]
_CUTS = 0.2  # the share of cuts among the damages
_IN_JOURNAL = 0.4  # the share that meets the journal; the rest is spread over the runs' files


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """One flipped bit, or everything from a byte on cut off when `bit` is None; `file` is relative to the state."""

    file: str
    byte: int
    bit: int | None

    def __str__(self) -> str:
        what = "cut" if self.bit is None else f"bit {self.bit} flipped"
        return f"{self.file}: {what} at byte {self.byte}"

    def applied(self, content: bytes) -> bytes:
        """Return the damaged content."""
        if self.bit is None:
            return content[: self.byte]
        changed = bytearray(content)
        changed[self.byte] ^= 1 << self.bit
        return bytes(changed)


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedState:
    """A state folder that verifies, with the content of every file that `verify` answers for."""

    root: Path
    files: dict[str, bytes]
    rows: list[tuple[object, ...]]

    def damage(self, seed: str) -> Damage:
        """Draw a damage; the same seed and the same files give the same one."""
        rng = random.Random(seed)  # noqa: S311 -- it only has to repeat
        others = [name for name in self.files if name != JOURNAL]
        file = JOURNAL if rng.random() < _IN_JOURNAL else rng.choice(others)
        byte = rng.randrange(len(self.files[file]))
        return Damage(file=file, byte=byte, bit=None if rng.random() < _CUTS else rng.randrange(8))

    @contextmanager
    def damaged(self, damage: Damage) -> Iterator[None]:
        """Damage the file in place for the length of the block."""
        path, original = self.root / damage.file, self.files[damage.file]
        path.write_bytes(damage.applied(original))
        try:
            yield
        finally:
            path.write_bytes(original)

    def judge(self, damage: Damage) -> Verdict:
        """Damage, verify, put back. What `verify` lets pass must have changed nothing that anybody reads."""
        with self.damaged(damage):
            try:
                return self._judge(damage.file)
            except Exception:  # noqa: BLE001 -- whatever escapes is what this looks for
                return "traceback"

    def _judge(self, file: str) -> Verdict:
        told = complaint(self.root)
        if told is not None:
            return "found" if _names(told, file) else "silent"
        if file != JOURNAL or _rows(self.root / JOURNAL) != self.rows:
            return "silent"
        return "no effect" if _still_guards(self.root) else "silent"


def finished_state(root: Path) -> FinishedState:
    """Take in a state folder as it is; it must verify."""
    told = complaint(root)
    if told is not None:
        raise AssertionError(f"the state is not sound before anything is damaged: {told}")
    paths = [path for path in sorted((root / "runs").rglob("*")) if path.is_file() and "latest" not in path.parts]
    paths = [path for path in paths if path.name != ANSWERS]  # a help for people, of which the journal has no digest
    names = [JOURNAL, *(str(path.relative_to(root)) for path in paths)]
    contents = {name: (root / name).read_bytes() for name in names}
    return FinishedState(
        root=root, files={name: text for name, text in contents.items() if text}, rows=_rows(root / JOURNAL)
    )


def complaint(root: Path) -> str | None:
    """Return what `verify` has to say against a state, or None."""
    try:
        findings = verify(str(root), None).findings
    except StateError as error:
        return str(error)
    return "\n".join(f"{finding.where} {finding.what}" for finding in findings) or None


def _names(told: str, file: str) -> bool:
    """Return whether the complaint says where: the file, or for the journal the file or the event."""
    return "journal" in told if file == JOURNAL else file in told


def _rows(journal: Path) -> list[tuple[object, ...]]:
    """Return the whole logical content of the journal, read without our own code."""
    with closing(sqlite3.connect(f"{journal.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        return list(connection.execute("SELECT seq, body, sha256, guard FROM events ORDER BY seq"))


def _still_guards(root: Path) -> bool:
    """Return whether a journal with damage that no reader meets still keeps its promise to a writer.

    A guard that is taken stays taken, and what is appended is read back or refused.
    """
    store = Store(StateFolder(root).journal, writable=True)
    try:
        guards = [link.event.guard for link in store.read() if link.event.guard is not None]
        return all(_refuses(store, guard) for guard in guards) and _appends(store)
    finally:
        store.close()


def _draft(guard: str) -> Draft:
    fact = StatusChanged(retrain_job_id="probe", status="probe")
    return Draft(at="2026-03-01T00:00:00.000000Z", run_id=run_id(99), model="probe", fact=fact, guard=guard)


def _refuses(store: Store, guard: str) -> bool:
    try:
        store.append([_draft(guard)])
    except GuardTakenError:
        return True
    return False


def _appends(store: Store) -> bool:
    """Return whether an event can be appended and read back; a refusal in our own words is as good."""
    try:
        [written] = store.append([_draft("probe")])
        return list(store.read())[-1].sha256 == written.sha256
    except StateError:
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """A journal that is not the one its run folders belong to, or folders that are not the journal's."""

    name: str
    apply: Callable[[Path, bytes], None]  # given the state folder and the journal as it was one run earlier


def losses() -> tuple[Loss, ...]:
    """Return every way in which state can be lost, swapped or added to as a whole."""
    return (
        Loss(name="the journal is gone", apply=lambda root, _older: (root / JOURNAL).unlink()),
        Loss(name="the journal is empty", apply=lambda root, _older: _write(root / JOURNAL, b"")),
        Loss(name="the journal is text", apply=lambda root, _older: _write(root / JOURNAL, b"nothing\n" * 600)),
        Loss(name="the journal is another program's", apply=lambda root, _older: _foreign(root / JOURNAL)),
        Loss(name="the journal is one run older", apply=lambda root, older: _write(root / JOURNAL, older)),
        Loss(name="the journal and its note are one run older", apply=_older_with_note),
        Loss(name="the journal's note is gone", apply=lambda root, _older: (root / HEAD).unlink()),
        Loss(name="the journal has lost its newest events", apply=lambda root, _older: _cut_tail(root / JOURNAL)),
        Loss(
            name="the journal has lost an event in its middle", apply=lambda root, _older: _cut_middle(root / JOURNAL)
        ),
        Loss(name="a run folder nobody recorded", apply=lambda root, _older: (root / "runs" / "20990101T0").mkdir()),
        Loss(name="a file nobody recorded", apply=lambda root, _older: _write(_a_run(root) / "note.txt", b"x")),
        Loss(name="a result nobody recorded", apply=lambda root, _older: _write(_a_result(root), b"x")),
        Loss(name="latest points nowhere", apply=lambda root, _older: _point(root, "20990101T000000Z-000000")),
        Loss(name="latest is not a link", apply=lambda root, _older: _no_link(root)),
        Loss(name="a report is gone", apply=lambda root, _older: (_a_run(root) / "report.html").unlink()),
    )


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _older_with_note(root: Path, older: bytes) -> None:
    _write(root / JOURNAL, older)
    rewind(root)


def _a_run(root: Path) -> Path:
    return min(path for path in (root / "runs").iterdir() if path.is_dir() and not path.is_symlink())


def _a_result(root: Path) -> Path:
    return next(path for path in sorted((root / "runs").glob("2*/results/*"))) / "result.json"


def _foreign(journal: Path) -> None:
    journal.unlink()
    with closing(sqlite3.connect(journal)) as connection:
        connection.execute("CREATE TABLE events (seq INTEGER PRIMARY KEY, body BLOB, sha256 TEXT, guard TEXT)")
        connection.commit()


def _cut_tail(journal: Path) -> None:
    with closing(sqlite3.connect(journal)) as connection:
        connection.execute("DELETE FROM events WHERE seq > (SELECT MAX(seq) FROM events) - 3")
        connection.commit()


def _cut_middle(journal: Path) -> None:
    with closing(sqlite3.connect(journal)) as connection:
        connection.execute("DELETE FROM events WHERE seq = (SELECT MAX(seq) FROM events) / 2")
        connection.commit()


def _point(root: Path, target: str) -> None:
    (root / "runs" / "latest").unlink()
    (root / "runs" / "latest").symlink_to(target)


def _no_link(root: Path) -> None:
    (root / "runs" / "latest").unlink()
    (root / "runs" / "latest").mkdir()
