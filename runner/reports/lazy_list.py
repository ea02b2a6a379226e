"""Sequences whose items are made when they are asked for."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar, overload

T = TypeVar("T")
_FEW = 1000


class LazyList(Sequence[T]):
    """Up to a thousand items are kept once they are made. Of more, each is made anew: together they are large."""

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
            return [self._item(one) for one in range(self._count)[place]]
        return self._item(range(self._count)[place])

    def _item(self, place: int) -> T:
        if self._count > _FEW:
            return self._make(place)
        if place not in self._made:
            self._made[place] = self._make(place)
        return self._made[place]

    def __iter__(self) -> Iterator[T]:
        return map(self._item, range(self._count))
