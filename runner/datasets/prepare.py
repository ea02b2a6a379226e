"""A dataset made ready to send: checked, compared with what was planned, packed. What fails is never sent."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from time import monotonic

from msgspec import Struct
from msgspec.structs import replace

from runner.datasets.changes import (
    change_remarks,
    evaluation_changes,
    evaluation_findings,
    remarks,
    training_changes,
    training_findings,
)
from runner.datasets.check import Checked
from runner.datasets.file_cache import FileCache, changed, dataset_sha256, refuse_unpinned
from runner.datasets.metadata import DataProblems, Finding, Prepared, Reference
from runner.datasets.packing import discard, package
from runner.datasets.resolve import ResolvedDataset, resolve
from runner.errors import Kind, ModelError
from runner.manifest.model import Checks, Dataset
from runner.providers.base import ArchiveFolders


class CheckedData(Struct, frozen=True, kw_only=True):
    """A dataset that passed its check; `check_s` is seconds, the same for each model that shares the dataset."""

    resolved: ResolvedDataset
    train: Checked
    eval: Checked | None
    sha256: str
    warnings: tuple[str, ...]
    check_s: float


def check_data(
    dataset: Dataset, checks: Checks, *, reference: Reference | None, expected_sha256: str | None, readings: FileCache
) -> CheckedData:
    """Check the dataset, as a run does before it packs and sends it.

    Args:
        dataset: the manifest's entry.
        checks: what to ask of the data, and whether trouble stops, warns or is not looked for.
        reference: the data that it is compared with, where there is any.
        expected_sha256: the dataset's digest when the run was planned, when it was.
        readings: reads the files, or knows what was found in them before.

    Raises:
        ModelError: of kind `data`.
    """
    started = monotonic()
    resolved = resolve(dataset)
    train, evaluation = _checked(resolved, checks, readings)
    sha256 = dataset_sha256(train.file, evaluation.file if evaluation else None)
    if expected_sha256 is not None and sha256 != expected_sha256:
        raise changed(f"The data of {dataset.name}")
    return CheckedData(
        resolved=resolved,
        train=train,
        eval=evaluation,
        sha256=sha256,
        warnings=_judged(train, evaluation, checks, reference),
        check_s=max(monotonic() - started, train.seconds + (evaluation.seconds if evaluation else 0)),
    )


def pack(found: CheckedData, spool: Path, folders: ArchiveFolders | None) -> Prepared:
    """Make the file to upload, which `release` frees; `spool` gets a private folder for what has to be packed.

    `folders` are those of the zip, where the provider takes one.

    Raises:
        ModelError: of kind `data`; nothing is left in the spool folder.
    """
    packing = monotonic()
    train, evaluation = found.train.file, found.eval.file if found.eval else None
    upload = package(found.resolved, train, evaluation, spool, folders)
    return Prepared(
        train=train,
        eval=evaluation,
        sha256=found.sha256,
        shape=found.train.shape,
        upload=upload,
        warnings=found.warnings,
        check_s=found.check_s,
        package_s=monotonic() - packing,
    )


def release(prepared: Prepared) -> None:
    """Remove what `pack` put into the spool folder; safe to call twice."""
    discard(prepared.upload)


def _checked(resolved: ResolvedDataset, checks: Checks, readings: FileCache) -> tuple[Checked, Checked | None]:
    found: list[Checked] = []
    for file in filter(None, (resolved.train, resolved.eval)):
        checked = readings.checked(file, checks.target, checks.labels)
        if checked.file.bytes == 0:
            raise ModelError(Kind.DATA, f"{file.source}:1: is empty.", hint="Provide a file with a header and rows.")
        refuse_unpinned(file, checked.file.sha256)
        found.append(checked)
    hidden = any(one.hidden for one in found)  # messages about one file name columns and labels of the other
    train, *others = (replace(one, hidden=hidden) for one in found)
    return train, others[0] if others else None


def _judged(train: Checked, evaluation: Checked | None, checks: Checks, reference: Reference | None) -> tuple[str, ...]:
    """Return the warnings; raise when there are problems and the manifest wants to stop then."""
    if checks.on_fail == "off":
        return ()
    problems = _with(train.problems, training_findings(train, checks))
    if evaluation is not None:
        problems += _with(evaluation.problems, evaluation_findings(evaluation, train, checks))
    compared = reference if checks.change != "off" else None
    changes = _changes(train, evaluation, checks, compared) if compared else []
    if checks.on_fail == "stop":
        _stop(problems, changes if checks.change == "stop" else [])
    noted = change_remarks(train, evaluation, compared) if compared else ()
    return (*problems, *changes, *remarks(train, evaluation), *noted)


def _changes(train: Checked, evaluation: Checked | None, checks: Checks, reference: Reference) -> list[str]:
    found = _with(DataProblems(train.problems.file), training_changes(train, checks.target, reference))
    if evaluation is not None:
        own = DataProblems(evaluation.problems.file)
        found += _with(own, evaluation_changes(evaluation, checks.target, reference))
    return found


def _stop(problems: Sequence[str], changes: Sequence[str]) -> None:
    """Raise when there is anything to stop for; a change alone is what the manifest may accept."""
    if problems or changes:
        accept = "" if problems else ", or accept it with `checks: {change: warn}` in the manifest"
        raise ModelError(
            Kind.DATA, "; ".join((*problems, *changes)) + ".", hint=f"Correct the data{accept}; nothing was uploaded."
        )


def _with(problems: DataProblems, findings: Iterable[Finding]) -> list[str]:
    """Return the problems and the findings as text; the problems belong to all models that use the file."""
    together = DataProblems(problems.file)
    together.extend(problems)
    for line, reason in findings:
        together.add(line, reason)
    return together.lines()
