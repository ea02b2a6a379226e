"""Which form names and digests of a state have: they become names of files, and a sound chain can be made up.

The published schema asks for the same (`schemas/journal.schema.json`).
"""

import re
from datetime import datetime
from typing import Annotated

from msgspec import Meta

DEFAULT = ".retrain"  # the state of a command that names none

Sha256 = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
JobId = Annotated[str, Meta(min_length=1, max_length=200)]  # it names no file; what shows it escapes it
ModelName = Annotated[str, Meta(pattern=r"\A\w[\w.-]{0,99}\Z")]
DecisionId = Annotated[str, Meta(pattern=r"\A[0-9]{8}T[0-9]{6}Z-[0-9a-f]{32}\Z")]  # it names files of the inbox
FileName = Annotated[str, Meta(pattern=r"\A[a-z]{1,20}(\.[a-z]{1,20}){1,2}\Z")]  # of a file in a run's folder

_SHA256 = re.compile(r"[0-9a-f]{64}")
_RUN_ID = re.compile(r"[0-9]{8}T[0-9]{6}(\.[0-9]{6})?Z-[0-9a-f]{6}")
_MODEL = re.compile(r"\w[\w.-]{0,99}")
_INSTANT = re.compile(r"[12][0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z")
_RESULT = re.compile(r"result\.(csv|json|zip|gz|tar|html|bin)")


def is_sha256(text: str) -> bool:
    """Return whether the text has the form of a digest."""
    return _SHA256.fullmatch(text) is not None


def is_run_id(text: str) -> bool:
    """Return whether the text has the form of a run's id, such as `20260301T040506.123456Z-1a2b3c`."""
    return _RUN_ID.fullmatch(text) is not None


def is_model(text: str) -> bool:
    """Return whether the text has the form of a model's name: the manifest allows no other."""
    return _MODEL.fullmatch(text) is not None


def is_instant(text: str) -> bool:
    """Return whether the text is an RFC 3339 time in UTC with microseconds, in a year with room around it."""
    if _INSTANT.fullmatch(text) is None:
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def is_result_path(path: str, run_id: str, model: str | None) -> bool:
    """Return whether the path, relative to the state folder, is where the run puts the model's result."""
    folder, _, name = path.rpartition("/")
    return folder == f"runs/{run_id}/results/{model}" and _RESULT.fullmatch(name) is not None
