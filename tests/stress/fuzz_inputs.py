"""Inputs for fuzzing: one seed, one input. Pieces, mutants of good inputs, and the bombs that broke other programs."""

import gzip
import io
import json
import random
import tarfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

from tests.fakes.result_files import Cells, table, tar_gz, workbook

_ROOT = Path(__file__).parents[2]
_YAML = (
    "version: 1\n", "models:\n", "  m: ", "{", "}", "[", "]", "- ", "&a ", "*a", "<<: ", "? ", ": ", "!!str ", "'",
    '"', "|\n", "\n", "\t", " ", "#", "---\n", "api_key: ", "{env: K}", "policies:\n", "rules: ", "1e999",
    "\\u0000", "\ufeff", "service: ", "defaults: ", "~", ".nan", "0.1", "<<<<<<< ", "quarantine: 5m\n", "017", "on",
    "\x1b[31m",
)  # fmt: skip
_JSON = (
    "{", "}", "[", "]", ",", ":", '"status"', '"job_finished"', '"metadata"', '"retrain_job_id"', '"job-1"', "NaN",
    "null", "true", "1e999", "-0", "9" * 400, '"upload_url"', '"https://127.0.0.1/a?X-Amz-Expires=9&X-Amz-Date=2"',
    '"model_id"', '"\\ud800"', "\u0000", '"metrics"', '"name"', '"value"', '"AUC"', "0.91", "\ufeff", " ",
    '"message"', '"This job may be deleted."', '"classifiers"', '"download_url"', "Infinity", '"auc": 0.9',
    "<Code>ExpiredToken</Code>",
)  # fmt: skip
_CSV = (
    "AUC", ",", "0.9", "\n", "\r\n", '"', "\t", "metric", "value", "%", "\u5206\u985e\u7cbe\u5ea6 (AUC)", "nan",
    "1e9999", "\ufeff", "previous", "F-score", "\u518d\u73fe\u7387", "=cmd()", " ", "\x00", "1,000", "RMSE", "-",
    "\uff19", "9" * 300,
)  # fmt: skip

Make = Callable[[random.Random], bytes]


def make_input(target: str, seed: int) -> bytes:
    """Return the input of a target and seed; the same forever."""
    rng = random.Random(f"{target}:{seed}")  # noqa: S311 -- inputs that repeat
    return rng.choices(_MAKERS[target], weights=(6, 6, 1))[0](rng)


def _pieces(words: Sequence[str]) -> Make:
    return lambda rng: "".join(rng.choices(words, k=rng.randrange(80))).encode("utf-8", "surrogatepass")


def _mutant(corpus: Callable[[], Sequence[bytes]]) -> Make:
    def make(rng: random.Random) -> bytes:
        content = bytearray(rng.choice(corpus()))
        for _ in range(rng.randrange(1, 8)):
            _mutate(content, rng)
        return bytes(content)

    return make


def _mutate(content: bytearray, rng: random.Random) -> None:
    start = rng.randrange(len(content) + 1)
    end = min(start + rng.randrange(1, 32), len(content))
    match rng.randrange(6):
        case 0:
            del content[start:end]
        case 1:
            content[start:start] = rng.randbytes(end - start)
        case 2:
            content[start:start] = content[start:end] * rng.randrange(1, 50)
        case 3:
            content[start:end] = bytes(reversed(content[start:end]))
        case 4 if start < len(content):
            content[start] ^= 1 << rng.randrange(8)
        case _:
            del content[start:]


@cache
def _manifests() -> tuple[bytes, ...]:
    files = [*(_ROOT / "tests" / "cases").rglob("*.yaml"), *(_ROOT / "examples" / "configs").rglob("*.yaml")]
    return tuple(path.read_bytes() for path in sorted(files) if path.stat().st_size < 1 << 16)


