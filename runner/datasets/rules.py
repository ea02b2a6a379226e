"""The rules of the checks: what is wrong with new data by itself, and what the provider does not take. Pure."""

from collections.abc import Iterator, Sequence

from runner.datasets.check import Checked
from runner.datasets.columns import EARLY_ROWS, column_difference, one_name, repeated, some
from runner.datasets.findings import Found
from runner.datasets.metadata import Reference, ReferenceFile
from runner.datasets.row_overlap import RowOverlap
from runner.lib.text import clipped, hidden_characters, likeness, nearest, spelling_difference
from runner.manifest.model import Bounds, Checks
from runner.providers.facts import DataFormats

_HALF = 2
_MOST_LISTED = 10
_FEW_ROWS = 5  # of a label


def training_findings(train: Checked, checks: Checks) -> Iterator[Found]:
    """Yield what is wrong with the training file by itself, or worth a look."""
    yield from _table(train, checks, checks.rows)
    yield from _single_label(train, checks)
    yield from _many_labels(train, checks)
    yield from _rare_labels(train)


def evaluation_findings(
    evaluation: Checked, train: Checked, checks: Checks, overlap: RowOverlap | None
) -> Iterator[Found]:
    """Yield what is wrong with the evaluation file by itself and beside the training file, or worth a look."""
    yield from _table(evaluation, checks, Bounds(min=1, max=checks.rows.max))
    difference = column_difference(evaluation.shape.columns, train.shape.columns, hidden=evaluation.hidden)
    if difference and evaluation.shape.columns:
        yield "eval_columns", 1, f"{difference}, unlike the training file"
    yield from _trained_rows(evaluation, train, overlap)
    yield from _many_labels(evaluation, checks)
    here = set(train.shape.labels or ())
    if unseen := set(evaluation.shape.labels or ()) - here if here else set():
        labels = some(unseen, hidden=evaluation.hidden)
        yield "eval_label", None, f"the target label {labels} does not occur in the training file"


def _trained_rows(evaluation: Checked, train: Checked, overlap: RowOverlap | None) -> Iterator[Found]:
    instead = "evaluate on rows the model was not trained with"
    if evaluation.file.sha256 == train.file.sha256:
        yield "eval_is_train", None, f"has the same content as the training file; {instead}"
    elif overlap is not None and overlap.equal:
        yield "eval_is_train", None, f"has the same {overlap.of:,} rows as the training file; {instead}"
    elif overlap is not None and overlap.rows:
        about = "about " if overlap.estimated else ""
        reason = f"{about}{overlap.rows:,} of {overlap.of:,} rows are rows of the training file too; {instead}"
        yield "eval_overlap", None, reason


def _table(checked: Checked, checks: Checks, rows: Bounds) -> Iterator[Found]:
    columns = checked.shape.columns
    if columns:
        yield from _names(columns, hidden=checked.hidden)
        if reason := _outside(len(columns), "columns", checks.columns):
            yield "column_count", 1, reason
        if checks.target is not None and checks.target not in columns:
            yield "no_target", 1, _no_target(checks.target, () if checked.hidden else columns)
    yield from _encoding(checked, checks.formats)
    if checked.complete:
        yield from _row_counts(checked, rows)
    if checked.late_labels:
        late = some(checked.late_labels, hidden=checked.hidden)
        reason = f"the target label {late} first occurs after row {EARLY_ROWS:,}, and the service learns from the rows"
        yield "late_label", None, f"{reason} before what a column holds; mix the rows"


def _row_counts(checked: Checked, rows: Bounds) -> Iterator[Found]:
    count, gaps, empty = checked.file.rows, checked.gaps, checked.empty_rows
    without = f"; {empty:,} more have no value in any column" if empty else ""
    if reason := _outside(count, "rows", rows):
        yield "row_count", None, f"{reason}{without}"
    elif gaps and (reason := _outside(count - gaps, "rows with a target", Bounds(min=rows.min, max=None))):
        yield "few_targets", None, f"{reason}; {gaps:,} of {count:,} have none"
    elif gaps and gaps * _HALF >= count:
        yield "half_targets", None, f"{gaps:,} of {count:,} rows have no value in the target"
    if empty and not _outside(count, "rows", rows):
        yield "empty_rows", None, f"{empty:,} rows have no value in any column and do not count; remove them"


