"""Files of a test as what is sent."""

from pathlib import Path

from runner.datasets.local_source import LocalFile
from runner.datasets.metadata import UploadFile


def local(path: Path) -> LocalFile:
    """Return a file as the runner knows it."""
    return LocalFile(path=path, shown=str(path))


def path_of(upload: UploadFile) -> Path:
    """Return where a packed upload is."""
    assert upload.file.local is not None
    return upload.file.local
