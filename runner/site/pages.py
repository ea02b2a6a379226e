"""The pages of the site: where each is, what it is made from, and its bytes on demand. Pure."""

import re
import shlex
from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import cache, partial
from importlib.resources import files

from jinja2 import Environment
from markupsafe import escape
from msgspec import Struct, field

from runner.journal.outcomes import BY_URGENCY, OUTCOMES, Outcome
from runner.journal.progress import Progress, RunRecord
from runner.reports.build import metrics_of
from runner.reports.charts.metric_chart import HEIGHT, plots
from runner.reports.charts.rule_chart import PolicyLimits
from runner.reports.formats.render import FILTERS, templates
from runner.reports.history import Entry
from runner.reports.model_timeline import Deployment, Fleet, ModelTimeline, leading_values, standing, told_values
from runner.reports.next_step import CommandContext
from runner.reports.page import few, first_must_do, inline_file
from runner.reports.table import short_number
from runner.reports.text import clipped, inline
from runner.site.addresses import INDEX, RUNS, Place, asset_path, edition, model_place, run_path

_DECISIONS = {"switch": "switch", "hold": "hold", "await_approval": "ask a person"}


class EntryRow(Struct, frozen=True, kw_only=True):
    """The model in one run; `path` is that of the run's page, None while the run has no end."""

    entry: Entry
    path: str | None
    values: Sequence[str]
    metrics: Mapping[str, Decimal | None]
    decision: str


class DeploymentRow(Struct, frozen=True, kw_only=True):
    """What served; `end` is None for what serves now as far as the journal knows."""

    deployment: Deployment
    end: datetime | None
    path: str | None
    value: str


def outcome_counts(timeline: ModelTimeline) -> dict[Outcome, int]:
    """Return how often each outcome was met."""
    outcomes = [entry.outcome for entry in timeline.entries]
    return {outcome: outcomes.count(outcome) for outcome in OUTCOMES if outcome in outcomes}


def entry_rows(timeline: ModelTimeline) -> Sequence[EntryRow]:
    """Return the model's runs."""
    return [
        _entry_row(entry) for entry in sorted(timeline.entries, key=lambda entry: entry.run.started_at, reverse=True)
    ]


def _entry_row(entry: Entry) -> EntryRow:
    return EntryRow(
        entry=entry,
        path=run_path(entry.run.run_id) if entry.run.finished else None,
        values=told_values(entry.decided),
        metrics=metrics_of(entry.decided),
        decision=_decision(entry),
    )


def _decision(entry: Entry) -> str:
    """Return the last word that was said in the run: a person's is above a policy's."""
    if entry.rollback is not None:
        return f"rollback by {entry.rollback.fact.by}"
    if entry.review is not None:
        return f"{entry.review.fact.action} by {entry.review.fact.by}"
    return _DECISIONS.get(entry.decided.action, entry.decided.action) if entry.decided else ""


def deployment_rows(progress: Progress, timeline: ModelTimeline) -> Sequence[DeploymentRow]:
    """Return the jobs that served, with the first value that their policy looked at."""
    found, end = list[DeploymentRow](), None
    for deployment in reversed(timeline.deployments):
        found.append(_deployment_row(progress, timeline, deployment, end))
        end = deployment.begin
    return found


def _deployment_row(
    progress: Progress, timeline: ModelTimeline, deployment: Deployment, end: datetime | None
) -> DeploymentRow:
    job = timeline.progress.jobs.get(deployment.retrain_job_id or "")
    stated = [(name, Decimal(text)) for name, text in deployment.metrics.items()]
    values = leading_values(job.decided if job else None) or stated
    finished = progress.runs[deployment.run_id].finished
    return DeploymentRow(
        deployment=deployment,
        end=end,
        path=run_path(deployment.run_id) if finished else None,
        value=f"{values[0][0]} {short_number(values[0][1])}" if values else "",
    )


class RunLine(Struct, frozen=True, kw_only=True):
    """One run: what happened to its models, and the path of its page, None while it has no end."""

    record: RunRecord
    summary: Mapping[Outcome, int]
    path: str | None
    seconds: float | None

    @property
    def command(self) -> str:
        """Return the command that made the run."""
        return self.record.started.command


def run_lines(fleet: Fleet) -> Sequence[RunLine]:
    """Return all runs, newest first."""
    outcomes: dict[str, list[Outcome]] = {}
    for timeline in fleet.timelines:
        for entry in timeline.entries:
            if entry.outcome is not None:
                outcomes.setdefault(entry.run.run_id, []).append(entry.outcome)
    records = sorted(fleet.progress.runs.values(), key=lambda run: run.started_at, reverse=True)
    return [_line(record, outcomes.get(record.run_id, [])) for record in records]


