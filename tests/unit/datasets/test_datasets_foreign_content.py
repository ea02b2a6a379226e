import pytest

from runner.datasets.csv_text import foreign_content

TABLE = b"id,colour,target\n1,red,yes\n2,blue,no\n"


@pytest.mark.parametrize(
    ("begin", "told"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n", "Git LFS pointer"),
        (b"../../.git/annex/objects/aB/cD/SHA256E-s10--ab.csv", "git-annex pointer"),
        (b"/annex/objects/SHA256E-s10--ab.csv\n", "git-annex pointer"),
        (b"PK\x03\x04\x14\0\0\0[Content_Types].xml<x/>", "Excel workbook (.xlsx)"),
        (b"PK\x03\x04\x14\0mimetypeapplication/vnd.oasis.opendocument.spreadsheet", "OpenDocument"),
        (b"PK\x03\x04\x14\0\0\0train.csv", "zip archive"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0", "old Excel workbook (.xls)"),
        (b"%PDF-1.7\n", "PDF"),
        (b"\x1f\x8b\x08\0", "gzip"),
        (b"PAR1\x15\x04", "Parquet"),
        (b"SQLite format 3\0", "SQLite"),
        (b"\0" * 257 + b"ustar\0", "tar archive"),
        (b"\n  <!DOCTYPE html>\n<html><head><title>Sign in</title>", "HTML page"),
        (b"\xef\xbb\xbf<HTML lang='ja'><body>", "HTML page"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "XML"),
        (b'{"error": "not found"}', "JSON"),
        (b'[\n {"id": 1}, {"id": 2}]', "JSON"),
        (b"<<<<<<< HEAD\nid,colour\n", "merge conflict"),
        ("id,colour\n1,red\n".encode("utf-16"), "UTF-16"),
        ("id\tcolour\n".encode("utf-16-le"), "UTF-16"),
        ("id\tcolour\n".encode("utf-16-be"), "UTF-16"),
        (b"sep=,\r\nid,colour\r\n", "`sep=`"),
        (b'"sep=;"\nid;colour\n', "`sep=`"),
        (b"id;colour;target\n1;red;yes\n", "semicolon"),
        (b"x1;x2;y\n0,94;-1,39;no\n2,51;0,65;no\n", "semicolon"),
        (b'"a, b";"c, d"\n1,5;2\n2,5;3\n', "semicolon"),
        (b"price, net;rate;y\n1,5;2,5;no\n3,0;4;yes\n", "semicolon"),
        (b"\xef\xbb\xbfid\tcolour\ttarget\n1\tred\tyes\n", "a tab"),
        (b"id|colour|target\n1|red|yes\n", "vertical bar"),
    ],
)
def test_a_file_that_is_not_a_table_of_commas_is_called_what_it_is(begin: bytes, told: str) -> None:
    assert told in (foreign_content(begin, ",") or "")


def test_commas_in_a_file_of_tabs_are_named() -> None:
    assert "a comma" in (foreign_content(TABLE, "\t") or "")
    assert foreign_content(TABLE.replace(b",", b"\t"), "\t") is None


@pytest.mark.parametrize(
    "begin",
    [
        TABLE,
        b"",
        b"\n",
        b"id\n1\n2\n",
        b"PKG,version https://x,y\n",
        b"id,note\n1,a;b;c\n2,d\n",
        b'id,"a;b;c"\n1,2\n',
        b"a;b,c;d\n1,2\n3,4\n",
        b"[id],[name]\n1,2\n",
        b"<1h,>1h,target\n1,2,yes\n",
        b"separator,y\n1,2\n",
        "品名,量\nりんご,3\n".encode("cp932"),
        "\ufeffガス量,y\n1,2\n".encode(),
    ],
)
def test_a_table_is_left_alone(begin: bytes) -> None:
    assert foreign_content(begin, ",") is None
