"""Words and numbers as a report shows them. Text from outside is made harmless for the place it goes to."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, TypeVar, overload

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from runner.errors import EXIT_TABLE
from runner.results.number import number_text

if TYPE_CHECKING:  # the console needs this module, and no command that reads manifests alone needs events
    from runner.journal.events import ApprovalSource, CiActor

_SPACE = re.compile(r"[\t\n\r]+")
# Controls, marks that turn or hide the text around them, separators that break lines, tags, lone surrogates. Fixed
# ranges, since another Python's Unicode tables must not change a report's bytes.
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\ud800-\udfff\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_MARKDOWN = re.compile(r"[\\`*\[\]<|~&$]|(?<![0-9A-Za-z])_|_(?![0-9A-Za-z])|(?<=:)//|(?<=www)\.", re.IGNORECASE)
_REFERENCE = re.compile(r"@|#(?=\d)")  # forges link these after rendering, where no backslash protects them
_LONGEST = 300
_QUOTED = re.compile("`([^`]+)`")
_CUT_COMMAND = re.compile(r"`retrain [^`]*\Z")
_SPLIT = "<!-- -->"


def inline(text: object) -> str:
    """Return one line in which every character can be seen: others could move a cursor or turn the text around."""
    return _UNSEEN.sub(_escape, _SPACE.sub(" ", str(text)))


def columns_of(text: str) -> int:
    """Return how many columns of a terminal the text takes; a Japanese character takes two."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # noqa: PLC0415 -- slow to import, and only wide characters need it

    return cell_len(text)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def markdown_cell(text: object) -> str:
    """Return text that stays text within a line of Markdown or a table's cell: it neither links, formats nor mentions.

    It is not meant for the start of a line, where other characters count too.
    """
    escaped = _MARKDOWN.sub(lambda match: "".join(f"\\{char}" for char in match[0]), inline(text))
    return _REFERENCE.sub(lambda match: f"{match[0]}{_SPLIT}", escaped)


def markdown_code(text: object) -> str:
    """Return a Markdown code span with exactly this text; of nothing, nothing.

    Text with a bar is escaped instead: whether a bar within a code span ends a table's cell differs between readers.
    """
    line = inline(text)
    if not line.strip():
        return ""
    if "|" in line:
        return markdown_cell(line)
    runs = [len(run) for run in re.findall("`+", line)]
    fence = "`" * next(size for size in range(1, len(runs) + 2) if size not in runs)
    pad = " " if "`" in (line[0], line[-1]) or line[0] == line[-1] == " " else ""
    return f"{fence}{pad}{line}{pad}{fence}"


def quoted_parts(sentence: str) -> list[str]:
    """Return a sentence in parts; every second one is a command that it quotes in backticks, here without them."""
    return _QUOTED.split(sentence)


def markdown_block(command: object, indent: str = "") -> str:
    """Return a fenced block with one line of a shell, for readers that have a button to copy it."""
    line = inline(command)
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", line)), default=0))
    return "\n".join(f"{indent}{part}" for part in (f"{fence}sh", line, fence))


def markdown_prose(sentence: object) -> str:
    """Return a sentence for a table's cell: the commands that it quotes are code spans, all the rest is text."""
    parts = quoted_parts(inline(sentence))
    return "".join(markdown_code(part) if place % 2 else markdown_cell(part) for place, part in enumerate(parts))


def in_words(name: str) -> str:
    """Return an outcome, action or verdict as words: `awaiting approval`."""
    return name.replace("_", " ")


def headline(summary: Mapping[str, int]) -> str:
    """Return what happened to the models in one phrase: `2 switched, 1 held and 1 failed`."""
    parts = [f"{count} {in_words(outcome)}" for outcome, count in summary.items()]
    if not parts:
        return "No model took part"
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else parts[0]


def exit_meaning(code: int) -> str:
    """Return what an exit code says, in a few words."""
    return next((row.phrase for known, row in EXIT_TABLE.items() if known == code), "see the table of exit codes")


def acting(actor: str, ci_actor: "CiActor | None") -> str:
    """Return who ran it: `runner@host`, and in a pipeline `runner@host (GITHUB_ACTOR says ann)`."""
    return actor if ci_actor is None else f"{actor} ({ci_actor.source} says {ci_actor.name})"


def origin(source: "ApprovalSource") -> str:
    """Return what git says of an approval's file: `as committed in 4f2c1d9a8b7e by Ann, signature good`.

    It ends with the name in the file, which anybody can write.
    """
    return f"{_commit_of(source)}; the file names {source.approver}"


