"""How a model's values went over its candidates, with the limits that were in force, as a picture. Pure."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from decimal import Context, Decimal, localcontext
from itertools import islice

from msgspec import Struct

from runner.journal.model_progress import Candidate, ModelProgress
from runner.journal.retrain_job import Decided, JobStage, RetrainJob
from runner.lib.timestamps import stamp
from runner.reports.charts.rule_chart import EXACT, Axis, Interval, PolicyLimits
from runner.reports.table import short_number
from runner.reports.text import counted

HEIGHT = 96  # of the picture, in pixels; places along it are percentages of its width
ROWS = "training rows"
FATES = ("switched", "held", "rejected", "waiting", "failed")
_MOST_METRICS = 20  # of a candidate that are kept for later pictures
_HALF = Decimal("0.5")
_EDGE = Decimal("2.5")  # percent of the width, free on either side
_ROUGH = Context(prec=28)  # places are rounded to tenths


class Sample(Struct, frozen=True, kw_only=True):
    """A candidate's value: what happened to the candidate, and which values passed then."""

    at: datetime
    value: Decimal
    fate: str
    passing: Interval | None
    present: bool  # whether the run's line speaks of this candidate


class Trend(Struct, frozen=True, kw_only=True):
    """A picture of one metric, in SVG paths that are 100 wide and `HEIGHT` high.

    `marks` have a dot for each candidate, by what happened to it; `present` is the place of the run's own candidate, in
    percent and pixels. `left_out` tells that there are older candidates.
    """

    name: str
    marks: tuple[tuple[str, str], ...]
    present: tuple[str, str] | None
    line: str
    limits: tuple[str, ...]
    highest: str
    lowest: str
    latest: str
    began: str
    ended: str
    left_out: bool
    label: str


class Bounds(Struct, frozen=True, kw_only=True):
    """How much a page shows of a model's history: how many metrics, and how many of the newest candidates."""

    metrics: int
    samples: int


class ShownCandidates(Struct, frozen=True, kw_only=True):
    """The newest candidates of a model, oldest first; `left_out` tells that there are older ones."""

    shown: tuple[Candidate, ...]
    left_out: bool

    def rows_before(self, job: RetrainJob | None) -> int | None:
        """Return the training rows of the candidate before a job's, None where that is not shown."""
        places = [place for place, candidate in enumerate(self.shown) if _is_of(candidate, job)]
        return self.shown[places[0] - 1].rows if places and places[0] > 0 else None


def newest_candidates(progress: ModelProgress, limits: PolicyLimits, bounds: Bounds) -> ShownCandidates:
    """Return the candidates that a page shows."""
    sent = progress.sent()
    newest = [
        job if isinstance(job, Candidate) else chart(progress, job, limits) for job in islice(sent, bounds.samples)
    ]
    left_out = progress.older_candidates > 0 or next(sent, None) is not None
    return ShownCandidates(shown=tuple(newest[::-1]), left_out=left_out)


def chart(progress: ModelProgress, job: RetrainJob, limits: PolicyLimits) -> Candidate:
    """Return what pictures show of a job."""
    decided, at = job.decided, job.decided.at if job.decided else job.intended_at
    if at is None:
        raise LookupError(f"job {job.retrain_job_id} has no time")
    metrics = {name: text for name in _metrics(job)[:_MOST_METRICS] if (text := _text(decided, name)) is not None}
    passing = {name: limits.interval(decided, name) for name in metrics} if decided else {}
    return Candidate(
        retrain_job_id=job.retrain_job_id,
        at=at,
        fate=candidate_status(progress, job),
        rows=job.data.train.rows if job.data else None,
        metrics=metrics,
        passing={name: _texts(interval) for name, interval in passing.items() if interval is not None},
    )


def _text(decided: Decided | None, metric: str) -> str | None:
    return decided.fact.evaluation.metrics.get(metric) if decided else None


def _texts(interval: Interval) -> tuple[str | None, str | None]:
    low, high = (None if end is None else str(end) for end in (interval.low, interval.high))
    return low, high


def metric_trends(candidates: ShownCandidates, job: RetrainJob | None, bounds: Bounds) -> list[Trend]:
    """Return a picture for each of the first metrics that the candidate of a run was judged by."""
    metrics = list(_ruled(job) or _metrics(job))[: bounds.metrics]
    found = [_drawn(metric, _measured(candidates, job, metric), candidates) for metric in metrics]
    return [trend for trend in found if trend is not None]


def rows_trend(candidates: ShownCandidates, job: RetrainJob | None) -> Trend | None:
    """Return a picture of the rows the model was trained with."""
    samples = [
        Sample(
            at=candidate.at,
            value=Decimal(candidate.rows),
            fate=candidate.fate,
            passing=None,
            present=_is_of(candidate, job),
        )
        for candidate in candidates.shown
        if candidate.rows is not None
    ]
    return _drawn(ROWS, samples, candidates, _count)


def _ruled(job: RetrainJob | None) -> Iterable[str]:
    """Return the metrics of the rules in their order."""
    return dict.fromkeys(rule.metric for rule in job.decided.fact.evaluation.rules) if job and job.decided else ()


