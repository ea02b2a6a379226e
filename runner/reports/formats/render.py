"""The files of a run's folder, as bytes. Pure: the same history gives the same bytes in any locale and time zone."""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

from jinja2 import Environment, Template

from runner.lib.timestamps import stamp
from runner.reports import table, text
from runner.reports.build import outline
from runner.reports.charts.rule_chart import WIDTH
from runner.reports.charts.trend import HEIGHT
from runner.reports.commit_address import commit_address
from runner.reports.evidence_text import evidence_line, in_short, metric_text, undecided
from runner.reports.formats.markdown import summarize
from runner.reports.json_text import json_pieces
from runner.reports.next_step import audit_commands, named_only, short_id, why
from runner.reports.page import Page, build_page
from runner.reports.page_layout import PageLayout, answer, inline_file, lay_out, prose, sign
from runner.reports.run_history import RunHistory
from runner.reports.stage_timeline import STAGES
from runner.reports.templating import templates

_LINE, _PANEL = _PARTS = ("line.html.j2", "model.html.j2")
_BUFFERED = 500  # parts of the page that are yielded as one
FILTERS: Mapping[str, Callable[..., Any]] = {
    "acting": text.acting,
    "answer": answer,
    "cell": text.markdown_cell,
    "in_short": in_short,
    "clipped": text.clipped,
    "code": text.markdown_code,
    "count": text.count,
    "drift": text.drift,
    "duration": text.duration,
    "exit_meaning": text.exit_meaning,
    "inline": text.inline,
    "metric_text": metric_text,
    "named_only": named_only,
    "number": text.number,
    "origin": text.origin,
    "prose": prose,
    "rounded": table.short_number,
    "short_id": short_id,
    "short": text.short_digest,
    "sign": sign,
    "signed": table.signed_number,
    "stamp": stamp,
    "undecided": undecided,
    "why": why,
    "evidence_line": evidence_line,
    "utc": text.utc,
    "words": text.in_words,
}


def make_ready() -> None:
    """Load the templates of the page: about a tenth of a second that need not wait for the end of a run."""
    _template("report.html.j2")
    for name in _PARTS:
        _macros(name)


def render_files(history: RunHistory) -> dict[str, bytes]:
    """Return the run folder's files by name: report.json, report.md, report.html and journal.jsonl."""
    return {name: b"".join(pieces) for name, pieces in each_file(history)}


def each_file(history: RunHistory) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Yield the same one by one and in pieces: those of a large run are many megabytes, and need never be there whole.

    A file's pieces are to be taken before the next file is asked for.
    """
    yield "report.json", render_report(history)
    yield "report.md", iter([render_markdown(history)])
    yield "report.html", _html(history)
    yield "journal.jsonl", (body + b"\n" for body in history.links.bodies())


def render_report(history: RunHistory) -> Iterator[bytes]:
    """Yield the pieces of report.json."""
    return json_pieces(outline(history), "models")


def render_markdown(history: RunHistory) -> bytes:
    """Return the report as UTF-8 Markdown, for a pull request's comment or a mail."""
    report = outline(history)
    git, (verify, _) = report.manifest.git, audit_commands(history.record.started, report.run_id)
    return _render(
        "report.md.j2",
        report=report,
        parts=summarize(report, lambda model: _render("model.md.j2", model=model)),
        commit=commit_address(git) if git else None,
        verify=verify,
    ).encode()


def render_html(history: RunHistory) -> bytes:
    """Return the report as one UTF-8 HTML page that loads nothing; its own script is all that runs in it."""
    return b"".join(_html(history))


def _html(history: RunHistory) -> Iterator[bytes]:
    report = outline(history)
    page = build_page(history, report)
    stream = _template("report.html.j2").stream(
        report=report,
        page=page,
        sheet=_sheet(page),
        style=inline_file("report.css"),
        script=inline_file("report.js"),
        stages=STAGES,
    )
    stream.enable_buffering(_BUFFERED)
    return (piece.encode() for piece in stream)


def _sheet(page: Page) -> PageLayout:
    """Return the models' lines and lanes, with their panels as far as there is room."""
    line, model = _macros(_LINE), _macros(_PANEL)
    return lay_out(
        lines=page.lines,
        row=lambda shown, html: str(line.row(shown, html)),
        panel=lambda shown: model.panel(shown, WIDTH, HEIGHT),
        left_out=line.left_out(),
        lanes=[line.lane(name, bars) for name, bars in page.gantt.rows],
        apart=page.many,
    )


def _macros(name: str) -> Any:
    """Return a template's macros as functions."""
    return _template(name).module


def _render(template: str, **values: Any) -> str:
    return _template(template).render(**values)


def _template(name: str) -> Template:
    return _environment(autoescape=name.endswith(".html.j2")).get_template(name)


@cache
def _environment(*, autoescape: bool) -> Environment:
    """Return the templates' surroundings, made once: an audit renders many runs."""
    return templates("runner.reports", autoescape=autoescape, filters=FILTERS)
