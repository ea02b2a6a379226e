"""A run as OpenMetrics text, to be scraped from a file.

All families are gauges about one run: node_exporter's textfile collector, which reads an older form of the text, knows
gauges but refuses the types info and stateset. There are no timestamps, which it refuses too.
Source: https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md
"""

import math
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from msgspec import Struct

from runner.journal.instants import moment
from runner.report.build import OUTCOMES
from runner.report.text import inline

_STAGES = ("check", "package", "upload", "wait", "evaluate", "switch")
_Sample = tuple[Mapping[str, str], float | Decimal]


class Family(Struct, frozen=True, kw_only=True):
    """One metric: its name ends with its unit where it has one; samples are labels and a value."""

    name: str
    help: str
    samples: Iterable[_Sample]
    unit: str = ""


def render_openmetrics(report: dict[str, Any]) -> bytes:
    """Return the report as UTF-8 OpenMetrics text; families without a sample are left out."""
    lines = [line for family in (*_run(report), *_models(report["models"])) for line in _lines(family)]
    return "".join(f"{line}\n" for line in [*lines, "# EOF"]).encode()


def _run(report: dict[str, Any]) -> list[Family]:
    about = {
        "run_id": report["run_id"],
        "command": report["command"],
        "service": report["service"],
        "version": report["tool"]["version"],
        "manifest_sha256": report["manifest"]["sha256"],
        "head_sha256": report["journal"]["head_sha256"],
    }
    began, ended = (moment(report[key]).timestamp() for key in ("started_at", "finished_at"))
    counts: list[_Sample] = [({"outcome": one}, report["summary"].get(one, 0)) for one in OUTCOMES]
    return [
        Family(name="retrain_run_info", help="The run this file is about.", samples=[(about, 1)]),
        Family(name="retrain_run_exit_code", help="What it ended with.", samples=[({}, report["exit_code"])]),
        Family(
            name="retrain_run_start_timestamp_seconds", help="When it began.", samples=[({}, began)], unit="seconds"
        ),
        Family(name="retrain_run_end_timestamp_seconds", help="When it ended.", samples=[({}, ended)], unit="seconds"),
        Family(name="retrain_run_models", help="Models by outcome.", samples=counts),
    ]


def _models(models: list[dict[str, Any]]) -> list[Family]:
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
        Family(name="retrain_model_rows", help="Rows of the data files.", samples=_files(models, "rows")),
        Family(
            name="retrain_model_data_bytes",
            help="Size of the data files.",
            samples=_files(models, "bytes"),
            unit="bytes",
        ),
    ]


def _outcomes(models: list[dict[str, Any]]) -> Iterable[_Sample]:
    for model in models:
        for one in OUTCOMES:
            yield {"model": model["name"], "outcome": one}, int(model["outcome"] == one)


def _metrics(models: list[dict[str, Any]]) -> Iterable[_Sample]:
    for model in models:
        for name, value in model["metrics"].items():
            if value is not None:
                yield {"model": model["name"], "metric": name}, value


def _switches(models: list[dict[str, Any]]) -> Iterable[_Sample]:
    for model in models:
        if model["switched_at"]:
            yield {"model": model["name"]}, moment(model["switched_at"]).timestamp()


def _stages(models: list[dict[str, Any]]) -> Iterable[_Sample]:
    for model in models:
        for stage in _STAGES:
            yield {"model": model["name"], "stage": stage}, model["timings"][f"{stage}_s"]


def _calls(models: list[dict[str, Any]]) -> Iterable[_Sample]:
    for model in models:
        for call, count in model["calls"].items():
            yield {"model": model["name"], "call": call}, count


def _files(models: list[dict[str, Any]], key: str) -> Iterable[_Sample]:
    for model in models:
        dataset = model["dataset"] or {}
        for name in ("train", "eval"):
            if dataset.get(name) and dataset[name][key] is not None:
                yield {"model": model["name"], "file": name}, dataset[name][key]


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
