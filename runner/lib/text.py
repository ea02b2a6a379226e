"""Names and choices as they are written into messages."""

import unicodedata
from collections.abc import Collection, Iterable
from itertools import islice
from typing import Literal

_MOST_SHOWN = 4  # characters of a difference
_FORMS: tuple[Literal["NFC", "NFD"], ...] = ("NFC", "NFD")
_INVISIBLE = frozenset("\u115f\u1160\u3164\uffa0\u2800")  # letters and symbols, as Unicode has it, that nobody sees
_PLAIN_BLANK = " "
_CONTROLS = {"\t": "TAB", "\n": "LINE FEED", "\r": "CARRIAGE RETURN", "\0": "NULL"}


def character_name(letter: str) -> str:
    """Return the number and the name of a character, as `U+00A0 NO-BREAK SPACE`."""
    name = unicodedata.name(letter, _CONTROLS.get(letter, "control character"))
    if letter == "\ufeff":
        name = "BYTE ORDER MARK"
    return f"U+{ord(letter):04X} {name}"


def is_hidden(letter: str) -> bool:
    """Return whether nobody sees the character, or nobody sees that it is not an ordinary blank."""
    if letter == _PLAIN_BLANK or (letter.isascii() and letter.isprintable()):
        return False
    return letter in _INVISIBLE or unicodedata.category(letter) in {"Cc", "Cf", "Zs", "Zl", "Zp"}


def hidden_characters(name: str) -> list[str]:
    """Return the names of the hidden characters of a text, each once."""
    return [character_name(letter) for letter in dict.fromkeys(name) if is_hidden(letter)]


def likeness(name: str) -> str:
    """Return what names that look alike have in common: letter case, width, blanks and hidden characters aside."""
    if name.isascii() and name.isprintable():
        return " ".join(name.split()).casefold()
    seen = unicodedata.normalize("NFKC", "".join(_seen(letter) for letter in name))
    return " ".join(unicodedata.normalize("NFKC", seen.casefold()).split())


def _seen(letter: str) -> str:
    if not is_hidden(letter):
        return letter
    return _PLAIN_BLANK if letter.isspace() else ""


def spelling_difference(found: str, expected: str) -> str | None:
    """Return how a name differs from the expected one that it looks like, as the end of a sentence; None otherwise."""
    if found == expected or likeness(found) != likeness(expected):
        return None
    here, there = _differing(found, expected)
    if (here + there).isascii() and found.casefold() == expected.casefold():
        return "in letter case"
    if not (here + there).strip(_PLAIN_BLANK):
        return "in blanks"
    if unicodedata.normalize("NFC", found) == unicodedata.normalize("NFC", expected):
        return (
            f"in its Unicode form: {_form(found)} with {_numbers(here)}, not {_form(expected)} with {_numbers(there)}"
        )
    return f"by {_numbers(here) or 'nothing'} for {_numbers(there) or 'nothing'}"


def _differing(found: str, expected: str) -> tuple[str, str]:
    """Return what is between the common beginning and the common end."""
    begin = next((at for at, (a, b) in enumerate(zip(found, expected, strict=False)) if a != b), None)
    begin = min(len(found), len(expected)) if begin is None else begin
    here, there = found[begin:], expected[begin:]
    while here and there and here[-1] == there[-1]:
        here, there = here[:-1], there[:-1]
    return here, there


def _numbers(letters: str) -> str:
    shown = [character_name(letter) for letter in letters[:_MOST_SHOWN]]
    if len(letters) > 1:
        shown = [f"U+{ord(letter):04X}" for letter in letters[:_MOST_SHOWN]]
    return " ".join(shown) + (" ..." if len(letters) > _MOST_SHOWN else "")


def _form(name: str) -> str:
    return next((form for form in _FORMS if unicodedata.is_normalized(form, name)), "a mixed one")


_LONGEST_SHOWN = 60
_MOST_COMPARED = 300
_MOST_LOOKED_AT = 10_000
_NEARLY = 2


def shown(name: str) -> str:
    """Return a name in backticks, on one line: unprintable characters are escaped, long names are cut."""
    escaped = "".join(letter if letter.isprintable() else f"\\u{ord(letter):04x}" for letter in clipped(name))
    return f"`{escaped}`"


def clipped(name: str) -> str:
    """Return a name, of a long one the beginning."""
    return name if len(name) <= _LONGEST_SHOWN else f"{name[:_LONGEST_SHOWN]}..."


def choice(values: Iterable[str], joint: str = "or") -> str:
    """Return words in backticks as an enumeration: `a`, `b` or `c`."""
    quoted = [f"`{value}`" for value in values]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} {joint} {quoted[-1]}"


def nearest(value: str, known: Collection[str]) -> str | None:
    """Return the known word most like the given one, letter case aside, or None when none is near.

    Of thousands of words only some of nearly the same length are compared, as each comparison is slow.
    """
    sought = likeness(value[:_LONGEST_SHOWN])
    for candidate in islice(known, _MOST_LOOKED_AT):
        if likeness(candidate[:_LONGEST_SHOWN]) == sought:
            return candidate
    folded = value[:_LONGEST_SHOWN].casefold()
    few = list(islice(known, _MOST_COMPARED + 1))
    if len(few) > _MOST_COMPARED:
        alike = (text for text in islice(known, _MOST_LOOKED_AT) if abs(len(text) - len(folded)) <= _NEARLY)
        few = list(islice(alike, _MOST_COMPARED))
    by_folded = {candidate.casefold(): candidate for candidate in few}
    import difflib  # noqa: PLC0415 -- only a wrong word needs it

    found = difflib.get_close_matches(folded, by_folded, n=1, cutoff=0.6)
    return by_folded[found[0]] if found else None


def did_you_mean(value: str, known: Collection[str], *, otherwise: str) -> str:
    """Return a hint that names the nearest known word, or the other hint when none is near."""
    near = nearest(value, known)
    difference = spelling_difference(value, near) if near else None
    told = f" What is written here differs {difference}." if difference and not (value + str(near)).isascii() else ""
    return f"Did you mean {shown(near)}?{told}" if near else otherwise
