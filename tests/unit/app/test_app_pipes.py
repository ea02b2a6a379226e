"""A pipe, a socket or a device where a file is expected: one sentence at once, and never a wait."""

import os
import socket
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from runner.app.audit.verify import Demands, verify
from runner.app.validate import validate
from runner.errors import UsageError
from runner.lib.atomic_files import open_file
from tests.fakes.run_ids import run_id
from tests.fakes.world import ONE_MODEL, World

WHY = "it is not a regular file"


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[Path]:
    """Give a pipe whose reader would get an empty file, if it waited: then a test is red and does not hang."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    done = threading.Event()

    def give_nothing() -> None:
        while not done.is_set():
            path.open("wb").close()

    threading.Thread(target=give_nothing, daemon=True).start()
    yield path
    done.set()
    os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))


def refused(path: Path) -> None:
    with pytest.raises(OSError, match=WHY):
        open_file(path)


def test_only_a_file_is_opened(tmp_path: Path, pipe: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "link").symlink_to("file")
    with open_file(tmp_path / "link") as file:
        assert file.read() == b"x"
    os.mkfifo(tmp_path / "alone")
    waiting = threading.Thread(target=partial(refused, tmp_path / "alone"), daemon=True)
    waiting.start()
    waiting.join(10)
    assert not waiting.is_alive()
    for path in (pipe, Path("/dev/zero")):
        refused(path)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
        with pytest.raises(OSError, match="No such device"):
            open_file(tmp_path / "s")
    with pytest.raises(OSError, match="its name cannot be a file's name"):
        open_file(Path("a\0b"))
    with pytest.raises(IsADirectoryError):
        open_file(tmp_path)


def test_a_pipe_is_not_a_manifest(pipe: Path) -> None:
    [problem] = validate([pipe]).problems
    assert (problem.code, WHY in problem.message) == ("unreadable", True)


def test_a_pipe_in_the_place_of_a_recorded_result_is_a_finding(tmp_path: Path, pipe: Path) -> None:
    world = World(tmp_path, ONE_MODEL)
    world.run()
    pipe.replace(world.state.run_folder(run_id(1)) / "results" / "m" / "result.zip")
    pipe.symlink_to(world.state.run_folder(run_id(1)) / "results" / "m" / "result.zip")
    assert any(WHY in one.what for one in verify(str(world.state.root), None).findings)


def test_a_pipe_is_not_a_kept_head(tmp_path: Path, pipe: Path) -> None:
    world = World(tmp_path, ONE_MODEL)
    world.run()
    with pytest.raises(UsageError, match=WHY):
        verify(str(world.state.root), None, Demands(head=str(pipe)))
