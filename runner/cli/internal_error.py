"""The traceback of an internal error, as a file that can be sent to somebody else."""

import os
import tempfile
import traceback
from datetime import UTC, datetime
from pathlib import Path

from runner import __version__
from runner.errors import RetrainError
from runner.journal.folder import state_folder
from runner.lib.atomic_files import real_folder, write_new


def traceback_of(error: BaseException) -> str:
    """Return where the error came from: types, files, lines and functions.

    Messages of exceptions are left out. They repeat values, and a value can be an API key or a signed URL.
    """
    lines = [f"retrain {__version__}\n"]
    chain = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None and cause not in chain:
        chain.append(cause)
    for one in reversed(chain):
        lines += [*traceback.format_tb(one.__traceback__), f"{type(one).__module__}.{type(one).__qualname__}\n\n"]
    return "".join(lines)


def write_traceback(text: str, state: str | None) -> Path | None:
    """Write the text to a new file, readable by its owner only, and return its path; None where that fails.

    It is in the state folder where there is one that is no link, else in the folder for temporary files.
    """
    try:
        folder = state_folder(state).internal_errors if state else None
        if folder is None or folder.parent.is_symlink() or not folder.parent.is_dir():
            handle, name = tempfile.mkstemp(prefix="retrain-internal-error-", suffix=".txt")
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            return Path(name)
        path = real_folder(folder.parent, folder.name) / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}.txt"
        write_new(path, text.encode())
    except (OSError, RetrainError):
        return None
    return path
