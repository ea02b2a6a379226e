"""The parts of an answer that a run needs, wherever on two levels they are and whatever the service calls them.

What is not needed is not looked at. `metadata`, or an envelope such as `data`, may hold the parts; an error never does.
"""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache

from msgspec import Struct

_ENVELOPES = frozenset({"body", "content", "data", "item", "job", "payload", "response", "result", "retrainjob"})
_ERRORS = frozenset({"error", "errors"})
_NO_WORD = re.compile(r"[\W_]+")


class Fields(Struct, frozen=True, kw_only=True):
    """The names of each part, the one that counts most first; letter case, `_` and `-` do not matter."""

    retrain_job_id: tuple[str, ...] = ("retrain_job_id",)
    upload_url: tuple[str, ...] = ("upload_url",)
    status: tuple[str, ...] = ("status",)
    model_id: tuple[str, ...] = ("model_id",)
    message: tuple[str, ...] = ("message",)
    download_url: tuple[str, ...] = ("download_url", "result_url")


class Parts(Struct, frozen=True, kw_only=True):
    """An answer's objects of the first two levels, the one that counts most first; `named` are the values in them."""

    levels: tuple[dict[str, object], ...]
    outer: dict[str, object] = {}
    named: tuple[tuple[str, object], ...] = ()

    @classmethod
    def of(cls, document: object) -> "Parts":
        """Take an answer apart: an envelope's content counts more than what is around it, that more than the rest."""
        outer = _single(document)
        if outer is None:
            return cls(levels=())
        inner = [(_plain(name), _single(value)) for name, value in outer.items()]
        found = [(name, value) for name, value in inner if value is not None and name not in _ERRORS]
        envelopes = [value for name, value in found if name in _ENVELOPES]
        others = [value for name, value in found if name not in _ENVELOPES]
        levels = (*envelopes, outer, *others)
        named = [(_plain(name), value) for level in levels for name, value in level.items() if value is not None]
        return cls(levels=levels, outer=outer, named=tuple(named))

    def find(self, names: tuple[str, ...]) -> object:
        """Return the value under the first of these names that has one, or None."""
        for name in names:
            value = next(self._values(name), None)
            if value is not None:
                return value
        return None

    def text(self, names: tuple[str, ...]) -> str | None:
        """Return the scalar under these names as its text; an empty one, a list and an object are none."""
        for name in names:
            texts = (scalar_text(value) for value in self._values(name))
            text = next((text for text in texts if text), None)
            if text is not None:
                return text
        return None

    def texts(self, names: tuple[str, ...]) -> frozenset[str]:
        """Return every scalar under these names as its text."""
        values = (scalar_text(value) for name in names for value in self._values(name))
        return frozenset(text for text in values if text)

    def scalar_keys(self) -> tuple[str, ...]:
        """Return the names of all scalars, in the order they count."""
        return self.keys_of(lambda value: not isinstance(value, dict | list))

    def keys_of(self, fits: Callable[[object], bool]) -> tuple[str, ...]:
        """Return the names of the values that fit, in the order they count."""
        return tuple(dict.fromkeys(name for level in self.levels for name, value in level.items() if fits(value)))

    def _values(self, name: str) -> Iterator[object]:
        wanted = _plain(name)
        return (value for key, value in self.named if key == wanted)


def scalar_text(value: object) -> str | None:
    """Return a JSON scalar as its text, None for null, a list and an object."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value).strip() if isinstance(value, str | int | float) else None


def _single(value: object) -> dict[str, object] | None:
    """Return an object, also where it is the only item of a list."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value if isinstance(value, dict) else None


@lru_cache(1024)  # a service has a few names, and a fleet reads them thousands of times
def _plain(name: str) -> str:
    return _NO_WORD.sub("", name).casefold()
