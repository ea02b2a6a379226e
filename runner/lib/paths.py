"""Paths: whom they belong to, and what is inside of a checkout, so that no link of it moves a file elsewhere."""

import os
import stat
from pathlib import Path

from runner.errors import UsageError


def user_name(number: int) -> str | None:
    """Return the name of a user, None where the system has none for the number."""
    try:
        import pwd  # noqa: PLC0415 -- absent on Windows, whose files have no such numbers

        return pwd.getpwuid(number).pw_name
    except (ImportError, KeyError):
        return None


def numbered_user(number: int) -> str:
    """Return a user's name and number, for messages."""
    name = user_name(number)
    return f"{name} (uid {number})" if name else f"uid {number}"


def owner_of(path: Path) -> str | None:
    """Return whose the path is and its mode, or of the first folder on the way that cannot be entered."""
    for place in (*reversed(path.absolute().parents), path):
        try:
            found = place.stat()
        except OSError:
            return None
        if not os.access(place, os.R_OK if place == path else os.X_OK):
            what = "it" if place == path else f"the folder {place}"
            mode = f"{stat.S_IMODE(found.st_mode):04o}"
            return f"{what} belongs to {numbered_user(found.st_uid)}, with mode {mode}"
    return None


def leads_out(path: Path) -> bool:
    """Return whether links take a path out of the checkout that it is in, or without git out of its own folder.

    Links within it are followed, as a mounted ConfigMap of Kubernetes has them. Impossible paths do not lead out.
    """
    return lies_outside(path, _absolute(path).parent)


def lies_outside(path: Path, home: Path) -> bool:
    """Return whether a path, links followed, is outside of the checkout that `home` is in, or without git of `home`.

    Impossible paths are not outside.
    """
    top = _checkout(home) or _absolute(home)
    return not (_is_below(path, top) or _is_within(path, top))


def leaves_checkout(path: Path) -> bool:
    """Return whether links take a path out of the checkout that it is in; nothing leaves a folder without git."""
    top = _checkout(_absolute(path).parent)
    return top is not None and not _is_within(path, top)


def below(path: str, folder: str) -> str | None:
    """Return how a path continues from a folder, None where it is elsewhere; both are normal and both absolute or not.

    A fleet has thousands of files, and text is compared ten times as fast as paths.
    """
    if path == folder:
        return os.curdir
    if folder == os.curdir:
        return path
    start = os.path.join(folder, "")  # noqa: PTH118 -- as above
    return path[len(start) :] if path.startswith(start) else None


def _checkout(folder: Path) -> Path | None:
    """Return the nearest folder, this one or one above it, with an entry `.git`."""
    place, inner = os.path.abspath(folder), ""  # noqa: PTH100 -- as in `below`
    while place != inner:
        if os.path.lexists(os.path.join(place, ".git")):  # noqa: PTH118 -- as above
            return Path(place)
        place, inner = os.path.dirname(place), place  # noqa: PTH120 -- as above
    return None


def _is_below(path: Path, folder: Path) -> bool:
    """Return whether the path goes through no link from the folder on: then it is within, whatever leads there."""
    rest = below(os.path.abspath(path), str(folder))  # noqa: PTH100 -- as in `below`
    if rest is None or os.pardir in path.parts:  # behind a link `..` is another folder
        return False
    place = str(folder)
    try:
        for name in Path(rest).parts:
            place = os.path.join(place, name)  # noqa: PTH118 -- as in `below`
            if stat.S_ISLNK(os.lstat(place).st_mode):
                return False
    except (OSError, ValueError):
        return False
    return True


def _is_within(path: Path, folder: Path) -> bool:
    try:
        return below(os.path.realpath(path), os.path.realpath(folder)) is not None
    except (OSError, ValueError):
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
