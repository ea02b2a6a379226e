"""From a path to text that a YAML parser may see: size, encoding, unprintable characters and conflict markers."""

import hashlib
import re
from collections.abc import Collection, Iterator
from itertools import islice
from pathlib import Path

from msgspec import Struct

from runner.lib.atomic_files import open_file
from runner.lib.paths import leads_out
from runner.lib.text import character_name, is_hidden
from runner.manifest.document import Findings, Problem
from runner.manifest.model import Place

MAX_BYTES = 4 * 1024 * 1024
# What YAML 1.1 does not call printable, named from this side: as its complement it takes ten times as long to compile.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
_DIRECTIVE = re.compile("(?:^|[\n\r\x85\u2028\u2029])%")
_MOST_DIRECTIVES = 100  # the parser compares each with all others
_CONFLICT = re.compile(r"^(?:<{7}|={7}|>{7}|\|{7})(?=[ \t\r\n]|\Z)", re.MULTILINE)


class Text(Struct, frozen=True, kw_only=True):
    """A manifest file's text, its folder and the lower-case hex SHA-256 of its bytes."""

    file: str
    folder: Path
    text: str
    sha256: str


def read_text(path: Path, findings: Findings) -> Text | None:
    """Return the file's text, or None with the reasons in `findings`. No more than 4 MiB are read."""
    start = Place(file=str(path), line=1, column=1)
    if leads_out(path):
        findings.error(
            start,
            "leads-out",
            "The file is a link, or is behind one, to a place outside of its checkout; it is not read.",
            hint="Copy it to this place, or name the file that it leads to.",
        )
        return None
    try:
        with open_file(path) as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "its name cannot be a file's name"
        findings.error(
            start, "unreadable", f"The file cannot be read: {reason}.", hint="Check the path and its permissions."
        )
        return None
    if len(content) > MAX_BYTES:
        findings.error(
            start, "too-large", "The file is larger than 4 MiB.", hint="Split the manifest into several files."
        )
        return None
    text = _decode(content, start, findings)
    if text is None or not _is_fit(text, start.file, findings):
        return None
    return Text(file=start.file, folder=path.parent, text=text, sha256=hashlib.sha256(content).hexdigest())


def _decode(content: bytes, start: Place, findings: Findings) -> str | None:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8", errors="replace")
        findings.error(
            _place_after(before, start.file),
            "not-utf8",
            "The file is not UTF-8 text.",
            hint="Save it with the encoding UTF-8.",
        )
        return None


def _is_fit(text: str, file: str, findings: Findings) -> bool:
    line, counted, conflicts = 1, 0, 0
    for conflict in _CONFLICT.finditer(text):
        line += text.count("\n", counted, conflict.start())
        counted, conflicts = conflict.start(), conflicts + 1
        findings.error(
            Place(file=file, line=line, column=1),
            "merge-conflict",
            "A merge conflict was left in the file.",
            hint="Decide between the two sides and remove the marker.",
        )
    unprintable = _UNPRINTABLE.search(text)
    if unprintable:
        findings.error(
            _place_after(text[: unprintable.start()], file),
            "control-character",
            f"The file holds the control character U+{ord(unprintable[0]):04X}.",
            hint="Remove it; a manifest is plain text.",
        )
    directives = sum(1 for _ in _DIRECTIVE.finditer(text))
    if directives > _MOST_DIRECTIVES:
        findings.error(
            Place(file=file, line=1, column=1),
            "tag",
            f"More than {_MOST_DIRECTIVES} lines begin with `%`, as the directives of YAML do.",
            hint="Remove them; a manifest needs none.",
        )
    return not conflicts and not unprintable and directives <= _MOST_DIRECTIVES


def _place_after(before: str, file: str) -> Place:
    text = before.replace("\r\n", "\n").replace("\r", "\n")
    return Place(file=file, line=text.count("\n") + 1, column=len(text) - text.rfind("\n"))


# Characters that look like those of YAML's own and are none: what an input method, a wiki or a word processor leaves.
# A manifest that has none of them is never looked at: they matter only where it cannot be read.

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
