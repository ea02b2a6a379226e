"""The folder of approvals: one file for each word of a person on a candidate, read as strictly as a manifest."""

from collections.abc import Collection, Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from runner.lib.paths import lies_outside
from runner.lib.text import did_you_mean, shown
from runner.manifest.document import EnoughError, Findings, YamlMap
from runner.manifest.model import Approval, Place
from runner.manifest.schema_check import check_shape
from runner.manifest.text import read_text
from runner.manifest.yaml_parser import build

_SUFFIXES = frozenset({".yaml", ".yml"})
_LONGEST_YEAR = 9998  # the day after the last one of this year is still a date


def read_approvals(
    folder: Path, home: Path, place: Place, models: Collection[str] | None, findings: Findings
) -> tuple[Approval, ...]:
    """Return the words in the folder's own *.yaml and *.yml, by file name.

    A folder that is not there holds none: git keeps no empty folders. `place` is where the manifest names it, `home`
    the manifest's folder; `models` are the manifest's, None when they cannot be known.
    """
    foreign = lies_outside(folder, home)
    files = _files(folder, place, findings)
    found = [_foreign(path, place, findings) if foreign else _approval(path, findings) for path in files]
    approvals = tuple(approval for approval in found if approval is not None)
    _check_models(approvals, models, findings)
    _check_agreement(approvals, findings)
    return approvals


def _files(folder: Path, place: Place, findings: Findings) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.suffix in _SUFFIXES and not path.name.startswith("."))
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "its name cannot be a file's name"
        findings.error(
            place,
            "unreadable",
            f"The folder of approvals cannot be read: {reason}.",
            hint="Name a folder you may read, or remove `approvals`.",
        )
        return []


def _foreign(path: Path, place: Place, findings: Findings) -> Approval | None:
    """Return the word in a file outside of the checkout; of one that is not an approval nothing is told but that."""
    try:
        approval = _approval(path, Findings())
    except EnoughError:
        approval = None
    if approval is None:
        findings.error(
            place,
            "leads-out",
            f"{shown(str(path))} is outside of the checkout and is not an approval; nothing of it is shown.",
            hint="Name a folder that contains only approvals, preferably in the checkout.",
        )
    return approval


def _approval(path: Path, findings: Findings) -> Approval | None:
    text = read_text(path, findings)
    if text is None:
        return None
    root, start = build(text, findings), Place(file=text.file, line=1, column=1)
    if root is None or check_shape(root, start, findings, "approval"):
        return None
    expires = _expires(root, findings)
    if expires is None:
        return None
    return Approval(
        model=root["model"],
        retrain_job_id=root["job"],
        result_sha256=root["result_sha256"],
        candidate_sha256=root.get("candidate_sha256"),
        action=root.get("action", "approve"),
        approver=root["approver"],
        reason=root.get("reason", ""),
        expires=expires,
        file=f"{path.parent.name}/{path.name}",
        sha256=text.sha256,
        place=root.key_place("model"),
    )


def _expires(root: YamlMap, findings: Findings) -> datetime | None:
    """Return when the word ceases to count; a date counts to the end of its day in UTC."""
    text = root["expires"]
    try:
        moment = datetime.fromisoformat(text.upper()) if len(text) > len("2026-03-14") else _day_end(text)
        moment = moment.astimezone(UTC)
    except (ValueError, OverflowError):
        findings.error(
            root.value_place("expires"),
            "out-of-range",
            f"{shown(text)} is not a valid time.",
            hint="Write a date such as 2026-03-14, or a time such as 2026-03-14T12:00:00Z.",
        )
        return None
    return moment


def _day_end(text: str) -> datetime:
    day = date.fromisoformat(text)
    if day.year > _LONGEST_YEAR:
        raise ValueError(text)
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)


def _check_models(approvals: Iterable[Approval], models: Collection[str] | None, findings: Findings) -> None:
    """Warn of words about models that are not in the manifest: models go, and their approvals may stay."""
    for approval in approvals:
        if models is not None and approval.model not in models:
            hint = did_you_mean(approval.model, models, otherwise="Correct the name, or remove the file.")
            message = f"There is no model {shown(approval.model)} in the manifest, so this approval has no effect."
            findings.warning(approval.place, "unknown-model", message, hint=hint)


def _check_agreement(approvals: Iterable[Approval], findings: Findings) -> None:
    """Warn of two words on one candidate that contradict each other.

    This is not an error here: the candidate may be settled. If it is not, the plan refuses to follow either.
    """
    first: dict[tuple[str, str, str], Approval] = {}
    for approval in approvals:
        earlier = first.setdefault((approval.model, approval.retrain_job_id, approval.result_sha256), approval)
        if earlier.action != approval.action:
            findings.warning(
                approval.place,
                "contradicting-approvals",
                f"{shown(approval.file)} and {shown(earlier.file)} contradict each other about job "
                f"{shown(approval.retrain_job_id)} of {shown(approval.model)}.",
                hint="Remove one of the two files.",
                related=(earlier.place,),
            )
