"""The content of one file, member or sheet of a result: a table or a JSON document, with the metrics it names."""

import re
from collections.abc import Callable, Mapping
from functools import reduce

from msgspec import Struct
from msgspec.structs import replace

from runner.manifest.model import MetricDefinition
from runner.results.column_roles import decorated_name, evaluated_name
from runner.results.json_document import metrics_in, parse_document, table_in
from runner.results.members import HEAD, UNREAD_FORMS, Member, Row, decode, form_of, refusal, rows_of
from runner.results.metrics import Metric, built_in_name, folded, in_unit, unusable_metric, within_range
from runner.results.number import has_decimal_comma, may_have_thousands, shown
from runner.results.table import TableMetrics, read_parts
from runner.results.table_layout import Part, parts_of

_SECTION = re.compile(r"\s*\[[A-Za-z_][\w .-]*\]\s*[\r\n]")  # the first line of an .ini file
_MOST_METRICS = 10_000
_THOUSANDS = "is unclear: the point of '{}' may separate thousands, as other numbers have a decimal comma"
_DECORATED = "is unclear: another name of it, such as of a candidate or a test, has another value"

Definitions = Mapping[str, MetricDefinition]
Known = Callable[[str], bool]


class Content(Struct, frozen=True, kw_only=True):
    """What one file or member holds: `rows` of a table, or a JSON `document`, whose null is not a result.

    `path` is the member's, empty in a single file; `parts` are the rows as they are laid out. `current` are the metrics
    that it names, `previous` those of the model before. In a `provisional` table nothing says beyond doubt which of the
    two models is which, in an `unlabelled` one which of its rows of values is the evaluation.
    """

    current: tuple[Metric, ...] = ()
    previous: tuple[Metric, ...] = ()
    provisional: bool = False
    unlabelled: bool = False
    document: object = None
    rows: tuple[Row, ...] = ()
    parts: tuple[Part, ...] = ()
    path: str = ""
    has_decimal_commas: bool = False

    def checked(self, metric: Metric) -> Metric:
        """Return a metric of this content with its member, without a number that others of its table make unclear."""
        if self.has_decimal_commas and metric.value is not None and may_have_thousands(metric.text):
            return unusable_metric(metric.name, _THOUSANDS.format(shown(metric.text)), text=metric.text)
        return in_member(metric, self.path)


def known_names(definitions: Definitions) -> Known:
    """Return what tells the names of metrics: those built in, and the rows that the manifest selects."""
    rows = {folded(definition.select) for definition in definitions.values() if definition.select is not None}
    return lambda cell: built_in_name(cell) is not None or folded(cell) in rows


def parse(member: Member, known: Known, *, comparison: bool = False) -> Content:
    """Return the content of a member; `comparison` tells that a table is the service's own of two models.

    Raises:
        ModelError: of kind result, where it is not a table and no JSON, or too large for a table of metrics.
    """
    if member.rows is not None:
        return _table(member.rows(), member, known, comparison=comparison)
    packed = member.read()
    form = form_of(packed[:HEAD])
    if form in UNREAD_FORMS:
        raise refusal(f"The result {UNREAD_FORMS[form]}.")
    text = decode(packed)
    start = text.lstrip()[:1]
    if not start:
        raise refusal("The result is empty.")
    if start == "<":
        raise refusal(f"The result {UNREAD_FORMS['markup']}.")
    if start in "{[" and not _SECTION.match(text):
        document = parse_document(text)
        parts = parts_of(table_in(document, known), known)
        content = Content(path=member.path, document=document, parts=tuple(parts))
        return _content(metrics_in(document, known), content)
    return _table(rows_of(text), member, known, comparison=comparison)


def _table(rows: list[Row], member: Member, known: Known, *, comparison: bool) -> Content:
    parts = parts_of(rows, known)
    table = read_parts(parts, known=known, comparison=comparison)
    commas = any(has_decimal_comma(cell) for row in rows for cell in row)
    return _content(table, Content(path=member.path, rows=tuple(rows), parts=tuple(parts), has_decimal_commas=commas))


def _content(table: TableMetrics, content: Content) -> Content:
    current, previous = (tuple(map(content.checked, metrics)) for metrics in (table.current, table.previous))
    return _limited(
        replace(
            content,
            current=current,
            previous=previous,
            provisional=table.provisional,
            unlabelled=table.unlabelled,
        )
    )


def in_member(metric: Metric, path: str) -> Metric:
    """Return the metric with the member that it was read from, which has no path in a single file."""
    if metric.place is None or not path:
        return metric
    return replace(metric, place=replace(metric.place, member=path))


def _limited(content: Content) -> Content:
    """Refuse what would take seconds to look through, once for each custom metric."""
    if len(content.current) > _MOST_METRICS:
        raise refusal(f"The result holds more than {_MOST_METRICS:,} named values, too many for a file of metrics.")
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
    if one.value == other.value:
        return one
    values = f": {shown(one.text)} and {shown(other.text)}" if one.text and other.text else ""
    return unusable_metric(one.name, f"occurs twice with different values{values}")


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
