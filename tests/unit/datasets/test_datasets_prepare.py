import tracemalloc

import pytest
from msgspec.structs import replace

from runner.datasets.file_cache import digest
from runner.datasets.metadata import Prepared, Reference, ReferenceFile, Shape
from runner.datasets.prepare import release
from runner.datasets.resolve import resolve
from runner.errors import Kind, ModelError
from runner.manifest.model import Bounds, Checks
from tests.fakes.prediction_one import CHECKS
from tests.unit.datasets.conftest import HEADER, SMALL, Desk, dataset, rows, source

TARGET = replace(SMALL, target="target")
SHAPE = Shape(columns=("id", "colour", "target"), labels=("no", "yes"), target_kind="text")
SERVES = Reference(
    name="job 5b21, the last one switched to",
    shape=SHAPE,
    train=ReferenceFile(rows=4, empty_columns=()),
    eval=ReferenceFile(rows=1, empty_columns=("colour",)),
)


def refused(
    desk: Desk, checks: Checks = TARGET, *, evaluation: str | None = None, reference: Reference | None = None
) -> str:
    with pytest.raises(ModelError) as caught:
        desk.prepare(desk.dataset(evaluation=evaluation), checks, reference=reference)
    assert caught.value.kind is Kind.DATA
    assert desk.spooled() == []
    return caught.value.message


def accepted(
    desk: Desk, checks: Checks = TARGET, *, evaluation: str | None = None, reference: Reference | None = None
) -> Prepared:
    return desk.prepare(desk.dataset(evaluation=evaluation), checks, reference=reference)


def test_good_data_is_described_and_sent_as_it_is(desk: Desk) -> None:
    path = desk.write("train.csv", HEADER + rows(4))
    found = accepted(desk)
    assert (found.train.rows, found.train.encoding, found.train.delimiter) == (4, "utf-8", ",")
    assert found.shape == SHAPE
    assert found.sha256 == digest(resolve(desk.dataset())).sha256
    assert (found.upload.file.local, found.upload.filename) == (path, "train.csv")
    assert (found.upload.content.bytes, found.upload.content.sha256) == (path.stat().st_size, found.train.sha256)
    assert found.warnings == ()
    assert desk.spooled() == []


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("id,id,target", "the column name 'id' occurs 2 times, as columns 1 and 2"),
        ("id,,target", "column 2 has no name"),
        (
            "id,colour,Target",
            "has no column with the target's name 'target'; did you mean 'Target', which differs in letter case?",
        ),
    ],
)
def test_a_header_the_service_would_refuse_is_refused(desk: Desk, header: str, reason: str) -> None:
    desk.write("train.csv", f"{header}\n{rows(2)}")
    assert refused(desk) == f"train.csv:1: {reason}."


def test_all_problems_of_both_files_are_told_at_once(desk: Desk) -> None:
    desk.write("train.csv", "id,id,target\n1,2,yes\n3\n")
    desk.write("eval.csv", "id,id,target\n1\n")
    assert refused(desk, evaluation="eval.csv") == (
        "train.csv:3: found 1 field, expected 3; train.csv:1: the column name 'id' occurs 2 times, as columns 1 and 2; "
        "eval.csv:2: found 1 field, expected 3; eval.csv:1: the column name 'id' occurs 2 times, as columns 1 and 2."
    )


def test_counts_outside_their_bounds_are_told_with_both_numbers(desk: Desk) -> None:
    desk.write("train.csv", HEADER + rows(12))
    assert refused(desk, CHECKS) == "train.csv: has 12 rows, fewer than the 100 it needs."
    assert refused(desk, replace(SMALL, rows=Bounds(min=None, max=11))) == (
        "train.csv: has 12 rows, more than the 11 it may have."
    )
    assert refused(desk, replace(SMALL, columns=Bounds(min=4, max=None))) == (
        "train.csv:1: has 3 columns, fewer than the 4 it needs."
    )
    accepted(desk, replace(SMALL, rows=Bounds(min=12, max=12), columns=Bounds(min=3, max=3)))


