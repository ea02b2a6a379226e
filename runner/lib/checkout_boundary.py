"""Paths and a checkout: what is inside it, and files a user lets be written that no link of it may move elsewhere."""

import os
from pathlib import Path

from runner.errors import UsageError


def leads_out(path: Path) -> bool:
    """Return whether links take a path out of the checkout that it is in, or without git out of its own folder.

    Links within it are followed, as a mounted ConfigMap of Kubernetes has them. Impossible paths do not lead out.
    """
    return lies_outside(path, _absolute(path).parent)


def lies_outside(path: Path, home: Path) -> bool:
    """Return whether a path, links followed, is outside of the checkout that `home` is in, or without git of `home`.

    Impossible paths are not outside.
    """
    return not _is_within(path, _checkout(home) or _absolute(home))


def leaves_checkout(path: Path) -> bool:
    """Return whether links take a path out of the checkout that it is in; nothing leaves a folder without git."""
    top = _checkout(_absolute(path).parent)
    return top is not None and not _is_within(path, top)


def _checkout(folder: Path) -> Path | None:
    """Return the nearest folder, this one or one above it, with an entry `.git`."""
    absolute = _absolute(folder)
    return next((parent for parent in (absolute, *absolute.parents) if os.path.lexists(parent / ".git")), None)


def _is_within(path: Path, folder: Path) -> bool:
    try:
        return path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError):
        return True


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100 -- unlike Path.resolve it follows no link


def refuse_link_out(target: Path) -> None:
    """Refuse a file or folder that is a link, or is behind one, to a place outside of its checkout.

    Raises:
        UsageError: it does.
    """
    if leaves_checkout(target):
        raise UsageError(
            f"{target} leads out of its checkout, and nothing is written through it.",
            hint="Name the place that it leads to, or another one.",
        )
