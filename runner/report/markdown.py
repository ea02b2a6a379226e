"""The parts of the Markdown report, each within its bound: forges refuse comments of over 65,536 characters."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from runner.report.next_step import TROUBLE, by_urgency, next_step
from runner.report.text import clipped, markdown_code, markdown_prose, words

_TROUBLE_BYTES, _NAMES_BYTES, _BLOCK_BYTES, _REST_BYTES = 20_000, 2_000, 14_000, 10_000  # of names: for each outcome
_MOST_ROWS = 40  # models that want a person; of more, each outcome has its first ones
_ROWS_EACH = 10

Model = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Pieces of Markdown that fit, and how many more there would have been."""

    pieces: Sequence[str]
    left_out: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The models that want a person as rows of a table, what is known of them as blocks, and the rest as rows.

    `others` are the models that want a person and have no row, as names by outcome. `kinds` counts the failures.
    """

    troubled: Part
    others: Mapping[str, Part]
    kinds: Mapping[str, int]
    blocks: Part
    rest: Part
    rest_count: int


def summarize(report: Mapping[str, Any], render_block: Callable[[Model], str]) -> Summary:
    """Return the parts of a report; `render_block` renders what is known of one model."""
    models = by_urgency(report["models"])
    troubled = [model for model in models if model["outcome"] in TROUBLE]
    rest = models[len(troubled) :]
    telling = [model for model in troubled if model["rules"] or model["warnings"] or model["decision"]]
    telling += [model for model in rest if model["outcome"] != "unchanged" and model["decision"]]
    rows = _fitting((_troubled_row(model) for model in _first_ones(troubled)), _TROUBLE_BYTES)
    kinds = Counter(model["error"]["kind"] for model in troubled if model["outcome"] == "failed" and model["error"])
    return Summary(
        troubled=rows,
        others=_others(troubled, {model["name"] for model in _first_ones(troubled)[: len(rows.pieces)]}),
        kinds=dict(kinds.most_common()),
        blocks=_fitting((render_block(model) for model in telling), _BLOCK_BYTES),
        rest=_fitting((_row(model) for model in rest), _REST_BYTES),
        rest_count=len(rest),
    )


def _first_ones(troubled: Sequence[Model]) -> Sequence[Model]:
    """Return the models that are to have a row: all of a few, else some of each outcome, the most urgent first."""
    if len(troubled) <= _MOST_ROWS:
        return troubled
    by_outcome = ([model for model in troubled if model["outcome"] == one] for one in TROUBLE)
    return [model for models in by_outcome for model in models[:_ROWS_EACH]]


def _others(troubled: Sequence[Model], shown: AbstractSet[str]) -> Mapping[str, Part]:
    names: dict[str, list[str]] = {}
    for model in troubled:
        if model["name"] not in shown:
            names.setdefault(model["outcome"], []).append(_name(model))
    return {outcome: _fitting(some, _NAMES_BYTES) for outcome, some in names.items()}


def _fitting(pieces: Iterable[str], room: int) -> Part:
    kept, left_out = list[str](), 0
    for piece in pieces:
        room -= len(piece.encode())
        if room >= 0:
            kept.append(piece)
        else:
            room, left_out = 0, left_out + 1  # the first that does not fit ends the part
    return Part(pieces=kept, left_out=left_out)


def _troubled_row(model: Model) -> str:
    step = next_step(model) or ""
    reason = model["error"]["message"] if model["error"] else model["reason"].removesuffix(step).rstrip()
    return _joined(_name(model), _outcome(model), _text(reason), _text(step))


def _row(model: Model) -> str:
    return _joined(_name(model), _outcome(model), _text(model["reason"]))


def _joined(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _name(model: Model) -> str:
    return markdown_code(clipped(model["name"]))


def _outcome(model: Model) -> str:
    return f"**{words(model['outcome'])}**"


def _text(text: str) -> str:
    return markdown_prose(clipped(text))
