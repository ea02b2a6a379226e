"""The result file as a profile lays it out: its members, their encodings, and what is around them."""

import gzip
import io
import re
import tarfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

from msgspec import Struct

from emulator.profile import Member, Result, Scalar

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same result has the same bytes
_METRIC = re.compile(r"\$\{([A-Za-z][A-Za-z -]*)(:percent|:comma)?\}")
_SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_TYPES = "http://schemas.openxmlformats.org/package/2006/content-types"
_SPREADSHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml"


class Trained(Struct, frozen=True, kw_only=True):
    """What a training left: its metrics by their English names, and its result zip where it wrote one."""

    metrics: Mapping[str, float]
    file: Path | None


def lay_out(result: Result, trained: Trained) -> bytes:
    """Return the bytes of the result file."""
    if result.members is None:
        return trained.file.read_bytes() if trained.file else _zip([("evaluation/metrics.csv", _metrics_csv(trained))])
    members = [*_contents(result.members, trained)]
    match result.container:
        case "zip":
            return _zip(members)
        case "tar.gz":
            return _tar(members)
        case "gzip":
            return gzip.compress(members[0][1], mtime=0)
        case "bare":
            return members[0][1]


def _contents(members: Sequence[Member], trained: Trained) -> Iterator[tuple[str, bytes]]:
    for member in members:
        yield member.path, _content(member, trained)


def _content(member: Member, trained: Trained) -> bytes:
    if member.trained is not None:
        return _trained_member(member.trained, trained)
    if member.text is not None:
        return str(_filled(member.text, trained.metrics)).encode(member.encoding, "replace")
    if member.workbook is not None:
        return _workbook([[_filled(cell, trained.metrics) for cell in row] for row in member.workbook])
    if member.members is not None:
        return _zip([*_contents(member.members, trained)])
    return member.base64 or b""


def _trained_member(name: str, trained: Trained) -> bytes:
    if trained.file is not None:
        with zipfile.ZipFile(trained.file) as archive:
            path = next((path for path in archive.namelist() if path.rsplit("/", 1)[-1] == name), None)
            return b"" if path is None else archive.read(path)
    return _metrics_csv(trained) if name == "metrics.csv" else b""  # nothing was trained


def _metrics_csv(trained: Trained) -> bytes:
    rows = [("metric", "value"), *((name, _number(value)) for name, value in trained.metrics.items())]
    return "".join(f"{name},{value}\r\n" for name, value in rows).encode("utf-8-sig")


def _filled(cell: Scalar, metrics: Mapping[str, float]) -> Scalar:
    """Return a text with its metrics filled in; one that is nothing but a metric becomes its number."""
    if not isinstance(cell, str):
        return cell
    whole = _METRIC.fullmatch(cell)
    if whole and whole[1] in metrics:
        return float(_written(metrics[whole[1]], whole[2]).replace(",", "."))
    return _METRIC.sub(lambda place: _written(metrics[place[1]], place[2]) if place[1] in metrics else place[0], cell)


def _written(value: float, form: str | None) -> str:
    text = _number(value * 100 if form == ":percent" else value)
    return text.replace(".", ",") if form == ":comma" else text


def _number(value: float) -> str:
    return f"{value:.6g}"


def _zip(members: Sequence[tuple[str, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in members:
            archive.writestr(zipfile.ZipInfo(path, date_time=_EPOCH), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _tar(members: Sequence[tuple[str, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, content in members:
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return gzip.compress(buffer.getvalue(), mtime=0)


def _workbook(rows: Sequence[Sequence[Scalar]]) -> bytes:
    """Return an .xlsx of one sheet; texts are inline, as writers do that keep no table of them."""
    cells = "".join(f"<row>{''.join(_cell(value) for value in row)}</row>" for row in rows)
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{_TYPES}"><Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{_SPREADSHEET}.sheet.main+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_SPREADSHEET}.worksheet+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{_RELATIONS}"><Relationship Id="rId1" '
        f'Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{_SHEET}" xmlns:r="{_OFFICE}"><sheets>'
        '<sheet name="summary" sheetId="1" r:id="rId1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_RELATIONS}"><Relationship Id="rId1" '
        f'Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{_SHEET}"><sheetData>{cells}</sheetData></worksheet>',
    }
    head = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
    return _zip([(name, f"{head}{text}".encode()) for name, text in parts.items()])


def _cell(value: Scalar) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"<c><v>{value}</v></c>"
    return f'<c t="inlineStr"><is><t>{escape("" if value is None else str(value))}</t></is></c>'
