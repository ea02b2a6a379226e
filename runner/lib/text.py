"""Names and choices as they are written into messages."""

from collections.abc import Collection, Iterable
from itertools import islice

from runner.lib.lookalikes import likeness, spelling_difference

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
