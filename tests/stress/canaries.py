"""Values that must never be written, in every form in which they might be, and a scanner over any bytes."""

import base64
import html
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, quote_plus

_SHORTEST = 12  # bytes of a form; shorter ones would be met by chance


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """A canary found: where, whose, and in which form."""

    place: str
    canary: str
    form: str


def forms(value: str) -> Iterator[tuple[str, bytes]]:
    """Yield every form of a value with its name: plain, quoted, escaped, encoded, turned around."""
    texts = {
        "plain": value,
        "lower case": value.lower(),
        "upper case": value.upper(),
        "URL-quoted": quote(value, safe=""),
        "URL-quoted in lower case": quote(value, safe="").lower(),
        "URL-quoted but for slashes": quote(value),
        "URL-quoted with plus": quote_plus(value),
        "URL-quoted twice": quote(quote(value, safe=""), safe=""),
        "JSON": json.dumps(value)[1:-1],
        "JSON with escaped slashes": json.dumps(value)[1:-1].replace("/", "\\/"),
        "JSON with escaped signs": "".join(char if char.isalnum() else f"\\u{ord(char):04x}" for char in value),
        "HTML": html.escape(value),
        "reversed": value[::-1],
        "hex": value.encode().hex(),
        "HEX": value.encode().hex().upper(),
    }
    for name, text in texts.items():
        yield name, text.encode()
    for name, encoding in (("UTF-16 LE", "utf-16-le"), ("UTF-16 BE", "utf-16-be")):
        yield name, value.encode(encoding)
    for text in (value, texts["URL-quoted"]):
        yield from _base64(text.encode())


def _base64(value: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the part of the encoding that does not depend on the neighbours, at each of its three alignments."""
    for offset in range(3):
        for name, encode in (("base64", base64.b64encode), ("base64 for URLs", base64.urlsafe_b64encode)):
            whole = encode(b"\0" * offset + value)
            yield f"{name} at {offset}", whole[4 if offset else 0 : len(whole) - 4]


class Scanner:
    """Looks for canaries, given as name and value."""

    def __init__(self, canaries: Mapping[str, str]) -> None:
        self._forms: dict[bytes, tuple[str, str]] = {}
        for name, value in canaries.items():
            for form, text in forms(value):
                if len(text) < _SHORTEST:
                    raise ValueError(f"the canary {name} is too short to be told from chance")
                self._forms.setdefault(text, (name, form))

    @property
    def size(self) -> int:
        """Return the number of forms looked for."""
        return len(self._forms)

    def leaks(self, places: Mapping[str, bytes], *, known: Iterable[str] = ()) -> list[Leak]:
        """Return every canary in the places; those `known` by name may be there."""
        allowed = frozenset(known)
        return [
            Leak(place=place, canary=name, form=form)
            for place, content in places.items()
            for text, (name, form) in self._forms.items()
            if name not in allowed and text in content
        ]


def written_below(folder: Path) -> dict[str, bytes]:
    """Return every byte below a folder: the content of the files, the targets of links, and all names."""
    found: dict[str, bytes] = {}
    names = []
    for path in sorted(folder.rglob("*")):
        names.append(str(path.relative_to(folder)))
        if path.is_symlink():
            names.append(str(path.readlink()))
        elif path.is_file():
            found[str(path)] = path.read_bytes()
    return found | {f"names below {folder}": "\n".join(names).encode()}
