"""The files of a run's folder, as bytes. Pure: the same history gives the same bytes in any locale and time zone."""

import re
from typing import Any

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined

from runner.report import text
from runner.report.build import TIMINGS, RunHistory, build_report, find_job
from runner.report.chart import WIDTH, rule_charts

_ENCODER = msgspec.json.Encoder(decimal_format="number")
# Characters that steer a terminal or turn its text around; in JSON their escapes mean the same.
_UNSEEN = re.compile("[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
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


def render_json(report: dict[str, Any]) -> bytes:
    """Return the report as UTF-8 JSON with its keys in their documented order and its numbers as they were judged."""
    rendered = msgspec.json.format(_ENCODER.encode(report), indent=2).decode()
    return (_UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", rendered) + "\n").encode()


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
    environment = Environment(
        loader=PackageLoader("runner.report"),
        autoescape=template.endswith(".html.j2"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= _FILTERS
    return environment.get_template(template).render(**values).encode()
