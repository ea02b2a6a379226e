"""Files and inbox of a state in PostgreSQL.

A file is rows of a mebibyte each, written one by one under a number that nobody else has. Then one statement gives that
number the file's name and removes the rows of the older file: a reader sees the one or the other. Entries of the inbox
carry the same kind of number, so that a poster whose answer was lost knows his own.
"""

import errno
import hashlib
import secrets
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, cast

from msgspec import Struct

from runner.journal.postgres_database import Database
from runner.journal.state_store import MOST_PENDING
from runner.lib.atomic_files import open_file

_PIECE = 1024 * 1024
_IN_MEMORY = 8 * 1024 * 1024  # bytes of a file that is read; a larger one is on the disk while it is open
_WRITE_PIECE = """
INSERT INTO {s}.pieces (file, number, content) VALUES (%(file)s, %(number)s, %(content)s) ON CONFLICT DO NOTHING
"""
_READ_PIECE = """
SELECT substring(content FROM 1 FOR %(largest)s) FROM {s}.pieces WHERE file = %(file)s AND number = %(number)s
"""
_NAME_FILE = """
WITH older AS (SELECT file FROM {s}.files WHERE name = %(name)s AND file <> %(file)s),
    removed AS (DELETE FROM {s}.pieces WHERE file IN (SELECT file FROM older))
INSERT INTO {s}.files (name, file, size, sha256) VALUES (%(name)s, %(file)s, %(size)s, %(sha256)s)
ON CONFLICT (name) DO UPDATE SET file = excluded.file, size = excluded.size, sha256 = excluded.sha256
"""
_REMOVE_FILE = """
WITH gone AS (DELETE FROM {s}.files WHERE name = %(name)s RETURNING file)
DELETE FROM {s}.pieces WHERE file IN (SELECT file FROM gone)
"""
_REMOVE_UNNAMED = """
DELETE FROM {s}.pieces WHERE written < now() - interval '1 day' AND file NOT IN (SELECT file FROM {s}.files)
"""
_NAMES = """
SELECT name FROM {s}.files WHERE starts_with(name, %(folder)s) AND name COLLATE "C" > %(after)s
ORDER BY name COLLATE "C"
"""
_POST = """
INSERT INTO {s}.inbox (name, aside, content, poster) VALUES (%(name)s, 0, %(content)s, %(poster)s)
ON CONFLICT DO NOTHING RETURNING poster
"""
_SET_ASIDE = """
UPDATE {s}.inbox SET aside = 1 + (SELECT max(aside) FROM {s}.inbox WHERE name = %(name)s)
WHERE name = %(name)s AND aside = 0
"""


