"""Datasets and models: from a document with positions to the typed model."""

from datetime import timedelta
from decimal import Decimal

from runner.lib.text import did_you_mean, shown
from runner.manifest.built_in_metrics import BUILT_IN_METRICS, check_metric_name
from runner.manifest.document import Findings, YamlMap
from runner.manifest.durations import read_duration
from runner.manifest.merge import Combined, overlay
from runner.manifest.model import Bounds, Checks, Dataset, EmulatorModel, Model, Retrain, StatedIncumbent, Wait
from runner.manifest.names import is_name, refuse_name
from runner.manifest.sources import read_key, read_key_hosts, read_source
from runner.providers.facts import DataFormats, DataLimits


def read_dataset(section: YamlMap, name: str, combined: Combined, formats: DataFormats) -> Dataset:
    """Return one dataset; its paths start at the folder of the file they are in."""
    dataset: YamlMap = section[name]
    pins: YamlMap = dataset.get("sha256", YamlMap())
    if "eval" in pins and "eval" not in dataset:
        combined.findings.error(
            pins.key_place("eval"),
            "misplaced-key",
            "`sha256` pins evaluation data that the dataset does not have.",
            hint="Add `eval`, or remove the pin.",
        )
    return Dataset(
        name=name,
        train=read_source(dataset, "train", combined, formats),
        eval=read_source(dataset, "eval", combined, formats) if "eval" in dataset else None,
        train_sha256=_read_pin(pins, "train"),
        eval_sha256=_read_pin(pins, "eval"),
        place=section.key_place(name),
    )


def _read_pin(pins: YamlMap, key: str) -> str | None:
    return pins[key].strip().lower() if key in pins else None


_REQUIRED = {
    "api_key": "Add where its key comes from, for example `api_key: {env: NAME}`.",
    "dataset": "Add the name of a dataset, here or under `defaults`.",
    "policy": "Add the name of a policy, here or under `defaults`.",
}


_STANDARD_WAIT = Wait()


def all_settings(combined: Combined) -> dict[str, YamlMap]:
    """Return each model's settings with the defaults under them; models that are not a mapping are left out."""
    defaults = combined.section("defaults")
    models = combined.section("models").items()
    return {name: overlay(own, defaults) for name, own in models if isinstance(own, YamlMap)}


def check_model(merged: YamlMap, name: str, combined: Combined) -> bool:
    """Report keys that are missing and names that do not exist; return whether the model can be read."""
    missing = [key for key in _REQUIRED if key not in merged]
    if combined.complete:
        _report_missing(merged, name, missing, combined)
    _check_reference(merged, "dataset", "datasets", combined)
    _check_reference(merged, "policy", "policies", combined)
    return not missing and combined.is_sound("models", name) and combined.is_sound("defaults")


def _report_missing(merged: YamlMap, name: str, missing: list[str], combined: Combined) -> None:
    place = combined.section("models").key_place(name)
    for key in missing:
        combined.findings.error(place, "missing-key", f"The model {shown(name)} has no `{key}`.", hint=_REQUIRED[key])
    if combined.section("service").get("emulator") is True and "emulator" not in merged:
        combined.findings.error(
            place,
            "missing-key",
            f"The emulator does not know what the model {shown(name)} predicts.",
            hint="Add `emulator: {task: binary_classification, target: COLUMN}`.",
        )


def _check_reference(merged: YamlMap, key: str, section: str, combined: Combined) -> None:
    name, known = merged.get(key), combined.root.get(section, {})
    knowable = combined.complete and isinstance(known, dict)
    if knowable and isinstance(name, str) and name and name not in known:
        combined.findings.error(
            merged.value_place(key),
            f"unknown-{key}",
            f"There is no {key} {shown(name)}.",
            hint=did_you_mean(name, known, otherwise=f"Define it under `{section}`."),
        )


def read_model(merged: YamlMap, name: str, combined: Combined, limits: DataLimits) -> Model | None:
    """Return one model from its merged settings; None when its key is wrong, which is then reported.

    `limits` are the provider's, for what the manifest does not limit.
    """
    findings = combined.findings
    api_key = read_key(merged["api_key"], combined)
    emulator = _read_emulator(merged, findings)
    if api_key is None:
        return None
    return Model(
        name=name,
        api_key=api_key,
        dataset=merged["dataset"],
        policy=merged["policy"],
        retrain=_read_retrain(merged.get("retrain", YamlMap()), findings),
        wait=_read_wait(merged.get("wait", YamlMap()), findings),
        checks=_read_checks(merged, emulator, standard_checks(limits), findings),
        tags=_read_tags(merged, findings),
        owner=merged.get("owner"),
        emulator=emulator,
        place=combined.section("models").key_place(name),
        incumbent=_read_incumbent(merged, combined, limits.formats) if "incumbent" in merged else None,
        classifier_id=merged.get("service", YamlMap()).get("classifier_id"),
        key_hosts=read_key_hosts(merged["api_key"]),
    )


