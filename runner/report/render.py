"""The files of a run's folder, as bytes. Pure: the same history gives the same bytes in any locale and time zone."""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

from jinja2 import Environment

from runner.journal.instants import stamp
from runner.report import markup, table, text
from runner.report.answer import answer
from runner.report.build import RunHistory, build_report
from runner.report.chart import WIDTH
from runner.report.course import STAGES
from runner.report.inline_files import inline_file
from runner.report.json_form import render_json
from runner.report.markdown import summarize
from runner.report.page import Page, build_page
from runner.report.sheet import Sheet, lay_out
from runner.report.templating import templates
from runner.report.trend import HEIGHT

FILTERS: Mapping[str, Callable[..., Any]] = {
    "answer": answer,
    "cell": text.markdown_cell,
    "clipped": text.clipped,
    "code": text.markdown_code,
    "count": text.count,
    "drift": text.drift,
    "duration": text.duration,
    "exit_meaning": text.exit_meaning,
    "inline": text.inline,
    "number": text.number,
    "origin": text.origin,
    "prose": markup.prose,
    "rounded": table.short_number,
    "short": text.short_digest,
    "signed": table.signed_number,
    "stamp": stamp,
    "utc": text.utc,
    "words": text.words,
}


def render_files(history: RunHistory) -> dict[str, bytes]:
    """Return the run folder's files by name: report.json, report.md, report.html and journal.jsonl."""
    return dict(each_file(history, build_report(history)))


def each_file(history: RunHistory, report: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    """Yield the same one by one: those of a large run are many megabytes, and need not be there all at once."""
    yield "report.json", render_json(report)
    yield "report.md", render_markdown(report)
    yield "report.html", _html(history, report)
    yield "journal.jsonl", b"".join(one.body + b"\n" for one in history.links)


def render_markdown(report: dict[str, Any]) -> bytes:
    """Return the report as UTF-8 Markdown, for a pull request's comment or a mail."""
    parts = summarize(report, lambda model: _render("model.md.j2", model=model))
    return _render("report.md.j2", report=report, parts=parts).encode()


def render_html(history: RunHistory) -> bytes:
    """Return the report as one UTF-8 HTML page that loads nothing; its own script is all that runs in it."""
    return _html(history, build_report(history))


def _html(history: RunHistory, report: dict[str, Any]) -> bytes:
    page = build_page(history, report)
    return _render(
        "report.html.j2",
        report=report,
        page=page,
        sheet=_sheet(page),
        style=inline_file("report.css"),
        script=inline_file("report.js"),
        stages=STAGES,
    ).encode()


def _sheet(page: Page) -> Sheet:
    """Return the models' lines and lanes, with their panels as far as there is room."""
    line: Any = _environment(autoescape=True).get_template("line.html.j2").module  # its macros, as functions
    model: Any = _environment(autoescape=True).get_template("model.html.j2").module
    return lay_out(
        lines=page.lines,
        row=line.row,
        panel=lambda one: model.panel(one, WIDTH, HEIGHT),
        lanes=[line.lane(name, bars) for name, bars in page.gantt.rows],
        folded=page.many,
    )


def _render(template: str, **values: Any) -> str:
    environment = _environment(autoescape=template.endswith(".html.j2"))
    return environment.get_template(template).render(**values)


@cache
def _environment(*, autoescape: bool) -> Environment:
    """Return the templates' surroundings, made once: an audit renders many runs."""
    return templates("runner.report", autoescape=autoescape, filters=FILTERS)
