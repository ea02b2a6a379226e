"""The members of a container by their paths, and the one way in which a result file is refused."""

import re
import unicodedata
from collections.abc import Callable, Sequence

from msgspec import Struct

from runner.errors import Kind, ModelError
from runner.results.column_roles import Role, mentions, role_of
from runner.results.number import listed, shown

_HINT = "Look at what the file holds (`retrain inspect --help`)."


def refusal(message: str, *, hint: str = _HINT) -> ModelError:
    """Return the error for a result file that cannot be read; `message` is one sentence."""
    return ModelError(Kind.RESULT, message, hint=hint)


LARGEST_MEMBER = 16 * 1024 * 1024
MOST_MEMBERS = 1000
HIGHEST_RATIO = 200
WORKBOOK_PART = "xl/workbook.xml"  # what makes a workbook of a zip archive
RATIO_FROM = 1024 * 1024  # a small file of equal rows compresses further than this without being an attack

_APART: tuple[Role, ...] = ("previous", "difference", "never")
_DIGITS = re.compile(r"\d+")
_JUNK_FOLDER, _JUNK_PREFIX = "__MACOSX", "._"  # what macOS puts beside the files of an archive

Rows = list[list[str]]


class Member(Struct, frozen=True, kw_only=True):
    """One file of a container, or one sheet of a workbook.

    `path` is its whole path within the result: a member of a container within another has both paths, joined by `/`.
    `size` is in bytes, as the container says; `head` gives the first bytes and `read` all of them. `rows` is what a
    sheet has instead. Each raises a `ModelError` of kind result for what is damaged, encrypted or too large.
    """

    path: str
    size: int
    head: Callable[[], bytes]
    read: Callable[[], bytes]
    rows: Callable[[], Rows] | None = None


def in_memory(path: str, content: bytes) -> Member:
    """Return the member of bytes that have been read."""
    return Member(path=path, size=len(content), head=lambda: content[:512], read=lambda: content)


def find_member(members: Sequence[Member], name: str) -> Member | None:
    """Return the one member of this whole path, or of this last path component; letter case does not matter.

    A name without a slash does not find what is in a folder of the model before, or of the training rows.

    Raises:
        ModelError: of kind result, for two such members.
    """
    if "/" in name:
        found = [member for member in members if _plain(member.path) == _plain(name)]
    else:
        found = [member for member in members if _last(member.path) == _plain(name) and not is_apart(member.path)]
    if len(found) > 1:
        if found[0].path == found[1].path:
            raise refusal(f"The result archive has the member '{shown(found[0].path)}' twice, with different content.")
        both = " and ".join(f"'{shown(member.path)}'" for member in found[:2])
        raise refusal(f"The result archive has more than one {shown(name)}: {both}.")
    return found[0] if found else None


def is_same_path(one: str, other: str) -> bool:
    """Return whether two paths are the same but for letter case and slashes."""
    return _plain(one) == _plain(other)


def is_within(path: str, folder: str) -> bool:
    """Return whether the path leads into the folder or container."""
    return _plain(path).startswith(f"{_plain(folder)}/")


def _plain(path: str) -> str:
    return unicodedata.normalize("NFC", path.replace("\\", "/").removeprefix("./")).casefold()


def _last(path: str) -> str:
    return _plain(path).rpartition("/")[2]


def is_apart(path: str) -> bool:
    """Return whether a folder of the path names another model than the candidate, or other rows than the evaluation's.

    Digits in a folder's name do not count.
    """
    folders = path.replace("\\", "/").split("/")[:-1]
    return any(role_of(_DIGITS.sub(" ", folder)) in _APART for folder in folders)


def is_left_out(path: str) -> bool:
    """Return whether a search passes the path by: any part of it names the model before or the training rows."""
    parts = path.replace("\\", "/").split("/")
    return is_apart(path) or any(mentions(_DIGITS.sub(" ", part), ("previous", "never")) for part in parts)


def is_junk(path: str) -> bool:
    """Return whether the path is a folder, or what macOS adds to each file."""
    parts = path.replace("\\", "/").split("/")
    return not parts[-1] or _JUNK_FOLDER in parts or parts[-1].startswith(_JUNK_PREFIX)


def named(members: Sequence[Member]) -> str:
    """Return the members' paths for a message."""
    return listed(member.path for member in members)


def refuse_many(count: int) -> None:
    """Refuse a container of more than 1000 members."""
    if count > MOST_MEMBERS:
        raise refusal(f"The result archive has {count} members, more than {MOST_MEMBERS}.")


def refuse_dense(path: str, size: int, packed: int) -> None:
    """Refuse what was compressed more than 200 times."""
    if size > RATIO_FROM and size > HIGHEST_RATIO * packed:
        where = f"member '{shown(path)}' of the result archive" if path else "result"
        raise refusal(f"The {where} is compressed more than {HIGHEST_RATIO} times.")


def refuse_large(path: str) -> None:
    """Refuse a member of more than 16 MiB."""
    where = f"member '{shown(path)}' of the result archive" if path else "result"
    raise refusal(f"The {where} is larger than 16 MiB.")
