"""The content of one file, member or sheet of a result: a table or a JSON document, with the metrics it names."""

from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from runner.manifest.model import MetricDefinition
from runner.policy.column_roles import decorated_name, evaluated_name
from runner.policy.decoding import decode
from runner.policy.delimited import Row, rows_of
from runner.policy.document import metrics_in, parse_document
from runner.policy.entries import Entry
from runner.policy.forms import HEAD, UNREAD_FORMS, form_of
from runner.policy.metrics import Metric, built_in_name, folded, in_unit, unusable_metric, within_range
from runner.policy.refusal import refusal
from runner.policy.table import read_table

_MOST_METRICS = 10_000
_DECORATED = "is unclear: another name of it, such as of a candidate or a test, has another value"

Definitions = Mapping[str, MetricDefinition]
Known = Callable[[str], bool]


class Content(Struct, frozen=True, kw_only=True):
    """What one file or member holds: `rows` of a table, or a JSON `document`, whose null is no result.

    `current` are the metrics that it names, `previous` those of the model before; in a `provisional` table nothing says
    beyond doubt which of the two models is which.
    """

    current: tuple[Metric, ...] = ()
    previous: tuple[Metric, ...] = ()
    provisional: bool = False
    document: Any | None = None
    rows: tuple[Row, ...] = ()


def known_names(definitions: Definitions) -> Known:
    """Return what tells the names of metrics: those built in, and the rows that the manifest selects."""
    rows = {folded(definition.select) for definition in definitions.values() if definition.select is not None}
    return lambda cell: built_in_name(cell) is not None or folded(cell) in rows


def parse(entry: Entry, known: Known, *, comparison: bool = False) -> Content:
    """Return the content of an entry; `comparison` tells that a table is the service's own of two models.

    Raises:
        ModelError: of kind result, where it is no table and no JSON, or too large for one of metrics.
    """
    if entry.rows is not None:
        return _table(entry.rows(), known, comparison=comparison)
    packed = entry.read()
    form = form_of(packed[:HEAD])
    if form in UNREAD_FORMS:
        raise refusal(f"The result {UNREAD_FORMS[form]}.")
    text = decode(packed)
    start = text.lstrip()[:1]
    if not start:
        raise refusal("The result is empty.")
    if start == "<":
        raise refusal(f"The result {UNREAD_FORMS['markup']}.")
    if start in "{[":
        document = parse_document(text)
        return _limited(Content(current=tuple(metrics_in(document)), document=document))
    return _table(rows_of(text), known, comparison=comparison)


def _table(rows: list[Row], known: Known, *, comparison: bool) -> Content:
    table = read_table(rows, known=known, comparison=comparison)
    return _limited(
        Content(current=table.current, previous=table.previous, provisional=table.provisional, rows=tuple(rows))
    )


def _limited(content: Content) -> Content:
    """Refuse what would take seconds to look through, once for each custom metric."""
    if len(content.current) > _MOST_METRICS:
        raise refusal(f"The result holds more than {_MOST_METRICS:,} named values, too many for one of metrics.")
    return content


def by_name(
    metrics: tuple[Metric, ...], name_of: Callable[[str], str | None], definitions: Definitions
) -> dict[str, Metric]:
    """Return the metrics under the names that their written ones mean, each in the unit of its definition."""
    groups: dict[str, list[Metric]] = {}
    for metric in metrics:
        name = name_of(metric.name)
        if name is not None:
            unit = definitions[name].unit if name in definitions else None
            groups.setdefault(name, []).append(replace(in_unit(metric, unit), name=name))
    return {name: reduce(agreed, group) for name, group in groups.items()}


def agreed(one: Metric, other: Metric) -> Metric:
    """Return the metric of two places that give it the same value, else one without a value."""
    return one if one.value == other.value else unusable_metric(one.name, "occurs twice with different values")


def built_in(metrics: tuple[Metric, ...], definitions: Definitions) -> dict[str, Metric]:
    """Return the built-in metrics, without the values that they cannot have or that a decorated name leaves open.

    Where a metric has no plain name, one that says it is the evaluation's or the candidate's counts.
    """
    decorated = by_name(metrics, decorated_name, definitions)
    plain = by_name(metrics, built_in_name, definitions)
    evaluated = by_name(metrics, evaluated_name, definitions)
    found = {}
    for name, metric in {**evaluated, **plain}.items():
        unit = definitions[name].unit if name in definitions else None
        ranged = within_range(metric, unit)
        other = decorated.get(name, metric)
        found[name] = ranged if other.value == metric.value else unusable_metric(name, _DECORATED, text=metric.text)
    return found


def identity(written: str) -> str:
    """Return what tells that two written names mean the same metric."""
    return built_in_name(written) or folded(written)
