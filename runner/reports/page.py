"""What the page of a run shows, ready for its template: models in order of urgency, and their pictures. Pure."""

from collections.abc import Iterable, Sequence

from msgspec import Struct, field

from runner.journal.outcomes import BY_URGENCY, NEEDS_PERSON, urgency
from runner.journal.retrain_job import RetrainJob
from runner.reports.build import RunHistory, find_job
from runner.reports.charts.rule_chart import Chart, PolicyLimits, rule_charts
from runner.reports.charts.trend import Bounds, Trend, metric_trends, rows_trend
from runner.reports.json_text import LazyList
from runner.reports.model import ModelReport, Report, RuleReport
from runner.reports.stage_timeline import Gantt, Span, gantt

_MANY = 100  # models; the page of a larger run has shorter histories
_LONG, _SHORT = Bounds(metrics=4, samples=60), Bounds(metrics=4, samples=26)
_FEW = 20  # models; in a run of so many the most urgent one stands open
_MOST_WARNINGS = 20


class Line(Struct, frozen=True, kw_only=True):
    """One model of the page. `report` is its part of report.json; `number` tells it from the others in the page.

    `rule` is the one its verdict rests on, and `unit` that of its margin. `rows_before` counts the training rows of the
    job before. `seconds` go from the begin of its first stage to the end of its last.
    """

    number: int
    report: ModelReport
    open: bool
    rule: RuleReport | None
    unit: str
    charts: Sequence[Chart | None]
    trends: Sequence[Trend]
    rows: Trend | None
    rows_before: int | None
    course: Sequence[Span]
    picture: Gantt
    seconds: float
    warnings: Sequence[str]
    more_warnings: int


class Page(Struct, frozen=True, kw_only=True):
    """A run's page, the most urgent models first. `many` are told of so that it stays small and opens at once."""

    lines: LazyList[Line]
    gantt: Gantt
    seconds: float
    many: bool


def build_page(history: RunHistory, report: Report) -> Page:
    """Return what the page shows of a run and its report."""
    models, spans, record = report.models, history.courses.spans(), history.record
    many = len(models) > _MANY
    desk = _Desk(history=history, bounds=_SHORT if many else _LONG)
    order = sorted((urgency(model.outcome), place, model.name) for place, model in enumerate(models))
    unfold = _is_telling([one for one, _, _ in order])

    def line(number: int) -> Line:
        model = models[order[number][1]]
        return desk.line(model, spans.get(model.name, ()), number + 1, unfold=number == 0 and unfold)

    return Page(
        lines=LazyList(len(order), line),
        gantt=gantt(spans, [name for _, _, name in order]),
        seconds=(record.finished_at - record.started_at).total_seconds() if record.finished_at else 0.0,
        many=many,
    )


def _is_telling(urgencies: Sequence[int]) -> bool:
    """Tell whether the most urgent of a few models stands open at first: it is in trouble, or the only one."""
    return len(urgencies) == 1 or (0 < len(urgencies) <= _FEW and BY_URGENCY[urgencies[0]] in NEEDS_PERSON)


class _Desk(Struct, frozen=True, kw_only=True):
    """What the lines of one page are made with; `bounds` are those of the histories."""

    history: RunHistory
    bounds: Bounds
    limits: PolicyLimits = field(default_factory=PolicyLimits)

    def line(self, model: ModelReport, spans: Sequence[Span], number: int, *, unfold: bool) -> Line:
        name, warnings = model.name, model.warnings
        job = find_job(self.history, name)
        progress = self.history.progress.model(self.history.record.started.service, name)
        rule, charts = _leading_rule(model), rule_charts(job.decided if job else None)
        return Line(
            number=number,
            report=model,
            open=unfold,
            rule=rule,
            unit=_unit(rule, model.rules, charts),
            charts=charts,
            trends=metric_trends(progress, job, self.limits, self.bounds),
            rows=rows_trend(progress, job, self.bounds),
            rows_before=_rows_before(reversed(progress.jobs.values()), job),
            course=spans,
            picture=gantt({name: spans}, [name]),
            seconds=(spans[-1].end - spans[0].begin).total_seconds() if spans else 0.0,
            warnings=warnings[:_MOST_WARNINGS],
            more_warnings=len(warnings[_MOST_WARNINGS:]),
        )


def _leading_rule(model: ModelReport) -> RuleReport | None:
    """Return the first rule that keeps the verdict from `passed`, else the one that passed with the least room."""
    deciding = [rule for rule in model.rules if rule.level == "decide"]
    if model.verdict != "passed":
        return next((rule for rule in deciding if rule.verdict == model.verdict), None)
    measured = [(rule.margin, place) for place, rule in enumerate(deciding) if rule.margin is not None]
    return deciding[min(measured)[1]] if measured else None


def _unit(rule: RuleReport | None, rules: Sequence[RuleReport], charts: Sequence[Chart | None]) -> str:
    """Return the unit of a rule's margin, as its chart has it."""
    drawn = (chart for one, chart in zip(rules, charts, strict=False) if one is rule)
    chart = next(drawn, None)
    return chart.unit if chart else ""


def _rows_before(jobs: Iterable[RetrainJob], job: RetrainJob | None) -> int | None:
    """Return the training rows of the job before, None where there was none that was sent; `jobs` are newest first."""
    later = True
    for retrain_job in jobs:
        if later:
            later = job is None or retrain_job.retrain_job_id != job.retrain_job_id
        elif retrain_job.data is not None and retrain_job.intended_at is not None:
            return retrain_job.data.train.rows
    return None
