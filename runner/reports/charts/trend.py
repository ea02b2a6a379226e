"""How a model's values went over its candidates, with the limits that were in force, as a picture. Pure."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Context, Decimal, localcontext
from itertools import islice

from msgspec import Struct

from runner.journal.model_progress import ModelProgress
from runner.journal.retrain_job import JobStage, RetrainJob
from runner.lib.timestamps import stamp
from runner.reports.charts.rule_chart import EXACT, Axis, Interval, PolicyLimits
from runner.reports.table import short_number

HEIGHT = 96  # of the picture, in pixels; places along it are percentages of its width
ROWS = "training rows"
FATES = ("switched", "held", "rejected", "waiting", "failed")
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


def metric_trends(progress: ModelProgress, job: RetrainJob | None, limits: PolicyLimits, bounds: Bounds) -> list[Trend]:
    """Return a picture for each of the first metrics that the candidate of a run was judged by."""
    metrics = _metrics(job)[: bounds.metrics]
    found = [_metric_trend(progress, job, limits, metric, bounds.samples) for metric in metrics]
    return [trend for trend in found if trend is not None]


def rows_trend(progress: ModelProgress, job: RetrainJob | None, bounds: Bounds) -> Trend | None:
    """Return a picture of the rows the model was trained with."""
    samples = (
        _sample(progress, retrain_job, Decimal(retrain_job.data.train.rows), job)
        for retrain_job in _newest(progress)
        if retrain_job.data is not None
        and retrain_job.data.train.rows is not None
        and retrain_job.intended_at is not None
    )
    return _drawn(ROWS, samples, bounds.samples, _count)


def _newest(progress: ModelProgress) -> Iterator[RetrainJob]:
    """Yield the jobs, newest first: of thousands only the last ones are drawn."""
    return reversed(progress.jobs.values())


def _metrics(job: RetrainJob | None) -> list[str]:
    """Return the metrics of the rules in their order; without rules, all that the result has."""
    if job is None or job.decided is None:
        return []
    evaluation = job.decided.fact.evaluation
    return list(dict.fromkeys(rule.metric for rule in evaluation.rules)) or list(evaluation.metrics)


def _metric_trend(
    progress: ModelProgress, job: RetrainJob | None, limits: PolicyLimits, metric: str, most: int
) -> Trend | None:
    return _drawn(metric, _measured(progress, job, limits, metric), most)


def _measured(progress: ModelProgress, job: RetrainJob | None, limits: PolicyLimits, metric: str) -> Iterator[Sample]:
    for retrain_job in _newest(progress):
        text = retrain_job.decided.fact.evaluation.metrics.get(metric) if retrain_job.decided else None
        if retrain_job.decided is not None and text is not None:
            yield _sample(progress, retrain_job, Decimal(text), job, limits.interval(retrain_job.decided, metric))


def _sample(
    progress: ModelProgress,
    job: RetrainJob,
    value: Decimal,
    present: RetrainJob | None,
    passing: Interval | None = None,
) -> Sample:
    at = job.decided.at if job.decided else job.intended_at
    if at is None:
        raise LookupError(f"job {job.retrain_job_id} has a value and no time")
    same = present is not None and job.retrain_job_id == present.retrain_job_id
    return Sample(at=at, value=value, fate=candidate_status(progress, job), passing=passing, present=same)


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
    name: str, samples: Iterator[Sample], most: int, text: Callable[[Decimal], str] = short_number
) -> Trend | None:
    """Return the picture of the first samples, which are the newest; one alone is not a course."""
    shown = list(islice(samples, most))[::-1]
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
            left_out=next(samples, None) is not None,
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
    return f"{name} of {len(shown)} candidates, from {first} to {last}: {told}"
