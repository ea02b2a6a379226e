"""`requests.jsonl`: what arrived and what it changed, one JSON object a line. Tests judge the runner by it.

Bodies, query strings, keys and signatures never go in; a key is told by the first digits of its digest.
"""

import json
import os
import threading
from pathlib import Path
from typing import Literal

from msgspec import Struct, to_builtins

from emulator.job import now_text
from runner.lib.atomic_files import FILE_MODE

FILE_NAME = "requests.jsonl"


class Entry(Struct, frozen=True, kw_only=True):
    """One request: `key` is 12 hex digits of the key's SHA-256, `bytes` the size of the body that was taken.

    `status` is 0 when no answer was given; `fault` names the fault that was played, if any.
    """

    method: str
    path: str
    host: Literal["api", "store", "admin"]
    call: str
    headers: tuple[str, ...]
    key: str | None
    model: str | None
    retrain_job_id: str | None
    status: int
    bytes: int
    effect: str | None
    fault: str | None


class RequestLog:
    """Appends entries; each is one write, so that a kill leaves whole lines."""

    def __init__(self, folder: Path) -> None:
        self._handle = os.open(folder / FILE_NAME, os.O_WRONLY | os.O_CREAT | os.O_APPEND, FILE_MODE)
        self._lock = threading.Lock()

    def write(self, entry: Entry) -> None:
        """Append one entry with the time of now."""
        line = json.dumps({"time": now_text(), **to_builtins(entry)}, ensure_ascii=True) + "\n"
        with self._lock:
            os.write(self._handle, line.encode("ascii"))

    def close(self) -> None:
        """Close the file."""
        os.close(self._handle)
