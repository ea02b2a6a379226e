"""What the page of a run shows, ready for its template: models in order of urgency, and their pictures. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import zip_longest

from msgspec import Struct, field

from runner.journal.outcomes import BY_URGENCY, NEEDS_PERSON, Outcome, urgency
from runner.journal.retrain_job import RetrainJob
from runner.plan.needed_jobs import MOST_CANDIDATES
from runner.reports.build import find_job
from runner.reports.charts.rule_chart import Chart, PolicyLimits, rule_charts, rule_titles
from runner.reports.charts.trend import Bounds, Trend, metric_trends, newest_candidates, rows_trend
from runner.reports.commit_address import commit_address
from runner.reports.json_text import LazyList
from runner.reports.model import ModelReport, Report, RuleReport
from runner.reports.next_step import audit_commands
from runner.reports.run_history import RunHistory
from runner.reports.stage_timeline import Gantt, Span, gantt

_MANY = 100  # models; the page of a larger run has shorter histories
_LONG, _SHORT = Bounds(metrics=4, samples=MOST_CANDIDATES), Bounds(metrics=4, samples=26)
_MOST_WARNINGS = 20
_MOST_TODO = 4  # models at the head of the page
_FOLDED = 12  # models; in a larger run no line shows its reason before it is opened
_MOST_TOGGLES = 12  # owners, or tags, to filter by


class Line(Struct, frozen=True, kw_only=True):
    """One model of the page. `report` is its part of report.json; `number` tells it from the others in the page.

    `rule` is the one its verdict rests on, and `unit` that of its margin.
    `rows_before` counts the training rows of the job before, `titles` tell its rules apart, and with `fold` the line
    shows no reason. `seconds` go from the begin of its first stage to the end of its last.
    """

    number: int
    report: ModelReport
    open: bool
    fold: bool
    titles: Sequence[str]
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
    """A run's page, the most urgent models first. `many` are told of so that it stays small and opens at once.

    `must_do` are the first models that need a person, by their numbers in the page, `later` counts the others. `owners`
    and `tags` are those to filter by, `commit` is the address of the manifest's commit, and `verify` are the commands
    that check the run, and the state against its report.
    """

    lines: LazyList[Line]
    must_do: Sequence[tuple[int, ModelReport]]
    later: Mapping[Outcome, int]
    owners: Sequence[str]
    tags: Sequence[str]
    commit: str | None
    verify: tuple[str, str]
    gantt: Gantt
    seconds: float
    many: bool


def build_page(history: RunHistory, report: Report) -> Page:
    """Return what the page shows of a run and its report."""
    models, spans, record = report.models, history.timelines.spans(), history.record
    many = len(models) > _MANY
    desk = _Desk(history=history, bounds=_SHORT if many else _LONG, fold_all=len(models) > _FOLDED)
    order = sorted((urgency(model.outcome), place, model.name) for place, model in enumerate(models))
    unfold = len(order) == 1

    def line(number: int) -> Line:
        model = models[order[number][1]]
        return desk.line(model, spans.get(model.name, ()), number + 1, unfold=number == 0 and unfold)

    must_do = [(number, models[order[number - 1][1]]) for number in first_must_do([level for level, _, _ in order])]
    counts = Counter({outcome: report.summary.get(outcome, 0) for outcome in NEEDS_PERSON})
    counts.subtract(model.outcome for _, model in must_do)
    plans = history.plans.values()
    return Page(
        lines=LazyList(len(order), line),
        must_do=must_do,
        later={outcome: count for outcome, count in counts.items() if count},
        owners=few({plan.owner for plan in plans if plan.owner}),
        tags=few({tag for plan in plans for tag in plan.tags}),
        commit=commit_address(report.manifest.git) if report.manifest.git else None,
        verify=audit_commands(record.started, report.run_id),
        gantt=gantt(spans, [name for _, _, name in order]),
        seconds=(record.finished_at - record.started_at).total_seconds() if record.finished_at else 0.0,
        many=many,
    )


def few(values: set[str]) -> Sequence[str]:
    """Return the values to filter by, none where they are too many for buttons."""
    return sorted(values) if len(values) <= _MOST_TOGGLES else ()


def first_must_do(urgencies: Sequence[int]) -> Sequence[int]:
    """Return the numbers of the models at the head of a page: of each outcome in turn, so that none hides another."""
    by_outcome: dict[int, list[int]] = {}
    for number, level in enumerate(urgencies, 1):
        if level < len(BY_URGENCY) and BY_URGENCY[level] in NEEDS_PERSON:
            by_outcome.setdefault(level, []).append(number)
    turns = [number for turn in zip_longest(*by_outcome.values()) for number in turn if number is not None]
    return sorted(turns[:_MOST_TODO])


class _Desk(Struct, frozen=True, kw_only=True):
    """What the lines of one page are made with; `bounds` are those of the histories."""

    history: RunHistory
    bounds: Bounds
    fold_all: bool
    limits: PolicyLimits = field(default_factory=PolicyLimits)

    def line(self, model: ModelReport, spans: Sequence[Span], number: int, *, unfold: bool) -> Line:
        name, warnings = model.name, model.warnings
        job = find_job(self.history, name)
        progress = self.history.progress.model(self.history.record.started.service, name)
        rule, charts = _leading_rule(model), rule_charts(job.decided if job else None, _eval_rows(job))
        candidates = newest_candidates(progress, self.limits, self.bounds)
        return Line(
            number=number,
            report=model,
            open=unfold,
            fold=self.fold_all or model.outcome not in NEEDS_PERSON,
            titles=rule_titles(job.decided if job else None),
            rule=rule,
            unit=_unit(rule, model.rules, charts),
            charts=charts,
            trends=metric_trends(candidates, job, self.bounds),
            rows=rows_trend(candidates, job),
            rows_before=candidates.rows_before(job),
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


def _eval_rows(job: RetrainJob | None) -> int | None:
    return job.data.eval.rows if job and job.data and job.data.eval else None


def _unit(rule: RuleReport | None, rules: Sequence[RuleReport], charts: Sequence[Chart | None]) -> str:
    """Return the unit of a rule's margin, as its chart has it."""
    drawn = (chart for known, chart in zip(rules, charts, strict=False) if known is rule)
    chart = next(drawn, None)
    return chart.unit if chart else ""
