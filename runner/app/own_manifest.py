"""A manifest for your own data: the file is checked as in a run, and the rules fit its target."""

import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from runner.datasets.check import Checked, read_header
from runner.datasets.file_cache import FileCache
from runner.datasets.prepare import check_data
from runner.datasets.resolve import resolve_file
from runner.errors import UsageError
from runner.lib.text import did_you_mean, shown
from runner.manifest.model import Checks, Dataset, Place, Source, Task
from runner.manifest.models import standard_checks
from runner.manifest.names import is_name
from runner.manifest.sources import ADDRESSES
from runner.providers.registry import DEFAULT_PROVIDER, facts_of

_COMMON_STEMS = frozenset({"train", "training", "data", "dataset"})
_PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_./-]*")
_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
_MOST_SHOWN = 12  # columns in one message

_TEMPLATE = """\
# yaml-language-server: $schema=schemas/manifest.schema.json
# What is retrained, with which data, and when a candidate may take over.
# Made by `init --from`; docs/reference/manifest.md has every key.
version: 1

service:
  url: {url}

approvals: approvals/ # an operator's decision on a candidate, committed to git

datasets:
  {name}: # {shape}
    train: {train}{evaluation}

policies:
  guarded:
    type: threshold
    rules:
{rules}
    first_run: ask # nothing is recorded of what serves now: a person decides (or hold, or pass)
    on_pass: switch # or ask
    on_fail: hold # or ask

models:
  {name}:
    api_key: {{env: {variable}}} # the key of this model for retraining; it never is in a file of this repository
    dataset: {name}
    policy: guarded
    retrain: {{when: changed}} # only when the data's content changed
    wait: {{timeout: 6h}}
    emulator: {{task: {task}, target: {target}}} # what it predicts: for data checks, and `--emulator`
"""


class OwnData(Struct, frozen=True, kw_only=True):
    """What `retrain init --from` is told: the files, the column to predict, and maybe its task."""

    train: Path
    eval: Path | None
    target: str | None
    task: Task | None


class OwnManifest(Struct, frozen=True, kw_only=True):
    """A manifest as text; `variable` is the environment variable that it takes the model's key from."""

    text: str
    model: str
    task: Task
    variable: str
    warnings: tuple[str, ...]


def own_manifest(folder: Path, data: OwnData) -> OwnManifest:
    """Return a manifest in `folder` for these files.

    Raises:
        UsageError: the column does not exist, or the task does not fit its values.
        ModelError: of kind `data`: the service would refuse the files.
    """
    dataset = _dataset(data)
    target = _target(data, _columns(dataset))
    found = check_data(dataset, _checks(target), reference=None, expected_sha256=None, readings=FileCache())
    task, variable = _task(found.train, target, data.task), f"{_variable(dataset.name)}_API_KEY"
    train, evaluation = (None if path is None else _named(folder, path) for path in (data.train, data.eval))
    values = found.train.shape.labels or found.train.shape.numbers or ()
    text = _TEMPLATE.format(
        url=" # or ".join(f"https://{host}" for host in facts_of(DEFAULT_PROVIDER).hosts),
        name=_scalar(dataset.name),
        shape=f"{found.train.file.rows:,} rows, {len(found.train.shape.columns)} columns",
        train=_scalar(train or ""),
        evaluation=f"\n    eval: {_scalar(evaluation)}" if evaluation else "",
        rules="\n".join(_rules(task, len(values), with_eval=evaluation is not None)),
        variable=variable,
        task=task,
        target=_scalar(target),
    )
    return OwnManifest(text=text, model=dataset.name, task=task, variable=variable, warnings=found.warnings)


def _target(data: OwnData, columns: Sequence[str]) -> str:
    if data.target is None:
        raise UsageError(
            "No target is named: the column that the model predicts.",
            hint=f"Add --target with one of the columns: {_some(columns)}.",
        )
    if columns and data.target not in columns:
        raise UsageError(
            f"{data.train} has no column {shown(data.target)}.",
            hint=did_you_mean(data.target, columns, otherwise=f"Its columns are {_some(columns)}."),
        )
    return data.target


def _dataset(data: OwnData) -> Dataset:
    """Return the files as a dataset; each is looked for in its own folder, where nothing about it is hidden."""
    for path in filter(None, (data.train, data.eval)):
        _refuse_address(path)
    place = Place(file=str(data.train), line=1, column=1)
    train, evaluation = (
        None if path is None else Source(pattern=path.name, folder=path.absolute().parent, pick=None, place=place)
        for path in (data.train, data.eval)
    )
    if train is None:
        raise LookupError("a dataset has training data")
    return Dataset(
        name=_name(data.train), train=train, eval=evaluation, train_sha256=None, eval_sha256=None, place=place
    )


