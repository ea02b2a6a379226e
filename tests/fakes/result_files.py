"""Result files as the service may send them: archives, tables and JSON, in the encodings of its two languages."""

import io
import json
import tarfile
import zipfile
from collections.abc import Collection, Mapping, Sequence
from xml.sax.saxutils import escape


def table(metrics: Mapping[str, object], *, header: str = "metric,value", encoding: str = "utf-8-sig") -> bytes:
    """Return a table of two columns with CRLF lines."""
    lines = ([header] if header else []) + [f"{name},{value}" for name, value in metrics.items()]
    return "".join(f"{line}\r\n" for line in lines).encode(encoding)


def archive(members: Mapping[str, bytes]) -> bytes:
    """Return a zip with these members."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return stream.getvalue()


def result(**metrics: object) -> bytes:
    """Return a result as the service most likely sends it: an archive with nested folders and `metrics.csv`."""
    return archive(
        {
            "result/analysis/analysis_summary.csv": b"item,value\r\nrows,120\r\n",
            "result/evaluation/metrics.csv": table(metrics),
            "result/evaluation/confusion_matrix.csv": b",a,b\r\na,10,1\r\nb,2,9\r\n",
        }
    )


def as_json(value: object) -> bytes:
    """Return a JSON text."""
    return json.dumps(value).encode()


def tar_gz(members: Mapping[str, bytes], *, mode: str = "w:gz") -> bytes:
    """Return a tar archive with these members, within gzip unless the mode says otherwise."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as file:  # type: ignore[call-overload] # the mode is a test's
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            file.addfile(member, io.BytesIO(content))
    return stream.getvalue()


_MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_LINKS = 'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
_SHEET_LINK = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet"
_STYLES = f'<styleSheet {_MAIN}><cellXfs><xf numFmtId="0"/><xf numFmtId="10"/></cellXfs></styleSheet>'

Cells = Sequence[Sequence[str | float | None]]


def sheet_xml(rows: Cells, *, percent: Collection[tuple[int, int]] = ()) -> str:
    """Return a sheet; the cells in `percent`, by row and column from 0, are shown in percent."""
    found = []
    for row, cells in enumerate(rows):
        told = []
        for column, value in enumerate(cells):
            place = f'r="{chr(65 + column)}{row + 1}"'
            if isinstance(value, str):
                told.append(f'<c {place} t="inlineStr"><is><t>{escape(value)}</t></is></c>')
            elif value is not None:
                style = ' s="1"' if (row, column) in percent else ""
                told.append(f"<c {place}{style}><v>{value!r}</v></c>")
        found.append(f'<row r="{row + 1}">{"".join(told)}</row>')
    return f"<worksheet {_MAIN}><sheetData>{''.join(found)}</sheetData></worksheet>"


def workbook(sheets: Mapping[str, Cells | str], *, percent: Collection[tuple[int, int]] = ()) -> bytes:
    """Return an .xlsx workbook; a sheet given as text is its XML."""
    numbered = list(enumerate(sheets.items(), start=1))
    names = "".join(f'<sheet name="{escape(name)}" sheetId="{at}" r:id="rId{at}"/>' for at, (name, _) in numbered)
    links = "".join(
        f'<Relationship Id="rId{at}" Type="{_SHEET_LINK}" Target="worksheets/sheet{at}.xml"/>' for at, _ in numbered
    )
    return archive(
        {
            "[Content_Types].xml": b"<Types/>",
            "xl/workbook.xml": f"<workbook {_MAIN} {_LINKS}><sheets>{names}</sheets></workbook>".encode(),
            "xl/_rels/workbook.xml.rels": f"<Relationships>{links}</Relationships>".encode(),
            "xl/styles.xml": _STYLES.encode(),
        }
        | {
            f"xl/worksheets/sheet{at}.xml": (
                sheet if isinstance(sheet, str) else sheet_xml(sheet, percent=percent)
            ).encode()
            for at, (_, sheet) in numbered
        }
    )
