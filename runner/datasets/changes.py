"""How new data differs from the data that it is compared with. Pure."""

from collections.abc import Iterator

from runner.datasets.check import Checked
from runner.datasets.column_names import column_difference, one_name, some
from runner.datasets.findings import Found
from runner.datasets.metadata import Reference, ReferenceFile

_MOST_GONE = 10  # a file with at most one row in so many has lost its substance
_HALF_GONE = 2
_OTHER_SCALE = 100  # times larger or smaller: another unit, or cents for euros
_NEARLY_ALL, _MUCH_MORE = 0.9, 0.2  # shares of the rows


def training_changes(train: Checked, target: str | None, reference: Reference) -> Iterator[Found]:
    """Yield what the training file has otherwise than the reference."""
    columns = reference.shape.columns
    difference = column_difference(train.shape.columns, columns, hidden=train.hidden)
    if difference and train.shape.columns:
        kind = "column_order" if sorted(train.shape.columns) == sorted(columns) else "columns_changed"
        yield kind, 1, f"{difference}, unlike {reference.name}"
    yield from _losses(train, reference.train, reference)
    yield from _labels(train, target, reference)
    yield from _lost_labels(train, target, reference)
    yield from _other_numbers(train, reference)
    yield from _shares(train, reference)


def evaluation_changes(evaluation: Checked, target: str | None, reference: Reference) -> Iterator[Found]:
    """Yield the same of the evaluation file; its columns are those of the training file."""
    if reference.eval is not None:
        yield from _losses(evaluation, reference.eval, reference)
    yield from _labels(evaluation, target, reference)


def _losses(checked: Checked, before: ReferenceFile, reference: Reference) -> Iterator[Found]:
    if lost := _lost_rows(checked, before, _MOST_GONE):
        yield "rows_lost", None, f"{lost} {reference.name}"
    elif lost := _lost_rows(checked, before, _HALF_GONE):
        yield "rows_halved", None, f"{lost} {reference.name}"
    known = set(reference.shape.columns) - set(before.empty_columns)
    if emptied := [name for name in checked.file.empty_columns if name in known]:
        what = "column" if len(emptied) == 1 else "columns"
        now = f"no value in any of {checked.file.rows:,} rows now"
        reason = f"the {what} {some(emptied, hidden=checked.hidden)}: {now}, and values in {reference.name}"
        yield "column_emptied", None, reason
    for name, scale in checked.file.scales.items():
        if (known_scale := before.scales.get(name)) and not 1 / _OTHER_SCALE < scale / known_scale < _OTHER_SCALE:
            sizes = f"typically {scale:,g} now, and {known_scale:,g} in {reference.name}"
            shown = one_name(name, hidden=checked.hidden)
            reason = f"the numbers of the column {shown} have another size, {sizes}; is the unit the same?"
            yield "column_scale", None, reason


def _lost_rows(checked: Checked, before: ReferenceFile, divisor: int) -> str | None:
    """Return the beginning of a sentence when at most one row in `divisor` is left."""
    now = checked.file.rows
    if not checked.complete or not before.rows or now * divisor > before.rows:
        return None
    share = 100 * (before.rows - now) // before.rows
    return f"has {now:,} rows, {share} % fewer than the {before.rows:,} of"


def _labels(checked: Checked, target: str | None, reference: Reference) -> Iterator[Found]:
    """Yield that the target is of another kind than in the reference, or has labels that are not in it."""
    now, before = checked.shape, reference.shape
    if checked.too_many_labels or target not in now.columns or checked.only_value == "":
        return
    if now.target_kind == "number" and before.labels is not None:
        had = some(before.labels, hidden=checked.hidden)
        reason = f"the target {target!r} holds only numbers, and the labels {had} in {reference.name}"
        yield "target_kind", None, reason
    elif now.target_kind == "text" and before.target_kind == "number":
        has = some(now.labels or (), hidden=checked.hidden)
        yield "target_kind", None, f"the target {target!r} has the labels {has}, and only numbers in {reference.name}"
    elif unseen := set(now.labels or ()) - set(before.labels or now.labels or ()):
        new = some(unseen, hidden=checked.hidden)
        yield "label_new", None, f"the target {target!r} has the new label {new}, unlike {reference.name}"


def _lost_labels(train: Checked, target: str | None, reference: Reference) -> Iterator[Found]:
    labels, before = train.shape.labels, reference.shape.labels or ()
    if labels is None or not train.complete or target not in train.shape.columns:
        return
    if gone := set(before) - set(labels):
        counts = f"{len(labels)} labels now, {len(before)} in {reference.name}"
        reason = f"no row has the target label {some(gone, hidden=train.hidden)} any more: {counts}"
        yield "label_lost", None, reason


def _other_numbers(train: Checked, reference: Reference) -> Iterator[Found]:
    """Yield numeric labels that came or went, or are written otherwise: they may be classes, or a few counts."""
    now, before = train.shape.numbers, reference.shape.numbers
    if now is None or before is None or now == before or not train.complete:
        return
    if set(map(float, now)) == set(map(float, before)):
        here, there = some(now, hidden=train.hidden), some(before, hidden=train.hidden)
        reason = f"the numeric target's labels are written {here}, and {there} in {reference.name}"
        yield "target_kind", None, reason
        return
    changes = (("has the new label", set(now) - set(before)), ("has lost the label", set(before) - set(now)))
    told = " and ".join(f"{what} {some(labels, hidden=train.hidden)}" for what, labels in changes if labels)
    yield "number_label", None, f"the numeric target {told}, unlike {reference.name}"


def _shares(train: Checked, reference: Reference) -> Iterator[Found]:
    """Yield a label that nearly all rows have, and had not."""
    for label, share in train.file.label_shares.items():
        before = reference.train.label_shares.get(label, 0.0) if reference.train.label_shares else share
        if share >= _NEARLY_ALL and share - before >= _MUCH_MORE:
            shown = one_name(label, hidden=train.hidden)
            shares = f"{share:.0%} of the rows have the target label {shown}, and {before:.0%} in {reference.name}"
            yield "label_share", None, shares.replace("%", " %")
