"""A dataset made ready to send: checked, compared with what was planned, packed. What fails is never sent."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from time import monotonic

from msgspec import Struct
from msgspec.structs import replace

from runner.datasets.check import Checked, HandOver
from runner.datasets.file_cache import FileCache, changed, dataset_sha256, refuse_unpinned
from runner.datasets.findings import Findings, Found, level_of, way_out
from runner.datasets.joined_stream import resaved
from runner.datasets.metadata import FileMetadata, Prepared, Reference, ReferenceFile
from runner.datasets.packing import discard, package
from runner.datasets.resolve import ResolvedDataset, ResolvedFile, resolve
from runner.datasets.row_overlap import RowOverlap
from runner.datasets.rules import evaluation_changes, evaluation_findings, training_changes, training_findings
from runner.errors import Kind, ModelError
from runner.manifest.model import Checks, Dataset
from runner.providers.facts import ArchiveFolders


class CheckedData(Struct, frozen=True, kw_only=True):
    """A dataset that passed its check; `check_s` is seconds, the same for each model that shares the dataset."""

    resolved: ResolvedDataset
    train: Checked
    eval: Checked | None
    sha256: str
    warnings: tuple[str, ...]
    check_s: float


def check_data(  # noqa: PLR0913 -- all by name
    dataset: Dataset,
    checks: Checks,
    *,
    reference: Reference | None,
    expected_sha256: str | None,
    readings: FileCache,
    hand_over: HandOver | None = None,
) -> CheckedData:
    """Check the dataset, as a run does before it packs and sends it.

    Args:
        dataset: the manifest's entry.
        checks: what to ask of the data, and whether trouble stops, warns or is not looked for.
        reference: the data that it is compared with, if any.
        expected_sha256: the dataset's digest when the run was planned, when it was.
        readings: reads the files, or knows what was found in them before.
        hand_over: is given each block of a dataset of one file, which is read for it.

    Raises:
        ModelError: of kind `data`.
    """
    started = monotonic()
    resolved = resolve(dataset, readings.access)
    train, evaluation = _checked(resolved, checks, readings, hand_over)
    sha256 = dataset_sha256(train.file, evaluation.file if evaluation else None)
    if expected_sha256 is not None and sha256 != expected_sha256:
        raise changed(f"The data of {dataset.name}")
    found = _found(resolved, train, evaluation, checks, _overlap(resolved, train, evaluation, checks, readings))
    if reference is not None:
        found += _changes(resolved, train, evaluation, checks, reference)
    return CheckedData(
        resolved=resolved,
        train=train,
        eval=evaluation,
        sha256=sha256,
        warnings=_judged(found, checks),
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


def _checked(
    resolved: ResolvedDataset, checks: Checks, readings: FileCache, hand_over: HandOver | None
) -> tuple[Checked, Checked | None]:
    files: list[Checked] = []
    for file in filter(None, (resolved.train, resolved.eval)):
        checked = readings.checked(file, checks.target, checks.labels, hand_over)
        if checked.file.bytes == 0:
            raise ModelError(Kind.DATA, f"{file.source}:1: is empty.", hint="Provide a file with a header and rows.")
        _refuse_larger(checked.file, checks.formats.most_bytes)
        refuse_unpinned(file, checked.file.sha256)
        files.append(checked)
    hidden = any(checked.hidden for checked in files)  # messages about one file name columns and labels of the other
    train, *others = (replace(checked, hidden=hidden) for checked in files)
    return train, others[0] if others else None


def _refuse_larger(file: FileMetadata, most: int | None) -> None:
    if most is not None and file.bytes > most:
        raise ModelError(
            Kind.DATA,
            f"{file.source} has {file.bytes:,} bytes, more than the {most:,} that the provider takes.",
            hint="Provide fewer rows or columns.",
        )


def _overlap(
    resolved: ResolvedDataset, train: Checked, evaluation: Checked | None, checks: Checks, readings: FileCache
) -> RowOverlap | None:
    """Return what the two files have in common, where anybody asks and both can be read as the same table."""
    if evaluation is None or resolved.eval is None or not (train.complete and evaluation.complete):
        return None
    asked = any(level_of(kind, checks) != "off" for kind in ("eval_is_train", "eval_overlap"))
    if not asked or train.shape.columns != evaluation.shape.columns or train.file.sha256 == evaluation.file.sha256:
        return None
    return readings.overlap(resolved.train, train, resolved.eval, evaluation)


def _found(
    resolved: ResolvedDataset, train: Checked, evaluation: Checked | None, checks: Checks, overlap: RowOverlap | None
) -> list[Findings]:
    """Return what is found in each file by itself and beside the other; a file's problems are those of all models."""
    files = [(resolved.train, train, training_findings(train, checks))]
    if resolved.eval is not None and evaluation is not None:
        files.append((resolved.eval, evaluation, evaluation_findings(evaluation, train, checks, overlap)))
    found = []
    for file, checked, findings in files:
        together = Findings(checked.problems.file)
        together.add_all(("file_choice", None, remark) for remark in file.remarks)
        together.extend(checked.problems)
        together.add_all(findings)
        found.append(together)
    return found


def _changes(
    resolved: ResolvedDataset, train: Checked, evaluation: Checked | None, checks: Checks, reference: Reference
) -> list[Findings]:
    changes: list[tuple[ResolvedFile, Checked, ReferenceFile | None, Iterator[Found]]]
    changes = [(resolved.train, train, reference.train, training_changes(train, checks.target, reference))]
    if resolved.eval is not None and evaluation is not None:
        own = evaluation_changes(evaluation, checks.target, reference)
        changes.append((resolved.eval, evaluation, reference.eval, own))
    found = []
    for file, checked, before, findings in changes:
        together = Findings(checked.problems.file)
        together.add_all(findings)
        if before is not None and level_of("same_rows", checks) != "off":
            together.add_all(_same_rows(file, checked, before, reference))
        found.append(together)
    return found


def _same_rows(file: ResolvedFile, checked: Checked, before: ReferenceFile, reference: Reference) -> Iterator[Found]:
    """Yield that the file is only saved again, which costs a training and changes nothing."""
    if before.sha256 != checked.file.sha256 and before.rows == checked.file.rows and checked.complete:
        told = resaved(file, before.sha256, before.bytes)
        if told is not None:
            reason = f"has the rows of {reference.name} and differs from it only in {told}"
            yield "same_rows", None, f"{reason}; with `retrain: {{compare: rows}}` that alone brings no training"


def _judged(found: Sequence[Findings], checks: Checks) -> tuple[str, ...]:
    """Return the warnings; raise when there is anything that stops, with the way to accept what may be accepted."""
    if stopping := [line for findings in found for line in findings.told(checks, "stop")]:
        kinds = dict.fromkeys(kind for findings in found for kind in findings.kinds(checks))
        hint = f"Correct the data{way_out(kinds)}; nothing was trained."
        raise ModelError(Kind.DATA, "; ".join(stopping) + ".", hint=hint)
    return tuple(line for findings in found for line in findings.told(checks, "warn"))
