"""The cross checks over all files, and the typed manifest they end in."""

from collections.abc import Collection, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar, get_args

from runner.errors import UsageError
from runner.http.objects.address import is_object_address
from runner.http.objects.bucket import read_bucket_address
from runner.lib.canonical_json import digest
from runner.lib.text import choice, nearest, shown
from runner.manifest.approvals import read_approvals
from runner.manifest.built_in_metrics import BUILT_IN_METRICS, read_metric
from runner.manifest.document import YamlList, YamlMap
from runner.manifest.durations import read_duration
from runner.manifest.merge import Combined
from runner.manifest.model import (
    Approval,
    Dataset,
    Direction,
    Limits,
    Manifest,
    ManifestFile,
    MetricDefinition,
    Model,
    Policy,
    Service,
)
from runner.manifest.models import all_settings, check_model, read_dataset, read_model
from runner.manifest.names import check_names, former_names, read_moved, read_moved_services
from runner.manifest.policies import Directions, check_rule, read_policy
from runner.manifest.service import check_recipients, read_notify, read_service
from runner.manifest.sources import check_keys
from runner.providers.facts import ProviderFacts
from runner.providers.registry import facts_of

_NOUNS = {"datasets": "dataset", "policies": "policy", "metrics": "metric", "models": "model"}
_T = TypeVar("_T")


def assemble(combined: Combined, files: tuple[ManifestFile, ...]) -> Manifest:
    """Return the typed manifest; it is only whole when `combined.findings` holds no error afterwards."""
    _check_root(combined)
    for section, noun in _NOUNS.items():
        check_names(combined.section(section), noun, combined.findings)
    settings = all_settings(combined)
    service = _service(combined)
    facts = facts_of(service.provider)
    manifest = Manifest(
        service=service,
        datasets=_frozen(_datasets(combined, facts)),
        policies=_frozen(_policies(combined)),
        metrics=_frozen(_metrics(combined)),
        models=_frozen(_models(combined, settings, facts)),
        approvals_folder=_approvals_folder(combined),
        approvals=_approvals(combined),
        state=_state(combined),
        notify=read_notify(combined),
        moved=read_moved(combined),
        moved_services=read_moved_services(combined),
        limits=_limits(combined),
        files=files,
        sha256=digest(sorted(file.sha256 for file in files)),
    )
    _check_use(combined, settings.values())
    check_keys(combined, manifest.models.values(), manifest.service.url)
    for model in manifest.models.values():
        _check_task(model, manifest.policies.get(model.policy), combined)
    if combined.complete and not combined.findings.has_error():
        check_recipients(combined, manifest.notify, manifest.models.values())
    return manifest


def _frozen(values: dict[str, _T]) -> Mapping[str, _T]:
    return MappingProxyType(values)


def _check_root(combined: Combined) -> None:
    root, findings = combined.root, combined.findings
    if not combined.complete:
        return
    if "version" not in root:
        findings.error(
            combined.start, "missing-key", "No file says which version of the format it has.", hint="Add `version: 1`."
        )
    if root.get("models", YamlMap()) == {}:
        findings.error(
            root.key_place("models") if "models" in root else combined.start,
            "no-models",
            "There is no model to retrain.",
            hint="Add at least one model under `models`.",
        )


def _service(combined: Combined) -> Service:
    sound = combined.is_sound("service")
    return read_service(combined.section("service") if sound else YamlMap(), combined.findings)


def _datasets(combined: Combined, facts: ProviderFacts) -> dict[str, Dataset]:
    section = combined.section("datasets")
    sound = [name for name in section if combined.is_sound("datasets", name)]
    for name in sound:
        if facts.archive is None and "eval" in section[name]:
            combined.findings.error(
                section[name].key_place("eval"),
                "no-evaluation-data",
                f"The provider {facts.name} takes training data only.",
                hint="Remove `eval`; candidates are then judged by the provider's own evaluation.",
            )
    return {name: read_dataset(section, name, combined, facts.limits.formats) for name in sound}


def _policies(combined: Combined) -> dict[str, Policy]:
    section, metrics = combined.section("policies"), _directions(combined)
    policies = {}
    for name in section:
        if combined.is_sound("policies", name):
            policies[name] = read_policy(section, name, metrics, combined.findings)
        else:
            _check_sound_rules(combined, section[name], name, metrics)
    return policies


def _directions(combined: Combined) -> Directions | None:
    """Return the metrics that are defined, each with its direction where that is one; None when not all are known."""
    known, section = combined.known("metrics"), combined.section("metrics")
    return None if known is None else {name: _direction(section[name]) for name in known}


