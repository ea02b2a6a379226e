"""A result file -> its metrics. The bytes tell the form: zip, then JSON, then CSV or TSV; never the file's name."""

from collections.abc import Callable, Iterable, Mapping
from functools import reduce
from types import MappingProxyType
from typing import Any, BinaryIO

from msgspec import Struct
from msgspec.structs import replace

from runner.errors import ModelError
from runner.manifest.model import MetricDefinition
from runner.policy.archive import LARGEST_MEMBER, Archive, is_archive
from runner.policy.document import metric_at, metrics_in, parse_document
from runner.policy.heads import decorated_name
from runner.policy.metrics import (
    MISSING,
    Metric,
    ResultMetrics,
    built_in_name,
    folded,
    in_unit,
    unusable_metric,
    within_range,
)
from runner.policy.number import listed, shown
from runner.policy.refusal import refusal
from runner.policy.table import Known, decode, read_table

_METRICS_MEMBERS = ("metrics.csv", "metrics.json")  # the first of them that the archive has
_COMPARISON_MEMBER = "metrics_comparison.csv"
_MOST_METRICS = 10_000
_CONTRADICTED = "occurs in a comparison that gives the candidate another value than the metrics do"
_UNCONFIRMED = "is unclear: nothing confirms which of the comparison's columns is the candidate's"
_DECORATED = "is unclear: another name of it, such as of a candidate or a test, has another value"

Definitions = Mapping[str, MetricDefinition]


class _Content(Struct, frozen=True, kw_only=True):
    """What one file or member holds; `document` is None for a table, since JSON's null is no result."""

    current: tuple[Metric, ...] = ()
    previous: tuple[Metric, ...] = ()
    provisional: bool = False
    document: Any | None = None


def result_metrics(stream: BinaryIO, definitions: Definitions) -> ResultMetrics:
    """Return the metrics of a result file, or none with the reason in `unread` where it cannot be read.

    Raises:
        OSError: the stream cannot be read; that says nothing about the file.
    """
    try:
        return read_result(stream, definitions)
    except ModelError as error:
        return ResultMetrics(metrics={}, previous={}, found=(), unread=error.message)


def read_result(stream: BinaryIO, definitions: Definitions) -> ResultMetrics:
    """Return the metrics of a result file in a seekable stream.

    `definitions` are the custom metrics to look for besides the built-in ones, and the units of metrics, by name. A
    single metric without a usable number is no error: it carries its problem.

    Raises:
        ModelError: of kind result, for an unknown form, a file without any metric, and an archive that is damaged,
            encrypted, ambiguous or beyond the limits.
    """
    if is_archive(stream):
        return _from_archive(Archive(stream), definitions)
    stream.seek(0)
    packed = stream.read(LARGEST_MEMBER + 1)
    if len(packed) > LARGEST_MEMBER:
        raise refusal("The result is a single file of more than 16 MiB.")
    content = _parse(packed, definitions)
    custom = {name: _from_single(content, definition) for name, definition in _custom(definitions).items()}
    return _gathered(content.current, content.previous, custom, definitions)


def _parse(packed: bytes, definitions: Definitions, *, comparison: bool = False) -> _Content:
    text = decode(packed)
    start = text.lstrip()[:1]
    if not start:
        raise refusal("The result is empty.")
    if start == "<":
        raise refusal("The result is XML or HTML: neither a zip archive, a JSON object nor a table of metrics.")
    if start in "{[":
        document = parse_document(text)
        return _limited(_Content(current=tuple(metrics_in(document)), document=document))
    table = read_table(text, known=_known_names(definitions), comparison=comparison)
    return _limited(_Content(current=table.current, previous=table.previous, provisional=table.provisional))


def _limited(content: _Content) -> _Content:
    """Refuse what would take seconds to look through, once for each custom metric."""
    if len(content.current) > _MOST_METRICS:
        raise refusal(f"The result holds more than {_MOST_METRICS:,} named values, too many for one of metrics.")
    return content


def _custom(definitions: Definitions) -> Definitions:
    """Return the definitions without those that only give a built-in metric its unit."""
    return {name: definition for name, definition in definitions.items() if definition.select is not None}


def _known_names(definitions: Definitions) -> Known:
    rows = {folded(definition.select) for definition in definitions.values() if definition.select is not None}
    return lambda cell: built_in_name(cell) is not None or folded(cell) in rows


def _from_single(content: _Content, definition: MetricDefinition) -> Metric:
    if definition.file is None:
        return _selected(content, definition)
    return unusable_metric(
        definition.name, f"{MISSING}: it is a single file, not an archive with {shown(definition.file)}"
    )


def _from_archive(archive: Archive, definitions: Definitions) -> ResultMetrics:
    mains = (_member(archive, name, definitions) for name in _METRICS_MEMBERS)
    compared = _member(archive, _COMPARISON_MEMBER, definitions)
    main = next((content for content in mains if content is not None), None)
    compared = None if compared is None else _confirmed(compared, main, definitions)
    default = main or compared
    if default is None and not any(definition.file for definition in definitions.values()):
        raise refusal(f"The result archive has no {_METRICS_MEMBERS[0]}; it has {listed(archive.names())}.")
    default = default or _Content()
    custom = _custom_metrics(archive, default, compared, definitions)
    return _gathered(default.current, (compared or default).previous, custom, definitions)