def _line(record: RunRecord, outcomes: Sequence[Outcome]) -> RunLine:
    seconds = (record.finished_at - record.started_at).total_seconds() if record.finished_at else None
    return RunLine(
        record=record,
        summary={outcome: outcomes.count(outcome) for outcome in OUTCOMES if outcome in outcomes},
        path=run_path(record.run_id) if record.finished else None,
        seconds=seconds,
    )


_RUN_BEFORE = re.compile(rb'href="\.\./([0-9A-Za-z.-]+)/report\.html"')
_IN_STATE = re.compile(rb'(<|\\u003c)a class=(\\?")in-state\\?" href=\\?"[^"\\]*\\?"')  # in JSON too


class DayBar(Struct, frozen=True, kw_only=True):
    """What happened to the models in the runs of one day, as a bar; `x` and `width` are percent of the picture's width.

    `total` counts the models.

    `parts` have an outcome, where it begins and how high it is, in percent of the picture's height.
    """

    day: str
    summary: Mapping[Outcome, int]
    total: int
    x: str
    width: str
    parts: Sequence[tuple[Outcome, str, str]]


def day_bars(runs: Sequence[RunLine]) -> Sequence[DayBar]:
    """Return the newest days with runs, oldest first; `runs` are newest first."""
    days: dict[str, Counter[Outcome]] = {}
    for run in runs:
        days.setdefault(f"{run.record.started_at:%Y-%m-%d}", Counter()).update(run.summary)
    shown = [(day, counts) for day, counts in days.items() if counts][:_MOST_DAYS][::-1]
    most, share = max((counts.total() for _, counts in shown), default=1), 100 / max(len(shown), _FEWEST_DAYS)
    bars = list[DayBar]()
    for place, (day, counts) in enumerate(shown):
        summary = {outcome: counts[outcome] for outcome in OUTCOMES if outcome in counts}
        top, parts = 100.0, list[tuple[Outcome, str, str]]()
        for outcome, count in summary.items():
            top -= count / most * 100
            parts.append((outcome, f"{top:.2f}", f"{count / most * 100:.2f}"))
        x, width = f"{place * share:.2f}", f"{share * _OF_A_DAY:.2f}"
        bars.append(DayBar(day=day, summary=summary, total=counts.total(), x=x, width=width, parts=parts))
    return bars


_HEADER = b"<header>\n"
_WAY_BACK = b'<nav aria-label="Site"><a href="../../index.html">Models</a> <a href="../index.html">Runs</a></nav>\n'


# The link is beside the outcome: the page's script finds a model by the text of the first cell.
_NAME = re.compile(rb'(<th scope="row"><a href="#m[0-9]+">([^<]*)</a></th><td data-key="[0-9]+">.*?)</td>')


def model_links(run: RunRecord, pages: Container[str]) -> Mapping[str, str]:
    """Return the addresses of the models' pages by their names as the run's page shows them, where that is clear."""
    shown: dict[str, set[str]] = {}
    for name in run.models:
        path = model_place(run.started.service, name).path
        shown.setdefault(str(escape(inline(clipped(name)))), set()).add(path)
    found = {text: paths.pop() for text, paths in shown.items() if len(paths) == 1}
    return {text: f"../../{path}" for text, path in found.items() if path in pages}


def with_way_back(report: bytes, models: Mapping[str, str]) -> bytes:
    """Return a report with links to the two lists and to the pages of `models`.

    Links to files that are not in the site lead to its pages, or go.

    All its text is escaped, so its header begins in one place only, and no text looks like a link.
    """

    def with_history(name: re.Match[bytes]) -> bytes:
        address = models.get(name[2].decode())
        link = f' <a class="soft" href="{address}" aria-label="history of {name[2].decode()}">history</a>'
        return name[1] + (link.encode() if address else b"") + b"</td>"

    linked = _RUN_BEFORE.sub(rb'href="../\1/index.html"', _IN_STATE.sub(rb"\1a class=\2in-state\2", report))
    return _NAME.sub(with_history, linked).replace(_HEADER, _HEADER + _WAY_BACK, 1)


class Assets(Struct, frozen=True, kw_only=True):
    """The paths of the style and the script, and their bytes by path."""

    style: str
    script: str
    files: Mapping[str, bytes]


@cache
def assets() -> Assets:
    """Return the report's style with the site's own added, and the report's script."""
    own = files("runner.site").joinpath("templates", "site.css").read_text("utf-8")
    style, script = f"{inline_file('report.css').text}\n{own}".encode(), inline_file("report.js").text.encode()
    paths = asset_path(style, "css"), asset_path(script, "js")
    return Assets(style=paths[0], script=paths[1], files={paths[0]: style, paths[1]: script})


def render(template: str, **values: object) -> bytes:
    """Return a page as UTF-8; every value that a template shows is escaped."""
    return _environment().get_template(template).render(**values).encode()


@cache
def _environment() -> Environment:
    return templates("runner.site", "runner.reports", filters=FILTERS)


