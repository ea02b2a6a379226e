"""The files of a run's folder, as bytes. Pure: the same history gives the same bytes in any locale and time zone."""

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from runner.report import text
from runner.report.build import TIMINGS, RunHistory, build_report, find_job
from runner.report.chart import WIDTH, rule_charts
from runner.report.json_form import render_json

_STAGES = tuple((key, key.removesuffix("_s")) for key in TIMINGS)
_FILTERS = {
    "cell": text.markdown_cell,
    "code": text.markdown_code,
    "count": text.count,
    "duration": text.duration,
    "exit_meaning": text.exit_meaning,
    "headline": text.headline,
    "inline": text.inline,
    "number": text.number,
    "origin": text.origin,
    "short": text.short_digest,
    "utc": text.utc,
    "words": text.words,
}


def render_files(history: RunHistory) -> dict[str, bytes]:
    """Return the run folder's files by name: report.json, report.md, report.html and journal.jsonl."""
    report = build_report(history)
    return {
        "report.json": render_json(report),
        "report.md": render_markdown(report),
        "report.html": render_html(history),
        "journal.jsonl": b"".join(one.body + b"\n" for one in history.links),
    }


def render_markdown(report: dict[str, Any]) -> bytes:
    """Return the report as UTF-8 Markdown, for a pull request's comment or a mail."""
    return _render("report.md.j2", report=report)


def render_html(history: RunHistory) -> bytes:
    """Return the report as one UTF-8 HTML page that loads nothing and runs no script."""
    report = build_report(history)
    jobs = {model["name"]: find_job(history, model["name"]) for model in report["models"]}
    charts = {name: rule_charts(job.decided if job else None) for name, job in jobs.items()}
    return _render("report.html.j2", report=report, charts=charts, axis=WIDTH, stages=_STAGES)


def _render(template: str, **values: Any) -> bytes:
    environment = _environment(autoescape=template.endswith(".html.j2"))
    return environment.get_template(template).render(**values).encode()


@cache
def _environment(*, autoescape: bool) -> Environment:
    """Return the templates' surroundings, made once: an audit renders many runs, and compiling takes longest."""
    environment = Environment(
        loader=PackageLoader("runner.report"),
        autoescape=autoescape,  # noqa: S701 -- on for HTML; Markdown is escaped by its filters
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= _FILTERS
    return environment