def _direction(definition: object) -> Direction | None:
    written = definition.get("direction") if isinstance(definition, YamlMap) else None
    return next((direction for direction in get_args(Direction) if direction == written), None)


def _check_sound_rules(combined: Combined, policy: object, name: str, metrics: Directions | None) -> None:
    """Look at the rules that fit the schema in a policy that does not: every problem is reported at once."""
    rules = policy.get("rules") if isinstance(policy, YamlMap) else None
    if not isinstance(rules, YamlList):
        return
    for index, rule in enumerate(rules):
        if isinstance(rule, YamlMap) and combined.is_sound_within("policies", name, "rules", index):
            check_rule(rule, rules.item_place(index), metrics, combined.findings)


def _metrics(combined: Combined) -> dict[str, MetricDefinition]:
    section = combined.section("metrics")
    sound = [name for name in section if combined.is_sound("metrics", name)]
    return {name: read_metric(section, name, combined.findings) for name in sound}


def _models(combined: Combined, settings: Mapping[str, YamlMap], facts: ProviderFacts) -> dict[str, Model]:
    models = {}
    for name, merged in settings.items():
        if check_model(merged, name, combined):
            model = read_model(merged, name, combined, facts.limits)
            if model is not None:
                models[name] = model
    return models


def _approvals_folder(combined: Combined) -> Path | None:
    root = combined.root
    if "approvals" not in root or not combined.is_sound("approvals"):
        return None
    return combined.folder(root, "approvals") / Path(root["approvals"])


def _state(combined: Combined) -> str | None:
    """Return the address of the state; a folder is relative to the manifest."""
    root = combined.root
    if "state" not in root or not combined.is_sound("state"):
        return None
    address = str(root["state"])
    if not is_object_address(address):
        return address if "://" in address else str(combined.folder(root, "state") / address)
    try:
        read_bucket_address(address, parameters={"lease"})
    except UsageError as error:
        combined.findings.error(root.value_place("state"), "invalid-state", error.message, hint=error.hint)
    return address


def _approvals(combined: Combined) -> tuple[Approval, ...]:
    folder, root = _approvals_folder(combined), combined.root
    if folder is None:
        return ()
    known, home = combined.known("models"), combined.folder(root, "approvals")
    models = None if known is None else {*known, *former_names(combined)}
    return read_approvals(folder, home, root.value_place("approvals"), models, combined.findings)


def _limits(combined: Combined) -> Limits:
    if not combined.is_sound("limits"):
        return Limits()
    section = combined.section("limits")
    return Limits(**{**section, "keep": read_duration(section, "keep", combined.findings)})


def _check_task(model: Model, policy: Policy | None, combined: Combined) -> None:
    """Report the rules on metrics that the model's task, where it is known, does not have."""
    if model.emulator is None or policy is None:
        return
    task = model.emulator.task
    used = dict.fromkeys(rule.metric for rule in policy.rules if rule.metric in BUILT_IN_METRICS)
    absent = [name for name in used if task not in BUILT_IN_METRICS[name].tasks]
    if absent:
        has = [metric.name for metric in BUILT_IN_METRICS.values() if task in metric.tasks]
        combined.findings.error(
            model.place,
            "metric-of-other-task",
            f"The model {shown(model.name)} is a {task}, which has no {choice(absent)}; its policy"
            f" {shown(policy.name)} has a rule on it.",
            hint=f"Use {choice(has)} in the policy, or give the model another policy.",
            related=(policy.place,),
        )


def _check_use(combined: Combined, models: Collection[YamlMap]) -> None:
    """Warn of datasets and policies that no model names, where it is not their name that is wrong already.

    A model without a name for it, or with one that is nearly this one, may well mean it.
    """
    if not combined.complete:
        return
    places = combined.findings.places()
    for section in ("datasets", "policies"):
        noun, known = _NOUNS[section], combined.section(section)
        names = [model.get(noun) for model in models]
        used = {name for name in names if isinstance(name, str)}
        if len(models) < len(combined.section("models")) or not all(isinstance(name, str) for name in names):
            continue
        accounted = used | {nearest(name, known) for name in used if name not in known}
        for name in known:
            if name not in accounted and known.key_place(name) not in places:
                combined.findings.warning(
                    known.key_place(name),
                    "unused",
                    f"No model uses the {noun} {shown(name)}.",
                    hint="Use it in a model, or remove it.",
                )