def test_an_evaluation_file_needs_one_row_and_not_the_minimum_of_the_training(desk: Desk) -> None:
    desk.write("train.csv", HEADER + rows(100))
    desk.write("eval.csv", HEADER + rows(1, 500))
    release(accepted(desk, CHECKS, evaluation="eval.csv"))
    desk.write("eval.csv", HEADER)
    assert refused(desk, CHECKS, evaluation="eval.csv") == "eval.csv: has 0 rows, fewer than the 1 it needs."


@pytest.mark.parametrize(
    ("header", "difference"),
    [
        ("id,colour", "lacks the column 'target'"),
        ("id,colour,target,extra", "adds the column 'extra'"),
        ("id,shade,target", "lacks the column 'colour' and adds the column 'shade'"),
        ("colour,id,target", "has the same columns in another order"),
    ],
)
def test_training_and_evaluation_columns_have_to_be_equal_in_name_and_order(
    desk: Desk, header: str, difference: str
) -> None:
    desk.write("train.csv", HEADER + rows(3))
    desk.write("eval.csv", header + "\n" + ",".join("1" for _ in header.split(",")) + "\n")
    assert refused(desk, SMALL, evaluation="eval.csv") == f"eval.csv:1: {difference}, unlike the training file."


def test_the_training_file_under_another_name_is_not_evaluation_data(desk: Desk) -> None:
    desk.write("train.csv", HEADER + rows(3))
    desk.write("eval.csv", HEADER + rows(3))
    assert "has the same content as the training file" in refused(desk, evaluation="eval.csv")


def test_columns_unlike_the_references_are_refused(desk: Desk) -> None:
    desk.write("train.csv", "id,shade,target\n" + rows(3))
    assert refused(desk, reference=SERVES) == (
        "train.csv:1: lacks the column 'colour' and adds the column 'shade', unlike job 5b21, the last one switched to."
    )


def test_another_order_of_columns_than_in_the_reference_is_a_warning(desk: Desk) -> None:
    desk.write("train.csv", HEADER + rows(3))
    found = accepted(desk, reference=replace(SERVES, shape=Shape(columns=("colour", "id", "target"), labels=None)))
    assert found.warnings == (
        "train.csv:1: has the same columns in another order, unlike job 5b21, the last one switched to",
    )


def test_a_label_the_reference_does_not_have_is_refused_in_either_file(desk: Desk) -> None:
    desk.write("train.csv", HEADER + rows(3) + "9,red,maybe\n")
    reason = "the target 'target' has the new label 'maybe', unlike job 5b21, the last one switched to."
    assert refused(desk, reference=SERVES) == f"train.csv: {reason}"
    desk.write("train.csv", HEADER + rows(3))
    desk.write("eval.csv", HEADER + "9,red,maybe\n")
    assert refused(desk, reference=SERVES, evaluation="eval.csv") == f"eval.csv: {reason}"


def test_numbers_where_the_reference_has_labels_are_refused(desk: Desk) -> None:
    desk.write("train.csv", HEADER + "1,red,0\n2,red,1\n")
    assert refused(desk, reference=SERVES) == (
        "train.csv: the target 'target' holds only numbers, and the labels 'no', 'yes' in job 5b21, "
        "the last one switched to."
    )


THREE = replace(SERVES, shape=replace(SHAPE, labels=("maybe", "no", "yes")))


def test_a_label_that_is_gone_is_refused_with_the_numbers_before_and_now(desk: Desk) -> None:
    desk.write("train.csv", HEADER + rows(3))
    assert refused(desk, reference=THREE) == (
        "train.csv: no row has the target label 'maybe' any more: 2 labels now, 3 in job 5b21, "
        "the last one switched to."
    )


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        (["yes"], "the target 'target' has the single value 'yes'; a model needs two or more"),
        (["1", "", "1"], "the target 'target' has the single value '1'; a model needs two or more"),
        (["", ""], "has 0 rows with a target, fewer than the 1 it needs; 2 of 2 have none"),
    ],
)
def test_a_target_without_two_values_is_refused_whatever_it_is_compared_with(
    desk: Desk, cells: list[str], reason: str
) -> None:
    desk.write("train.csv", HEADER + "".join(f"1,red,{cell}\n" for cell in cells))
    assert refused(desk) == f"train.csv: {reason}."
    assert accepted(desk, SMALL).warnings == ()  # nobody said which column is the target
    assert accepted(desk, replace(TARGET, on_fail="warn")).warnings[0] == f"train.csv: {reason}"


