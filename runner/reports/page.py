"""What the page of a run shows, ready for its template: models in order of urgency, and their pictures. Pure."""

import base64
import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from itertools import islice, zip_longest

from markupsafe import Markup
from msgspec import Struct, field

from runner.journal.events import CommitRecord
from runner.journal.outcomes import BY_URGENCY, NEEDS_PERSON, OUTCOMES, Outcome, urgency
from runner.journal.retrain_job import RetrainJob
from runner.plan.eligibility import MOST_CANDIDATES
from runner.reports.build import find_job
from runner.reports.charts.rule_chart import Chart, PolicyLimits, rule_charts, rule_titles
from runner.reports.charts.trend import Bounds, Trend, metric_trends, newest_candidates, rows_trend
from runner.reports.model import ModelReport, Report, RuleReport
from runner.reports.next_step import audit_commands
from runner.reports.run_history import Gantt, RunHistory, Span, gantt
from runner.reports.text import LazyList, inline, quoted_parts

# Nothing that a browser could take for more than an address: no name or password, no query.
_REMOTE = re.compile(r"(?:https://|ssh://git@|git@)([A-Za-z0-9.-]{1,253})[:/]([A-Za-z0-9._~/-]{1,500}?)(?:\.git)?/?")
_COMMIT = re.compile(r"[0-9a-f]{4,64}")
_PATHS = {"github": "commit", "gitlab": "-/commit"}


def commit_address(git: CommitRecord) -> str | None:
    """Return the address of a commit's page; None where the host does not say that it is one of the two."""
    found = _REMOTE.fullmatch(git.remote or "") if _COMMIT.fullmatch(git.commit) else None
    path = next((path for name, path in _PATHS.items() if found and name in found[1].lower()), None)
    return f"https://{found[1]}/{found[2]}/{path}/{git.commit}" if found and path else None


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


_FORMS = (Markup("{}"), Markup("<code>{}</code>"))


def prose(sentence: object) -> Markup:
    """Return a sentence, escaped; the commands that it quotes are in `code` elements."""
    parts = quoted_parts(inline(sentence))
    return Markup("").join(_FORMS[place % 2].format(part) for place, part in enumerate(parts))


def answer(summary: Mapping[Outcome, int]) -> str:
    """Return the counts by outcome as one sentence, such as `2 of 3 models switched; 1 was held back.`."""
    if not summary:
        return "No model took part."
    total, [(first, count), *others] = sum(summary.values()), list(summary.items())
    told = OUTCOMES[first].verbs[count > 1]
    if not others:
        return f"All {total:,} models {told}." if total > 1 else f"The model {told}."
    rest = [f"{number:,} {OUTCOMES[outcome].verbs[number > 1]}" for outcome, number in others]
    return f"{count:,} of {total:,} models {told}; {_listed(rest)}."


