"""The parts of the Markdown report, each within its bound: forges refuse comments of over 65,536 characters."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet

from msgspec import Struct

from runner.journal.outcomes import NEEDS_PERSON, Outcome, urgency
from runner.reports.evidence_text import evidence_line, in_short, short_reason, undecided
from runner.reports.model import ModelReport, Report
from runner.reports.next_step import why
from runner.reports.text import clipped, in_words, markdown_code, markdown_prose

_TROUBLE_BYTES, _NAMES_BYTES, _BLOCK_BYTES, _REST_BYTES = 20_000, 2_000, 14_000, 10_000  # of names: for each outcome
_MOST_ROWS = 40  # models that need a person; of more, each outcome has its first ones
_ROWS_EACH = 10
_STEP = 700  # characters of what to do next: its commands are there to be copied


class Part(Struct, frozen=True, kw_only=True):
    """Pieces of Markdown that fit, and how many more there would have been."""

    pieces: Sequence[str]
    left_out: int


class Summary(Struct, frozen=True, kw_only=True):
    """The models that need a person as rows of a table, what is known of them as blocks, and the rest as rows.

    `others` are the models that need a person and have no row, as names by outcome. `kinds` counts the failures.
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
    rows = _fitting((_troubled_row(models[mention.place]) for mention in first), len(first), _TROUBLE_BYTES)
    telling = [mention.place for mention in mentions if mention.is_told_of]
    return Summary(
        troubled=rows,
        others=_others(troubled, {mention.name for mention in first[: len(rows.pieces)]}),
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
    """Return the models that are to have a row: all of a few, else some of each outcome, the most urgent first."""
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


def _troubled_row(model: ModelReport) -> str:
    step = markdown_prose(clipped(model.next.text, _STEP)) if model.next else ""
    evidence = undecided(model)
    metrics = f" {_text(f'Metrics: {evidence_line(evidence)}.')}" if evidence else ""
    return _joined(
        _name(model.name),
        _outcome(model),
        f"{_text(in_short(why(model), model))}{metrics}",
        markdown_prose(clipped(step, _STEP)),
    )


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
