import unicodedata

import pytest

from runner.lib.text import hidden_characters, likeness, spelling_difference

GAS = "ガス量"
MAC = unicodedata.normalize("NFD", GAS)


@pytest.mark.parametrize(
    ("found", "expected", "told"),
    [
        (MAC, GAS, "in its Unicode form: NFD with U+30AB U+3099, not NFC with U+30AC KATAKANA LETTER GA"),
        ("e\u0301t", "\u00e9t", "in its Unicode form: NFD with U+0065 U+0301, not NFC with U+00E9 LATIN SMALL"),
        ("\ufeffx1", "x1", "by U+FEFF BYTE ORDER MARK for nothing"),
        ("x1", "x1\u200b", "by nothing for U+200B ZERO WIDTH SPACE"),
        ("net\u00a0price", "net price", "by U+00A0 NO-BREAK SPACE for U+0020 SPACE"),
        ("プラン\u3000", "プラン", "by U+3000 IDEOGRAPHIC SPACE for nothing"),
        ("\uff58\uff11", "x1", "by U+FF58 U+FF11 for U+0078 U+0031"),
        ("\uff76\uff9e\uff7d", "ガス", "by U+FF76 U+FF9E U+FF7D for U+30AC U+30B9"),
        ("Churned", "churned", "in letter case"),
        ("churned ", "churned", "in blanks"),
    ],
)
def test_names_that_look_alike_are_told_apart(found: str, expected: str, told: str) -> None:
    assert (spelling_difference(found, expected) or "").startswith(told)


@pytest.mark.parametrize(("found", "expected"), [("age", "ages"), ("ガス", "カス"), ("x1", "x1"), ("", "x")])
def test_names_that_do_not_look_alike_have_no_such_difference(found: str, expected: str) -> None:
    assert spelling_difference(found, expected) is None


def test_likeness_leaves_nothing_of_hidden_characters() -> None:
    assert likeness("\ufeffA\u200b\u00a0 b\u00ad") == likeness("a B") == "a b"


def test_hidden_characters_are_named_once_and_ordinary_ones_never() -> None:
    assert hidden_characters("a b-é量ー") == []
    assert hidden_characters("\ufeffa\u00a0b\u00a0") == ["U+FEFF BYTE ORDER MARK", "U+00A0 NO-BREAK SPACE"]
    assert hidden_characters("a\tb\x1f") == ["U+0009 TAB", "U+001F control character"]