def _commit_of(source: "ApprovalSource") -> str:
    if source.committed is None:
        return "whose commit is unknown, as git refused to read the repository"
    if source.commit is None:
        return "as committed, by an unknown author" if source.committed else "in no commit"
    how = "as committed" if source.committed else "with changes since it was committed"
    signer = f" of {source.signer}" if source.signer else ""
    return f"{how} in {source.commit[:12]} by {source.author}, signature {source.signature}{signer}"


def number(value: Decimal | int | None) -> str:
    """Return a number exactly as it was judged, or `none`."""
    return "none" if value is None else number_text(Decimal(value))


def count(value: int | None) -> str:
    """Return a count with its thousands apart, or `not counted`."""
    return "not counted" if value is None else f"{value:,}"


def counted(value: int, noun: str) -> str:
    """Return a count with its noun: `1 run`, `2 runs`."""
    return f"{value:,} {noun}{'' if value == 1 else 's'}"


def drift(rows: int | None, before: int | None) -> str:
    """Return how a count of rows moved since the job before: `, +141 (+3.2 %) since the job before`."""
    if rows is None or not before:
        return ""
    if rows == before:
        return ", as many as the job before"
    return f", {rows - before:+,} ({(rows - before) / before * 100:+.1f} %) since the job before"


def duration(seconds: float) -> str:
    """Return seconds as people read them: `0.42 s`, `7 min 5 s`, `3 h 20 min`."""
    if round(seconds, 2) < 60:
        return f"{seconds:.2f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def clipped(text: object, most: int = _LONGEST) -> str:
    """Return the first characters of a long text, 300 if not told otherwise, and show that it continues.

    A command that it quotes stays whole or is left out: a part of it would not run.
    """
    line = str(text)
    if len(line) <= most:
        return line
    return f"{_CUT_COMMAND.sub('', line[:most])}..."


def short_digest(sha256: str | None) -> str:
    """Return the first twelve characters of a digest."""
    return sha256[:12] if sha256 else ""


def utc(stamp: str | None) -> str:
    """Return a stamp without its fraction: `2026-03-01 04:05:06 UTC`."""
    return f"{stamp[:10]} {stamp[11:19]} UTC" if stamp else ""


_AT_ONCE = 100  # items of a long list
_OPENED, _CLOSED = b'{\n  "": [', b"\n  ]\n}\n"
_ENCODER = msgspec.json.Encoder(decimal_format="number")
# Characters that steer a terminal or turn its text around; in JSON their escapes mean the same.
_UNSEEN_IN_JSON = re.compile("[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


def render_json(value: object) -> bytes:
    """Return a JSON value as indented UTF-8, keys in their own order and decimals written as they are."""
    rendered = msgspec.json.format(_ENCODER.encode(value), indent=2).decode()
    return f"{_harmless(rendered)}\n".encode()


def json_pieces(value: Struct, long: str) -> Iterator[bytes]:
    """Yield `render_json` of a struct piece by piece; its field `long`, not its last, is a sequence of any length.

    The sequence is not gone through before its items are asked for.
    """
    whole = render_json(replace(value, **{long: ()}))
    before, key, after = whole.partition(f'\n  "{long}": ['.encode())  # no text in it can hold a line break
    items = iter(getattr(value, long))
    yield before + key
    first = True
    while found := list(islice(items, _AT_ONCE)):
        yield _listed(found) if first else b"," + _listed(found)
        first = False
    yield after if first else b"\n  " + after


def _listed(items: list[object]) -> bytes:
    """Return the items as they are in a list that is the value of an object's key, without its brackets."""
    return render_json({"": items}).removeprefix(_OPENED).removesuffix(_CLOSED)


def json_line(value: object) -> str:
    """Return a JSON value on one line, else as `render_json` has it."""
    return _harmless(_ENCODER.encode(value).decode())


def _harmless(rendered: str) -> str:
    return _UNSEEN_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", rendered)


T = TypeVar("T")
_FEW = 1000


class LazyList(Sequence[T]):
    """Up to a thousand items are kept once they are made. Of more, each is made again: together they are large."""

    def __init__(self, count: int, make: Callable[[int], T]) -> None:
        self._count = count
        self._make = make
        self._made: dict[int, T] = {}

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, place: int) -> T: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[T]: ...

    def __getitem__(self, place: int | slice) -> T | Sequence[T]:
        if isinstance(place, slice):
            return [self._item(index) for index in range(self._count)[place]]
        return self._item(range(self._count)[place])

    def _item(self, place: int) -> T:
        if self._count > _FEW:
            return self._make(place)
        if place not in self._made:
            self._made[place] = self._make(place)
        return self._made[place]

    def __iter__(self) -> Iterator[T]:
        return map(self._item, range(self._count))
