"""Who a file belongs to, in words."""

import os
import stat
from pathlib import Path


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
