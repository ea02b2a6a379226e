"""A run as OpenMetrics text, to be scraped from a file.

All families are gauges about one run: node_exporter's textfile collector, which reads an older form of the text, knows
gauges but refuses the types info and stateset. There are no timestamps, which it refuses too.
Source: https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal

from msgspec import Struct

from runner.journal.outcomes import OUTCOMES
from runner.lib.timestamps import moment
from runner.reports.model import FileReport, ModelReport, Report
from runner.reports.text import inline

_Sample = tuple[Mapping[str, str], float | Decimal]


class Family(Struct, frozen=True, kw_only=True):
    """One metric: its name ends with its unit where it has one; samples are labels and a value."""

    name: str
    help: str
    samples: Iterable[_Sample]
    unit: str = ""


def render_openmetrics(report: Report) -> bytes:
    """Return the report as UTF-8 OpenMetrics text; families without a sample are left out."""
    lines = [line for family in (*_run(report), *_models(report.models)) for line in _lines(family)]
    return "".join(f"{line}\n" for line in [*lines, "# EOF"]).encode()


def _run(report: Report) -> list[Family]:
    about = {
        "run_id": report.run_id,
        "command": report.command,
        "service": report.service,
        "version": report.tool.version,
        "manifest_sha256": report.manifest.sha256,
        "head_sha256": report.journal.head_sha256,
    }
    began, ended = (moment(at).timestamp() for at in (report.started_at, report.finished_at))
    counts: list[_Sample] = [({"outcome": outcome}, report.summary.get(outcome, 0)) for outcome in OUTCOMES]
    return [
        Family(name="retrain_run_info", help="The run this file is about.", samples=[(about, 1)]),
        Family(name="retrain_run_exit_code", help="What it ended with.", samples=[({}, report.exit_code)]),
        Family(
            name="retrain_run_start_timestamp_seconds", help="When it began.", samples=[({}, began)], unit="seconds"
        ),
        Family(name="retrain_run_end_timestamp_seconds", help="When it ended.", samples=[({}, ended)], unit="seconds"),
        Family(name="retrain_run_models", help="Models by outcome.", samples=counts),
    ]


def _models(models: Sequence[ModelReport]) -> list[Family]:
    return [
        Family(
            name="retrain_model_outcome", help="1 for the model's outcome, 0 for the others.", samples=_outcomes(models)
        ),
        Family(name="retrain_model_metric", help="The candidate's metrics, as judged.", samples=_metrics(models)),
        Family(
            name="retrain_model_switch_timestamp_seconds",
            help="When the candidate took over.",
            samples=_switches(models),
            unit="seconds",
        ),
        Family(
            name="retrain_model_stage_seconds",
            help="Time of each stage in this run; the stage wait is the training.",
            samples=_stages(models),
            unit="seconds",
        ),
        Family(name="retrain_model_calls", help="Requests to the service in this run.", samples=_calls(models)),
        Family(name="retrain_model_rows", help="Rows of the data files.", samples=_rows(models)),
        Family(
            name="retrain_model_data_bytes",
            help="Size of the data files.",
            samples=_bytes(models),
            unit="bytes",
        ),
    ]


def _outcomes(models: Sequence[ModelReport]) -> Iterable[_Sample]:
    for model in models:
        for outcome in OUTCOMES:
            yield {"model": model.name, "outcome": outcome}, int(model.outcome == outcome)


def _metrics(models: Sequence[ModelReport]) -> Iterable[_Sample]:
    for model in models:
        for name, value in model.metrics.items():
            if value is not None:
                yield {"model": model.name, "metric": name}, value


def _switches(models: Sequence[ModelReport]) -> Iterable[_Sample]:
    for model in models:
        if model.switched_at:
            yield {"model": model.name}, moment(model.switched_at).timestamp()


def _stages(models: Sequence[ModelReport]) -> Iterable[_Sample]:
    for model in models:
        for stage, seconds in model.timings.by_stage().items():
            yield {"model": model.name, "stage": stage}, seconds


def _calls(models: Sequence[ModelReport]) -> Iterable[_Sample]:
    for model in models:
        for call, count in model.calls.by_name().items():
            yield {"model": model.name, "call": call}, count


def _rows(models: Sequence[ModelReport]) -> Iterable[_Sample]:
    for model, name, file in _files(models):
        if file.rows is not None:
            yield {"model": model, "file": name}, file.rows


def _bytes(models: Sequence[ModelReport]) -> Iterable[_Sample]:
    for model, name, file in _files(models):
        yield {"model": model, "file": name}, file.bytes


def _files(models: Sequence[ModelReport]) -> Iterator[tuple[str, str, FileReport]]:
    for model in models:
        if model.dataset is not None:
            yield model.name, "train", model.dataset.train
            if model.dataset.eval is not None:
                yield model.name, "eval", model.dataset.eval


def _lines(family: Family) -> list[str]:
    samples = [
        f"{family.name}{_labels(labels)} {_number(value)}"
        for labels, value in family.samples
        if math.isfinite(float(value))  # a metric beyond a float's range has no value here
    ]
    unit = [f"# UNIT {family.name} {family.unit}"] if family.unit else []
    return [f"# TYPE {family.name} gauge", *unit, f"# HELP {family.name} {family.help}", *samples] if samples else []


def _labels(labels: Mapping[str, str]) -> str:
    told = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{told}}}" if told else ""


def _escaped(value: str) -> str:
    return inline(value).replace("\\", "\\\\").replace('"', '\\"')


def _number(value: float | Decimal) -> str:
    number = float(value)
    return str(int(number)) if number.is_integer() and abs(number) < 2**53 else repr(number)