_RECENT = 12  # runs on the first page
_MOST_DAYS = 60
_FEWEST_DAYS = 14  # places for bars
_OF_A_DAY = 0.85  # of its share of the width: bars do not touch


class Page(Struct, frozen=True, kw_only=True):
    """A file of the site. As long as `source` stays the same, so do the bytes that `render` returns."""

    path: str
    source: str
    render: Callable[[], bytes]


def site_pages(fleet: Fleet) -> Iterator[Page]:
    """Yield all files but the runs' own pages, in an order in which no link leads to what is not there yet."""
    made = assets()
    for path, content in made.files.items():
        yield Page(path=path, source=path, render=partial(bytes, content))
    desk = _Desk(fleet=fleet, assets=made)
    for timeline in fleet.timelines:
        place = model_place(timeline.service, timeline.name)
        yield Page(path=place.path, source=_source(timeline.mark), render=partial(desk.model, timeline, place))
    for old, timeline in _former_names(fleet):
        place = model_place(timeline.service, old)
        source = _source(f"{old} {timeline.name}")
        yield Page(path=place.path, source=source, render=partial(desk.moved, old, timeline, place))
    head = fleet.progress.head[1] if fleet.progress.head else ""
    yield Page(path=RUNS, source=_source(head), render=desk.runs)
    yield Page(path=INDEX, source=_source(head), render=desk.index)


def _former_names(fleet: Fleet) -> Iterator[tuple[str, ModelTimeline]]:
    """Yield names that nothing is called any more, with the model that had them: links to their pages lead on."""
    used = {(timeline.service, timeline.name) for timeline in fleet.timelines}
    for timeline in fleet.timelines:
        for old in dict.fromkeys(timeline.progress.former_names):
            if (timeline.service, old) not in used:
                used.add((timeline.service, old))
                yield old, timeline


def _source(mark: str) -> str:
    return f"{mark} {edition()}"


def _explain_command(timeline: ModelTimeline) -> str | None:
    """Return the command that shows the model's newest decision in full; None where there is none."""
    decided = [entry for entry in timeline.entries if entry.decided]
    job = decided[-1].retrain_job_id if decided else None
    if job is None:
        return None
    state = CommandContext.of_run(timeline.entries[-1].run.started).state
    return f"{shlex.join(['retrain', 'history', timeline.name, '--job', job])}{state}"


class _Desk(Struct, frozen=True, kw_only=True):
    """What all pages are made with; the rules behind decisions are read once."""

    fleet: Fleet
    assets: Assets
    limits: PolicyLimits = field(default_factory=PolicyLimits)

    def index(self) -> bytes:
        lines = sorted(map(standing, self.fleet.timelines), key=lambda line: line.urgency)
        runs = run_lines(self.fleet)
        outcomes = [line.ended.outcome for line in lines if line.ended and line.ended.outcome]
        must_do = [lines[number - 1] for number in first_must_do([line.urgency for line in lines])]
        later = Counter(line.standing for line in lines if line.troubled)
        later.subtract(line.standing for line in must_do)
        return self._page(
            "index.html.j2",
            root="",
            lines=lines,
            must_do=must_do,
            later={outcome: later[outcome] for outcome in BY_URGENCY if later[outcome]},
            summary={outcome: outcomes.count(outcome) for outcome in dict.fromkeys(outcomes)},
            runs=runs[:_RECENT],
            runs_count=len(runs),
            days=day_bars(runs),
            owners=few({line.timeline.owner for line in lines if line.timeline.owner}),
            tags=few({tag for line in lines for tag in line.timeline.tags}),
            services=sorted({line.timeline.service for line in lines}),
            head=self.fleet.progress.head,
            verify=self._context().verify(),
        )

    def runs(self) -> bytes:
        return self._page("runs.html.j2", root="../", runs=run_lines(self.fleet))

    def model(self, timeline: ModelTimeline, place: Place) -> bytes:
        return self._page(
            "model_page.html.j2",
            root=place.root,
            now=standing(timeline),
            plots=plots(timeline, self.limits),
            height=HEIGHT,
            summary=outcome_counts(timeline),
            entries=entry_rows(timeline),
            deployments=deployment_rows(self.fleet.progress, timeline),
            explain=_explain_command(timeline),
        )

    def moved(self, old: str, timeline: ModelTimeline, place: Place) -> bytes:
        return self._page("moved_page.html.j2", root=place.root, old=old, timeline=timeline)

    def _context(self) -> CommandContext:
        """Return what commands about the whole state need, as its newest run has it."""
        newest = next(reversed(self.fleet.progress.runs.values()), None)
        return CommandContext.of_run(newest.started) if newest else CommandContext()

    def _page(self, template: str, **values: object) -> bytes:
        return render(template, assets=self.assets, page_of=model_place, **values)
