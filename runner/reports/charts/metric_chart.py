"""One metric of a model over time: candidates, the incumbent's value, the limits in force and rollbacks. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal, localcontext

from msgspec import Struct

from runner.journal.retrain_job import RetrainJob
from runner.reports.charts.rule_chart import EXACT, Axis, Interval, PolicyLimits
from runner.reports.charts.trend import candidate_status
from runner.reports.model_timeline import Deployment, ModelTimeline
from runner.reports.table import short_number
from runner.reports.text import counted

_ROUGH = Context(prec=28)  # places are rounded to tenths
_EDGE = 1.5  # percent of the width, free on either side
_LEVELS, _DATES = 4, 3  # spaces between ticks, at most and exactly
_FEW_DAYS = timedelta(days=5)


class Tick(Struct, frozen=True, kw_only=True):
    """A label on an axis, and its status: percent of the width, or pixels from the top."""

    place: str
    label: str


class Frame(Struct, frozen=True, kw_only=True):
    """Where a picture has a moment and a value; it is 100 wide, in percent, and `height` pixels high."""

    begin: datetime
    end: datetime
    values: Axis
    height: int

    def x(self, at: datetime) -> str:
        """Return the place of a moment from the left."""
        share = (at - self.begin) / (self.end - self.begin) if self.end > self.begin else 0.5
        return f"{_EDGE + share * (100 - 2 * _EDGE):.2f}"

    def y(self, value: Decimal) -> str:
        """Return the place of a value from the top."""
        with localcontext(_ROUGH):
            return f"{(1 - self.values.share(value)) * self.height:.1f}"

    def levels(self) -> tuple[Tick, ...]:
        """Return round values on the axis: steps of 1, 2 or 5 and some power of ten."""
        with localcontext(EXACT):
            low, high = self.values.low, self.values.high
            wanted = (high - low) / _LEVELS
            power = Decimal(1).scaleb(wanted.adjusted())
            step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= wanted)
            first = int((low / step).to_integral_value(ROUND_CEILING))
            last = int((high / step).to_integral_value(ROUND_FLOOR))
            found = [number * step for number in range(first, last + 1)]
        return tuple(Tick(place=self.y(value), label=short_number(_plain(value))) for value in found)

    def dates(self) -> tuple[Tick, ...]:
        """Return days along the axis, of a short time with the time of day; of one moment, its one day."""
        length = self.end - self.begin
        form = "%Y-%m-%d" if length >= _FEW_DAYS else "%m-%d %H:%M"
        found = dict[str, Tick]()
        for part in range(_DATES + 1):
            at = self.begin + length * part / _DATES
            found.setdefault(at.strftime(form), Tick(place=self.x(at), label=at.strftime(form)))
        return tuple(found.values())


def _plain(number: Decimal) -> Decimal:
    """Return a number without the zeros at its end, and zero without a sign."""
    return number.normalize(EXACT) if number else Decimal(0)


HEIGHT = 200  # of the picture, in pixels
MOST_METRICS = 6
_DENSE = 90  # candidates; more are drawn with smaller marks

Level = tuple[datetime, Decimal | None]


class Mark(Struct, frozen=True, kw_only=True):
    """A candidate in the picture: `x` in percent, `y` in pixels from the top."""

    x: str
    y: str
    fate: str
    label: str


class Plot(Struct, frozen=True, kw_only=True):
    """A picture of one metric; lines are SVG paths, 100 wide and `HEIGHT` high."""

    name: str
    marks: Sequence[Mark]
    incumbent: str
    limits: Sequence[str]
    turns: Sequence[Tick]
    levels: Sequence[Tick]
    dates: Sequence[Tick]
    latest: str
    label: str
    dense: bool


class _Sample(Struct, frozen=True, kw_only=True):
    at: datetime
    value: Decimal
    fate: str
    passing: Interval | None


def plots(timeline: ModelTimeline, limits: PolicyLimits) -> list[Plot]:
    """Return a picture for each metric of the newest decision that has numbers: those of its rules come first."""
    found = (_plot(timeline, metric, limits) for metric in _metrics(timeline))
    return [plot for plot in found if plot is not None][:MOST_METRICS]


def _metrics(timeline: ModelTimeline) -> list[str]:
    decided = [job.decided for job in timeline.progress.jobs.values() if job.decided is not None]
    if not decided:
        return []
    evaluation = max(decided, key=lambda decision: decision.at).fact.evaluation
    return list(dict.fromkeys([*(rule.metric for rule in evaluation.rules), *evaluation.metrics]))


def _plot(timeline: ModelTimeline, metric: str, limits: PolicyLimits) -> Plot | None:
    samples = sorted(_samples(timeline, metric, limits), key=lambda sample: sample.at)
    if not samples:
        return None
    frame = _frame(timeline, samples)
    jobs = timeline.progress.jobs
    deployments = [(deployment.begin, _served_value(deployment, jobs, metric)) for deployment in timeline.deployments]
    edges = (_steps(frame, [(sample.at, _end(sample.passing, low=low)) for sample in samples]) for low in (True, False))
    return Plot(
        name=metric,
        marks=[_mark(frame, sample) for sample in samples],
        incumbent=_steps(frame, deployments),
        limits=[path for path in edges if path],
        turns=_turns(timeline, frame),
        levels=frame.levels(),
        dates=frame.dates(),
        latest=short_number(samples[-1].value),
        label=_label(metric, samples),
        dense=len(samples) > _DENSE,
    )


def _frame(timeline: ModelTimeline, samples: Sequence[_Sample]) -> Frame:
    """Return the room for the samples and their limits, up to the last thing that happened to the model."""
    moments = [
        samples[-1].at,
        timeline.entries[-1].run.started_at,
        *(deployment.begin for deployment in timeline.deployments),
    ]
    with localcontext(EXACT):
        values = Axis.over([value for sample in samples for value in (sample.value, *_ends(sample.passing))])
    return Frame(begin=samples[0].at, end=max(moments), values=values, height=HEIGHT)


def _samples(timeline: ModelTimeline, metric: str, limits: PolicyLimits) -> Iterable[_Sample]:
    for job in timeline.progress.jobs.values():
        value = value_of(job, metric)
        if job.decided is not None and value is not None:
            fate, passing = candidate_status(timeline.progress, job), limits.interval(job.decided, metric)
            yield _Sample(at=job.decided.at, value=value, fate=fate, passing=passing)


def _served_value(deployment: Deployment, jobs: Mapping[str, RetrainJob], metric: str) -> Decimal | None:
    if deployment.retrain_job_id is not None:
        return value_of(jobs.get(deployment.retrain_job_id), metric)
    return Decimal(deployment.metrics[metric]) if metric in deployment.metrics else None


def value_of(job: RetrainJob | None, metric: str) -> Decimal | None:
    """Return a metric of a job's result as it was judged."""
    text = job.decided.fact.evaluation.metrics.get(metric) if job is not None and job.decided is not None else None
    return None if text is None else Decimal(text)