def _metrics(job: RetrainJob | None) -> list[str]:
    """Return all metrics of a result, those of the rules first."""
    metrics = job.decided.fact.evaluation.metrics if job and job.decided else ()
    return list(dict.fromkeys([*_ruled(job), *metrics]))


def _measured(candidates: ShownCandidates, job: RetrainJob | None, metric: str) -> list[Sample]:
    return [
        Sample(
            at=candidate.at,
            value=Decimal(candidate.metrics[metric]),
            fate=candidate.fate,
            passing=_interval(candidate, metric),
            present=_is_of(candidate, job),
        )
        for candidate in candidates.shown
        if metric in candidate.metrics
    ]


def _interval(candidate: Candidate, metric: str) -> Interval | None:
    if metric not in candidate.passing:
        return None
    low, high = (None if end is None else Decimal(end) for end in candidate.passing[metric])
    return Interval(low=low, high=high)


def _is_of(candidate: Candidate, job: RetrainJob | None) -> bool:
    return job is not None and candidate.retrain_job_id == job.retrain_job_id


def candidate_status(progress: ModelProgress, job: RetrainJob) -> str:
    """Return what happened to a candidate: `switched`, `held`, `rejected`, `waiting` or `failed`."""
    if job.switched_at is not None or job.retrain_job_id in progress.serving.ids:
        return "switched"
    if job.stage == JobStage.FAILED:
        return "failed"
    if job.rejection is not None:
        return "rejected"
    return "held" if job.decided is None or job.decided.action == "hold" else "waiting"


def _count(rows: Decimal) -> str:
    return f"{int(rows):,}"


def _drawn(
    name: str,
    shown: Sequence[Sample],
    candidates: ShownCandidates,
    text: Callable[[Decimal], str] = short_number,
) -> Trend | None:
    """Return the picture of the samples, oldest first; one alone is not a course."""
    if len(shown) < 2:
        return None
    with localcontext(EXACT):  # rounded ends may meet where two values differ in a late digit only
        axis = Axis.over([end for sample in shown for end in (sample.value, *_ends(sample.passing))])
    with localcontext(_ROUGH):
        scale = _Scale(axis=axis, count=len(shown))
        places = [(scale.x(place), scale.y(point.value)) for place, point in enumerate(shown)]
        dots = [(point.fate, f"M{x} {y}h0") for point, (x, y) in zip(shown, places, strict=True)]
        limits = (scale.steps([_end(sample.passing, low=low) for sample in shown]) for low in (True, False))
        values = [sample.value for sample in shown]
        return Trend(
            name=name,
            marks=tuple(
                (fate, "".join(dot for known, dot in dots if known == fate)) for fate in FATES if fate in dict(dots)
            ),
            present=next((place for point, place in zip(shown, places, strict=True) if point.present), None),
            line="M" + " ".join(f"{x} {y}" for x, y in places),
            limits=tuple(limit for limit in limits if limit),
            highest=text(max(values)),
            lowest=text(min(values)),
            latest=text(values[-1]),
            began=stamp(shown[0].at),
            ended=stamp(shown[-1].at),
            left_out=candidates.left_out,
            label=_label(name, shown, text),
        )


def _ends(passing: Interval | None) -> Iterable[Decimal]:
    return [end for end in (passing.low, passing.high) if end is not None] if passing else []


def _end(passing: Interval | None, *, low: bool) -> Decimal | None:
    if passing is None:
        return None
    return passing.low if low else passing.high


class _Scale(Struct, frozen=True, kw_only=True):
    """Where the picture has a candidate by its number, and a value."""

    axis: Axis
    count: int

    def x(self, place: int) -> str:
        return f"{self._x(Decimal(place)):.1f}"

    def _x(self, place: Decimal) -> Decimal:
        return _EDGE + place / (self.count - 1) * (100 - 2 * _EDGE)

    def y(self, value: Decimal) -> str:
        return f"{(1 - self.axis.share(value)) * HEIGHT:.1f}"

    def steps(self, limits: Sequence[Decimal | None]) -> str:
        """Return a path with a level for each limit, broken where there was none."""
        levels = [None if limit is None else self.y(limit) for limit in limits]
        path = list[str]()
        for place, (before, level) in enumerate(zip([None, *levels], levels, strict=False)):
            if level is not None and level != before:
                begin = self._side(place - _HALF)
                path.append(f"M{begin} {level}" if before is None else f"H{begin}V{level}")
            if before is not None and level is None:
                path.append(f"H{self._side(place - _HALF)}")
        return "".join(path) + ("H100" if levels[-1] is not None else "")

    def _side(self, place: Decimal) -> str:
        return f"{min(max(self._x(place), Decimal(0)), Decimal(100)):.1f}"


def _label(name: str, shown: Sequence[Sample], text: Callable[[Decimal], str]) -> str:
    fates = [sample.fate for sample in shown]
    told = ", ".join(f"{fates.count(fate)} {fate}" for fate in dict.fromkeys(sorted(fates)))
    first, last = text(shown[0].value), text(shown[-1].value)
    return f"{name} of {counted(len(shown), 'candidate')}, from {first} to {last}: {told}"
