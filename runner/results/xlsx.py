"""An .xlsx workbook from outside: the stored values of its sheets, as rows of text; no formula is computed.

The XML is read by expat with every document type refused, so that no entity is ever declared or expanded.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal, InvalidOperation
from functools import partial
from posixpath import join, normpath
from xml.parsers import expat

from msgspec import Struct

from runner.results.members import WORKBOOK_PART, Member, Rows, in_memory, refusal
from runner.results.number import number_text, shown

_LINKS, _TEXTS, _STYLES = "xl/_rels/workbook.xml.rels", "xl/sharedStrings.xml", "xl/styles.xml"
_PERCENT_FORMATS = frozenset({9, 10})  # the formats `0%` and `0.00%` that every workbook has
_MOST_CELLS = 20_000  # of a sheet, which takes longer to read than text
_MOST_COLUMNS = 1000
_MOST_SHEETS = 100
_EXACT_DIGITS = 15  # of a binary float; what a workbook has beyond them is the float's own noise


Attributes = dict[str, str]


class _Cell(Struct):
    """One cell as it is written: `kind` is its `t`, `style` its `s`; `column` is counted from 0."""

    column: int
    kind: str
    style: int
    text: str = ""


def sheet_members(members: Sequence[Member], *, within: str = "") -> list[Member]:
    """Return the sheets of a workbook that can be seen in it; `within` is its path in the result, with a slash.

    Raises:
        ModelError: of kind result, for damage or more than 100 sheets.
    """
    parts = {member.path.removeprefix(within): member for member in members}
    links = _links(_required(parts, _LINKS))
    sheets = [sheet for sheet in _sheets(_required(parts, WORKBOOK_PART)) if sheet[1] in links]
    if len(sheets) > _MOST_SHEETS:
        raise refusal(f"The workbook has more than {_MOST_SHEETS} sheets.")
    found = []
    for name, link in sheets:
        part = parts.get(normpath(join("xl", links[link])).removeprefix("/"))
        if part is not None:
            blank = in_memory(f"{within}{name}", b"")
            found.append(
                Member(
                    path=blank.path, size=part.size, head=blank.head, read=blank.read, rows=partial(_rows, parts, part)
                )
            )
    return found


def _required(parts: Mapping[str, Member], name: str) -> bytes:
    if name not in parts:
        raise refusal(f"The workbook is damaged: it has no {name}.")
    return parts[name].read()


def _parse(
    content: bytes, start: Callable[[str, Attributes], None], end: Callable[[str], None], text: Callable[[str], None]
) -> None:
    """Go through an XML text; names come without their namespace."""
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse_document_type
    parser.StartElementHandler = lambda name, attributes: start(name.rpartition(":")[2], attributes)
    parser.EndElementHandler = lambda name: end(name.rpartition(":")[2])
    parser.CharacterDataHandler = text
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise refusal("The workbook is damaged: its XML is broken.") from error


def _refuse_document_type(*_: object) -> None:
    raise refusal("The workbook declares a document type, which no workbook needs; it is not read.")


def _nothing(_: str) -> None:
    return


def _links(content: bytes) -> dict[str, str]:
    found: dict[str, str] = {}

    def start(name: str, attributes: Attributes) -> None:
        if name == "Relationship" and attributes.get("Type", "").endswith("/worksheet"):
            found[attributes.get("Id", "")] = attributes.get("Target", "")

    _parse(content, start, _nothing, _nothing)
    return found


def _sheets(content: bytes) -> list[tuple[str, str]]:
    """Return name and link of the sheets that are not hidden."""
    found: list[tuple[str, str]] = []

    def start(name: str, attributes: Attributes) -> None:
        if name == "sheet" and attributes.get("state", "visible") == "visible":
            link = next((value for key, value in attributes.items() if key.rpartition(":")[2] == "id"), "")
            found.append((attributes.get("name", ""), link))

    _parse(content, start, _nothing, _nothing)
    return found


def _shared_texts(content: bytes) -> list[str]:
    found: list[str] = []
    inside: list[str] = []

    def start(name: str, _: Attributes) -> None:
        if name == "si":
            found.append("")
        inside.append(name)

    def end(_: str) -> None:
        inside.pop()

    def text(data: str) -> None:
        if found and inside[-1] == "t" and "rPh" not in inside:  # how Japanese is pronounced is not a part of the text
            found[-1] += data

    _parse(content, start, end, text)
    return found


def _percent_styles(content: bytes) -> set[int]:
    """Return the cell styles that show a number in percent."""
    percent, found = set(_PERCENT_FORMATS), set[int]()
    inside: list[str] = []
    count = 0

    def start(name: str, attributes: Attributes) -> None:
        nonlocal count
        inside.append(name)
        if name == "numFmt" and "%" in attributes.get("formatCode", ""):
            percent.add(_whole(attributes.get("numFmtId")))
        if name == "xf" and "cellXfs" in inside:
            if _whole(attributes.get("numFmtId")) in percent:
                found.add(count)
            count += 1

    def end(_: str) -> None:
        inside.pop()

    _parse(content, start, end, _nothing)
    return found


def _whole(text: str | None) -> int:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 10 else 0


def _rows(parts: Mapping[str, Member], sheet: Member) -> Rows:
    """Return the rows of a sheet that are not empty, without the columns left of the first that is used."""
    texts = _shared_texts(parts[_TEXTS].read()) if _TEXTS in parts else []
    percent = _percent_styles(parts[_STYLES].read()) if _STYLES in parts else set[int]()
    rows = []
    for cells in _cells(sheet.read()):
        row = [""] * (max((cell.column for cell in cells), default=-1) + 1)
        for cell in cells:
            row[cell.column] = _text(cell, texts, percent)
        if any(row):
            rows.append(row)
    left = min((next(index for index, text in enumerate(row) if text) for row in rows), default=0)
    return [row[left:] for row in rows]


def _cells(content: bytes) -> list[list[_Cell]]:
    rows: list[list[_Cell]] = []
    inside: list[str] = []
    count = 0

    def start(name: str, attributes: Attributes) -> None:
        nonlocal count
        inside.append(name)
        if name == "row":
            rows.append([])
        elif name == "c" and rows:
            count += 1
            rows[-1].append(_cell(attributes, len(rows[-1])))
            if count > _MOST_CELLS:
                raise refusal(f"The sheet has more than {_MOST_CELLS:,} cells, too many for a file of metrics.")

    def end(_: str) -> None:
        inside.pop()

    def text(data: str) -> None:
        if inside[-1] in ("v", "t") and "c" in inside and "rPh" not in inside and rows and rows[-1]:
            rows[-1][-1].text += data

    _parse(content, start, end, text)
    return rows


def _cell(attributes: Attributes, place: int) -> _Cell:
    letters = attributes.get("r", "").rstrip("0123456789")
    column = place
    if letters.isascii() and letters.isalpha() and len(letters) <= 3:
        column = -1
        for letter in letters.upper():
            column = (column + 1) * 26 + ord(letter) - ord("A")
    if column >= _MOST_COLUMNS:
        raise refusal(f"The sheet has more than {_MOST_COLUMNS:,} columns, too many for a file of metrics.")
    return _Cell(column=column, kind=attributes.get("t", "n"), style=_whole(attributes.get("s")))


def _text(cell: _Cell, texts: Sequence[str], percent: set[int]) -> str:
    """Return what a person sees in the cell: a shared text, a number with its percent sign, or the text itself."""
    if cell.kind == "s":
        index = _whole(cell.text)
        return texts[index].strip() if index < len(texts) else ""
    if cell.kind != "n":
        return shown(cell.text) if cell.kind == "e" else cell.text.strip()
    return _number(cell.text.strip(), percent=cell.style in percent)


def _number(text: str, *, percent: bool) -> str:
    """Return a number as it was typed: a workbook keeps 1.1 as 1.1000000000000001."""
    try:
        value = Decimal(text)
        if value.is_finite() and len(value.as_tuple().digits) > _EXACT_DIGITS:
            value = Decimal(repr(float(text)))
    except (InvalidOperation, ValueError):
        return text
    if not value.is_finite():
        return text
    with suppress(InvalidOperation):
        return f"{number_text(value.scaleb(2))}%" if percent else number_text(value)
    return text