@pytest.mark.parametrize("empty", ["", '""'])
@pytest.mark.parametrize("position", [0, 1, 2])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("labels", ["yes no", "1 2"])
def test_rows_without_a_target_do_not_count_towards_the_rows_a_model_needs(
    desk: Desk, empty: str, position: int, line_end: str, labels: str
) -> None:
    def lines(targets: list[str]) -> str:
        rows = [["1", "2"] for _ in targets]
        for row, target in zip(rows, targets, strict=True):
            row.insert(position, target)
        header = ["a", "b"]
        header.insert(position, "target")
        return "".join(",".join(row) + line_end for row in [header, *rows])

    targets = [*labels.split() * 50, *[empty] * 120]
    desk.write("train.csv", lines(targets))
    assert accepted(desk, replace(CHECKS, target="target")).warnings == (
        "train.csv: 120 of 220 rows have no value in the target",
    )
    desk.write("train.csv", lines(targets[1:]))
    assert refused(desk, replace(CHECKS, target="target")) == (
        "train.csv: has 99 rows with a target, fewer than the 100 it needs; 120 of 219 have none."
    )


def test_the_empty_rows_of_a_spreadsheet_are_not_rows_with_a_target(desk: Desk) -> None:
    desk.write("train.csv", HEADER + rows(60) + ",,\n" * 60)
    told = "has 60 rows, fewer than the 100 it needs; 60 more have no value in any column"
    assert told in refused(desk, replace(CHECKS, target="target"))
    assert told in refused(desk, CHECKS)


@pytest.mark.parametrize("target", ["first", "middle", "last"])
def test_a_gap_in_a_numeric_target_of_a_large_file_is_counted_wherever_blocks_end(desk: Desk, target: str) -> None:
    """After 200 values nobody collects labels any more, and plain blocks are taken whole."""
    whole = "".join(f"{number},{number},{number}\n" for number in range(60_000))
    gaps = "".join(f"{number},,\n,{number},\n" for number in range(60_000, 60_010))
    desk.write("train.csv", "first,middle,last\n" + whole + gaps + whole + gaps)
    found = accepted(desk, replace(SMALL, target=target))
    assert found.warnings == ()
    with pytest.raises(ModelError) as caught:
        desk.prepare(desk.dataset(), replace(SMALL, rows=Bounds(min=120_040, max=None), target=target))
    missing = 40 if target == "last" else 20
    assert f"{missing} of 120,040 have none" in caught.value.message


def test_nine_in_ten_rows_gone_are_refused_and_half_of_them_are_a_warning(desk: Desk) -> None:
    before = replace(SERVES, train=ReferenceFile(rows=40, empty_columns=()))
    desk.write("train.csv", HEADER + rows(4))
    lost = "train.csv: has 4 rows, 90 % fewer than the 40 of job 5b21, the last one switched to"
    assert refused(desk, reference=before) == f"{lost}."
    desk.write("train.csv", HEADER + rows(5))
    assert accepted(desk, reference=before).warnings == (
        "train.csv: has 5 rows, 87 % fewer than the 40 of job 5b21, the last one switched to",
    )
    desk.write("train.csv", HEADER + rows(20))
    assert accepted(desk, reference=before).warnings == (
        "train.csv: has 20 rows, 50 % fewer than the 40 of job 5b21, the last one switched to",
    )
    desk.write("train.csv", HEADER + rows(21))
    assert accepted(desk, reference=before).warnings == ()


