"""Tables in every layout: the evaluation is read or nothing is, and the lines of an inspection reach every value."""

import io
import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.manifest.load import load
from runner.manifest.model import MetricDefinition
from runner.reports.inspection import choices
from runner.results.column_roles import role_of
from runner.results.inspection import inspect_result
from runner.results.result_file import result_metrics
from tests.fakes.result_files import workbook

REST = """\
version: 1
datasets: {d: {train: d.csv}}
policies: {p: {type: auto}}
models: {m: {api_key: {env: K}, dataset: d, policy: p}}
"""
CANDIDATES = ("test", "evaluation", "holdout", "評価データ", "検証", "new", "candidate", "新モデル", "更新後")
NO_VALUES = ("train", "cross validation", "学習データ", "std", "rank", "diff", "前回比")
PREVIOUS = ("previous", "old model", "旧モデル", "前回")
UNKNOWN = ("A", "model_7", "2026-01-01", "macro avg", "3", "yes", "東京")
ANY = CANDIDATES + NO_VALUES + PREVIOUS + UNKNOWN
METRICS = ("AUC", "Accuracy", "Recall")
Layout = Callable[[list[str], list[list[str]]], bytes]


def table_of(rows: list[list[str]]) -> bytes:
    return "".join(",".join(row) + "\n" for row in rows).encode("utf-8-sig")


def wide(labels: list[str], cells: list[list[str]]) -> bytes:
    return table_of([["name", *METRICS], *([label, *row] for label, row in zip(labels, cells, strict=True))])


def columns(labels: list[str], cells: list[list[str]]) -> bytes:
    rows = ([metric, *(row[at] for row in cells)] for at, metric in enumerate(METRICS))
    return table_of([["metric", *labels], *rows])


def long(labels: list[str], cells: list[list[str]]) -> bytes:
    pairs = zip(labels, cells, strict=True)
    rows = ([label, metric, row[at]] for label, row in pairs for at, metric in enumerate(METRICS))
    return table_of([["split", "metric", "value"], *rows])


def sections(labels: list[str], cells: list[list[str]]) -> bytes:
    found: list[list[str]] = []
    for label, row in zip(labels, cells, strict=True):
        found += [[label, ""], ["Metric", "Value"], *map(list, zip(METRICS, row, strict=True))]
    return table_of(found)


def sheet(labels: list[str], cells: list[list[str]]) -> bytes:
    rows: list[Sequence[str | float]] = [(label, *map(float, row)) for label, row in zip(labels, cells, strict=True)]
    return workbook({"Sheet1": [["name", *METRICS], *rows]})


def records(labels: list[str], cells: list[list[str]]) -> bytes:
    pairs = zip(labels, cells, strict=True)
    return json.dumps(
        [{"split": label, **dict(zip(METRICS, map(float, row), strict=True))} for label, row in pairs]
    ).encode()


def columnar(labels: list[str], cells: list[list[str]]) -> bytes:
    found = {
        metric: {label: float(row[at]) for label, row in zip(labels, cells, strict=True)}
        for at, metric in enumerate(METRICS)
    }
    return json.dumps(found).encode()


LAYOUTS: tuple[Layout, ...] = (wide, columns, long, sections, sheet, records, columnar)


def auc(content: bytes, definitions: dict[str, MetricDefinition] | None = None) -> Decimal | None:
    metric = result_metrics(io.BytesIO(content), definitions or {}).metrics.get("auc")
    return None if metric is None else metric.value


def values(count: int) -> list[list[str]]:
    return [[f"0.{row + 1}{column}1" for column in range(len(METRICS))] for row in range(count)]


def reached(content: bytes, folder: Path) -> set[Decimal | None]:
    """Return what the lines of an inspection read, each choice pasted into a manifest of its own."""
    found = set()
    for choice in choices(inspect_result(io.BytesIO(content), {})):
        path = folder / "retrain.yaml"
        path.write_text(f"{REST}{choice.lines}\n", encoding="utf-8")
        found.add(auc(content, dict(load([path]).metrics)))
    return found


@given(
    st.sampled_from(LAYOUTS),
    st.lists(st.sampled_from(ANY), min_size=2, max_size=4, unique=True),
)
def test_the_value_is_the_evaluations_or_there_is_none(layout: Layout, labels: list[str]) -> None:
    cells = values(len(labels))
    right = {Decimal(row[0]) for label, row in zip(labels, cells, strict=True) if label in CANDIDATES}
    found = auc(layout(labels, cells))
    assert found is None or {found} == right, (labels, found)


@given(
    st.sampled_from(LAYOUTS),
    st.sampled_from(CANDIDATES),
    st.lists(st.sampled_from((*NO_VALUES, PREVIOUS[0])), min_size=1, max_size=3, unique=True),
    st.integers(0, 3),
)
def test_the_one_evaluation_beside_what_is_known_to_be_none_is_read(
    layout: Layout, right: str, others: list[str], place: int
) -> None:
    labels = [*others[:place], right, *others[place:]]
    cells = values(len(labels))
    assert auc(layout(labels, cells)) == Decimal(cells[labels.index(right)][0]), labels


@given(
    st.sampled_from(LAYOUTS),
    st.lists(st.sampled_from(ANY), min_size=1, max_size=4, unique=True),
)
def test_the_lines_of_an_inspection_reach_every_value(
    tmp_path_factory: pytest.TempPathFactory, layout: Layout, labels: list[str]
) -> None:
    cells = values(len(labels))
    found = reached(layout(labels, cells), tmp_path_factory.mktemp("m"))
    wanted = {Decimal(row[0]) for label, row in zip(labels, cells, strict=True) if role_of(label) != "difference"}
    assert wanted <= found, labels


@given(
    st.sampled_from(LAYOUTS), st.sampled_from(["62.5", "-0.1", "1.0001"]), st.sampled_from([["test"], ["train", "new"]])
)
def test_a_value_that_a_metric_cannot_have_is_none_in_every_layout(
    layout: Layout, value: str, labels: list[str]
) -> None:
    """62.5 is not an auc: neither read, nor, but in percent, offered by an inspection."""
    content = layout(labels, [[value] * len(METRICS) for _ in labels])
    assert auc(content) is None
    offered = {line for choice in choices(inspect_result(io.BytesIO(content), {})) for line in choice.lines.split("\n")}
    assert all("unit: percent" in line for line in offered if line.strip().startswith("auc:"))