def _member(archive: Archive, name: str, definitions: Definitions) -> _Content | None:
    packed = archive.read(name)
    return None if packed is None else _parse(packed, definitions, comparison=name == _COMPARISON_MEMBER)


def _confirmed(compared: _Content, main: _Content | None, definitions: Definitions) -> _Content:
    """Return a comparison without the values that the archive's metrics contradict or, if provisional, do not confirm.

    Where they give the candidate another value than the comparison does, its columns may be the other way round.
    """
    there = _by_name(compared.current, _identity, definitions)
    here = _by_name(main.current, _identity, definitions) if main else {}
    same = {name for name in here.keys() & there.keys() if here[name].value == there[name].value}
    problems = dict.fromkeys(here.keys() & there.keys() - same, _CONTRADICTED)
    if compared.provisional:
        unknown = {_identity(metric.name) for metric in (*compared.current, *compared.previous)} - same
        problems = dict.fromkeys(unknown, _UNCONFIRMED) | problems
    current, previous = (
        tuple(_doubted(metric, problems.get(_identity(metric.name))) for metric in metrics)
        for metrics in (compared.current, compared.previous)
    )
    return replace(compared, current=current, previous=previous)


def _identity(written: str) -> str:
    return built_in_name(written) or folded(written)


def _doubted(metric: Metric, problem: str | None) -> Metric:
    if problem is None or metric.value is None:
        return metric
    return unusable_metric(metric.name, problem, text=metric.text)


def _custom_metrics(
    archive: Archive, default: _Content, compared: _Content | None, definitions: Definitions
) -> dict[str, Metric]:
    custom = _custom(definitions)
    files = {definition.file for definition in custom.values() if definition.file is not None}
    contents = {file: _custom_member(archive, file, definitions) for file in sorted(files)}
    if compared is not None:
        contents[_COMPARISON_MEMBER] = compared
    return {
        name: _selected(default if definition.file is None else contents[definition.file], definition)
        for name, definition in custom.items()
    }


def _custom_member(archive: Archive, file: str, definitions: Definitions) -> _Content | str:
    """Return the member, or why it cannot be had: that is the trouble of its metrics, not of the whole result."""
    try:
        content = _member(archive, file, definitions)
    except ModelError as error:
        return f"cannot be read: {error.message.removesuffix('.')}"
    return f"{MISSING}: it has no {shown(file)}" if content is None else content


def _selected(content: _Content | str, definition: MetricDefinition) -> Metric:
    name, select = definition.name, definition.select or ""
    if isinstance(content, str):
        return unusable_metric(name, content)
    if select.startswith("/") and content.document is not None:
        return in_unit(metric_at(content.document, select, name), definition.unit)
    rows = _by_name(content.current, _only_row(definition), {name: definition})
    return rows.get(name) or unusable_metric(name, f"{MISSING}: it has no row '{shown(select)}'")


def _only_row(definition: MetricDefinition) -> Callable[[str], str | None]:
    wanted = folded(definition.select or "")
    return lambda written: definition.name if folded(written) == wanted else None


def _by_name(
    metrics: Iterable[Metric], name_of: Callable[[str], str | None], definitions: Definitions
) -> dict[str, Metric]:
    """Return the metrics under the names that their written ones mean, each in the unit of its definition."""
    groups: dict[str, list[Metric]] = {}
    for metric in metrics:
        name = name_of(metric.name)
        if name is not None:
            unit = definitions[name].unit if name in definitions else None
            groups.setdefault(name, []).append(replace(in_unit(metric, unit), name=name))
    return {name: reduce(_agreed, group) for name, group in groups.items()}


def _agreed(one: Metric, other: Metric) -> Metric:
    return one if one.value == other.value else unusable_metric(one.name, "occurs twice with different values")


def _built_in(metrics: tuple[Metric, ...], definitions: Definitions) -> dict[str, Metric]:
    """Return the built-in metrics, without the values that they cannot have or that a decorated name leaves open."""
    decorated = _by_name(metrics, decorated_name, definitions)
    found = {}
    for name, metric in _by_name(metrics, built_in_name, definitions).items():
        unit = definitions[name].unit if name in definitions else None
        ranged = within_range(metric, unit)
        other = decorated.get(name, ranged)
        found[name] = ranged if other.value == ranged.value else unusable_metric(name, _DECORATED, text=metric.text)
    return found


def _gathered(
    current: tuple[Metric, ...], previous: tuple[Metric, ...], custom: dict[str, Metric], definitions: Definitions
) -> ResultMetrics:
    known = _built_in(current, definitions)
    missing = all((metric.problem or "").startswith(MISSING) for metric in custom.values())
    if not known and missing and all(metric.value is None for metric in current):
        raise refusal(f"The result holds no metric; it has {listed([metric.name for metric in current])}.")
    before = _built_in(previous, definitions)
    for definition in _custom(definitions).values():
        before |= _by_name(previous, _only_row(definition), definitions) if definition.file is None else {}
    return ResultMetrics(
        metrics=MappingProxyType(known | custom),
        previous=MappingProxyType(before),
        found=tuple(shown(metric.name) for metric in current),
    )
