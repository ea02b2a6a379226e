"""JSON as people and terminals get it, and sequences whose items are made when they are asked for."""

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar, overload

import msgspec
from msgspec import Struct
from msgspec.structs import replace

_AT_ONCE = 100  # items of a long list
_OPENED, _CLOSED = b'{\n  "": [', b"\n  ]\n}\n"
_ENCODER = msgspec.json.Encoder(decimal_format="number")
# Characters that steer a terminal or turn its text around; in JSON their escapes mean the same.
_UNSEEN = re.compile("[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


def render_json(value: Any) -> bytes:
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


def _listed(items: list[Any]) -> bytes:
    """Return the items as they are in a list that is the value of an object's key, without its brackets."""
    return render_json({"": items}).removeprefix(_OPENED).removesuffix(_CLOSED)


def json_line(value: Any) -> str:
    """Return a JSON value on one line, else as `render_json` has it."""
    return _harmless(_ENCODER.encode(value).decode())


def _harmless(rendered: str) -> str:
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", rendered)


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
