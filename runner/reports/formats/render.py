"""The files of a run's folder, as bytes. Pure: the same history gives the same bytes in any locale and time zone."""

import sys
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from functools import cache, partial
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, FileSystemBytecodeCache, PackageLoader, StrictUndefined, Template
from jinja2.bccache import Bucket
from msgspec import Struct

from runner import __version__
from runner.journal.outcomes import NEEDS_PERSON, Outcome, urgency
from runner.lib.timestamps import stamp
from runner.reports import table, text
from runner.reports.build import outline
from runner.reports.charts.rule_chart import WIDTH
from runner.reports.charts.trend import HEIGHT
from runner.reports.evidence_text import (
    evidence_line,
    in_short,
    metric_text,
    short_reason,
    short_why,
    summary_reason,
    undecided,
)
from runner.reports.model import ModelReport, Report
from runner.reports.next_step import audit_commands, named_only, short_id
from runner.reports.page import Page, PageLayout, answer, build_page, commit_address, inline_file, lay_out, prose, sign
from runner.reports.run_history import STAGES, RunHistory
from runner.reports.text import clipped, in_words, json_pieces, markdown_block, markdown_code, markdown_prose

# Jinja's surroundings of the pages, and where its compiled templates are kept. Compiling the templates of a report
# takes longer than all else that a small run does. So the result is where Python keeps what it compiles, in the
# package's own `__pycache__`: written once for each installation, where that is allowed, and believed only while
# template, settings and versions are the same.

_COMPILED = Path(cache_from_source(__file__)).parent
_new_environment = partial(Environment, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True)