@cache
def _answers() -> tuple[bytes, ...]:
    job = {"retrain_job_id": "job-1"}
    url = "https://127.0.0.1/up/job-1?X-Amz-Date=20260301T000000Z&X-Amz-Expires=900&X-Amz-Signature=s"
    values = (
        {**job, "upload_url": url},
        {"status": "running", "metadata": job},
        {"status": "job_finished", "model_id": 7, "download_url": url, "message": "m", "metadata": job},
        {"metadata": job},
        {"api_key": "k", "end_date": "2026-03-01"},
        {"classifiers": [{"model_id": 7, "status": "running", "api_key": "i"}]},
        {"code": "4001000204", "error": "PREDA_EXTERNAL_BAD_REQUEST", "message": "This job may be deleted."},
    )
    xml = b"<?xml version='1.0'?><Error><Code>ExpiredToken</Code><Message>m</Message></Error>"
    return (*(json.dumps(value).encode() for value in values), xml, b"<html><body>Sign in</body></html>")


@cache
def _json_results() -> tuple[bytes, ...]:
    listed = [{"name": "AUC", "value": 0.91}, {"name": "F-score", "value": "80%"}]
    return (b'{"auc": 0.91, "recall": 0.7}', json.dumps({"metrics": listed}).encode(), b'{"summary": {"profit": 1.5}}')


@cache
def _tables() -> tuple[bytes, ...]:
    metrics = {"AUC": 0.91, "Recall": "70%", "F-score": 0.8}
    japanese = {"\u6b63\u89e3\u7387": 0.9, "F\u5024": 0.8}
    compared = b"metric,current model,previous model\r\nAUC,0.91,0.9\r\n"
    return (
        table(metrics),
        table(metrics, header=""),
        table(japanese, encoding="cp932"),
        compared,
        b"AUC\tR2\n0.9\t-1\n",
    )


@cache
def _tars() -> tuple[bytes, ...]:
    members = {"a/metrics.csv": _tables()[0], "a/p.csv": b"id,p\n1,0.5\n"}
    plain = tar_gz(members, mode="w")
    return (plain, gzip.compress(plain, mtime=0), gzip.compress(_tables()[0], mtime=0), _archive({"x.tar": plain}))


@cache
def _workbooks() -> tuple[bytes, ...]:
    cells: Cells = [["Metric", "Value"], ["AUC", 0.91], ["Recall", 0.7]]
    with zipfile.ZipFile(io.BytesIO(workbook({"Sheet1": cells}, percent=[(1, 1)]))) as file:
        parts = {name: file.read(name) for name in file.namelist()}
    book = _archive(parts)
    return (book, _archive({"out/summary.xlsx": book}), _stored(parts))