def _read_incumbent(merged: YamlMap, combined: Combined, formats: DataFormats) -> StatedIncumbent:
    section: YamlMap = merged["incumbent"]
    metrics: YamlMap = section["metrics"]
    for name in metrics:
        check_metric_name(name, metrics.key_place(name), combined.known("metrics"), combined.findings)
        _check_range(metrics, name, combined.findings)
    return StatedIncumbent(
        metrics={name: Decimal(value) for name, value in metrics.items()},
        eval=read_source(section, "eval", combined, formats) if "eval" in section else None,
        place=merged.key_place("incumbent"),
    )


def _check_range(metrics: YamlMap, name: str, findings: Findings) -> None:
    built_in = BUILT_IN_METRICS.get(name)
    if built_in is not None and not built_in.can_be(Decimal(metrics[name])):
        findings.error(
            metrics.value_place(name),
            "out-of-range",
            f"The stated {name} of {metrics[name]} cannot be {built_in.phrase}, which is {built_in.range_text}.",
            hint="Write the value as the service scores it, in the unit of limits: 0.91 for 91 %.",
        )


def _read_retrain(section: YamlMap, findings: Findings) -> Retrain:
    return Retrain(
        when=section.get("when", "changed"),
        min_interval=read_duration(section, "min_interval", findings, zero=True),
        max_age=read_duration(section, "max_age", findings),
        attempts=section.get("attempts", 2),
        compare=section.get("compare", "content"),
    )


def _read_wait(section: YamlMap, findings: Findings) -> Wait:
    poll: timedelta | None = None
    if section.get("poll", "adaptive") != "adaptive":
        poll = read_duration(section, "poll", findings)
    return Wait(
        timeout=read_duration(section, "timeout", findings) or _STANDARD_WAIT.timeout,
        poll=poll,
        give_up=read_duration(section, "give_up", findings) or _STANDARD_WAIT.give_up,
    )


def standard_checks(limits: DataLimits) -> Checks:
    """Return the checks of a model whose manifest has none."""
    (fewest, most), (narrowest, widest) = limits.rows, limits.columns
    rows, columns = Bounds(min=fewest, max=most), Bounds(min=narrowest, max=widest)
    return Checks(rows=rows, columns=columns, labels=limits.labels, formats=limits.formats)


def _read_checks(merged: YamlMap, emulator: EmulatorModel | None, standard: Checks, findings: Findings) -> Checks:
    section: YamlMap = merged.get("checks", YamlMap())
    if not section and emulator is None:
        return standard
    place = emulator.target_place if emulator else None
    if "target" in section:
        place = section.value_place("target")
    return Checks(
        rows=_read_bounds(section, "rows", standard.rows, findings),
        columns=_read_bounds(section, "columns", standard.columns, findings),
        labels=standard.labels,
        target=section.get("target", emulator.target if emulator else None),
        target_place=place,
        on_fail=section.get("on_fail", "stop"),
        change=section.get("change", "stop"),
        findings=dict(section.get("findings", {})),
        formats=standard.formats,
    )


def _read_bounds(section: YamlMap, key: str, standard: Bounds, findings: Findings) -> Bounds:
    if key not in section:
        return standard
    bounds = Bounds(min=section[key].get("min", standard.min), max=section[key].get("max", standard.max))
    if bounds.min is not None and bounds.max is not None and bounds.min > bounds.max:
        findings.error(
            section.key_place(key),
            "out-of-range",
            f"No file can have at least {bounds.min} and at most {bounds.max} {key}.",
            hint="Set both ends; an end that is not given keeps the service's limit.",
        )
    return bounds


def _read_tags(merged: YamlMap, findings: Findings) -> tuple[str, ...]:
    tags = merged.get("tags", [])
    for index, tag in enumerate(tags):
        if not is_name(tag):
            refuse_name(tag, "tag", tags.item_place(index), findings)
    return tuple(tags)


def _read_emulator(merged: YamlMap, findings: Findings) -> EmulatorModel | None:
    if "emulator" not in merged:
        return None
    section: YamlMap = merged["emulator"]
    missing = [key for key in ("task", "target") if key not in section]
    for key in missing:
        findings.error(
            merged.key_place("emulator"),
            "missing-key",
            f"`emulator` lacks the key `{key}`.",
            hint="For example: `emulator: {task: binary_classification, target: diagnosis}`.",
        )
    if missing:
        return None
    return EmulatorModel(task=section["task"], target=section["target"], target_place=section.value_place("target"))
