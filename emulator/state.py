"""The emulator's memory: models, retrain jobs and fetched keys in one SQLite file that survives a kill -9.

SQLite's rollback journal with synchronous=FULL makes each change durable before the answer that tells of it. One
connection behind one lock serves all threads.
"""

import json
import os
import secrets
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any

from emulator.condition import Condition
from emulator.hosting import HostedModel
from emulator.job import Account, Job, Phase, now_text
from emulator.keys import fetched_key, key_digest
from runner.errors import StateError
from runner.lib.atomic_files import FILE_MODE
from runner.lib.sqlite_hot_journal import check_rollback_journal

_LAST_BASE_ID = 100_000  # ids of models in the account stay below, ids of candidates above
_TABLES = """
CREATE TABLE IF NOT EXISTS models (
    name TEXT PRIMARY KEY, model_id INTEGER NOT NULL UNIQUE, serving_job TEXT, condition TEXT,
    switches INTEGER NOT NULL DEFAULT 0, keys_issued INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS jobs (
    retrain_job_id TEXT PRIMARY KEY, model TEXT NOT NULL, filename TEXT NOT NULL, phase TEXT NOT NULL,
    message TEXT, metrics TEXT, model_id INTEGER UNIQUE, issued TEXT NOT NULL, started TEXT, finished TEXT,
    visible_at REAL NOT NULL DEFAULT 0, deleted INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS fetched_keys (digest TEXT PRIMARY KEY, model TEXT NOT NULL, expires REAL NOT NULL);
"""


# Ids become names of folders, and a trigger could make one up later.
_FOREIGN = """
SELECT name FROM sqlite_master WHERE type NOT IN ('table', 'index') UNION ALL
SELECT id FROM (SELECT retrain_job_id AS id FROM jobs UNION ALL SELECT serving_job FROM models)
WHERE id IS NOT NULL AND (typeof(id) != 'text' OR length(id) != 32 OR id GLOB '*[^0-9a-f]*')
"""


class UsedUploadError(Exception):
    """The upload of this job is already complete, or the job is gone."""


