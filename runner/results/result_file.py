"""A result file -> its metrics. The bytes tell the form, never the file's name."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import BinaryIO

from msgspec import Struct
from msgspec.structs import replace

from runner.errors import ModelError
from runner.manifest.built_in_metrics import BUILT_IN_METRICS
from runner.manifest.model import MetricDefinition
from runner.results.containers import ZIP, Container, Single, opened
from runner.results.content import Content, Definitions, Known, built_in, by_name, identity, known_names, parse
from runner.results.members import UNREAD_FORMS, Member, find_member, form_of, refusal
from runner.results.metrics import MISSING, Metric, ResultMetrics, unusable_metric
from runner.results.number import listed, shown
from runner.results.search import (
    COMPARISON_MEMBER,
    METRICS_MEMBERS,
    Found,
    choose,
    content_of,
    found_in,
    is_comparison,
    is_placed,
    looks,
    place_phrase,
    place_text,
    previous_row,
    selected,
)

_CONTRADICTED = "occurs in a comparison that gives the candidate another value than the metrics do"
_UNCONFIRMED = "is unclear: nothing confirms which of the comparison's columns is the candidate's"


class _Main(Struct, frozen=True, kw_only=True):
    """Where the metrics are that the manifest does not place: their content, and what it has of the built-in ones.

    `compared` is the service's comparison of two models, confirmed by it. `place` is None where there is nothing, and
    for a single file as a whole; `searched` tells that it was found by a search.
    """

    content: Content = Content()
    metrics: Mapping[str, Metric] = MappingProxyType({})
    compared: Content | None = None
    place: str | None = None
    searched: bool = False

    @property
    def is_enough(self) -> bool:
        """Whether nothing else is looked for; a comparison alone, and rows without labels, need a clear value."""
        unsure = self.compared is self.content or self.content.unlabelled
        return bool(self.metrics) and not (unsure and all(metric.value is None for metric in self.metrics.values()))


def result_metrics(stream: BinaryIO, definitions: Definitions, place_before: str | None = None) -> ResultMetrics:
    """Return the metrics of a result file, or none with the reason in `unread` where it cannot be read.

    `place_before` is where the model's result before had them: a search that finds them elsewhere finds nothing.

    Raises:
        OSError: the stream cannot be read; that says nothing about the file.
    """
    try:
        return read_result(stream, definitions, place_before)
    except ModelError as error:
        return ResultMetrics(metrics={}, previous={}, found=(), unread=error.message)


def read_result(stream: BinaryIO, definitions: Definitions, place_before: str | None = None) -> ResultMetrics:
    """Return the metrics of a result file in a seekable stream.

    `definitions` are the custom metrics to look for besides the built-in ones, and the places and units of metrics, by
    name. A single metric without a usable number is not an error: it carries its problem.

    Raises:
        ModelError: of kind result, for an unknown form, a file without any metric, and an archive that is damaged,
            encrypted, ambiguous or beyond the limits.
    """
    result, known = opened(stream), known_names(definitions)
    placed = {name: definition for name, definition in definitions.items() if is_placed(definition)}
    main, trouble = _Main(), None
    try:
        main = _require_same_place(_main(result, known, definitions), place_before)
    except ModelError as error:
        trouble = error
    own = {name: _placed(result, main, known, definition, definitions) for name, definition in placed.items()}
    if trouble is not None and all(metric.value is None for metric in own.values()):
        raise trouble
    return _gathered(main, own, definitions, trouble.message if trouble else None)


def _main(result: Container | Single, known: Known, definitions: Definitions) -> _Main:
    pinned = any(name in BUILT_IN_METRICS and is_placed(placed) for name, placed in definitions.items())
    if isinstance(result, Single):
        return _of_single(parse(result.member, known), definitions, search=not pinned)
    main = _documented(result.members, known, definitions)
    if main.is_enough:
        return main
    found = None if pinned else _searched(result.members, known, definitions)
    if found is not None:
        return found
    if main.place is None and not any(definition.file for definition in definitions.values()):
        what = "archive" if result.form == ZIP else f"({result.form})"
        raise refusal(f"The result {what} has no {METRICS_MEMBERS[0]}; it has {listed(map(_told, result.members))}.")
    return main


def _told(member: Member) -> str:
    """Return a member's path, with what it is where that is never read."""
    try:
        form = form_of(member.head())
    except ModelError:
        return member.path
    return f"{member.path} ({UNREAD_FORMS[form].removeprefix('is ')})" if form in UNREAD_FORMS else member.path


def _of_single(content: Content, definitions: Definitions, *, search: bool) -> _Main:
    metrics = built_in(content.current, definitions)
    if metrics or not search:
        return _Main(content=content, metrics=metrics)
    chosen = _chosen(found_in("", content, definitions))
    if chosen is None:
        return _Main(content=content)
    return _Main(content=content, metrics=chosen.metrics, place=chosen.place, searched=True)


