"""All models of a run on one time axis, as a picture. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from msgspec import Struct

from runner.reports.stage_timeline import Span
from runner.reports.text import duration

_MOST_TICKS = 6
_STEPS = (  # seconds between two ticks
    *(1, 2, 5, 10, 15, 30),
    *(60, 120, 300, 600, 900, 1800),
    *(3600, 7200, 10800, 21600, 43200, 86400),
)
_MOST_ROWS = 1000  # models; more are no picture any more
_THINNEST = 0.3  # percent of the width: what is shorter could not be seen


class Bar(Struct, frozen=True, kw_only=True):
    """A stage in the picture: its begin and its length in percent of the width."""

    stage: str
    x: str
    width: str
    words: str


class Tick(Struct, frozen=True, kw_only=True):
    """A moment on the axis, and how long after the run's begin it is."""

    x: str
    words: str


class Gantt(Struct, frozen=True, kw_only=True):
    """The models that had stages, each with its bars; `left_out` counts those that began last and have no row."""

    rows: tuple[tuple[str, tuple[Bar, ...]], ...]
    ticks: tuple[Tick, ...]
    left_out: int


def gantt(courses: Mapping[str, Sequence[Span]], names: Sequence[str]) -> Gantt:
    """Return the stages of the named models in the order of their first begin."""
    shown = {name: spans for name in names if (spans := courses.get(name, ()))}
    if not shown:
        return Gantt(rows=(), ticks=(), left_out=0)
    begin = min(spans[0].begin for spans in shown.values())
    length = (max(spans[-1].end for spans in shown.values()) - begin).total_seconds()
    order = sorted(shown, key=lambda name: shown[name][0].begin)
    rows = tuple((name, tuple(_bar(span, begin, length) for span in shown[name])) for name in order[:_MOST_ROWS])
    return Gantt(rows=rows, ticks=_ticks(length), left_out=len(order) - len(rows))


def _bar(span: Span, begin: datetime, length: float) -> Bar:
    x = (span.begin - begin).total_seconds() / length * 100
    width = max(span.seconds / length * 100, _THINNEST)
    return Bar(
        stage=span.stage,
        x=f"{min(x, 100 - width):.2f}",
        width=f"{width:.2f}",
        words=f"{span.stage} {duration(span.seconds)}",
    )


def _ticks(length: float) -> tuple[Tick, ...]:
    step = next((one for one in _STEPS if length / one <= _MOST_TICKS), 86400 * (int(length / 86400 / _MOST_TICKS) + 1))
    moments = range(0, int(length) + 1, step)
    return tuple(Tick(x=f"{one / length * 100:.2f}", words=_clock(one)) for one in moments)


def _clock(seconds: int) -> str:
    """Return a tick's words: `0`, `30 s`, `5 min`, `1 h 30 min`, `2 d`."""
    if not seconds:
        return "0"
    parts = [(seconds // 86400, "d"), (seconds // 3600 % 24, "h"), (seconds // 60 % 60, "min"), (seconds % 60, "s")]
    return " ".join(f"{count} {unit}" for count, unit in parts if count)
