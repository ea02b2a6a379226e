"""JSON answers, decoded strictly; and text from outside made fit for one line of ours."""

import json
import unicodedata
from typing import Any

_LONGEST_TEXT = 200
_MOST_READ = 20 * _LONGEST_TEXT  # characters; many of them may be controls


class NotJsonError(ValueError):
    """The body is not strict JSON; the argument says what is wrong, without quoting the body."""


def _no_constant(name: str) -> None:
    raise NotJsonError(f"holds {name}")


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise NotJsonError("names a key twice")
    return document


def read_json(body: bytes) -> Any:
    """Return the JSON value of a body in UTF-8, with or without a byte order mark.

    Raises:
        NotJsonError: not UTF-8, not JSON, NaN or Infinity, a duplicate key, or nested too deeply.
    """
    try:
        text = body.decode("utf-8-sig")
        return json.loads(text, parse_constant=_no_constant, object_pairs_hook=_no_duplicates)
    except NotJsonError:
        raise
    except (ValueError, RecursionError):
        raise NotJsonError("is not JSON") from None


def one_line(text: str) -> str:
    """Return the text without control characters, on one line, cut to 200 characters; `…` ends it where it was cut."""
    spaced = "".join(" " if unicodedata.category(letter)[0] in "CZ" else letter for letter in text[:_MOST_READ])
    line = " ".join(spaced.split())
    cut = line != "" and (len(line) > _LONGEST_TEXT or len(text) > _MOST_READ)
    return f"{line[: _LONGEST_TEXT - 1]}…" if cut else line
