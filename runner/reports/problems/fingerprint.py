"""A problem's fingerprint: the same from commit to commit, however many lines are added above it."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence

from runner.manifest.problems import Problem

_LINE = re.compile(r"(?<=\bline )\d+")


def with_fingerprints(problems: Sequence[Problem]) -> Iterator[tuple[Problem, str]]:
    """Yield each problem with a lower-case hex SHA-256 of its file, code and message, and its number among equals."""
    equals: Counter[tuple[str, str, str]] = Counter()
    for one in problems:
        identity = (one.file, one.code, _LINE.sub("", one.message))
        equals[identity] += 1
        parts = (*identity, str(equals[identity]))
        yield one, hashlib.sha256("\0".join(parts).encode(errors="backslashreplace")).hexdigest()
