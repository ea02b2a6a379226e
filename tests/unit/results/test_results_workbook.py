"""Workbooks from outside: what a person sees in their cells, and nothing that harms."""

import io
from collections.abc import Mapping

import pytest

from runner.errors import ModelError
from runner.results.result_file import read_result, result_metrics
from runner.results.xlsx import sheet_members
from runner.results.zip_and_tar import Archive
from tests.fakes.result_files import Cells, archive, sheet_xml, workbook


def sheets(content: bytes) -> Mapping[str, list[list[str]]]:
    entries = sheet_members(Archive(io.BytesIO(content)).members())
    return {entry.path: entry.rows() for entry in entries if entry.rows is not None}


@pytest.mark.parametrize(
    ("stored", "percent", "shown"),
    [
        (0.91, False, "0.91"),
        (1.1, False, "1.1"),
        (0.9012, True, "90.12%"),
        (1e-7, False, "0.0000001"),
        (12345678.0, False, "12345678.0"),
        ("0.91", False, "0.91"),
    ],
)
def test_a_cell_is_what_a_person_sees(stored: str | float, shown: str, *, percent: bool) -> None:
    content = workbook({"S": [["AUC", stored]]}, percent=[(0, 1)] if percent else ())
    assert sheets(content) == {"S": [["AUC", shown]]}


def test_the_noise_of_a_binary_float_is_not_read_as_digits() -> None:
    noisy = sheet_xml([["RMSE", 1.1]]).replace("1.1<", "1.1000000000000001<")
    assert sheets(workbook({"S": noisy})) == {"S": [["RMSE", "1.1"]]}


def test_a_percent_cell_under_a_percent_head_is_divided_once() -> None:
    content = workbook({"S": [["指標", "値(%)"], ["AUC", 0.9012]]}, percent=[(1, 1)])
    assert str(read_result(io.BytesIO(content), {}).metrics["auc"].value) == "0.9012"


def test_empty_rows_and_the_columns_left_of_a_table_do_not_count() -> None:
    rows: Cells = [[None, None, None], [None, "Metric", "Value"], [], [None, "AUC", 0.91]]
    assert sheets(workbook({"S": rows})) == {"S": [["Metric", "Value"], ["AUC", "0.91"]]}


def test_shared_texts_are_read_without_how_they_are_pronounced() -> None:
    shared = b"<sst><si><t>A</t></si><si><r><t>A</t></r><r><t>UC</t></r><rPh><t>xx</t></rPh></si></sst>"
    sheet = '<worksheet><sheetData><row><c t="s"><v>1</v></c><c><v>0.91</v></c></row></sheetData></worksheet>'
    entries = {entry.path: entry.read() for entry in Archive(io.BytesIO(workbook({"S": sheet}))).members()}
    assert sheets(archive({**entries, "xl/sharedStrings.xml": shared})) == {"S": [["AUC", "0.91"]]}


def test_hidden_sheets_are_not_read() -> None:
    content = workbook({"old": [["AUC", 0.5]], "new": [["AUC", 0.91]]})
    entries = {entry.path: entry.read() for entry in Archive(io.BytesIO(content)).members()}
    book = entries["xl/workbook.xml"].replace(b'name="old"', b'name="old" state="hidden"')
    assert list(sheets(archive({**entries, "xl/workbook.xml": book}))) == ["new"]


BOMB = "<!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;'>]>"
FOREIGN = "<!DOCTYPE x SYSTEM 'file:///etc/passwd'>"


@pytest.mark.parametrize("part", ["sheet", "book", "texts"])
@pytest.mark.parametrize("prolog", [BOMB, FOREIGN])
def test_a_document_type_is_refused_in_every_part(part: str, prolog: str) -> None:
    sheet = f"{prolog if part == 'sheet' else ''}{sheet_xml([['AUC', 0.91]])}"
    entries = {entry.path: entry.read() for entry in Archive(io.BytesIO(workbook({"S": sheet}))).members()}
    if part == "book":
        entries["xl/workbook.xml"] = prolog.encode() + entries["xl/workbook.xml"]
    if part == "texts":
        entries["xl/sharedStrings.xml"] = prolog.encode() + b"<sst/>"
    with pytest.raises(ModelError, match="document type"):
        sheets(archive(entries))


@pytest.mark.parametrize(
    ("sheet", "why"),
    [
        ("<worksheet>", "XML is broken"),
        ("\0", "XML is broken"),
        (sheet_xml([[0.5] * 20] * 1001), "more than 20,000 cells"),
        (sheet_xml([["x"]]).replace('r="A1"', 'r="ZZZ1"'), "more than 1,000 columns"),
    ],
)
def test_a_broken_or_endless_sheet_is_refused_in_one_sentence(sheet: str, why: str) -> None:
    with pytest.raises(ModelError, match=why):
        sheets(workbook({"S": sheet}))


def test_a_sheet_that_cannot_be_read_is_named_and_spoils_no_other() -> None:
    content = workbook({"a": "<worksheet>", "b": [["AUC", 0.91]]})
    assert read_result(io.BytesIO(content), {}).place == "b"


def test_a_workbook_whose_parts_are_missing_is_unread() -> None:
    content = archive({"[Content_Types].xml": b"", "xl/workbook.xml": b"<workbook/>"})
    unread = result_metrics(io.BytesIO(content), {}).unread
    assert unread == "The workbook is damaged: it has no xl/_rels/workbook.xml.rels."


def test_a_workbook_without_metrics_is_called_one() -> None:
    unread = result_metrics(io.BytesIO(workbook({"Notes": [["made", "by us"]]})), {}).unread
    assert unread == "The result (Excel workbook) has no metrics.csv; it has Notes."


def test_one_changed_byte_gives_the_same_metrics_or_none() -> None:
    content = workbook({"S": [["AUC", 0.91]]})
    for index in range(0, len(content), 3):
        changed = content[:index] + bytes([content[index] ^ 0x21]) + content[index + 1 :]
        found = result_metrics(io.BytesIO(changed), {}).metrics.get("auc")
        assert found is None or found.value is None or str(found.value) == "0.91"
