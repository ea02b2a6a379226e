"""Simulated runs commit often; what they claim does not depend on a disk, so their folders are in memory."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

MEMORY = Path("/dev/shm")  # noqa: S108 -- absent elsewhere, then the ordinary folder does


@pytest.fixture
def memory_path() -> Iterator[Path]:
    """Give a folder on a file system in memory where there is one."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        yield Path(folder)
