"""What is wrong with new data: the rules of its checks, and how it differs from the data it is compared with. Pure."""

from collections.abc import Iterator

from runner.datasets.check import Checked
from runner.datasets.columns import column_difference, one_name, repeated, some
from runner.datasets.metadata import Finding, Reference, ReferenceFile
from runner.lib.text import clipped, nearest
from runner.manifest.model import Bounds, Checks

_MOST_GONE = 10  # a file with at most one row in so many has lost its substance
_HALF_GONE = 2


def training_changes(train: Checked, target: str | None, reference: Reference) -> Iterator[Finding]:
    """Yield what the training file has lost, or has otherwise than the reference, so that it cannot replace it."""
    columns = reference.shape.columns
    difference = column_difference(train.shape.columns, columns, hidden=train.hidden)
    if difference and train.shape.columns and sorted(train.shape.columns) != sorted(columns):
        yield 1, f"{difference}, unlike {reference.name}"
    yield from _losses(train, reference.train, reference)
    yield from _labels(train, target, reference)
    if gone := _gone_labels(train, target, reference):
        before, now = reference.shape.labels or (), train.shape.labels or ()
        counts = f"{len(now)} labels now, {len(before)} in {reference.name}"
        yield None, f"no row has the target label {some(gone, hidden=train.hidden)} any more: {counts}"


def evaluation_changes(evaluation: Checked, target: str | None, reference: Reference) -> Iterator[Finding]:
    """Yield the same of the evaluation file; its columns are those of the training file."""
    if reference.eval is not None:
        yield from _losses(evaluation, reference.eval, reference)
    yield from _labels(evaluation, target, reference)


def change_remarks(train: Checked, evaluation: Checked | None, reference: Reference) -> Iterator[str]:
    """Yield changes that are allowed but worth a look."""
    columns = reference.shape.columns
    if sorted(columns) == sorted(train.shape.columns) and columns != train.shape.columns:
        yield f"{train.file.source}: the columns are in another order than in {reference.name}"
    yield from _other_numbers(train, reference)
    for checked, before in ((train, reference.train), (evaluation, reference.eval)):
        if checked is None or before is None or _lost_rows(checked, before, _MOST_GONE):
            continue
        if lost := _lost_rows(checked, before, _HALF_GONE):
            yield f"{checked.file.source}: {lost} {reference.name}"


def _other_numbers(train: Checked, reference: Reference) -> Iterator[str]:
    """Yield numeric labels that came or went: they may be classes, or the few values of a count."""
    now, before = train.shape.numbers, reference.shape.numbers
    if now is None or before is None or now == before or not train.complete:
        return
    changes = (("has the new label", set(now) - set(before)), ("has lost the label", set(before) - set(now)))
    told = " and ".join(f"{what} {some(labels, hidden=train.hidden)}" for what, labels in changes if labels)
    yield f"{train.file.source}: the numeric target {told}, unlike {reference.name}"


def _losses(checked: Checked, before: ReferenceFile, reference: Reference) -> Iterator[Finding]:
    if lost := _lost_rows(checked, before, _MOST_GONE):
        yield None, f"{lost} {reference.name}"
    known = set(reference.shape.columns) - set(before.empty_columns)
    if emptied := [name for name in checked.file.empty_columns if name in known]:
        what = "column" if len(emptied) == 1 else "columns"
        now = f"no value in any of {checked.file.rows:,} rows now"
        yield None, f"the {what} {some(emptied, hidden=checked.hidden)}: {now}, and values in {reference.name}"


def _lost_rows(checked: Checked, before: ReferenceFile, divisor: int) -> str | None:
    """Return the beginning of a sentence when at most one row in `divisor` is left."""
    now = checked.file.rows
    if not checked.complete or not before.rows or now * divisor > before.rows:
        return None
    share = 100 * (before.rows - now) // before.rows
    return f"has {now:,} rows, {share} % fewer than the {before.rows:,} of"


def _labels(checked: Checked, target: str | None, reference: Reference) -> Iterator[Finding]:
    """Yield labels that the reference does not have."""
    labels, before = checked.shape.labels, reference.shape.labels
    if before is None or checked.too_many_labels or target not in checked.shape.columns:
        return
    if labels is None:
        if checked.only_value != "":
            had = some(before, hidden=checked.hidden)
            yield None, f"the target {target!r} holds only numbers, and the labels {had} in {reference.name}"
    elif unseen := set(labels) - set(before):
        new = some(unseen, hidden=checked.hidden)
        yield None, f"the target {target!r} has the new label {new}, unlike {reference.name}"


def _gone_labels(train: Checked, target: str | None, reference: Reference) -> set[str]:
    labels = train.shape.labels
    if labels is None or not train.complete or target not in train.shape.columns:
        return set()
    return set(reference.shape.labels or ()) - set(labels)


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