class CompiledTemplates(FileSystemBytecodeCache):
    """Compiled templates as files of a folder; like Python's own they are kept only where that is allowed."""

    def load_bytecode(self, bucket: Bucket) -> None:
        """Take a compiled template in, if there is a sound one of this text."""
        try:
            super().load_bytecode(bucket)
        except Exception:  # noqa: BLE001 -- whatever is wrong with it, the template is compiled again
            bucket.reset()

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep a compiled template, whole or not at all."""
        if not sys.dont_write_bytecode:
            with suppress(OSError):
                super().dump_bytecode(bucket)


def templates(
    *packages: str,
    autoescape: bool = True,
    filters: Mapping[str, Callable[..., object]],
    compiled: Path = _COMPILED,
) -> Environment:
    """Return the surroundings of the templates of these packages, of which the first that has a name gives it."""
    edition = f"{zlib.crc32(repr((__version__, autoescape, _new_environment.keywords)).encode()):08x}"
    environment = _new_environment(
        loader=ChoiceLoader([PackageLoader(package) for package in packages]),
        autoescape=autoescape,  # on for HTML; Markdown is escaped by its filters
        undefined=StrictUndefined,
        bytecode_cache=CompiledTemplates(str(compiled), f"template-%s.{sys.implementation.cache_tag}-{edition}.jinja"),
    )
    environment.filters |= filters
    return environment


_TROUBLE_BYTES, _NAMES_BYTES, _BLOCK_BYTES, _REST_BYTES = 20_000, 2_000, 14_000, 10_000  # of names: for each outcome
_MOST_ROWS = 40  # models that need a person; of more, each outcome has its first ones
_ROWS_EACH = 10


class Part(Struct, frozen=True, kw_only=True):
    """Pieces of Markdown that fit, and how many more there would have been."""

    pieces: Sequence[str]
    left_out: int


class Summary(Struct, frozen=True, kw_only=True):
    """The models that need a person as items of a list, what is known of them as blocks, and the rest as rows.

    `others` are those that are not in the list, as names by outcome. `kinds` counts the failures.
    """

    troubled: Part
    others: Mapping[str, Part]
    kinds: Mapping[str, int]
    blocks: Part
    rest: Part
    rest_count: int


class _Mention(Struct, frozen=True):
    """The status of a model in the report, and what the parts are made up by; `kind` is that of its failure."""

    place: int
    name: str
    outcome: Outcome
    kind: str | None
    is_told_of: bool


def summarize(report: Report, render_block: Callable[[ModelReport], str]) -> Summary:
    """Return the parts of a report; `render_block` renders what is known of one model."""
    models = report.models
    found = [_mention(place, model) for place, model in enumerate(models)]
    mentions = sorted(found, key=lambda mention: urgency(mention.outcome))
    troubled = [mention for mention in mentions if mention.outcome in NEEDS_PERSON]
    rest = mentions[len(troubled) :]
    first = _first_ones(troubled)
    items = _fitting((_troubled_item(models[mention.place]) for mention in first), len(first), _TROUBLE_BYTES)
    telling = [mention.place for mention in mentions if mention.is_told_of]
    return Summary(
        troubled=items,
        others=_others(troubled, {mention.name for mention in first[: len(items.pieces)]}),
        kinds=dict(Counter(model.kind for model in troubled if model.kind is not None).most_common()),
        blocks=_fitting((render_block(models[place]) for place in telling), len(telling), _BLOCK_BYTES),
        rest=_fitting((_row(models[mention.place]) for mention in rest), len(rest), _REST_BYTES),
        rest_count=len(rest),
    )


def _mention(place: int, model: ModelReport) -> _Mention:
    outcome = model.outcome
    if outcome in NEEDS_PERSON:
        is_told_of = bool(model.rules or model.warnings or model.decision)
    else:
        is_told_of = outcome != "unchanged" and bool(model.decision)
    kind = model.error.kind if outcome == "failed" and model.error else None
    return _Mention(place, model.name, outcome, kind, is_told_of)


def _first_ones(troubled: Sequence[_Mention]) -> Sequence[_Mention]:
    """Return the models that are to be listed: all of a few, else some of each outcome, the most urgent first."""
    if len(troubled) <= _MOST_ROWS:
        return troubled
    by_outcome = ([mention for mention in troubled if mention.outcome == outcome] for outcome in NEEDS_PERSON)
    return [mention for some in by_outcome for mention in some[:_ROWS_EACH]]


def _others(troubled: Sequence[_Mention], shown: AbstractSet[str]) -> Mapping[str, Part]:
    names: dict[str, list[str]] = {}
    for mention in troubled:
        if mention.name not in shown:
            names.setdefault(mention.outcome, []).append(_name(mention.name))
    return {outcome: _fitting(some, len(some), _NAMES_BYTES) for outcome, some in names.items()}


def _fitting(pieces: Iterable[str], count: int, room: int) -> Part:
    """Take the pieces up to the first that does not fit; those after it are not made."""
    kept = list[str]()
    for piece in pieces:
        room -= len(piece.encode())
        if room < 0:
            break
        kept.append(piece)
    return Part(pieces=kept, left_out=count - len(kept))


def _troubled_item(model: ModelReport) -> str:
    """Return an item of a list; a table with sentences and commands cannot be read on a phone."""
    evidence, step = undecided(model), model.next
    sentences = [short_why(model)]
    if step and step.cause not in ("rules", "review"):  # there the reason says it
        sentences.append(named_only(step.text))
    if evidence:
        sentences.append(f"Metrics: {evidence_line(evidence)}.")
    lines = [f"- {_outcome(model)} {_name(model.name)}: {' '.join(map(_text, sentences))}"]
    if step and step.commands:
        first, *others = step.commands
        lines.append(markdown_block(first, indent="  "))
        more = [f"or {markdown_code(command)}" for command in others]
        more += [f"see {markdown_code(command)}" for command in step.look]
        lines += [f"  {', '.join(more)}"] if more else []
    return "\n".join(lines)


def _row(model: ModelReport) -> str:
    return _joined(_name(model.name), _outcome(model), _text(short_reason(model)))


def _joined(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _name(name: str) -> str:
    return markdown_code(clipped(name))


def _outcome(model: ModelReport) -> str:
    return f"**{in_words(model.outcome)}**"


def _text(text: str) -> str:
    return markdown_prose(clipped(text))


_LINE, _PANEL = _PARTS = ("line.html.j2", "model.html.j2")
_BUFFERED = 500  # parts of the page that are yielded as one
FILTERS: Mapping[str, Callable[..., object]] = {
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
    "summary_reason": summary_reason,
    "signed": table.signed_number,
    "stamp": stamp,
    "undecided": undecided,
    "why": short_why,
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


def _render(template: str, **values: object) -> str:
    return _template(template).render(**values)


def _template(name: str) -> Template:
    return _environment(autoescape=name.endswith(".html.j2")).get_template(name)


@cache
def _environment(*, autoescape: bool) -> Environment:
    """Return the templates' surroundings, made once: an audit renders many runs."""
    return templates("runner.reports", autoescape=autoescape, filters=FILTERS)
