from decimal import Decimal

import pytest

from runner.results.number import (
    NotANumber,
    listed,
    number_from_text,
    number_text,
    rounded_apart,
    short_text,
    shown,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.912", "0.912"),
        (" 1 ", "1"),
        ("-0.25", "-0.25"),
        ("\u22120.25", "-0.25"),
        ("+.5", "0.5"),
        ("3.", "3"),
        ("1e-3", "0.001"),
        ("1E307", "1E+307"),
        ("\uff0d\uff11\uff0e\uff15\uff05", "-0.015"),
        ("\u3000\uff0b\uff12 ", "2"),
        ("92.5%", "0.925"),
        ("92.5 %", "0.925"),
        ("92.5\uff05", "0.925"),
        (
            "12.345678901234567890123456789012345678901234567890%",
            "0.12345678901234567890123456789012345678901234567890",
        ),
        ("\uff10\uff0e\uff19", "0.9"),
        ("\uff10\uff0c\uff19", "0.9"),
        ("0,912", "0.912"),
        ("-12,5", "-12.5"),
        ("91,25 %", "0.9125"),
        ("12,3456", "12.3456"),
        ("1,234.5", "1234.5"),
        ("-1,234,567.89", "-1234567.89"),
        ("1,234,567", "1234567"),
        ("1.234,56", "1234.56"),
        ("-1.234.567,8 %", "-12345.678"),
        ("1 234,5", "1234.5"),
        ("1\u202f234.5", "1234.5"),
        ("1'234.5", "1234.5"),
        ("0.91 ± 0.02", "0.91"),
        ("91 % +/- 2 %", "0.91"),
        ("0.10000000000000000000000000000000000001", "0.10000000000000000000000000000000000001"),
    ],
)
def test_a_number_is_read_exactly_from_its_text(text: str, value: str) -> None:
    assert number_from_text(text) == Decimal(value)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is empty"),
        ("   ", "is empty"),
        ("nan", "is not finite"),
        ("NaN", "is not finite"),
        ("-inf", "is not finite"),
        ("Infinity", "is not finite"),
        ("∞", "is not finite"),
        ("N/A", "is not a number"),
        ("true", "is not a number"),
        ("0x10", "is not a number"),
        ("1_000", "is not a number"),
        ("٣", "is not a number"),
        ("1 2", "is not a number"),
        ("12 34", "is not a number"),
        ("0 912", "is not a number"),
        ("91 ± 2 %", "is not a number"),
        ("0.91 ± x", "is not a number"),
        ("5%%", "is not a number"),
        ("1,234", "has a comma"),
        ("1,234%", "has a comma"),
        ("1234,567", "has a comma"),
        ("01,234.5", "has a comma"),
        ("1,23,456.7", "has a comma"),
        (",91", "has a comma"),
        ("1e999", "is beyond the range"),
        ("1E+400", "is beyond the range"),
        ("1E+308", "is beyond the range"),
        ("0.61\u00b9", "is not a number"),
        ("0.6\u2081", "is not a number"),
        ("\u00bd", "is not a number"),
        ("0\u00bd", "is not a number"),
        ("\u2460", "is not a number"),
        ("0.9\u2460", "is not a number"),
        ("\u2165", "is not a number"),
        ("\u2488\u0035", "is not a number"),
        ("\U0001d7ce.9", "is not a number"),
        ("0.9\ufe6a", "is not a number"),
        ("1e-999", "is beyond the range"),
        ("1e99999999999999999999999", "is beyond the range"),
        ("1" * 101, "is beyond the range"),
        ("1" * 100_000, "is too long"),
    ],
)
def test_what_is_not_a_number_says_why(text: str, why: str) -> None:
    outcome = number_from_text(text)
    assert isinstance(outcome, NotANumber)
    assert outcome.why.startswith(why)
    assert len(outcome.why) < 150


@pytest.mark.parametrize(
    ("value", "text"),
    [("0.920", "0.920"), ("1E+2", "100"), ("1E-7", "0.0000001"), ("-0", "0"), ("-0.00", "0.00"), ("1E+400", "1E+400")],
)
def test_a_number_is_printed_with_its_own_digits(value: str, text: str) -> None:
    assert number_text(Decimal(value)) == text


def test_a_very_long_number_is_shortened_to_12_digits_and_keeps_its_sign() -> None:
    assert short_text(Decimal("-0." + "0" * 40 + "1" * 50)) == "-1.11111111111E-41"


def test_foreign_text_cannot_steer_a_terminal_or_fill_a_page() -> None:
    assert shown("a\x1b[31m\u202eb\ud800\n") == "a?[31m?b??"
    assert len(shown("x" * 10_000)) == 60


def test_a_long_list_is_cut_after_ten_names() -> None:
    assert listed([str(number) for number in range(12)]) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more"
    assert listed([]) == "nothing"


@pytest.mark.parametrize(
    ("value", "other", "shown_value", "shown_other"),
    [
        ("0.912345", "0.9", "0.9123", "0.9"),
        ("0.9499999", "0.95", "0.9499999", "0.95"),
        ("10916.353", "10917", "10916", "10917"),
        ("10916.353", "10916", "10916.4", "10916"),
        ("1234567890123", "1", "1.235e+12", "1"),
        ("0.00012345678", "0", "0.0001235", "0"),
    ],
)
def test_numbers_for_people_are_rounded_but_never_alike(
    value: str, other: str, shown_value: str, shown_other: str
) -> None:
    assert rounded_apart(Decimal(value), Decimal(other)) == (shown_value, shown_other)