def _turns(timeline: ModelTimeline, frame: Frame) -> list[Tick]:
    return [
        Tick(
            place=frame.x(deployment.begin),
            label=f"{deployment.begin:%Y-%m-%d}: rolled back by {deployment.by}, {deployment.reason}",
        )
        for deployment in timeline.deployments
        if deployment.turned_back and deployment.begin >= frame.begin
    ]


def _ends(passing: Interval | None) -> list[Decimal]:
    return [end for end in (passing.low, passing.high) if end is not None] if passing else []


def _end(passing: Interval | None, *, low: bool) -> Decimal | None:
    if passing is None:
        return None
    return passing.low if low else passing.high


def _mark(frame: Frame, sample: _Sample) -> Mark:
    label = f"{sample.at:%Y-%m-%d}: {short_number(sample.value)}, {sample.fate}"
    return Mark(x=frame.x(sample.at), y=frame.y(sample.value), fate=sample.fate, label=label)


def _steps(frame: Frame, levels: Sequence[Level]) -> str:
    """Return a path that keeps each level until the next one, broken where there is none; of one moment, all along."""
    path, before = list[str](), None
    for place, (at, value) in enumerate(levels, start=1):
        until = levels[place][0] if place < len(levels) else frame.end
        level = None if value is None else frame.y(value)
        if level is not None:
            begin, end = (frame.x(at), frame.x(max(at, until))) if frame.end > frame.begin else ("0", "100")
            path.append(f"M{begin} {level}H{end}" if before is None else f"V{level}H{end}")
        before = level
    return "".join(path)


def _label(metric: str, samples: Sequence[_Sample]) -> str:
    fates = [sample.fate for sample in samples]
    told = ", ".join(f"{fates.count(fate)} {fate}" for fate in sorted(set(fates)))
    first, last = short_number(samples[0].value), short_number(samples[-1].value)
    days = f"{samples[0].at:%Y-%m-%d} to {samples[-1].at:%Y-%m-%d}"
    return f"{metric} of {counted(len(samples), 'candidate')}, {days}, from {first} to {last}: {told}"
