"""Characters that look like those of YAML's own and are none: what an input method, a wiki or a word processor leaves.

A manifest that has none of them is never looked at: they matter only where it cannot be read.
"""

import re
from collections.abc import Collection, Iterator
from itertools import islice

from runner.lib.lookalikes import character_name, is_hidden
from runner.manifest.problems import Problem
from runner.manifest.text import Text

_LINES_BEFORE = 3
_MOST = 3  # of a file; the first says enough
_LONGEST = 500  # characters of a line that are looked at
_BREAKS = re.compile("\r\n|[\r\n\x85\u2028\u2029]")  # those of YAML 1.1
_BLANKS = "\u00a0\u1680\u2000-\u200d\u202f\u205f\u2060\u3000\ufeff"
_KEY = r"(?:^ *(?:- +)*|[{,]\s*)(?:[\w.-]+|\"[^\"]*\"|'[^']*')"
# What is where YAML expects one of its signs, each with the sign; group 1 is the character.
_PLACES = (
    (re.compile(rf"^[ \t]*(?:- +)*([{_BLANKS}])"), "a space"),
    (re.compile(r"^ *(?:- +)*(\t)"), "spaces"),
    (re.compile(r"^ *(?:- +)*([\uff0d\u2010-\u2015\u2212\u30fb\u2022])[\s]"), "`-`"),
    (re.compile(rf"{_KEY}\s*([\uff1a\ufe55\ufe13\u2236])"), "`: `"),
    (re.compile(rf"{_KEY}:([{_BLANKS}])"), "a space"),
    (re.compile(rf"{_KEY}: *([\uff5b\uff3b])"), "`{` or `[`"),
    (re.compile(rf"{_KEY}: *([\u201c-\u201e\u2018\u2019\uff02\uff07])"), "a straight quote"),
    (re.compile(r"^[^{\[#]*[{\[][^#\uff0c\u3001\uff5d\uff3d]*([\uff0c\u3001\uff5d\uff3d])"), "`,`, `}` or `]`"),
)


def odd_characters(source: Text, lines: Collection[int]) -> Iterator[Problem]:
    """Yield an error for each character in the place of a sign of YAML, of many the first few.

    Only `lines`, where something is wrong, are looked at, and some before each: a parser stops after the cause.
    """
    if source.text.isascii() and "\t" not in source.text:
        return
    near = {line - before for line in lines for before in range(_LINES_BEFORE + 1)}
    yield from islice(_odd(source, near), _MOST)


def _odd(source: Text, near: Collection[int]) -> Iterator[Problem]:
    for number, line in enumerate(_BREAKS.split(source.text), start=1):
        found = _first(line[:_LONGEST]) if number in near and not line.lstrip().startswith("#") else None
        if found is not None:
            column, wanted = found
            letter = line[column]
            what = character_name(letter) if is_hidden(letter) else f"{letter} ({character_name(letter)})"
            yield Problem(
                file=source.file,
                line=number,
                column=column + 1,
                code="tab" if letter == "\t" else "odd-character",
                message="A tab is used for indentation."
                if letter == "\t"
                else f"{what} is used where YAML needs {wanted}.",
                hint="Indent with spaces." if letter == "\t" else f"Replace it with {wanted}.",
            )


def _first(line: str) -> tuple[int, str] | None:
    """Return where the first such character of a line is, and what is needed there."""
    if line.isascii() and "\t" not in line:
        return None
    matches = ((pattern.search(line), wanted) for pattern, wanted in _PLACES)
    return min(((match.start(1), wanted) for match, wanted in matches if match), default=None)
