"""Journals whose chain is sound and whose events no run has written."""

import hashlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from runner.journal.chain import GENESIS, Link
from runner.journal.events import Draft, Event
from runner.lib.canonical_json import canonical_bytes

Change = Callable[[dict[str, Any]], None]  # of one event, as a JSON object
Forge = Callable[[list[dict[str, Any]]], Iterable[dict[str, Any]]]  # of all events, as JSON objects


def forged_link(draft: Draft, *, seq: int, prev: str) -> Link:
    """Give a draft its place in a chain, whatever its names are."""
    event = Event(
        seq=seq, at=draft.at, run_id=draft.run_id, model=draft.model, guard=draft.guard, prev=prev, fact=draft.fact
    )
    body = canonical_bytes(msgspec.to_builtins(event))
    return Link(event=event, body=body, sha256=hashlib.sha256(body).hexdigest())


def forge(journal: Path, change: Change) -> None:
    """Change every event of a journal in its place, and chain them again."""

    def changed(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        for event in events:
            change(event)
        return events

    forge_all(journal, changed)


def forge_all(journal: Path, change: Forge) -> None:
    """Replace all events of a journal and chain them again, as whoever may write the file can."""
    with closing(sqlite3.connect(journal)) as database, database:
        events = [msgspec.json.decode(body) for (body,) in database.execute("SELECT body FROM events ORDER BY seq")]
        database.execute("DELETE FROM events")
        database.executemany("INSERT INTO events VALUES (?, ?, ?, ?)", _chained(change(events)))


def _chained(events: Iterable[dict[str, Any]]) -> Iterator[tuple[int, bytes, str, str | None]]:
    prev = GENESIS
    for seq, event in enumerate(events, start=1):
        body = canonical_bytes({**event, "seq": seq, "prev": prev})
        prev = hashlib.sha256(body).hexdigest()
        yield seq, body, prev, event["guard"]
