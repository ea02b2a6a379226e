"""Where a result has its metrics, when they are not where the service's manual says: the one place, or none."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from runner.errors import ModelError
from runner.results.column_roles import mentions, names_another
from runner.results.containers import Budget, Unread, leaves
from runner.results.content import Content, Definitions, Known, built_in, in_member, known_names, parse
from runner.results.json_document import escaped, metrics_in
from runner.results.members import Member, is_left_out
from runner.results.metrics import Metric, recordable
from runner.results.number import listed

METRICS_MEMBERS = ("metrics.csv", "metrics.json")  # the first of them that a result has
COMPARISON_MEMBER = "metrics_comparison.csv"
_LARGEST_SEARCHED = 4 * 1024 * 1024  # of metrics nobody writes more; predictions are longer
_ANOTHERS = ("previous", "never")


def place_text(path: str, pointer: str = "") -> str:
    """Return a place as it is recorded."""
    return recordable(f"{path}#{pointer}" if pointer else path)


def place_phrase(place: str) -> str:
    """Return a recorded place for a sentence: `evaluation.json at /summary`."""
    path, sign, pointer = place.partition("#/")
    return " at ".join(part for part in (path, f"/{pointer}" if sign else "") if part)


class Look(Struct, frozen=True, kw_only=True):
    """One leaf of a result: its content, or `why` it has none that can be read.

    `left_out` tells that its path names the model before or the training rows.
    """

    path: str
    size: int
    content: Content | None = None
    why: str | None = None
    left_out: bool = False


class Found(Struct, frozen=True, kw_only=True):
    """A place with built-in metrics: the path of its file and, in JSON, the pointer to the object that has them."""

    path: str
    pointer: str
    metrics: Mapping[str, Metric]
    content: Content

    @property
    def place(self) -> str:
        """The place in one text: `report.json#/summary`, or the path alone."""
        return place_text(self.path, self.pointer)

    @property
    def is_usable(self) -> bool:
        """Whether any of its metrics has a value that it can have."""
        return any(metric.value is not None for metric in self.metrics.values())


def looks(members: Sequence[Member], known: Known) -> Iterator[Look]:
    """Yield what every leaf of a container holds.

    Raises:
        ModelError: of kind result, where that is more than a look through a result reads.
    """
    budget = Budget()
    for leaf in leaves(members, budget):
        left_out = is_left_out(leaf.path)
        if isinstance(leaf, Unread):
            yield Look(path=leaf.path, size=leaf.size, why=leaf.why, left_out=left_out)
        elif leaf.size > _LARGEST_SEARCHED:
            yield Look(path=leaf.path, size=leaf.size, why="is larger than 4 MiB and not searched", left_out=left_out)
        else:
            budget.take(leaf.size)
            yield look_at(leaf, known, left_out=left_out)


def look_at(leaf: Member, known: Known, *, left_out: bool = False) -> Look:
    """Return what one leaf holds."""
    try:
        content = parse(leaf, known, comparison=is_comparison(leaf.path))
    except ModelError as error:
        why = f"cannot be read: {error.message.removesuffix('.')}"
        return Look(path=leaf.path, size=leaf.size, why=why, left_out=left_out)
    return Look(path=leaf.path, size=leaf.size, content=content, left_out=left_out)


def is_comparison(path: str) -> bool:
    """Return whether the path is that of the service's own comparison of two models."""
    return path.replace("\\", "/").rpartition("/")[2].casefold() == COMPARISON_MEMBER


def found_in(path: str, content: Content, definitions: Definitions) -> list[Found]:
    """Return the places within one content: the whole of it, else the JSON objects in it that name metrics."""
    metrics = built_in(content.current, definitions)
    if metrics and not (content.unlabelled and content.document is not None):
        return [Found(path=path, pointer="", metrics=metrics, content=content)]
    return list(_nested(path, content, definitions))


def _nested(path: str, content: Content, definitions: Definitions) -> Iterator[Found]:
    known = known_names(definitions)
    nodes: list[tuple[str, Any]] = [("", content.document)]
    while nodes:
        pointer, node = nodes.pop()
        named = tuple(in_member(metric, path) for metric in metrics_in(node, known, pointer).current)
        metrics = built_in(named, definitions)
        if metrics:
            yield Found(path=path, pointer=pointer, metrics=metrics, content=content)
        else:
            nodes.extend(reversed(list(_below(pointer, node))))


def _below(pointer: str, node: Any) -> Iterator[tuple[str, Any]]:
    """Yield what an object or a list holds, but for what is said to be the model before or the training rows."""
    if isinstance(node, list):
        yield from ((f"{pointer}/{index}", child) for index, child in enumerate(node))
    elif isinstance(node, dict):
        if any(isinstance(text, str) and names_another(text) for text in node.values()):
            return
        for key, child in node.items():
            if not mentions(key, _ANOTHERS):
                yield f"{pointer}/{escaped(key)}", child


def choose(found: Sequence[Found]) -> Found | str | None:
    """Return the one place; None where there is none; why there is more than one, as a sentence.

    A place where no metric has a usable value counts only where no other has one. A file of the name that the manual
    gives goes before others.
    """
    usable = [place for place in found if place.is_usable] or list(found)
    for name in METRICS_MEMBERS:
        own = [place for place in usable if place.path.replace("\\", "/").rpartition("/")[2].casefold() == name]
        if len(own) == 1:
            return own[0]
    if len(usable) > 1:
        return f"Metrics are in more than one place of the result: {listed(place.place for place in usable)}."
    return usable[0] if usable else None
