"""What the service and the model's last job ask of data whose rows were read. Pure: values in, problems out."""

from collections.abc import Iterator
from difflib import get_close_matches

from runner.data.check import Checked
from runner.data.columns import column_difference, repeated
from runner.data.facts import Shape
from runner.data.labels import MOST_LABELS
from runner.manifest.model import Bounds, Checks

Finding = tuple[int | None, str]  # a line, or None for the whole file, and a reason

_FEW = 5  # labels named in one message


def training_findings(train: Checked, checks: Checks, last: Shape | None) -> Iterator[Finding]:
    """Yield what is wrong with the training file by itself and against the last job."""
    yield from _table(train, checks, checks.rows)
    if last is not None and train.shape.columns:
        difference = column_difference(train.shape.columns, last.columns)
        if difference and sorted(train.shape.columns) != sorted(last.columns):
            yield 1, f"{difference}, unlike the model's last job"
    yield from _labels(train, checks, last)


def evaluation_findings(evaluation: Checked, train: Checked, checks: Checks, last: Shape | None) -> Iterator[Finding]:
    """Yield what is wrong with the evaluation file by itself, beside the training file and against the last job."""
    yield from _table(evaluation, checks, Bounds(min=1, max=checks.rows.max))
    difference = column_difference(evaluation.shape.columns, train.shape.columns)
    if difference and evaluation.shape.columns:
        yield 1, f"{difference}, unlike the training file"
    if evaluation.file.sha256 == train.file.sha256:
        yield None, "has the same content as the training file; evaluate on rows the model was not trained with"
    yield from _labels(evaluation, checks, last)


def remarks(train: Checked, evaluation: Checked | None, last: Shape | None) -> Iterator[str]:
    """Yield what is allowed but worth a look."""
    here = set(train.shape.labels or ())
    if last is not None:
        if last.labels and here < set(last.labels):
            yield f"{train.file.source}: no row has the target label {_some(set(last.labels) - here)} any more"
        if sorted(last.columns) == sorted(train.shape.columns) and last.columns != train.shape.columns:
            yield f"{train.file.source}: the columns stand in another order than in the model's last job"
    if evaluation is not None and here:
        unseen = set(evaluation.shape.labels or ()) - here
        if unseen:
            yield f"{evaluation.file.source}: the target label {_some(unseen)} does not occur in the training file"


def _table(checked: Checked, checks: Checks, rows: Bounds) -> Iterator[Finding]:
    columns = checked.shape.columns
    if columns:
        yield from _names(columns)
        if reason := _outside(len(columns), "columns", checks.columns):
            yield 1, reason
        if checks.target is not None and checks.target not in columns:
            yield 1, _no_target(checks.target, columns)
    if checked.complete and (reason := _outside(checked.file.rows, "rows", rows)):
        yield None, reason


def _names(columns: tuple[str, ...]) -> Iterator[Finding]:
    for number, name in enumerate(columns, start=1):
        if not name.strip():
            yield 1, f"column {number} has no name"
    for name, numbers in repeated(columns).items():
        if name.strip():
            yield 1, f"the column name {name!r} occurs {len(numbers)} times, as columns {_listed(numbers)}"


def _listed(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers[:-1])) + f" and {numbers[-1]}"


def _outside(count: int, what: str, bounds: Bounds) -> str | None:
    if bounds.min is not None and count < bounds.min:
        return f"has {count:,} {what}, fewer than the {bounds.min:,} it needs"
    if bounds.max is not None and count > bounds.max:
        return f"has {count:,} {what}, more than the {bounds.max:,} it may have"
    return None


def _no_target(target: str, columns: tuple[str, ...]) -> str:
    near = get_close_matches(target, columns, n=1)
    guess = f"; did you mean {near[0]!r}?" if near else ""
    return f"has no column with the target's name {target!r}{guess}"


def _labels(checked: Checked, checks: Checks, last: Shape | None) -> Iterator[Finding]:
    if checked.too_many_labels and checked.text_label is not None:
        yield (
            None,
            (
                f"the target {checks.target!r} has more than {MOST_LABELS} different values, "
                f"and not all are numbers ({checked.text_label!r})"
            ),
        )
    elif last is not None and last.labels is not None and checks.target in checked.shape.columns:
        yield from _against_last(checked.shape.labels, last.labels, checks.target)


def _against_last(labels: tuple[str, ...] | None, last: tuple[str, ...], target: str | None) -> Iterator[Finding]:
    if labels is None:
        yield None, f"the target {target!r} holds only numbers, but held the labels {_some(set(last))} in the last job"
    elif unseen := set(labels) - set(last):
        yield None, f"the target {target!r} has the label {_some(unseen)}, which the model's last job did not have"


def _some(labels: set[str]) -> str:
    shown = ", ".join(repr(label) for label in sorted(labels)[:_FEW])
    return f"{shown} and {len(labels) - _FEW} more" if len(labels) > _FEW else shown
