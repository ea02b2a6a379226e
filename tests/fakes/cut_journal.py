"""A journal that loses its newest events, as somebody with the state folder can do it; its chain stays sound."""

import sqlite3
from contextlib import closing
from pathlib import Path

JOURNAL, HEAD = "journal.sqlite3", "journal.head"


def events_of(state: Path) -> int:
    """Return how many events a state's journal has."""
    with closing(sqlite3.connect(state / JOURNAL)) as connection:
        (count,) = connection.execute("SELECT MAX(seq) FROM events").fetchone()
    return int(count or 0)


def cut(state: Path, events: int) -> None:
    """Leave the journal's first events."""
    with closing(sqlite3.connect(state / JOURNAL)) as connection:
        connection.execute("DELETE FROM events WHERE seq > ?", (events,))
        connection.commit()
    if events_of(state) != events:
        raise RuntimeError("the journal was not cut")


def rewind(state: Path) -> None:
    """Let the note beside the journal say what the journal says now, as somebody does who covers a cut."""
    with closing(sqlite3.connect(state / JOURNAL)) as connection:
        [(first,)] = connection.execute("SELECT sha256 FROM events WHERE seq = 1")
        [(last, events)] = connection.execute("SELECT sha256, MAX(seq) FROM events")
    note = f'{{"events":{events},"sha256":"{last}","lineage":"{first}","run_id":"","at":""}}'
    (state / HEAD).write_bytes(note.encode().ljust(511) + b"\n")
