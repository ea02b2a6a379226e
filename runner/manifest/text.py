"""From a path to text that a YAML parser may see: size, encoding, unprintable characters and conflict markers."""

import hashlib
import re
from pathlib import Path

from msgspec import Struct

from runner.lib.atomic_files import open_file
from runner.lib.checkout_boundary import leads_out
from runner.manifest.model import Place
from runner.manifest.problems import Findings

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
