"""Parquet becomes CSV: the same bytes whoever makes them, in the order of the file; what CSV cannot hold is refused."""

import sys
from collections import Counter
from pathlib import Path

import pytest

from runner.datasets import parquet
from runner.datasets.file_cache import FileCache
from runner.datasets.joined_stream import BOM
from runner.datasets.packing import package
from runner.datasets.resolve import ResolvedFile, resolve
from runner.datasets.source import Copy, DataAccess, DataFile
from runner.errors import ModelError
from runner.http.upload_body import UploadBody
from runner.providers.prediction_one.facts import FACTS
from tests.unit.datasets.conftest import dataset, source

duckdb = pytest.importorskip("duckdb", reason="needs the extra `parquet`")

ROWS = 20_000  # of the table
TABLE = """
    SELECT i AS id, i * 0.1::DOUBLE AS x, CASE WHEN i % 5 = 0 THEN NULL ELSE i END AS n,
        CASE WHEN i % 7 = 0 THEN 'nan'::DOUBLE ELSE 1 END AS f, 'a,"q" é' AS s, i % 3 = 0 AS b,
        TIMESTAMPTZ '2026-01-01 00:00:00+02' AS t, 1.50::DECIMAL(10, 2) AS d, DATE '2026-01-01' AS day
    FROM range(20000) AS rows (i)
"""


def write(folder: Path, table: str = TABLE, name: str = "table.parquet") -> Path:
    path = folder / name
    with duckdb.connect() as database:
        database.execute(f"COPY ({table}) TO '{path}' (FORMAT parquet, ROW_GROUP_SIZE 2048)")
    return path


def found(folder: Path, access: DataAccess | None = None, name: str = "table.parquet") -> ResolvedFile:
    return resolve(dataset(source(folder, name)), access).train


def text(file: ResolvedFile) -> bytes:
    with file.parts[0].open() as opened:
        return b"".join(iter(lambda: opened.read(1 << 20), b""))


def test_the_rows_are_those_of_the_file_in_their_order(tmp_path: Path) -> None:
    write(tmp_path)
    lines = text(found(tmp_path)).decode("utf-8-sig").splitlines()
    assert lines[0] == "id,x,n,f,s,b,t,d,day"
    assert lines[1] == '0,0.0,,,"a,""q"" é",true,2025-12-31 22:00:00+00,1.50,2026-01-01'
    assert [line.partition(",")[0] for line in lines[1:]] == [str(number) for number in range(ROWS)]


def test_the_same_bytes_come_from_one_thread_and_from_two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path)
    made = set()
    connect = duckdb.connect
    for threads in (1, 2, 4):
        monkeypatch.setattr(
            duckdb, "connect", lambda config, threads=threads: connect(config={**config, "threads": threads})
        )
        made.add(text(found(tmp_path)))
    assert len(made) == 1


def test_it_is_converted_once_and_uploaded_as_csv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path)
    spool = tmp_path / "spool"
    spool.mkdir()
    made = Counter[str]()
    convert = parquet._converted

    def counted(file: DataFile, access: DataAccess) -> Copy:
        made[file.name] += 1
        return convert(file, access)

    monkeypatch.setattr(parquet, "_converted", counted)
    access = DataAccess(spool=lambda: spool)
    readings, resolved = FileCache(access), resolve(dataset(source(tmp_path, "table.parquet")), access)
    total = readings.metadata(resolved.train)
    assert readings.checked(found(tmp_path, access), "b", 200).file.rows == ROWS
    upload = package(resolved, total, None, spool, FACTS.archive)
    sent = b"".join(UploadBody(upload.file, content=upload.content, watch=None, read_ahead=False))
    assert (upload.filename, len(sent)) == ("table.csv", total.bytes)
    assert (made, list(spool.iterdir())) == ({"table.parquet": 1}, [])


def test_text_that_is_not_ascii_is_known_as_utf_8(tmp_path: Path) -> None:
    write(tmp_path)
    assert FileCache().checked(found(tmp_path), None, 200).file.encoding == "utf-8-sig"


def test_a_table_without_rows_is_its_header(tmp_path: Path) -> None:
    write(tmp_path, "SELECT 1 AS id, 2 AS label WHERE false")
    assert text(found(tmp_path)).split() == [BOM + b"id,label"]


def test_a_file_written_anew_is_converted_anew(tmp_path: Path) -> None:
    access = DataAccess()
    write(tmp_path)
    before = text(found(tmp_path, access))
    write(tmp_path, "SELECT 1 AS id, 2 AS label")
    assert text(found(tmp_path, access)) == BOM + b"id,label\n1,2\n" != before


@pytest.mark.parametrize("value", ["[1, 2]", "{'a': 1}", "'x'::BLOB", "MAP {'a': 1}", "INTERVAL 1 DAY"])
def test_what_csv_has_no_form_for_is_refused(tmp_path: Path, value: str) -> None:
    write(tmp_path, f"SELECT 1 AS id, {value} AS canary")
    with pytest.raises(ModelError, match="its column 2 is of the type") as caught:
        FileCache().metadata(found(tmp_path))
    assert "canary" not in caught.value.message


def test_what_is_not_parquet_is_refused_without_its_content(tmp_path: Path) -> None:
    (tmp_path / "table.parquet").write_bytes(b"PAR1canary" * 100)
    with pytest.raises(ModelError, match="cannot read it as Parquet") as caught:
        FileCache().metadata(found(tmp_path))
    assert "canary" not in caught.value.message


def test_a_table_that_becomes_too_large_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "SELECT repeat('x', 1000) AS s FROM range(400000)")
    monkeypatch.setattr(parquet, "MOST_BYTES", 1000)
    monkeypatch.setattr(parquet, "_POLL_S", 0.001)
    with pytest.raises(ModelError, match="more than 1,000 bytes"):
        FileCache().metadata(found(tmp_path))


def test_a_name_with_odd_characters_is_a_name(tmp_path: Path) -> None:
    write(tmp_path, 'SELECT 1 AS "a""b; DROP", 2 AS "it\'s"', "it's [1]*.parquet".replace("'", "_"))
    assert text(found(tmp_path, name="it_s [1]*.parquet")) == BOM + b'"a""b; DROP",it\'s\n1,2\n'


def test_a_missing_extra_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path)
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(ModelError, match="the package duckdb is not installed") as caught:
        FileCache().metadata(found(tmp_path))
    assert "extra `parquet`" in caught.value.hint
