"""Durations: `500ms 90s 15m 6h 7d`, nothing else."""

import re
from datetime import timedelta
from functools import lru_cache

from runner.lib.text import shown
from runner.manifest.document import Findings, YamlMap

FORMS = "500ms, 90s, 15m, 6h or 7d"
LONGEST = timedelta(days=3650)
_FORM = re.compile(r"([0-9]{1,15})(ms|s|m|h|d)", re.ASCII)
_UNITS = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}


@lru_cache(maxsize=256)
def parse_duration(text: str) -> timedelta | None:
    """Return the duration, or None when the text has another form or means more than 3650 days."""
    match = _FORM.fullmatch(text)
    if match is None:
        return None
    count, unit = int(match[1]), _UNITS[match[2]]
    return count * unit if count <= LONGEST // unit else None


def read_duration(owner: YamlMap, key: str, findings: Findings, *, zero: bool = False) -> timedelta | None:
    """Return the duration of a key; None when it is absent or wrong, which is then reported."""
    if key not in owner:
        return None
    duration = parse_duration(owner[key])
    if duration is None:
        findings.error(
            owner.value_place(key),
            "out-of-range",
            f"{shown(key)} must be a duration of at most {LONGEST.days} days.",
            hint=f"Write a whole number and a unit: {FORMS}.",
        )
    elif not duration and not zero:
        findings.error(
            owner.value_place(key),
            "out-of-range",
            f"{shown(key)} must be longer than zero.",
            hint=f"Write a duration such as {FORMS}.",
        )
    return duration


def duration_text(length: timedelta) -> str:
    """Return a duration in the manifest's own form, in the largest unit that fits it exactly."""
    milliseconds = int(length / timedelta(milliseconds=1))
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)):
        if milliseconds % size == 0:
            return f"{milliseconds // size}{unit}"
    return f"{milliseconds}ms"