def test_an_evaluation_file_is_compared_with_the_references_own(desk: Desk) -> None:
    before = replace(SERVES, eval=ReferenceFile(rows=30, empty_columns=("colour",)))
    desk.write("train.csv", HEADER + rows(4))
    desk.write("eval.csv", HEADER + "7,,yes\n8,,no\n9,,no\n")
    assert refused(desk, reference=before, evaluation="eval.csv") == (
        "eval.csv: has 3 rows, 90 % fewer than the 30 of job 5b21, the last one switched to."
    )
    assert accepted(desk, reference=replace(before, eval=None), evaluation="eval.csv").warnings == ()


@pytest.mark.parametrize(
    ("now", "told"),
    [
        ("0 1 2", None),
        ("0 1 2 9", "has the new label '9'"),
        ("0 1", "has lost the label '2'"),
        (" ".join(map(str, range(21))), None),
    ],
)
def test_numeric_classes_that_came_or_went_are_a_warning(desk: Desk, now: str, told: str | None) -> None:
    desk.write("train.csv", HEADER + "".join(f"1,red,{number}\n" for number in now.split() * 2))
    before = replace(SERVES, shape=replace(SHAPE, labels=None, numbers=("0", "1", "2")))
    expected = (
        () if told is None else (f"train.csv: the numeric target {told}, unlike job 5b21, the last one switched to",)
    )
    assert accepted(desk, reference=before).warnings == expected


EMPTIED = "1,,yes\n2, ,no\n"
NO_COLOUR = (
    "train.csv: the column 'colour': no value in any of 2 rows now, and values in job 5b21, the last one switched to"
)


def test_a_column_that_is_empty_now_is_refused_unless_it_was_empty_before(desk: Desk) -> None:
    desk.write("train.csv", HEADER + EMPTIED)
    assert refused(desk, reference=SERVES) == f"{NO_COLOUR}."
    was_empty = replace(SERVES, train=ReferenceFile(rows=4, empty_columns=("colour",)))
    found = accepted(desk, reference=was_empty)
    assert found.train.empty_columns == ("colour",)
    assert found.warnings == ("train.csv: has 2 rows, 50 % fewer than the 4 of job 5b21, the last one switched to",)
    assert accepted(desk).warnings == ()  # nothing to compare with


def test_what_changed_can_be_accepted_and_what_is_wrong_by_itself_still_stops(desk: Desk) -> None:
    desk.write("train.csv", HEADER + EMPTIED)
    with pytest.raises(ModelError) as caught:
        desk.prepare(desk.dataset(), TARGET, reference=SERVES)
    assert "`checks: {findings: {column_emptied: warn}}`" in caught.value.hint
    warned = accepted(desk, replace(TARGET, change="warn"), reference=SERVES).warnings
    assert NO_COLOUR in warned
    assert accepted(desk, replace(TARGET, change="off"), reference=SERVES).warnings == ()
    assert accepted(desk, replace(TARGET, on_fail="warn"), reference=SERVES).warnings == warned
    desk.write("train.csv", HEADER + "1,,yes\n")
    with pytest.raises(ModelError, match="single value 'yes'") as caught:
        desk.prepare(desk.dataset(), replace(TARGET, change="warn"), reference=SERVES)
    assert caught.value.hint == "Correct the data; nothing was trained."


def test_a_label_only_the_evaluation_has_is_a_warning(desk: Desk) -> None:
    desk.write("train.csv", HEADER + rows(3))
    desk.write("eval.csv", HEADER + "9,red,maybe\n")
    assert accepted(desk, evaluation="eval.csv").warnings == (
        "eval.csv: the target label 'maybe' does not occur in the training file",
    )


@pytest.mark.parametrize("position", [0, 1, 2, 3])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("quote", ["", '"'])
def test_labels_are_found_in_any_column_quoted_or_not(desk: Desk, position: int, line_end: str, quote: str) -> None:
    header = ["a", "b", "c"]
    header.insert(position, "target")
    body = [["1", "2", "3"], ["4", "5", "6"], ["7", "8", "9"], ["1", "1", "1"]]
    for row, label in zip(body, ["yes", "no", "yes", ""], strict=True):
        row.insert(position, quote + label + quote)
    desk.write("train.csv", "".join(",".join(row) + line_end for row in [header, *body]))
    assert accepted(desk).shape.labels == ("no", "yes")


