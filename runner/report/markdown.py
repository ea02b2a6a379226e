"""The parts of the Markdown report, each within its bound: forges refuse comments of over 65,536 characters."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runner.report.next_step import TROUBLE, by_urgency, next_step
from runner.report.text import clipped, markdown_code, markdown_prose, words

_TROUBLE_BYTES, _BLOCK_BYTES, _REST_BYTES = 24_000, 16_000, 12_000

Model = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Pieces of Markdown that fit, and how many more there would have been."""

    pieces: Sequence[str]
    left_out: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The models that want a person as rows of a table, what is known of them as blocks, and the rest as rows."""

    troubled: Part
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
    return Summary(
        troubled=_fitting((_troubled_row(model) for model in troubled), _TROUBLE_BYTES),
        blocks=_fitting((render_block(model) for model in telling), _BLOCK_BYTES),
        rest=_fitting((_row(model) for model in rest), _REST_BYTES),
        rest_count=len(rest),
    )


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
