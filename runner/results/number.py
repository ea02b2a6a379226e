"""Numbers of a result file: exact decimals from their source text, or the reason why there is none."""

import re
from collections.abc import Iterable
from decimal import Context, Decimal

from msgspec import Struct

_NUMBER = re.compile(
    r"(?P<sign>[+-]?)(?P<digits>[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE](?P<exponent>[+-]?[0-9]+))?\s*(?P<percent>%?)"
)
_SPREAD = re.compile(r"(?P<value>[^±]+?)\s*(?:±|\+/-|\+-)\s*(?P<spread>[^±]+)")
_THOUSANDS = re.compile(r"[+-]?[1-9][0-9]{0,2}(?:(?:,[0-9]{3})+\.[0-9]+|(?:,[0-9]{3}){2,})\s*%?")
_DECIMAL_COMMA = re.compile(r"[+-]?(?:0,[0-9]+|[1-9][0-9]*,(?:[0-9]{1,2}|[0-9]{4,}))\s*%?")
_POINTS = re.compile(r"[+-]?[1-9][0-9]{0,2}(?:\.[0-9]{3})+,[0-9]+\s*%?")
_SPACES = re.compile(r"[+-]?[1-9][0-9]{0,2}(?:[ \u00a0\u2009\u202f'\u2019][0-9]{3})+(?:[.,][0-9]+)?\s*%?")
_SPACE = re.compile(r"(?<=[0-9])[ \u00a0\u2009\u202f'\u2019](?=[0-9])")
_GROUPED = re.compile(r"[+-]?[1-9][0-9]{0,2}\.[0-9]{3}\s*%?")
_NOT_FINITE = re.compile(r"[+-]?(?:s?nan|inf|infinity|∞)", re.IGNORECASE)
# Controls, bidirectional and zero-width marks, lone surrogates: they hide or reorder the text around them, or have no
# UTF-8 form. The ranges are fixed, so that another Python with newer Unicode tables prints the same bytes.
_UNPRINTABLE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufffe\uffff]"
)
# Full-width forms, as Japanese input writes them, and the minus sign. Superscripts, fractions and circled digits are
# footnotes and list marks: folded wider, they would become digits.
_FULL_WIDTH = "".join(chr(0xFF10 + digit) for digit in range(10)) + "\uff0e\uff0c\uff05\uff0b\uff0d"
_PLAIN = str.maketrans(f"{_FULL_WIDTH}\u2212", "0123456789.,%+--")
_LONGEST_TEXT = 600  # the largest exponent, written out in zeros, with its digits
_LARGEST_EXPONENT = 307  # beyond it the floats of other programs are infinite
_MOST_DIGITS = 100
_LONGEST_SHOWN = 60
_MOST_LISTED = 10
_EXACT_DIGITS = 30
_ROUNDED = Context(prec=12)
_ROUGH = Context(prec=2 * _MOST_DIGITS)
_SMALLEST, _LARGEST = -9, 8  # powers of ten: below and above, a number for people has an exponent


class NotANumber(Struct, frozen=True, kw_only=True):
    """Why a text gives no number, as the end of a sentence that begins with the metric's name."""

    why: str


def shown(text: str, longest: int = _LONGEST_SHOWN) -> str:
    """Return foreign text fit for a message: at most 60 characters, those that could mislead a reader as `?`."""
    cut = text if len(text) <= longest else f"{text[: longest - 3]}..."
    return _UNPRINTABLE.sub("?", cut)


def listed(names: Iterable[str]) -> str:
    """Return the first ten of foreign names for a message."""
    fit = [shown(name) for name in names]
    more = f" and {len(fit) - _MOST_LISTED} more" if len(fit) > _MOST_LISTED else ""
    return f"{', '.join(fit[:_MOST_LISTED]) or 'nothing'}{more}"


def number_from_text(text: str) -> Decimal | NotANumber:
    """Return the exact value of a number's text; `92.5%` is 0.925, full-width forms count as their plain ones.

    A comma counts only where it can mean one thing: `1,234.5`, `1.234,5`, `1 234,5` and `1,234,567` have thousands,
    `0,91` a decimal comma; `1,234` is unclear. A number has at most 100 significant digits and an exponent of at most
    307 either way.
    """
    if len(text) > _LONGEST_TEXT:
        return NotANumber(why=f"is too long for a number: '{shown(text)}'")
    plain = _without_commas(_without_spread(text.translate(_PLAIN).strip()))
    match = _NUMBER.fullmatch(plain)
    return NotANumber(why=_why_not(plain)) if match is None else _bounded(match)


