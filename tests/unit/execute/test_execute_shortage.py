"""Memory and disks that do not suffice fail one model, with the file that was worked on; they are not a bug."""

import errno
from pathlib import Path

import pytest

from tests.fakes.world import ONE_MODEL, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, ONE_MODEL)


def test_memory_that_does_not_suffice_for_a_result_fails_the_model(world: World) -> None:
    def end(call: str, _job: str) -> None:
        if call == "download":
            raise MemoryError

    world.service.before = end
    ended = world.run()["m"]
    assert ended.error is not None
    assert (ended.outcome, ended.error.kind) == ("failed", "result")
    assert "job-1" in ended.error.message
    assert "/results/m, needs more memory than there is" in ended.error.message
    world.service.before = lambda _call, _job: None
    assert world.run()["m"].outcome == "switched"
    assert len(world.service.jobs) == 1


def test_a_disk_that_fails_names_the_file(world: World) -> None:
    def end(call: str, _job: str) -> None:
        if call == "switch":
            raise OSError(errno.EIO, "Input/output error", "/there/file")

    world.service.before = end
    ended = world.run()["m"]
    assert ended.error is not None
    assert ended.outcome == "failed"
    assert "/there/file: Input/output error" in ended.error.message