class PostgresBlobs(Struct, frozen=True):
    """Files as rows."""

    database: Database

    def put(self, name: str, pieces: Iterable[bytes]) -> str:
        """Store a file whole or not at all, in the place of an older one; return its digest."""
        sha256, size, file, number = hashlib.sha256(), 0, secrets.token_hex(16), 0
        for number, piece in enumerate(_even(pieces)):
            sha256.update(piece)
            size += len(piece)
            self.database.run(_WRITE_PIECE, {"file": file, "number": number, "content": piece})
        named = {"name": name, "file": file, "size": size, "sha256": sha256.hexdigest()}
        self.database.run(_NAME_FILE, named)
        return sha256.hexdigest()

    def put_all(self, files: Iterable[tuple[str, Iterable[bytes]]]) -> dict[str, str]:
        """Store several files one after another."""
        return {name: self.put(name, pieces) for name, pieces in files}

    def keep(self, name: str, file: Path) -> None:
        """Store a file of the work folder."""
        with open_file(file) as stream:
            self.put(name, iter(lambda: stream.read(_PIECE), b""))

    def open(self, name: str) -> BinaryIO:
        """Fetch a file, checked by its digest."""
        rows = self.database.run("SELECT file, size, sha256 FROM {s}.files WHERE name = %(name)s", {"name": name})
        if not rows:
            raise FileNotFoundError(errno.ENOENT, "the file does not exist", name)
        ((file, size, digest),) = rows
        with ExitStack() as failing:
            spool = failing.enter_context(tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY))
            sha256, number = hashlib.sha256(), 0
            while spool.tell() < size and (piece := self._piece(file, number)):
                spool.write(piece)
                sha256.update(piece)
                number += 1
            if (spool.tell(), sha256.hexdigest()) != (size, digest):
                raise OSError(errno.EIO, "it is not what was stored, or it was replaced while it was read", name)
            spool.seek(0)
            failing.pop_all()  # whoever asked closes it
        return cast("BinaryIO", spool)

    def _piece(self, file: str, number: int) -> bytes:
        """Return a piece of a file, or nothing after its end."""
        rows = self.database.run(_READ_PIECE, {"file": file, "number": number, "largest": _PIECE})
        return rows[0][0] if rows else b""

    def holds(self, name: str) -> bool:
        """Return whether there is such a file."""
        return bool(self.database.run("SELECT 1 FROM {s}.files WHERE name = %(name)s", {"name": name}))

    def names(self, folder: str, after: str = "") -> Iterator[str]:
        """Yield the names of the files below a folder that follow a name."""
        rows = self.database.run(_NAMES, {"folder": f"{folder}/", "after": f"{folder}/{after}"})
        yield from (name for (name,) in rows)

    def remove(self, name: str) -> None:
        """Remove a file."""
        self.database.run(_REMOVE_FILE, {"name": name})

    def clear_unnamed(self) -> None:
        """Remove what writers left that were killed a day ago or earlier."""
        self.database.run(_REMOVE_UNNAMED)

    def shown(self, name: str) -> str:
        """Return the name below the schema."""
        return f"{self.database.address.folder}/{name}"


def _even(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the same bytes in pieces of one size; only the last may be shorter."""
    held = bytearray()
    for piece in pieces:
        for begin in range(0, len(piece), _PIECE):
            held += piece[begin : begin + _PIECE]
            if len(held) >= _PIECE:
                yield bytes(held[:_PIECE])
                del held[:_PIECE]
    if held:
        yield bytes(held)


class PostgresInbox(Struct, frozen=True):
    """Entries as rows; what was set aside has a number."""

    database: Database

    def post(self, name: str, content: bytes) -> None:
        """Make an entry; of several that make it, one succeeds."""
        poster = secrets.token_hex(16)
        if not self.database.run(_POST, {"name": name, "content": content, "poster": poster}):
            statement = "SELECT poster FROM {s}.inbox WHERE name = %(name)s AND aside = 0"
            if self.database.run(statement, {"name": name}) != [(poster,)]:
                raise FileExistsError(errno.EEXIST, "there is an entry of that name", name)

    def pending(self) -> tuple[str, ...]:
        """Return the entries' names in their order."""
        statement = 'SELECT name FROM {s}.inbox WHERE aside = 0 ORDER BY name COLLATE "C" LIMIT %(most)s'
        return tuple(name for (name,) in self.database.run(statement, {"most": MOST_PENDING}))

    def read(self, name: str, limit: int) -> bytes:
        """Return an entry's content, of a longer one the beginning."""
        statement = "SELECT substring(content FROM 1 FOR %(limit)s) FROM {s}.inbox WHERE name = %(name)s AND aside = 0"
        rows = self.database.run(statement, {"name": name, "limit": limit})
        if not rows:
            raise FileNotFoundError(errno.ENOENT, "the entry does not exist", name)
        return bytes(rows[0][0])

    def remove(self, name: str) -> None:
        """Remove an entry."""
        self.database.run("DELETE FROM {s}.inbox WHERE name = %(name)s AND aside = 0", {"name": name})

    def set_aside(self, name: str) -> str:
        """Give an entry a number, which takes it out of the inbox."""
        self.database.run(_SET_ASIDE, {"name": name})
        return f"{name}, set aside in the table inbox of {self.database.address.place}"