class State:
    """All reads and changes of the emulator's memory; safe to use from many threads."""

    def __init__(self, file: Path) -> None:
        """Open the file, made where it is missing.

        Raises:
            StateError: it or its rollback journal holds what no emulator wrote.
        """
        check_rollback_journal(file)
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, FILE_MODE))
        self._lock = RLock()
        self._database = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        self._database.row_factory = sqlite3.Row
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.executescript(_TABLES)
        if self._all(_FOREIGN):
            raise StateError(
                f"{file} holds what no emulator wrote: job ids of another form, or programs.",
                hint="Remove the emulator's data folder; the next rehearsal makes a new one.",
            )

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()

    def register(self, models: Iterable[HostedModel]) -> None:
        """Remember the models; each keeps the id it had, takes the one it declares, or gets the next free one."""
        with self._change():
            for model in models:
                known = self._one("SELECT model_id FROM models WHERE name = ?", model.name)
                wanted = model.declared_id or (known["model_id"] if known else None)
                if wanted is not None:
                    self._give_way(model.name, wanted)
                self._run(
                    "INSERT INTO models (name, model_id) VALUES (?, ?) "
                    "ON CONFLICT (name) DO UPDATE SET model_id = excluded.model_id",
                    *(model.name, wanted or self._free_id()),
                )

    def account(self, name: str) -> Account:
        """Return what is known of a registered model."""
        row = self._one("SELECT * FROM models WHERE name = ?", name)
        if row is None:
            raise LookupError(name)
        return Account(
            name=row["name"],
            model_id=row["model_id"],
            serving_job=row["serving_job"],
            condition=Condition(row["condition"]) if row["condition"] else None,
            switches=row["switches"],
        )

    def set_condition(self, name: str, condition: Condition | None) -> None:
        """Put a model into a condition or back to normal; expired keys stay expired."""
        with self._change():
            self._run("UPDATE models SET condition = ? WHERE name = ?", condition, name)
            if condition is Condition.KEY_EXPIRED:
                self._run("UPDATE fetched_keys SET expires = 0 WHERE model = ?", name)

    def issue_job(self, model: str, filename: str, *, short: bool = False) -> str:
        """Return the id of a new job that waits for its upload; a short one is a small number."""
        retrain_job_id = f"{secrets.randbelow(1 << 40):032x}" if short else secrets.token_hex(16)
        with self._change():
            self._run(
                "INSERT INTO jobs (retrain_job_id, model, filename, phase, issued) VALUES (?, ?, ?, ?, ?)",
                *(retrain_job_id, model, filename, Phase.WAITING, now_text()),
            )
        return retrain_job_id

    def job(self, retrain_job_id: str) -> Job | None:
        """Return a job, also a deleted one."""
        row = self._one("SELECT * FROM jobs WHERE retrain_job_id = ?", retrain_job_id)
        return _job(row) if row else None

    def jobs_of(self, model: str) -> list[Job]:
        """Return all jobs of a model, oldest first."""
        return [_job(row) for row in self._all("SELECT * FROM jobs WHERE model = ? ORDER BY rowid", model)]

    def in_training(self) -> list[Job]:
        """Return the jobs whose training has not ended, oldest first."""
        rows = self._all("SELECT * FROM jobs WHERE phase = ? AND NOT deleted ORDER BY started", Phase.TRAINING)
        return [_job(row) for row in rows]

    def start_training(self, retrain_job_id: str, *, held_back: float, again: bool = False) -> None:
        """Note that the upload is complete. The end of the training shows after `held_back` seconds at the earliest.

        With `again` a job that was trained already is trained once more.

        Raises:
            UsedUploadError: another upload of this job was first, or the job was deleted.
        """
        with self._change():
            changed = self._run(
                "UPDATE jobs SET phase = ?, started = ?, visible_at = ? "
                "WHERE retrain_job_id = ? AND (phase = ? OR ?) AND NOT deleted",
                *(Phase.TRAINING, now_text(), time.time() + held_back, retrain_job_id, Phase.WAITING, again),
            )
        if not changed:
            raise UsedUploadError

    def finish(self, retrain_job_id: str, metrics: Mapping[str, float]) -> None:
        """Note the end of a training; the candidate gets a model id of its own."""
        with self._change():
            self._run(
                "UPDATE jobs SET phase = ?, metrics = ?, finished = ?, model_id = ? WHERE retrain_job_id = ?",
                *(Phase.FINISHED, json.dumps(metrics), now_text(), self._candidate_id(), retrain_job_id),
            )

    def fail(self, retrain_job_id: str, message: str) -> None:
        """Note why a training could not be done."""
        with self._change():
            self._run(
                "UPDATE jobs SET phase = ?, message = ?, finished = ? WHERE retrain_job_id = ?",
                *(Phase.FAILED, message, now_text(), retrain_job_id),
            )

    def delete_job(self, retrain_job_id: str) -> bool:
        """Mark a job as deleted; say whether there was one."""
        with self._change():
            return self._run("UPDATE jobs SET deleted = 1 WHERE retrain_job_id = ?", retrain_job_id) > 0

    def switch(self, job: Job) -> bool:
        """Put a finished job's candidate into service; say whether that changed anything."""
        with self._change():
            changed = self._run(
                "UPDATE models SET serving_job = ?, switches = switches + 1 WHERE name = ? AND serving_job IS NOT ?",
                *(job.retrain_job_id, job.model, job.retrain_job_id),
            )
        return changed > 0

    def issue_key(self, model: str, *, expires: float) -> str:
        """Return a new fetched key of the model, good until the Unix time `expires`."""
        with self._change():
            self._run("UPDATE models SET keys_issued = keys_issued + 1 WHERE name = ?", model)
            number = self._one("SELECT keys_issued FROM models WHERE name = ?", model)
            key = fetched_key(model, number["keys_issued"] if number else 1)
            self._run("INSERT OR REPLACE INTO fetched_keys VALUES (?, ?, ?)", key_digest(key), model, expires)
        return key

    def fetched_key(self, digest: str) -> tuple[str, float] | None:
        """Return the model of a fetched key and the Unix time it is good until."""
        row = self._one("SELECT model, expires FROM fetched_keys WHERE digest = ?", digest)
        return (row["model"], row["expires"]) if row else None

    def _give_way(self, name: str, model_id: int) -> None:
        other = self._one("SELECT name FROM models WHERE model_id = ? AND name != ?", model_id, name)
        if other:
            self._run("UPDATE models SET model_id = ? WHERE name = ?", self._free_id(), other["name"])

    def _free_id(self) -> int:
        taken = {row["model_id"] for row in self._all("SELECT model_id FROM models")}
        return next(number for number in range(1, len(taken) + 2) if number not in taken)

    def _candidate_id(self) -> int:
        row = self._one("SELECT max(coalesce((SELECT max(model_id) FROM jobs), 0), ?) + 1 AS next", _LAST_BASE_ID)
        return int(row["next"]) if row else _LAST_BASE_ID + 1

    @contextmanager
    def _change(self) -> Iterator[None]:
        with self._lock:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")

    def _run(self, statement: str, *values: Any) -> int:
        return self._database.execute(statement, values).rowcount

    def _one(self, statement: str, *values: Any) -> sqlite3.Row | None:
        rows = self._all(statement, *values)
        return rows[0] if rows else None

    def _all(self, statement: str, *values: Any) -> list[sqlite3.Row]:
        with self._lock:
            return self._database.execute(statement, values).fetchall()


def _job(row: sqlite3.Row) -> Job:
    values = dict(row)
    values["phase"] = Phase(values["phase"])
    values["metrics"] = json.loads(values["metrics"]) if values["metrics"] else None
    values["deleted"] = bool(values["deleted"])
    return Job(**values)