def _stored(members: Mapping[str, bytes]) -> bytes:
    """Return an archive without compression, so that a changed byte is a changed byte of its XML."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        for name, content in members.items():
            file.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_STORED)
    return stream.getvalue()


@cache
def _archives() -> tuple[bytes, ...]:
    compared = {"a/metrics_comparison.csv": _tables()[3], "a/metrics.csv": table({"AUC": 0.91})}
    nested = {"result/a/metrics.csv": _tables()[0], "result/a/confusion_matrix.csv": b",a,b\r\na,10,1\r\nb,2,9\r\n"}
    return (_archive(nested), _archive(compared), _archive({"metrics.json": b'{"auc": 0.9}'}))


def _archive(members: Mapping[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        for name, content in members.items():
            _put(file, name, content)
    return stream.getvalue()


def _put(file: zipfile.ZipFile, name: str, content: bytes) -> None:
    """Add a member with the date that `ZipInfo` has by itself: the present would make every input another one."""
    file.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)


def _yaml_bomb(rng: random.Random) -> bytes:
    size = rng.randrange(1, 50_000)
    nested = (b"[" * size, b"{a: " * size, b"- " * size, b"? " * size)
    return rng.choice((*nested, _aliases(rng), b"a: " + b"1" * size, b"<<<<<<< o\n" * size, b"k: 1\n" * size))


def _aliases(rng: random.Random) -> bytes:
    merge = rng.random() < 0.5
    lines = ["a0: &a0 {k: x}" if merge else "a0: &a0 [x, x, x, x]"]
    for number in range(1, rng.randrange(2, 20)):
        many = ", ".join([f"*a{number - 1}"] * rng.randrange(2, 10))
        lines.append(f"a{number}: &a{number} " + (f"{{<<: [{many}]}}" if merge else f"[{many}]"))
    return "\n".join(lines).encode()


def _json_bomb(rng: random.Random) -> bytes:
    size = rng.randrange(1, 100_000)
    deep = (b"[" * size, b'{"a":' * size, b"[" * size + b"]" * size, b'{"metrics":' * size + b"1" + b"}" * size)
    wide = (b"[" + b"1," * size + b"1]", b'{"auc": ' + b"9" * size + b"}", b'"' + b"\\u0000" * size + b'"')
    return rng.choice((*deep, *wide, b'{"status": "' + b"x" * size * 10 + b'"}', b"<" * size))


def _table_bomb(rng: random.Random) -> bytes:
    size = rng.randrange(1, 200_000)
    return rng.choice((b"," * size, b"a,1\n" * size, b'"' * size, b"AUC,0." + b"9" * size, b"\n" * size, b"\t" * size))


def _zip_bomb(rng: random.Random) -> bytes:
    stream = io.BytesIO()
    size = rng.randrange(1, 8 << 20)
    with zipfile.ZipFile(stream, "w") as file:
        for number in range(rng.choice((1, 2, 1500))):
            name = rng.choice(("metrics.csv", "../metrics.csv", "a/METRICS.CSV", f"{number}.csv", "metrics.json"))
            _put(file, f"{number}/{name}", b"0" * (size if number == 0 else 3))
    content = bytearray(stream.getvalue())
    for _ in range(rng.randrange(3)):
        _mutate(content, rng)
    return bytes(content)


def _tar_bomb(rng: random.Random) -> bytes:
    size = rng.randrange(1, 8 << 20)
    packed = gzip.compress(b"0" * size, mtime=0)
    header = bytearray(_tars()[0])
    header[124:136] = b"%011o\0" % rng.randrange(1 << 33)
    many = b"".join(tarfile.TarInfo(f"{number}").tobuf() for number in range(rng.randrange(2000)))
    return rng.choice((packed, bytes(header), many, gzip.compress(many, mtime=0), gzip.compress(packed, mtime=0)))


def _workbook_bomb(rng: random.Random) -> bytes:
    size = rng.randrange(1, 50_000)
    with zipfile.ZipFile(io.BytesIO(_workbooks()[0])) as file:
        parts = {name: file.read(name) for name in file.namelist()}
    sheet = rng.choice(
        (
            b"<worksheet>" + b"<row>" * size,
            b"<worksheet>" + b"<row><c><v>1</v></c></row>" * size + b"</worksheet>",
            b"<!DOCTYPE x [<!ENTITY a 'x'>]><worksheet>&a;</worksheet>",
            b"<worksheet><row>" + b'<c t="s"><v>' + b"9" * size + b"</v></c></row></worksheet>",
            b'<worksheet><row><c r="' + b"Z" * size + b'1"><v>1</v></c></row></worksheet>',
        )
    )
    return _archive({**parts, rng.choice(("xl/worksheets/sheet1.xml", "xl/styles.xml", "xl/workbook.xml")): sheet})


_MAKERS: Mapping[str, tuple[Make, Make, Make]] = {
    "manifest": (_pieces(_YAML), _mutant(_manifests), _yaml_bomb),
    "answer": (_pieces(_JSON), _mutant(_answers), _json_bomb),
    "json": (_pieces(_JSON), _mutant(_json_results), _json_bomb),
    "csv": (_pieces(_CSV), _mutant(_tables), _table_bomb),
    "zip": (_mutant(_archives), _mutant(_archives), _zip_bomb),
    "tar": (_mutant(_tars), _mutant(_tars), _tar_bomb),
    "workbook": (_mutant(_workbooks), _mutant(_workbooks), _workbook_bomb),
}
TARGETS = tuple(_MAKERS)
