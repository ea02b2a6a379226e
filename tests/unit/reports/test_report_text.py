"""Words, numbers and foreign text, one at a time."""

from decimal import Decimal

import pytest

from runner.reports.text import (
    clipped,
    count,
    duration,
    exit_meaning,
    headline,
    inline,
    markdown_cell,
    markdown_code,
    number,
    utc,
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, 日本語 and é", "plain, 日本語 and é"),
        ("two\r\nlines\tand a tab", "two lines and a tab"),
        ("\x1b[31m\x07\x7f\x9b", r"\x1b[31m\x07\x7f\x9b"),
        ("\u202eabc\u2066\u200b\ufeff\u2028", r"\u202eabc\u2066\u200b\ufeff\u2028"),
        ("\ud800", r"\ud800"),
        ("\U000e0041", r"\U000e0041"),
        (7, "7"),
    ],
)
def test_unseen_characters_become_visible_and_others_stay(text: object, shown: str) -> None:
    assert inline(text) == shown


@pytest.mark.parametrize(
    ("text", "markdown"),
    [
        ("auc 0.912 - 0.920 = -0.008 >= -0.01 (max_drop 0.01)", "auc 0.912 - 0.920 = -0.008 >= -0.01 (max_drop 0.01)"),
        ("a|b", r"a\|b"),
        (r"a\|b", r"a\\\|b"),
        ("[x](javascript:y)", r"\[x\](javascript:y)"),
        ("<b>", r"\<b>"),
        ("*a* _b_ ~~c~~ `d` $e$ &lt;", r"\*a\* \_b\_ \~\~c\~\~ \`d\` \$e\$ \&lt;"),
        ("https://x www.x WWW.x", r"https:\/\/x www\.x WWW\.x"),
        ("@team #12 #x", "@<!-- -->team #<!-- -->12 #x"),
    ],
)
def test_markdown_text_neither_links_formats_nor_mentions(text: str, markdown: str) -> None:
    assert markdown_cell(text) == markdown


@pytest.mark.parametrize(
    ("text", "markdown"),
    [
        ("job-1", "`job-1`"),
        ("a`b", "``a`b``"),
        ("`", "`` ` ``"),
        ("a``b`c", "```a``b`c```"),
        (" a ", "`  a  `"),
        ("a|b", r"a\|b"),
        (" \n ", ""),
    ],
)
def test_a_code_span_holds_exactly_its_text(text: str, markdown: str) -> None:
    assert markdown_code(text) == markdown


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0.00 s"),
        (0.421, "0.42 s"),
        (59.994, "59.99 s"),
        (59.996, "1 min 0 s"),
        (425.0, "7 min 5 s"),
        (3599.6, "1 h 0 min"),
        (12000.0, "3 h 20 min"),
    ],
)
def test_durations_read_as_people_say_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_the_headline_is_one_phrase() -> None:
    assert (
        headline({"switched": 2, "awaiting_approval": 1, "failed": 1}) == "2 switched, 1 awaiting approval and 1 failed"
    )
    assert headline({"held": 3}) == "3 held"
    assert headline({}) == "No model took part"


def test_numbers_keep_their_digits() -> None:
    assert number(Decimal("0.920")) == "0.920"
    assert number(Decimal("1E-7")) == "0.0000001"
    assert number(None) == "none"
    assert count(1234567) == "1,234,567"
    assert count(None) == "not counted"


def test_stamps_and_exit_codes_have_words() -> None:
    assert utc("2026-03-01T04:05:06.000007Z") == "2026-03-01 04:05:06 UTC"
    assert utc(None) == ""
    assert exit_meaning(4) == "a policy held a candidate back"
    assert exit_meaning(99) == "see the table of exit codes"


def test_a_command_in_a_long_sentence_is_whole_or_left_out() -> None:
    sentence = "Run `retrain run a` or `retrain reject a`."
    assert clipped(sentence, 35) == "Run `retrain run a` or ..."
    assert clipped(sentence, 19) == "Run `retrain run a`..."
    assert clipped("a `quoted` word", 5) == "a `qu..."
