"""What does not suffice is told as that, and not as a bug."""

import errno

import pytest

from runner.cli.errors import failure_code
from runner.errors import ExitCode


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        ImportError("libx.so: failed to map segment from shared object"),
    ],
)
def test_memory_that_does_not_suffice_is_not_a_bug(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    assert failure_code(error) == ExitCode.FAILED
    assert "needs more memory than there is" in capsys.readouterr().err


def test_a_file_that_fails_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert failure_code(OSError(errno.ENOSPC, "No space left on device", "/there/file")) == ExitCode.FAILED
    assert "/there/file failed: No space left on device" in capsys.readouterr().err