def test_numbers_are_not_labels_however_they_are_written(desk: Desk) -> None:
    desk.write("train.csv", "id,target\n" + "".join(f"1,{text}\n" for text in ("1", "-2.5", "+.5", "1e3", "", " 7 ")))
    assert accepted(desk).shape.labels is None
    desk.write("train.csv", "id,target\n1,1\n2,nan\n")
    assert accepted(desk).shape.labels == ("1", "nan")


def test_more_than_200_classes_are_refused_and_200_are_not(desk: Desk) -> None:
    desk.write("train.csv", "id,target\n" + "".join(f"1,c{n}\n" for n in range(200)))
    assert len(accepted(desk).shape.labels or ()) == 200
    desk.write("train.csv", "id,target\n" + "".join(f"1,c{n}\n" for n in range(201)))
    assert refused(desk) == (
        "train.csv: the target 'target' has more than 200 different values, and not all are numbers ('c0')."
    )
    desk.write("train.csv", "id,target\n" + "".join(f"1,{n}\n" for n in range(201)))
    assert accepted(desk).shape.labels is None


def test_japanese_columns_target_and_labels_are_read_from_shift_jis(desk: Desk) -> None:
    desk.write("train.csv", "番号,結果\n1,良い\n2,悪い\n".encode("cp932"))
    found = accepted(desk, replace(SMALL, target="結果"))
    assert found.shape == Shape(columns=("番号", "結果"), labels=("悪い", "良い"), target_kind="text")
    assert found.train.encoding == "cp932"


def test_an_unreadable_rest_is_not_called_too_few_rows(desk: Desk) -> None:
    desk.write("train.csv", HEADER + '1,"red,yes\n' + rows(200))
    assert refused(desk, CHECKS) == "train.csv:2: a quote opens here and is not closed."


def test_warn_sends_the_data_and_keeps_the_problems_as_warnings(desk: Desk) -> None:
    path = desk.write("train.csv", HEADER + "1,red\n")
    found = accepted(desk, replace(TARGET, on_fail="warn"))
    assert found.warnings == ("train.csv:2: found 2 fields, expected 3",)
    assert found.upload.file.local == path


def test_off_looks_for_no_trouble_but_refuses_an_empty_file(desk: Desk) -> None:
    desk.write("train.csv", b'\xff\0\n\n"')
    assert accepted(desk, replace(TARGET, on_fail="off"), reference=SERVES).warnings == ()
    desk.write("train.csv", "")
    assert refused(desk, replace(TARGET, on_fail="off")) == "train.csv:1: is empty."


def test_data_that_changed_since_it_was_planned_is_refused(desk: Desk) -> None:
    desk.write("train.csv", HEADER + rows(3))
    planned = digest(resolve(desk.dataset())).sha256
    assert desk.prepare(desk.dataset(), expected=planned).sha256 == planned
    desk.write("train.csv", HEADER + rows(4))
    with pytest.raises(ModelError, match="changed while the run was at work") as caught:
        desk.prepare(desk.dataset(), expected=planned)
    assert "run again" in caught.value.hint


def test_a_pin_holds_for_what_is_sent_too(desk: Desk) -> None:
    desk.write("train.csv", HEADER + rows(3))
    with pytest.raises(ModelError, match="the manifest pins 000000000000"):
        desk.prepare(dataset(source(desk.folder, "train.csv"), pin="0" * 64))


def test_joined_files_are_told_by_their_own_names_and_lines(desk: Desk) -> None:
    desk.write("day1.csv", HEADER + rows(2))
    desk.write("day2.csv", HEADER + "1,red,yes\n2,red\n")
    desk.write("day3.csv", "id,shade,target\n" + rows(1))
    with pytest.raises(ModelError) as caught:
        desk.prepare(desk.joined())
    assert caught.value.message == (
        "day2.csv:3: found 2 fields, expected 3; "
        "day3.csv:1: lacks the column 'colour' and adds the column 'shade', unlike day1.csv, with which it is joined."
    )


