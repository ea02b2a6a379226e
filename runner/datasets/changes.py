"""How new data differs from the data it is compared with. Pure: values in, problems and remarks out."""

from collections.abc import Iterator

from runner.datasets.check import Checked
from runner.datasets.columns import column_difference
from runner.datasets.metadata import Reference, ReferenceFile
from runner.datasets.naming import some
from runner.datasets.problem import Finding

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
