"""Closed ranges of a journal in an object store, packed: a cold reader fetches a few objects and not one a commit.

They are derived and may be lost: the commits themselves stay. A pack ends with a whole commit, which its reader fetches
too and compares, so that a pack alone is believed in nothing.
"""

import re
import zlib
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from runner.errors import StateError
from runner.http.objects.bucket import Bucket, Item

PACKS = "p/0000/packs"
_LARGEST = 256 * 1024 * 1024  # bytes of a pack
_PIECE = 1024 * 1024
_LONGEST_LINE = 64 * 1024 * 1024
_NAME = re.compile(r"(?P<first>[0-9]{17})-(?P<commit>[0-9]{17})-(?P<last>[0-9]{17})")


class Pack(Struct, frozen=True, kw_only=True):
    """The events from `first` to `last`; `commit` is the number of the first event of its last commit."""

    first: int
    commit: int
    last: int

    @property
    def name(self) -> str:
        """Return the name of its object."""
        return f"{PACKS}/{self.first:017d}-{self.commit:017d}-{self.last:017d}"

    @property
    def events(self) -> int:
        """Return how many events it holds."""
        return self.last - self.first + 1


def chosen(items: Iterable[Item]) -> list[Pack]:
    """Return the packs that follow each other from the first event on, the longest of those that begin together."""
    longest: dict[int, Pack] = {}
    for pack in packs_of(items):
        known = longest.get(pack.first)
        if known is None or known.last < pack.last:
            longest[pack.first] = pack
    found, first = list[Pack](), 1
    while first in longest:
        found.append(longest[first])
        first = found[-1].last + 1
    return found


def packs_of(items: Iterable[Item]) -> Iterator[Pack]:
    """Yield the packs among objects; objects with other names are skipped."""
    for item in items:
        match = _NAME.fullmatch(item.name.rpartition("/")[2])
        if match is not None:
            pack = Pack(first=int(match["first"]), commit=int(match["commit"]), last=int(match["last"]))
            if 1 <= pack.first <= pack.commit <= pack.last:
                yield pack


def write_pack(bucket: Bucket, pack: Pack, lines: Iterable[bytes]) -> None:
    """Write a pack; raises OSError where that fails."""
    packer = zlib.compressobj(6)
    content = b"".join([*(packer.compress(line) for line in lines), packer.flush()])
    bucket.put(pack.name, content)


def fetch_pack(bucket: Bucket, pack: Pack) -> bytes:
    """Return a pack's object; raises OSError where it cannot be read."""
    return bucket.get(pack.name, limit=_LARGEST)


def unpacked(pack: Pack, content: bytes) -> Iterator[bytes]:
    """Yield the lines of a pack, each with its end.

    Raises:
        StateError: it is damaged.
    """
    unpacker, rest, count = zlib.decompressobj(), b"", 0
    try:
        while content and not unpacker.eof:
            rest += unpacker.decompress(content, _PIECE)
            content = unpacker.unconsumed_tail
            *lines, rest = rest.split(b"\n")
            count += len(lines)
            yield from (line + b"\n" for line in lines)
            if len(rest) > _LONGEST_LINE or count > pack.events:
                break
    except zlib.error:
        raise _damaged(pack) from None
    if rest or count != pack.events:
        raise _damaged(pack)


def _damaged(pack: Pack) -> StateError:
    """Return the error that names a pack which is not what the journal holds."""
    return StateError(
        f"{pack.name} is damaged: it is not what the journal holds.",
        hint="Remove that object; it is derived, and the journal is read without it.",
    )


def end_of(packs: Sequence[Pack]) -> int:
    """Return the number of the last packed event; 0 without one."""
    return packs[-1].last if packs else 0