def _listed(parts: Sequence[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else parts[0]


_SIGNS: Mapping[str, str] = {"passed": "✓", "inconclusive": "?"} | {
    name: outcome.sign for name, outcome in OUTCOMES.items()
}


class InlineFile(Struct, frozen=True, kw_only=True):
    """Text that is within a page; `source` is the expression for it in a Content-Security-Policy."""

    text: str
    source: str


@cache
def inline_file(name: str) -> InlineFile:
    """Return a file of the templates folder, with what its pages take from the table of outcomes.

    Nothing in it may end the element that it is in.
    """
    text = files("runner.reports").joinpath("templates", name).read_text("utf-8")
    if name in _OF_OUTCOMES:
        text = f"{_OF_OUTCOMES[name]()}{text}"
    sha256 = hashlib.sha256(text.encode()).digest()
    return InlineFile(text=text, source=f"'sha256-{base64.b64encode(sha256).decode()}'")


def sign(name: str) -> str:
    """Return the sign of an outcome, or of a rule's verdict."""
    return _SIGNS[name]


def _outcome_style() -> str:
    """Return the colours of each outcome: of its badge and its button, and of its part in a bar."""
    return "".join(
        f".badge.{outcome}, .toggle.{outcome} {{ color: var(--{row.tone}); background: var(--{row.tone}-back); }}\n"
        f".shares .{outcome}, .strip .{outcome}, .days .{outcome} {{ fill: var(--{row.fill}); }}\n"
        for outcome, row in OUTCOMES.items()
    )


def _outcome_script() -> str:
    return f"const needsPerson = {json.dumps(NEEDS_PERSON)};\n"


_OF_OUTCOMES: Mapping[str, Callable[[], str]] = {"report.css": _outcome_style, "report.js": _outcome_script}


PAGE_BYTES = 12_000_000  # at most, for as long as the lines alone stay below
_FRAME_BYTES = 100_000  # of these for the style, the script, the head and the foot
_LEAST_BYTES = 1000  # that a panel takes
_AT_ONCE = 50  # lines and lanes of a large run; a window shows fewer
_FEW = 20  # models; of more the panels are not elements of the page before they are opened, which takes its time
_PLACE = "\0"  # of the panel in its line, until it is known; templates show this character of a text as its escape
_WAITING = Markup("<noscript>{}</noscript>")


class PageLayout(Struct, frozen=True, kw_only=True):
    """Markup: the lines of the table and the lanes of the picture, the first ones apart from the later ones.

    `panels` is a JSON list of the panels of the lines, None where they are in the lines. `left_out` counts the panels
    for which there was no room, those of the least urgent models.
    """

    first_rows: str
    later_rows: Sequence[str]
    first_lanes: str
    later_lanes: str
    panels: str | None
    left_out: int


def lay_out(  # noqa: PLR0913 -- all by name: what a page is made of
    *,
    lines: Iterable[Line],
    row: Callable[[Line, str], str],
    panel: Callable[[Line], str],
    left_out: str,
    lanes: Sequence[str],
    apart: bool,
) -> PageLayout:
    """Return the parts of a page of `PAGE_BYTES`.

    `row` renders a line with its panel, which is text where it is left out. With `apart` the panels are in a list of
    their own, and the page's script puts one into its line when that is opened. `panel` is asked only for those that
    may find room: of ten thousand models the lines alone fill the page.
    """
    rows = [row(line, _PLACE) for line in lines]
    taken = sum(len(part.encode()) for part in rows) - len(rows) * len(_PLACE)
    room = max(PAGE_BYTES - _FRAME_BYTES - taken - sum(len(part.encode()) for part in lanes), 0)
    panels = [panel(line) for line in islice(lines, room // _LEAST_BYTES)]
    texts = [_json(panel) for panel in panels] if apart else panels
    kept = _fitting(texts, room)
    shown = [""] * kept if apart else _inline(panels[:kept])
    for place, text in enumerate(rows):
        rows[place] = text.replace(_PLACE, shown[place] if place < kept else left_out)
    at_once = _AT_ONCE if apart else len(rows)
    return PageLayout(
        first_rows="".join(rows[:at_once]),
        later_rows=rows[at_once:],
        first_lanes="".join(lanes[:at_once]),
        later_lanes="".join(lanes[at_once:]),
        panels=f"[{','.join(texts[:kept])}]" if apart else None,
        left_out=len(rows) - kept,
    )


def _inline(panels: Sequence[str]) -> Sequence[str]:
    """Return the panels as they are in their lines: without script they are always there."""
    return panels if len(panels) <= _FEW else [_WAITING.format(panel) for panel in panels]


def _fitting(panels: Sequence[str], room: int) -> int:
    for place, panel in enumerate(panels):
        room -= len(panel.encode()) + 1
        if room < 0:
            return place
    return len(panels)


def _json(panel: str) -> str:
    """Return a panel as JSON that can be in a `script` element: it has no `<`."""
    return json.dumps(panel, ensure_ascii=False).replace("<", "\\u003c")