def _chosen(found: Sequence[Found]) -> Found | None:
    chosen = choose(found)
    if isinstance(chosen, str):
        raise refusal(chosen)
    return chosen


def _documented(members: Sequence[Member], known: Known, definitions: Definitions) -> _Main:
    """Return what is where the service's manual says: `metrics.csv`, `metrics.json`, else the comparison."""
    mains = (find_member(members, name) for name in METRICS_MEMBERS)
    main = next((member for member in mains if member is not None), None)
    comparison = find_member(members, COMPARISON_MEMBER)
    content = None if main is None else parse(main, known)
    compared = None
    if comparison is not None:
        compared = _confirmed(parse(comparison, known, comparison=True), content, definitions)
    place = main or comparison
    content = content or compared or Content()
    return _Main(
        content=content,
        metrics=built_in(content.current, definitions),
        compared=compared,
        place=place_text(place.path) if place else None,
    )


def _searched(members: Sequence[Member], known: Known, definitions: Definitions) -> _Main | None:
    """Return the one place that has metrics, whatever it is called."""
    found: list[Found] = []
    comparisons: list[Content] = []
    for look in looks(members, known):
        if look.content is None or look.left_out:
            continue
        if is_comparison(look.path):
            comparisons.append(look.content)
        else:
            found += found_in(look.path, look.content, definitions)
    chosen = _chosen(found)
    if chosen is None:
        return None
    compared = _confirmed(comparisons[0], chosen.content, definitions) if len(comparisons) == 1 else None
    return _Main(content=chosen.content, metrics=chosen.metrics, compared=compared, place=chosen.place, searched=True)


def _require_same_place(main: _Main, before: str | None) -> _Main:
    if not main.searched or before is None or main.place == before:
        return main
    raise refusal(
        f"The metrics are in {_phrase(main.place or '')} now; in the result before they were in {_phrase(before)}."
    )


def _phrase(place: str) -> str:
    return shown(place_phrase(place))


def _confirmed(compared: Content, main: Content | None, definitions: Definitions) -> Content:
    """Return a comparison without the values that the archive's metrics contradict or, if provisional, do not confirm.

    Where they give the candidate another value than the comparison does, its columns may be the other way round.
    """
    there = by_name(compared.current, identity, definitions)
    here = by_name(main.current, identity, definitions) if main else {}
    same = {name for name in here.keys() & there.keys() if here[name].value == there[name].value}
    problems = dict.fromkeys(here.keys() & there.keys() - same, _CONTRADICTED)
    if compared.provisional:
        unknown = {identity(metric.name) for metric in (*compared.current, *compared.previous)} - same
        problems = dict.fromkeys(unknown, _UNCONFIRMED) | problems
    current, previous = (
        tuple(_doubted(metric, problems.get(identity(metric.name))) for metric in metrics)
        for metrics in (compared.current, compared.previous)
    )
    return replace(compared, current=current, previous=previous)


def _doubted(metric: Metric, problem: str | None) -> Metric:
    if problem is None or metric.value is None:
        return metric
    return unusable_metric(metric.name, problem, text=metric.text)


def _placed(
    result: Container | Single, main: _Main, known: Known, definition: MetricDefinition, definitions: Definitions
) -> Metric:
    """Return the metric of a place that the manifest names."""
    file = definition.file
    if file is None:
        return selected(main.content, definition, definitions)
    if isinstance(result, Single):
        problem = f"{MISSING}: it is a single file, not an archive with {shown(file)}"
        return unusable_metric(definition.name, problem)
    if main.compared is not None and is_comparison(file):
        return selected(main.compared, definition, definitions)
    return selected(content_of(result.members, file, known), definition, definitions)


def _gathered(main: _Main, own: Mapping[str, Metric], definitions: Definitions, trouble: str | None) -> ResultMetrics:
    current = main.content.current
    missing = [metric for metric in own.values() if (metric.problem or "").startswith(MISSING)]
    if not main.metrics and len(missing) == len(own) and all(metric.value is None for metric in current):
        if missing:
            raise refusal(f"The result holds no metric: {missing[0].name} {missing[0].problem}.")
        raise refusal(f"The result holds no metric; it has {listed([metric.name for metric in current])}.")
    previous = (main.compared or main.content).previous
    before = {name: metric for name, metric in built_in(previous, definitions).items() if name not in own}
    for name in own:
        definition = definitions[name]
        if name not in BUILT_IN_METRICS and definition.file is None:
            before |= previous_row(previous, definition)
    return ResultMetrics(
        metrics=MappingProxyType({**main.metrics, **own}),
        previous=MappingProxyType(before),
        found=tuple(shown(metric.name) for metric in current),
        place=main.place,
        searched=main.searched,
        trouble=trouble,
    )
