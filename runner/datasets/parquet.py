"""Parquet files as CSV, by DuckDB, the extra `parquet`, which is imported only here and only when it is needed.

The same file gives the same bytes on every machine with the same version of DuckDB: its rows in their order, times in
UTC. What CSV cannot hold is refused. A NaN is what many writers of tables put where a value is missing, and becomes so.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from shutil import copyfileobj
from threading import Event, Thread
from typing import TYPE_CHECKING, BinaryIO

from msgspec import Struct

from runner.datasets.source import MOST_BYTES, Copy, DataAccess, DataFile, Fingerprint, RemoteReadError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_FORM = 1  # of the CSV that is made here; another number for every change of its bytes
_MEMORY = "512MB"
_POLL_S = 0.2
_PLAIN = frozenset(
    {
        *("BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER"),
        *("UBIGINT", "UHUGEINT", "FLOAT", "DOUBLE", "VARCHAR", "DATE", "TIME", "UUID", "TIMESTAMP", "TIMESTAMP_S"),
        *("TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMP WITH TIME ZONE"),
    }
)
_FRACTIONS = ("FLOAT", "DOUBLE")
_FIRST_READ = 1 << 20


class ParquetFile(Struct, frozen=True, kw_only=True):
    """A Parquet file, seen as the CSV that it is converted to once a run: when somebody reads it."""

    inner: DataFile
    access: DataAccess

    @property
    def name(self) -> str:
        """Return the name of the CSV file."""
        return PurePosixPath(self.inner.name).stem + ".csv"

    @property
    def shown(self) -> str:
        """Return the address of the Parquet file."""
        return self.inner.shown

    @property
    def local(self) -> None:
        """Return that the CSV is on no disk under a name."""
        return

    @property
    def outside(self) -> bool:
        """Return whether the Parquet file is outside."""
        return self.inner.outside

    @property
    def version(self) -> str | None:
        """Return the version of the Parquet file."""
        return self.inner.version

    @property
    def content_id(self) -> tuple[int | str, ...] | None:
        """Return what names the Parquet file's content, and how it is converted."""
        known = self.inner.content_id
        return None if known is None else (*known, *_conversion())

    def open(self) -> BinaryIO:
        """Open the CSV."""
        return self._copy().open()

    def size(self) -> int:
        """Return the size of the CSV in bytes."""
        return self._copy().size

    def fingerprint(self) -> Fingerprint:
        """Return that of the Parquet file, and how it is converted."""
        found = self.inner.fingerprint()
        return Fingerprint((*found.values, *_conversion()), found.times)

    def _copy(self) -> Copy:
        key = (self.inner.shown, self.fingerprint())
        return self.access.once(key, lambda: _converted(self.inner, self.access))


def _conversion() -> tuple[int | str, ...]:
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 -- slow to load

    try:
        return ("parquet", _FORM, f"duckdb {version('duckdb')}")
    except PackageNotFoundError:
        return ("parquet", _FORM)


def _converted(file: DataFile, access: DataAccess) -> Copy:
    with access.folder() as folder:
        source, target = folder / "data.parquet", folder / "data.csv"
        if file.local is not None:
            source.symlink_to(file.local.absolute())
        else:
            with file.open() as content, source.open("wb") as out:
                copyfileobj(content, out, _FIRST_READ)
        with _database(folder, source) as database:
            _write_csv(database, source, target)
        return Copy(target.open("rb", buffering=0))


@contextmanager
def _database(folder: Path, source: Path) -> Iterator["DuckDBPyConnection"]:
    """Give a database in memory that can read and write these files and no other, and loads no extension."""
    try:
        import duckdb  # noqa: PLC0415 -- an extra, and 60 ms
    except ImportError:
        raise RemoteReadError(
            "it is a Parquet file, and the package duckdb is not installed",
            "Install the extra `parquet`: `pip install '.[parquet]'` in a checkout of retrain-runner.",
        ) from None
    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": _MEMORY,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "preserve_insertion_order": True,
        "temp_directory": str(folder),
    }
    try:
        with duckdb.connect(config=settings) as database:
            database.execute("SET TimeZone = 'UTC'")
            database.execute("SET allowed_directories = [$folder]", {"folder": f"{folder}/"})
            database.execute("SET allowed_paths = [$source]", {"source": str(source.resolve())})  # links are followed
            database.execute("SET enable_external_access = false")
            database.execute("SET lock_configuration = true")
            yield database
    except duckdb.InterruptException:
        raise RemoteReadError(
            f"its rows as CSV have more than {MOST_BYTES:,} bytes, which no upload takes", "Make the table smaller."
        ) from None
    except duckdb.Error as error:  # its words may hold values of the file
        what = type(error).__name__.removesuffix("Exception")
        raise RemoteReadError(f"DuckDB cannot read it as Parquet ({what})", "Write the file again.") from None


def _write_csv(database: "DuckDBPyConnection", source: Path, target: Path) -> None:
    columns = database.execute("DESCRIBE SELECT * FROM read_parquet($1)", [str(source)]).fetchall()
    chosen = []
    for number, (name, kind, *_) in enumerate(columns, 1):
        quoted = '"' + str(name).replace('"', '""') + '"'
        if kind not in _PLAIN and not kind.startswith("DECIMAL("):
            raise RemoteReadError(
                f"its column {number} is of the type {_word(kind)}, which CSV has no form for",
                "Leave the column out, or write it as text.",
            )
        missing = f"CASE WHEN isnan({quoted}) THEN NULL ELSE {quoted} END AS {quoted}"
        chosen.append(missing if kind in _FRACTIONS else quoted)
    ended = Event()
    watch = Thread(target=_watch, args=(database, target, ended), daemon=True)
    watch.start()
    try:
        form = f"FORMAT csv, HEADER false, PREFIX {_text(_header(columns))}, SUFFIX {_text(chr(10))}"
        database.execute(
            f"COPY (SELECT {', '.join(chosen)} FROM read_parquet($1)) TO {_text(str(target))} ({form})",  # noqa: S608 -- all of it is quoted
            [str(source)],
        )
    finally:
        ended.set()
        watch.join()


def _watch(database: "DuckDBPyConnection", target: Path, ended: Event) -> None:
    """Interrupt a conversion that makes too much: a small file can hold many rows."""
    while not ended.wait(_POLL_S):
        if target.exists() and target.stat().st_size > MOST_BYTES:
            database.interrupt()


def _header(columns: Sequence[tuple[object, ...]]) -> str:
    """Return the header's line after a byte order mark, by which services know UTF-8."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow([name for name, *_ in columns])
    return f"\ufeff{line.getvalue()}"


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _word(kind: str) -> str:
    begin = kind.partition("(")[0]
    return begin if begin.replace("[", "").replace("]", "").isalpha() else "of a list or a structure"
