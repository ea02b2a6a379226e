"""The plan's file: written whole, read with a bound on its size."""

import os
from pathlib import Path

import msgspec

from runner.app.state.output_path import refuse_link_out
from runner.errors import StateError, UsageError
from runner.lib.atomic_files import write_whole
from runner.plan.document import PlanDocument, read_document
from runner.reports.json_text import render_json

MOST_BYTES = 64 * 1024 * 1024
_HEAD = b'{\n  "plan_version"'  # how every plan's file begins


def refuse_target(target: Path) -> None:
    """Refuse to write a plan over anything that is not one; an empty file is nobody's.

    Raises:
        UsageError: the file is another one or a link out of its checkout, or its folder is missing.
    """
    if not target.parent.is_dir():
        raise UsageError(f"There is no folder {target.parent}.", hint="Create it, or give another file with --out.")
    refuse_link_out(target)
    try:
        if target.exists() and not _may_replace(target):
            raise UsageError(f"{target} is there already and is not a plan.", hint="Give another file with --out.")
    except OSError as error:
        raise _unwritable(target, error) from error


def _may_replace(target: Path) -> bool:
    if not target.is_file():
        return False
    with target.open("rb") as file:
        return file.read(len(_HEAD)) in (b"", _HEAD)


def write_plan(document: PlanDocument, target: Path) -> None:
    """Write the plan; a reader sees the old file or the new one, never a part.

    Raises:
        UsageError: it cannot be written there.
    """
    try:
        write_whole(Path(os.path.realpath(target)), render_json(msgspec.to_builtins(document)))
    except OSError as error:
        raise _unwritable(target, error) from error


def _unwritable(target: Path, error: OSError) -> UsageError:
    return UsageError(
        f"The plan cannot be written to {target}: {error.strerror}.", hint="Give another file with --out."
    )


def read_plan(source: Path) -> PlanDocument:
    """Return the plan in a file.

    Raises:
        UsageError: there is no such file.
        StateError: it is too large, no plan, of another version, or not as it was written.
    """
    try:
        if source.exists() and not source.is_file():
            raise UsageError(f"{source} is not a file.", hint="Name the file that `retrain plan --out` wrote.")
        with source.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "its name is not possible"
        raise UsageError(
            f"The plan {source} cannot be read: {reason}.", hint="Name the file that `retrain plan --out` wrote."
        ) from error
    if len(content) > MOST_BYTES:
        raise StateError(f"{source} is larger than any plan.", hint="Name the file that `retrain plan --out` wrote.")
    return read_document(content, str(source))
