"""What was uploaded: one table, or a zip with a table to train on and one to evaluate on."""

import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import IO

from msgspec import Struct

from emulator.training.refusal import RefusedTrainingError

TRAIN_FOLDER = "train_src"
EVAL_FOLDER = "eval_src"
_ZIP_MAGIC = b"PK\x03\x04"


class Part(Struct, frozen=True, kw_only=True):
    """One file of the upload; `open` gives its bytes from the start, each time again."""

    title: str
    open: Callable[[], AbstractContextManager[IO[bytes]]]


class Upload(Struct, frozen=True, kw_only=True):
    """The training part, and the evaluation part if one was sent."""

    train: Part
    eval: Part | None


def read_upload(file: Path) -> Upload:
    """Return the parts of an upload; the bytes tell a zip from a table, never the name.

    Raises:
        RefusedTrainingError: the zip is broken or has other members than the two.
    """
    with file.open("rb") as start:
        magic = start.read(len(_ZIP_MAGIC))
    if magic != _ZIP_MAGIC:
        return Upload(train=Part(title="training", open=partial(_open_file, file)), eval=None)
    members = _members(file)
    return Upload(
        train=Part(title="training", open=partial(_open_member, file, members[TRAIN_FOLDER])),
        eval=Part(title="evaluation", open=partial(_open_member, file, members[EVAL_FOLDER])),
    )


def _open_file(file: Path) -> IO[bytes]:
    return file.open("rb")


@contextmanager
def _open_member(file: Path, name: str) -> Iterator[IO[bytes]]:
    with file.open("rb") as whole, ExitStack() as closing:
        with _zip_errors():
            archive = closing.enter_context(zipfile.ZipFile(whole))
            stream = closing.enter_context(archive.open(name))
        yield stream


@contextmanager
def _zip_errors() -> Iterator[None]:
    """Refuse a damaged zip: it can send its reader anywhere, or ask for a version that nobody has written."""
    try:
        yield
    except (zipfile.BadZipFile, UnicodeDecodeError, NotImplementedError, RuntimeError, OSError) as error:
        raise RefusedTrainingError("The uploaded zip cannot be read.") from error


def _members(file: Path) -> dict[str, str]:
    with file.open("rb") as whole, _zip_errors(), zipfile.ZipFile(whole) as archive:
        names = [info.filename for info in archive.infolist() if not info.is_dir()]
    folders = {name.split("/")[0]: name for name in names if name.count("/") == 1}
    if len(names) != 2 or folders.keys() != {TRAIN_FOLDER, EVAL_FOLDER}:
        raise RefusedTrainingError(
            f"The uploaded zip must hold one file in {TRAIN_FOLDER}/ and one in {EVAL_FOLDER}/ and nothing else."
        )
    return folders