def _without_spread(text: str) -> str:
    """Return the number before its spread, as in `0.91 ± 0.02`; a sign of percent is at both or at neither."""
    both = _SPREAD.fullmatch(text)
    if both is None or both["value"].endswith("%") != both["spread"].endswith("%"):
        return text
    return both["value"] if _NUMBER.fullmatch(_without_commas(both["spread"])) else text


def _without_commas(text: str) -> str:
    if _SPACES.fullmatch(text):
        return _SPACE.sub("", text).replace(",", ".")
    if "," not in text:
        return text
    if _POINTS.fullmatch(text):
        return text.replace(".", "").replace(",", ".")
    if _THOUSANDS.fullmatch(text):
        return text.replace(",", "")
    return text.replace(",", ".") if _DECIMAL_COMMA.fullmatch(text) else text


def has_decimal_comma(text: str) -> bool:
    """Return whether a text is a number with a decimal comma."""
    return "," in text and bool(_DECIMAL_COMMA.fullmatch(text.strip()) or _POINTS.fullmatch(text.strip()))


def may_have_thousands(text: str) -> bool:
    """Return whether the point of a number separates thousands where others have a decimal comma: `1.234`."""
    return bool(_GROUPED.fullmatch(text.strip()))


def _why_not(text: str) -> str:
    if not text:
        return "is empty"
    if _NOT_FINITE.fullmatch(text):
        return f"is not finite: '{shown(text)}'"
    if _NUMBER.fullmatch(text.replace(",", "")):
        return f"has a comma in its number: '{shown(text)}'"
    return f"is not a number: '{shown(text)}'"


def _bounded(match: re.Match[str]) -> Decimal | NotANumber:
    too_large = NotANumber(why=f"is beyond the range of numbers accepted here: '{shown(match[0])}'")
    if len((match["exponent"] or "").lstrip("+-0")) > len(str(_LARGEST_EXPONENT)):
        return too_large  # not even handed to Decimal, whose own exponent has a limit
    value = Decimal(f"{match['sign']}{match['digits']}e{match['exponent'] or 0}")
    value = hundredth(value) if match["percent"] else value
    return value if is_bounded(value) else too_large


def has_percent_sign(text: str) -> bool:
    """Return whether the text of a number ends with its own percent sign."""
    return text.translate(_PLAIN).rstrip().endswith("%")


def hundredth(value: Decimal) -> Decimal:
    """Return a hundredth of the value, exactly."""
    return _times_power_of_ten(value, -2)


def _times_power_of_ten(value: Decimal, power: int) -> Decimal:
    """Return the product without any rounding; `scaleb` would round to the context."""
    sign, digits, exponent = value.as_tuple()
    return Decimal((sign, digits, int(exponent) + power))


def is_bounded(value: Decimal) -> bool:
    """Return whether the value is finite and within the digits and exponents accepted here."""
    if not value.is_finite():
        return False
    _, digits, exponent = value.as_tuple()
    in_range = max(abs(int(exponent)), abs(value.adjusted())) <= _LARGEST_EXPONENT
    return in_range and len(digits) <= _MOST_DIGITS


def number_text(value: Decimal) -> str:
    """Return the value's exact text with its digits as written, e.g. `0.920`; without an exponent where it is short."""
    if not value:
        value = value.copy_abs()  # a minus before nothing says nothing
    return f"{value:f}" if -_EXACT_DIGITS <= value.adjusted() <= _EXACT_DIGITS else str(value)


def short_text(value: Decimal) -> str:
    """Return the value's text, rounded to 12 significant digits when it has more than 30; its sign never changes."""
    return number_text(value if len(value.as_tuple().digits) <= _EXACT_DIGITS else _ROUNDED.plus(value))


def rounded(value: Decimal, digits: int = 4) -> str:
    """Return a number for people: one that is long is rounded to so many digits, or to a whole number.

    Below 1e9 it has no exponent.
    """
    text = number_text(value)
    if len(text) <= digits + 4 and len(value.as_tuple().digits) <= digits + 1:
        return text
    size = value.adjusted()
    if not _SMALLEST <= size <= _LARGEST:
        return f"{value:.{digits}g}"
    return number_text(value.quantize(Decimal(1).scaleb(min(size + 1 - digits, 0)), context=_ROUGH))


def rounded_apart(value: Decimal, other: Decimal) -> tuple[str, str]:
    """Return two numbers for people, with as many digits as show that they differ."""
    for digits in range(4, _MOST_DIGITS):
        texts = rounded(value, digits), rounded(other, digits)
        if value == other or Decimal(texts[0]) != Decimal(texts[1]):
            return texts
    return number_text(value), number_text(other)


def quotient_text(dividend: Decimal, divisor: Decimal) -> str:
    """Return the quotient's text, rounded to 12 significant digits; zero only when the dividend is."""
    return number_text(_ROUNDED.divide(dividend, divisor))