def test_files_of_two_encodings_cannot_be_joined(desk: Desk) -> None:
    desk.write("day1.csv", HEADER + rows(2))
    desk.write("day2.csv", (HEADER + "1,赤い,yes\n").encode())
    desk.write("day3.csv", (HEADER + "1,赤い,yes\n").encode("cp932"))
    with pytest.raises(ModelError, match=r"day3\.csv: is cp932, but the files joined with it are utf-8"):
        desk.prepare(desk.joined())


def test_joined_files_add_up_their_rows_and_labels(desk: Desk) -> None:
    desk.write("day1.csv", HEADER + "1,red,yes")
    desk.write("day2.csv", "\ufeff" + HEADER + "1,red,no\n\n")
    found = desk.prepare(desk.joined(), TARGET)
    assert (found.train.rows, found.shape.labels) == (2, ("no", "yes"))
    assert found.sha256 == digest(resolve(desk.joined())).sha256


def test_memory_stays_small_whatever_the_size_of_the_files(desk: Desk) -> None:
    plain, quoted = (HEADER + rows(1_000)).encode(), b'7,"dark, red",yes\n8,"pale\nred",no\n' * 1_000
    for name, count in (("train.csv", 2_000), ("eval.csv", 500)):
        with (desk.folder / name).open("wb") as file:
            file.write(plain + quoted)
            file.writelines(plain.partition(b"\n")[2] for _ in range(count))
    tracemalloc.start()
    try:
        found = desk.prepare(desk.dataset(evaluation="eval.csv"), replace(SMALL, rows=Bounds(min=1, max=None)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.train.rows == 2_003_000
    assert found.train.bytes > 20 << 20
    assert peak < 10 << 20, peak


@pytest.mark.parametrize("way", ["a link", "a path"])
@pytest.mark.parametrize("train_is_outside", [True, False])
@pytest.mark.parametrize(
    ("train", "evaluation", "told"),
    [
        ("SECRET:x:1\n", HEADER + rows(1), "lacks the column (1 not shown"),
        ("SECRET,SECRET,target\n1,2,yes\n", HEADER + rows(1), "the column name (not shown"),
        (HEADER + "1,red,SECRET\n2,red,SECRET\n", HEADER + rows(2), "has the single value (not shown"),
        (HEADER + rows(4), HEADER + "1,red,SECRET\n", "the target label (1 not shown"),
        (HEADER + rows(4).replace("yes", "SECRET"), HEADER + rows(2), "has the new label (1 not shown"),
        (
            HEADER + "".join(f"1,red,SECRET{n}\n" for n in range(250)),
            HEADER + rows(1),
            "more than 200 different values",
        ),
        ("id,SECRETS,target\n1,,yes\n2,,no\n", "id,SECRETS,target\n1,a,yes\n", "lacks the column (1 not shown"),
    ],
)
def test_nothing_names_what_a_file_outside_of_the_checkout_holds(
    desk: Desk, way: str, train_is_outside: bool, train: str, evaluation: str, told: str
) -> None:
    """Not even where the other file of the dataset is compared with it."""
    home = Desk(folder=desk.folder / "checkout")
    outside = "train.csv" if train_is_outside else "eval.csv"
    for name, text in (("train.csv", train), ("eval.csv", evaluation)):
        (desk if name == outside else home).write(name, text)
    named = {name: name for name in ("train.csv", "eval.csv")}
    if way == "a path":
        named[outside] = f"../{outside}"
    else:
        home.folder.mkdir(exist_ok=True)
        (home.folder / outside).symlink_to(f"../{outside}")
    checks = replace(TARGET, on_fail="warn", target="target")
    data = home.dataset(named["train.csv"], named["eval.csv"])
    warnings = "; ".join(home.prepare(data, checks, reference=SERVES).warnings)
    assert told in warnings
    assert "SECRET" not in warnings
    assert "not shown: the data is outside of the manifest's checkout or folder" in warnings or "more than" in told
