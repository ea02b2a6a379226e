"""A dataset made ready to send: checked, compared with what was planned, packed. What fails is never sent."""

from collections.abc import Iterable
from pathlib import Path
from time import monotonic

from runner.data.check import Checked
from runner.data.digest import changed, dataset_sha256, refuse_unpinned
from runner.data.facts import Prepared, Shape
from runner.data.package import discard, package
from runner.data.problem import Problems
from runner.data.readings import Readings
from runner.data.resolve import ResolvedDataset, resolve
from runner.data.rules import Finding, evaluation_findings, remarks, training_findings
from runner.errors import Kind, ModelError
from runner.manifest.model import Checks, Dataset


def prepare(  # noqa: PLR0913 -- each from another source, and each by its name
    dataset: Dataset,
    checks: Checks,
    *,
    last: Shape | None,
    expected_sha256: str | None,
    spool: Path,
    readings: Readings,
) -> Prepared:
    """Check the dataset and make the file to upload.

    Args:
        dataset: the manifest's entry.
        checks: what to ask of the data, and whether trouble stops, warns or is not looked for.
        last: the shape of the data of the model's last job, when there was one.
        expected_sha256: the dataset's digest when the run was planned, when it was.
        spool: folder for what has to be packed; it gets a private folder for each upload.
        readings: reads the files, or knows what was found in them before.

    Returns:
        The facts, and an upload that `release` frees.

    Raises:
        ModelError: of kind `data`; nothing is left in the spool folder.
    """
    started = monotonic()
    resolved = resolve(dataset)
    train, evaluation = _checked(resolved, checks, readings)
    sha256 = dataset_sha256(train.file, evaluation.file if evaluation else None)
    if expected_sha256 is not None and sha256 != expected_sha256:
        raise changed(f"The data of {dataset.name}")
    warnings = _judged(train, evaluation, checks, last)
    packing = monotonic()
    return Prepared(
        train=train.file,
        eval=evaluation.file if evaluation else None,
        sha256=sha256,
        shape=train.shape,
        upload=package(resolved, train.file, evaluation.file if evaluation else None, spool),
        warnings=warnings,
        check_s=max(packing - started, train.seconds + (evaluation.seconds if evaluation else 0)),
        package_s=monotonic() - packing,
    )


def release(prepared: Prepared) -> None:
    """Remove what `prepare` put into the spool folder; safe to call twice."""
    discard(prepared.upload)


def _checked(resolved: ResolvedDataset, checks: Checks, readings: Readings) -> tuple[Checked, Checked | None]:
    found: list[Checked] = []
    for file in filter(None, (resolved.train, resolved.eval)):
        checked = readings.checked(file, checks.target)
        if checked.file.bytes == 0:
            raise ModelError(Kind.DATA, f"{file.source}:1: is empty.", hint="Provide a file with a header and rows.")
        refuse_unpinned(file, checked.file.sha256)
        found.append(checked)
    return found[0], found[1] if resolved.eval else None


def _judged(train: Checked, evaluation: Checked | None, checks: Checks, last: Shape | None) -> tuple[str, ...]:
    """Return the warnings; raise when there are problems and the manifest wants to stop then."""
    if checks.on_fail == "off":
        return ()
    problems = _with(train.problems, training_findings(train, checks, last))
    if evaluation is not None:
        problems += _with(evaluation.problems, evaluation_findings(evaluation, train, checks, last))
    if problems and checks.on_fail == "stop":
        raise ModelError(Kind.DATA, "; ".join(problems) + ".", hint="Correct the data; nothing was uploaded.")
    return (*problems, *remarks(train, evaluation, last))


def _with(problems: Problems, findings: Iterable[Finding]) -> list[str]:
    """Return the problems and the findings as text; the problems belong to all models that use the file."""
    together = Problems(problems.file)
    together.extend(problems)
    for line, reason in findings:
        together.add(line, reason)
    return together.lines()