def _encoding(checked: Checked, formats: DataFormats) -> Iterator[Found]:
    """Yield an encoding that is read here and perhaps not by the service."""
    wanted = "save the file as UTF-8 with a byte order mark (BOM)"
    if checked.first_other is not None and checked.file.encoding.removesuffix("-sig") not in formats.encodings:
        taken = " or ".join(formats.encodings)
        yield "encoding", None, f"is {checked.file.encoding}, and the provider reads {taken}; save it as that"
    elif formats.told_by is None:
        return
    elif checked.file.encoding == "utf-8" and checked.first_other is not None:
        yield "unclear_encoding", None, f"is UTF-8 without BOM, which the service may read as Shift_JIS; {wanted}"
    elif checked.file.encoding == "cp932" and (checked.first_other or 0) >= formats.told_by:
        reason = (
            f"is Shift_JIS, but its first {formats.told_by:,} bytes, by which the service tells encodings, are ASCII"
        )
        yield "unclear_encoding", None, f"{reason}; {wanted}"


def _names(columns: tuple[str, ...], *, hidden: bool) -> Iterator[Found]:
    for number, name in enumerate(columns, start=1):
        if not name.strip():
            index = "; is it the index of a data frame? Write it with index=False" if number == 1 else ""
            yield "blank_name", 1, f"column {number} has no name{index}"
        elif letters := hidden_characters(name):
            shown = one_name(clipped(name), hidden=hidden)
            reason = f"the column name {shown} holds {_enumerated(letters)}, which looks like a blank or like nothing"
            yield "hidden_character", 1, f"{reason}; to the service it is another name"
    for name, numbers in repeated(columns).items():
        if name.strip():
            shown = one_name(clipped(name), hidden=hidden)
            reason = f"the column name {shown} occurs {len(numbers)} times, as columns {_enumerated(numbers)}"
            yield "repeated_name", 1, reason


def _enumerated(items: Sequence[int | str]) -> str:
    """Return an enumeration, of many items only the first ones."""
    more = len(items) - _MOST_LISTED
    if len(items) == 1:
        return str(items[0])
    last = f"{more:,} more" if more > 0 else str(items[-1])
    return f"{', '.join(map(str, items[:_MOST_LISTED] if more > 0 else items[:-1]))} and {last}"


def _outside(count: int, what: str, bounds: Bounds) -> str | None:
    if bounds.min is not None and count < bounds.min:
        return f"has {count:,} {what}, fewer than the {bounds.min:,} it needs"
    if bounds.max is not None and count > bounds.max:
        return f"has {count:,} {what}, more than the {bounds.max:,} it may have"
    return None


def _no_target(target: str, columns: tuple[str, ...]) -> str:
    alike = next((name for name in columns if likeness(name) == likeness(target)), None)
    near = alike or nearest(target, columns)
    difference = spelling_difference(near, target) if near else None
    told = f", which differs {difference}" if difference else ""
    guess = f"; did you mean {clipped(near)!r}{told}?" if near else ""
    return f"has no column with the target's name {target!r}{guess}"


def _single_label(train: Checked, checks: Checks) -> Iterator[Found]:
    """Yield that there is nothing to learn, where all rows have the same target.

    Rows with another trouble are not looked at, so nothing is known of all rows then.
    """
    if train.only_value and not train.problems.found:
        value = one_name(train.only_value, hidden=train.hidden)
        reason = f"the target {checks.target!r} has the single value {value}; a model needs two or more"
        yield "single_label", None, reason


def _rare_labels(train: Checked) -> Iterator[Found]:
    """Yield labels of so few rows that nothing can be learnt of them; of sampled counts nothing is said."""
    counts = train.label_counts if train.shape.labels else {}
    rows = train.file.rows - train.gaps
    if sum(counts.values()) != rows or len(counts) <= 1 or rows < _FEW_ROWS * len(counts) * _FEW_ROWS:
        return
    if rare := [label for label, count in counts.items() if count < _FEW_ROWS]:
        reason = f"the target label {some(rare, hidden=train.hidden)} is in fewer than {_FEW_ROWS} rows"
        yield "rare_label", None, f"{reason}; little can be learnt of it"


def _many_labels(checked: Checked, checks: Checks) -> Iterator[Found]:
    if checked.too_many_labels and checked.text_label is not None:
        example = "" if checked.hidden else f" ({checked.text_label!r})"
        reason = f"the target {checks.target!r} has more than {checks.labels} different values, and not all are numbers"
        yield "many_labels", None, f"{reason}{example}"


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
