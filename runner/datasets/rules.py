"""What the service asks of data whose rows were read. Pure: values in, problems out."""

from collections.abc import Iterator

from runner.datasets.check import Checked
from runner.datasets.columns import column_difference, repeated
from runner.datasets.naming import one_name, some
from runner.datasets.problem import Finding
from runner.manifest.model import Bounds, Checks
from runner.manifest.wording import clipped, nearest

_HALF = 2
_MOST_LISTED = 10


def training_findings(train: Checked, checks: Checks) -> Iterator[Finding]:
    """Yield what is wrong with the training file by itself."""
    yield from _table(train, checks, checks.rows)
    yield from _single_value(train, checks)
    yield from _too_many_labels(train, checks)


def evaluation_findings(evaluation: Checked, train: Checked, checks: Checks) -> Iterator[Finding]:
    """Yield what is wrong with the evaluation file by itself and beside the training file."""
    yield from _table(evaluation, checks, Bounds(min=1, max=checks.rows.max))
    difference = column_difference(evaluation.shape.columns, train.shape.columns, hidden=evaluation.hidden)
    if difference and evaluation.shape.columns:
        yield 1, f"{difference}, unlike the training file"
    if evaluation.file.sha256 == train.file.sha256:
        yield None, "has the same content as the training file; evaluate on rows the model was not trained with"
    yield from _too_many_labels(evaluation, checks)


def remarks(train: Checked, evaluation: Checked | None) -> Iterator[str]:
    """Yield what is allowed but worth a look."""
    for checked in filter(None, (train, evaluation)):
        if checked.gaps and checked.gaps * _HALF >= checked.file.rows:
            yield f"{checked.file.source}: {checked.gaps:,} of {checked.file.rows:,} rows have no value in the target"
    here = set(train.shape.labels or ())
    if evaluation is not None and here:
        unseen = set(evaluation.shape.labels or ()) - here
        if unseen:
            labels = some(unseen, hidden=evaluation.hidden)
            yield f"{evaluation.file.source}: the target label {labels} does not occur in the training file"


def _table(checked: Checked, checks: Checks, rows: Bounds) -> Iterator[Finding]:
    columns = checked.shape.columns
    if columns:
        yield from _names(columns, hidden=checked.hidden)
        if reason := _outside(len(columns), "columns", checks.columns):
            yield 1, reason
        if checks.target is not None and checks.target not in columns:
            yield 1, _no_target(checks.target, () if checked.hidden else columns)
    if checked.complete and (reason := _outside(checked.file.rows, "rows", rows) or _too_few_targets(checked, rows)):
        yield None, reason


def _too_few_targets(checked: Checked, rows: Bounds) -> str | None:
    """Return that too few rows have a target, which the service leaves out."""
    reason = _outside(checked.file.rows - checked.gaps, "rows with a target", Bounds(min=rows.min, max=None))
    return f"{reason}; {checked.gaps:,} of {checked.file.rows:,} have none" if reason and checked.gaps else None


def _names(columns: tuple[str, ...], *, hidden: bool) -> Iterator[Finding]:
    for number, name in enumerate(columns, start=1):
        if not name.strip():
            yield 1, f"column {number} has no name"
    for name, numbers in repeated(columns).items():
        if name.strip():
            shown = one_name(clipped(name), hidden=hidden)
            yield 1, f"the column name {shown} occurs {len(numbers)} times, as columns {_listed(numbers)}"


def _listed(numbers: list[int]) -> str:
    """Return an enumeration of at least two numbers, of many only the first ones."""
    more = len(numbers) - _MOST_LISTED
    last = f"{more:,} more" if more > 0 else str(numbers[-1])
    return f"{', '.join(map(str, numbers[:_MOST_LISTED] if more > 0 else numbers[:-1]))} and {last}"


def _outside(count: int, what: str, bounds: Bounds) -> str | None:
    if bounds.min is not None and count < bounds.min:
        return f"has {count:,} {what}, fewer than the {bounds.min:,} it needs"
    if bounds.max is not None and count > bounds.max:
        return f"has {count:,} {what}, more than the {bounds.max:,} it may have"
    return None


def _no_target(target: str, columns: tuple[str, ...]) -> str:
    near = nearest(target, columns)
    guess = f"; did you mean {clipped(near)!r}?" if near else ""
    return f"has no column with the target's name {target!r}{guess}"


def _single_value(train: Checked, checks: Checks) -> Iterator[Finding]:
    """Yield that there is nothing to learn, where all rows have the same target.

    Rows with another trouble are not looked at, so nothing is known of all rows then.
    """
    if train.only_value and not train.problems.found:
        value = one_name(train.only_value, hidden=train.hidden)
        yield None, f"the target {checks.target!r} has the single value {value}; a model needs two or more"


def _too_many_labels(checked: Checked, checks: Checks) -> Iterator[Finding]:
    if checked.too_many_labels and checked.text_label is not None:
        example = "" if checked.hidden else f" ({checked.text_label!r})"
        yield (
            None,
            (
                f"the target {checks.target!r} has more than {checks.labels} different values, "
                f"and not all are numbers{example}"
            ),
        )
