"""The section `metrics`: where metrics stand that are not built in, and the units of any."""

import re
from collections.abc import Collection
from decimal import Decimal
from pathlib import PurePosixPath

from runner.manifest.built_in_metrics import BUILT_IN_METRICS
from runner.manifest.document import YamlMap
from runner.manifest.model import MetricDefinition, Place
from runner.manifest.problems import Findings
from runner.manifest.wording import did_you_mean, shown

_WRONG_ESCAPE = re.compile(r"~(?![01])")


def check_metric_name(name: str, place: Place, defined: Collection[str] | None, findings: Findings) -> None:
    """Report a metric that is neither built in nor `defined` under `metrics`, None when that cannot be known."""
    if defined is None or name in BUILT_IN_METRICS or name in defined:
        return
    findings.error(
        place,
        "unknown-metric",
        f"There is no metric {shown(name)}.",
        hint=did_you_mean(
            name, (*BUILT_IN_METRICS, *defined), otherwise="Define it under `metrics`, or use a built-in name."
        ),
    )


def read_metric(section: YamlMap, name: str, findings: Findings) -> MetricDefinition:
    """Return the definition of one metric."""
    definition: YamlMap = section[name]
    built_in = BUILT_IN_METRICS.get(name)
    selection, column = _read_selection(definition, findings)
    return MetricDefinition(
        name=name,
        file=_read_file(definition, findings) if "file" in definition else None,
        select=selection,
        column=column,
        direction=built_in.direction if built_in else definition["direction"],
        target=built_in.target if built_in else Decimal(definition["target"]) if "target" in definition else None,
        unit=definition.get("unit"),
    )


def _read_file(definition: YamlMap, findings: Findings) -> str:
    """Return the member's name or whole path, without a `./` before it."""
    path = PurePosixPath(definition["file"])
    if path.name == "" or ".." in path.parts or path.is_absolute():
        findings.error(
            definition.value_place("file"),
            "wrong-form",
            "`file` is not the name or the path of a file in the result.",
            hint="Write the name of a member of the result, such as `report.json`, or its whole path.",
        )
    return str(path)


def _read_selection(definition: YamlMap, findings: Findings) -> tuple[str | None, str | None]:
    """Return the JSON Pointer or the row, and the column."""
    select: str | YamlMap | None = definition.get("select")
    if isinstance(select, YamlMap):
        return select.get("row"), select.get("column")
    if select is not None and select.startswith("/") and _WRONG_ESCAPE.search(select):
        findings.error(
            definition.value_place("select"),
            "wrong-form",
            "`select` is not a JSON Pointer.",
            hint="In a JSON Pointer write `~0` for a tilde and `~1` for a slash within a name.",
        )
    return select, None