def _refuse_address(path: Path) -> None:
    """Refuse the address of remote data, which a path has lost a slash of."""
    scheme = path.parts[0].removesuffix(":") if path.parts else ""
    if scheme != path.parts[0] and scheme.lower() in ADDRESSES and not path.exists():
        raise UsageError(
            f"`--from` reads files of this machine, and no address of {scheme}://.",
            hint="Give a sample of the data as a file; then write the address in its place in the manifest.",
        )


def _named(folder: Path, path: Path) -> str:
    """Return a file as the manifest in the folder names it: relative where that leads over the working folder."""
    whole, here = path.absolute(), Path.cwd()
    if whole.is_relative_to(folder.absolute()) or (
        whole.is_relative_to(here) and folder.absolute().is_relative_to(here)
    ):
        return Path(os.path.relpath(whole, folder.absolute())).as_posix()
    return whole.as_posix()


def _columns(dataset: Dataset) -> Sequence[str]:
    return read_header(resolve_file(dataset.train, None, dataset.name)) or ()


def _some(columns: Sequence[str]) -> str:
    more = len(columns) - _MOST_SHOWN
    return ", ".join(shown(name) for name in columns[:_MOST_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _checks(target: str) -> Checks:
    standard = standard_checks(facts_of(DEFAULT_PROVIDER).limits)
    return replace(standard, target=target)


def _task(train: Checked, target: str, named: Task | None) -> Task:
    """Return the task that is named, or that the values of the target speak for.

    Raises:
        UsageError: the values do not allow the task that is named.
    """
    shape = train.shape
    values = shape.labels if shape.labels is not None else shape.numbers
    whole = values is not None and all(re.fullmatch(r"[+-]?[0-9]+(\.0*)?", value.strip()) for value in values)
    fits: Task = "regression"
    if values is not None and (shape.labels is not None or whole):
        fits = "binary_classification" if len(values) == 2 else "multi_classification"
    task = named or fits
    if task == "regression" and shape.labels is not None:
        raise UsageError(
            f"The target {shown(target)} has values that are not numbers, so its task is not a regression.",
            hint=f"Leave --task out, or write --task {fits}.",
        )
    if task == "binary_classification" and (values is None or len(values) != 2):
        count = "more than 20" if values is None else str(len(values))
        raise UsageError(
            f"The target {shown(target)} has {count} different values, so its task is not a binary classification.",
            hint=f"Leave --task out, or write --task {fits}.",
        )
    return task


def _name(train: Path) -> str:
    """Return a name for model and dataset: that of the file, or of its folder where the file's says nothing."""
    stem = train.absolute().stem
    if stem.lower() in _COMMON_STEMS and is_name(train.absolute().parent.name):
        stem = train.absolute().parent.name
    name = re.sub(r"[^\w.-]+", "_", stem).strip("_.-")
    return name if is_name(name) and name.lower() not in _COMMON_STEMS else "model"


def _variable(name: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9]+", "_", name if name.isascii() else "model").strip("_").upper()
    return f"_{plain}" if plain[:1].isdigit() else plain or "MODEL"


def _scalar(text: str) -> str:
    """Return a text as YAML has it, in double quotes where it could mean something else without."""
    return text if _PLAIN.fullmatch(text) and text.lower() not in _WORDS else json.dumps(text, ensure_ascii=False)


def _rules(task: Task, classes: int, *, with_eval: bool) -> Iterator[str]:
    """Yield the rules that the task's headline metric speaks for, each with a remark."""
    least = min(0.95, 1 / max(classes, 2) + 0.05)
    metric, low, why, drop = {
        "binary_classification": ("auc", "0.60", "better than chance (0.50)", "0.01"),
        "multi_classification": ("accuracy", f"{least:.2f}", "better than a guess", "0.01"),
        "regression": ("r2", "0.10", "better than the mean (0)", "0.02"),
    }[task]
    yield f"      - {{metric: {metric}, min: {low}}} # {why}; raise it to what you need"
    change = f"metric: {metric}, against: incumbent, max_drop: {drop}"
    if with_eval:
        yield f"      - {{{change}}} # and not worse than what serves now"
    else:
        yield f"      - {{{change}, any_eval: true}} # not worse than now; with an `eval`, remove any_eval"
