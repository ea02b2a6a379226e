"""Containers of any form, and containers within them, as one list of members."""

import io
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO

from msgspec import Struct

from runner.errors import ModelError
from runner.results.members import (
    HEAD,
    LARGEST_MEMBER,
    MOST_MEMBERS,
    UNREAD_FORMS,
    WORKBOOK_PART,
    Form,
    Member,
    form_of,
    in_memory,
    is_within,
    refusal,
)
from runner.results.zip_and_tar import Archive

ZIP = "zip archive"
# Zip archives that are documents, by a part that each of them has.
_UNREAD_DOCUMENTS = {
    "META-INF/manifest.xml": "an OpenDocument file (.ods, .odt)",
    "[Content_Types].xml": "an Office document (.xlsb, .docx, .pptx)",
}
_DEEPEST = 3  # containers within the result
_MOST_READ = 64 * 1024 * 1024  # bytes of members that one look through a result reads


class Container(Struct, frozen=True, kw_only=True):
    """A file that holds others: `form` in the words of a message, and its members."""

    form: str
    members: list[Member]


class Single(Struct, frozen=True, kw_only=True):
    """A file that holds no other: `packed` tells that it was within gzip."""

    member: Member
    packed: bool = False


class Unread(Struct, frozen=True, kw_only=True):
    """A member of a form that is not read, or that cannot be; `why` continues a sentence that begins with its path."""

    path: str
    size: int
    why: str


class Budget(Struct, kw_only=True):
    """What one look through a result may still read."""

    bytes: int = _MOST_READ
    members: int = MOST_MEMBERS

    def take(self, size: int) -> None:
        """Take the bytes of a member that is read whole.

        Raises:
            ModelError: of kind result, where that is too much.
        """
        self.bytes -= size
        if self.bytes < 0:
            raise refusal("The result holds more than 64 MiB in members that may hold metrics.")

    def count(self) -> None:
        """Take one member.

        Raises:
            ModelError: of kind result, where there are more than 1000 at all levels.
        """
        self.members -= 1
        if self.members < 0:
            raise refusal(f"The result holds more than {MOST_MEMBERS} members in containers within it.")


def opened(stream: BinaryIO) -> Container | Single:
    """Return what a result file is: a container, or a single file.

    Raises:
        ModelError: of kind result, for damage and beyond the limits.
        OSError: the stream cannot be read.
    """
    return _opened(stream, within="")


def _opened(stream: BinaryIO, *, within: str) -> Container | Single:
    stream.seek(0)
    form = form_of(stream.read(HEAD))
    if form == "gzip":
        return _unpacked(stream, within)
    if form == "zip":
        members = Archive(stream, within=within).members()
        paths = {member.path.removeprefix(within) for member in members}
        if WORKBOOK_PART in paths:
            return _workbook(members, within)
        for part, document in _UNREAD_DOCUMENTS.items():
            if part in paths:
                raise refusal(f"The result is {document}, which is not read.")
        return Container(form=ZIP, members=members)
    if form == "tar":
        return _tar(stream, within, packed=False)
    stream.seek(0)
    content = stream.read(LARGEST_MEMBER + 1)
    if len(content) > LARGEST_MEMBER:
        raise refusal("The result is a single file of more than 16 MiB.")
    return Single(member=in_memory(within.removesuffix("/"), content))


def _workbook(members: list[Member], within: str) -> Container:
    from runner.results.xlsx import sheet_members  # noqa: PLC0415 -- every command would load it, few results need it

    return Container(form="Excel workbook", members=sheet_members(members, within=within))


def _tar(stream: BinaryIO, within: str, *, packed: bool) -> Container:
    from runner.results.zip_and_tar import tar_members  # noqa: PLC0415 -- as above

    members = tar_members(stream, packed=packed, within=within)
    return Container(form="tar archive within gzip" if packed else "tar archive", members=members)


def _unpacked(stream: BinaryIO, within: str) -> Container | Single:
    from runner.results.zip_and_tar import read_unpacked  # noqa: PLC0415 -- as above

    if form_of(read_unpacked(stream, HEAD)) == "tar":
        return _tar(stream, within, packed=True)
    content = read_unpacked(stream, LARGEST_MEMBER + 1)
    if len(content) > LARGEST_MEMBER:
        raise refusal("The result is a single file of more than 16 MiB.")
    inner = _opened(io.BytesIO(content), within=within) if form_of(content[:HEAD]) != "gzip" else None
    if isinstance(inner, Container):
        return Container(form=f"{inner.form} within gzip", members=inner.members)
    return Single(member=in_memory(within.removesuffix("/"), content), packed=True)


def leaves(
    members: Sequence[Member], budget: Budget, *, wanted: Callable[[str], bool] = lambda _path: True
) -> Iterator[Member | Unread]:
    """Yield what the members hold at last, containers within them opened; `wanted` chooses by path what is looked at.

    Raises:
        ModelError: of kind result, where that is more than the budget.
    """
    yield from _leaves(members, budget, wanted, depth=0)


def _leaves(
    members: Sequence[Member], budget: Budget, wanted: Callable[[str], bool], depth: int
) -> Iterator[Member | Unread]:
    for member in members:
        budget.count()
        if not wanted(member.path):
            continue
        try:
            form = form_of(member.head())
        except ModelError as error:
            yield _unread(member, error.message)
            continue
        if member.rows is not None or form == "text":
            yield member
        elif form in UNREAD_FORMS:
            yield Unread(path=member.path, size=member.size, why=UNREAD_FORMS[form])
        else:
            yield from _within(member, form, budget, wanted, depth)


def _within(
    member: Member, form: Form, budget: Budget, wanted: Callable[[str], bool], depth: int
) -> Iterator[Member | Unread]:
    if depth == _DEEPEST:
        yield Unread(path=member.path, size=member.size, why=f"is a {form} within {_DEEPEST} other containers")
        return
    try:
        content = member.read()
        budget.take(len(content))
        inner = _opened(io.BytesIO(content), within=f"{member.path}/")
    except ModelError as error:
        if budget.bytes < 0:
            raise
        yield _unread(member, error.message)
        return
    if isinstance(inner, Single):
        yield inner.member
    else:
        yield from _leaves(inner.members, budget, wanted, depth + 1)


def _unread(member: Member, message: str) -> Unread:
    return Unread(path=member.path, size=member.size, why=f"cannot be read: {message.removesuffix('.')}")


def leads_to(path: str) -> Callable[[str], bool]:
    """Return the choice of all that has this whole path, is within it, or leads to it."""
    return lambda other: other.casefold() == path.casefold() or is_within(path, other) or is_within(other, path)
