"""An emulator for the length of a run: it starts, tells its address, and never outlives who started it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import psutil
import pytest

from emulator import extra
from emulator.launch import PROGRAM as REAL_PROGRAM
from emulator.launch import running_emulator
from runner.errors import UsageError
from tests.unit.emulator.emulator_harness import PROGRAM

RUNNER = """
import sys, time
from pathlib import Path
from emulator.launch import running_emulator
with running_emulator([Path(sys.argv[1])], Path(sys.argv[2]), program=sys.argv[3:]) as url:
    print(url, flush=True)
    time.sleep(60)
"""


def servers(data: Path) -> list[psutil.Process]:
    wanted = ["--data", str(data)]
    found = [(process, process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
    return [process for process, words in found if wanted in [words[i : i + 2] for i in range(len(words))]]


@contextmanager
def running(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Give a process that runs an emulator of its own on the folder."""
    command = [sys.executable, "-c", RUNNER, str(folder / "manifest.yaml"), str(folder / "data"), *PROGRAM]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=quiet, start_new_session=True) as runner:
        try:
            assert runner.stdout is not None
            assert runner.stdout.readline().startswith(b"http://127.0.0.1:")
            yield runner
        finally:
            runner.kill()


def test_it_answers_within_the_block_and_is_gone_after_it(folder: Path) -> None:
    data = folder / "data"
    with running_emulator([folder / "manifest.yaml"], data, program=PROGRAM) as url:
        assert url.startswith("http://127.0.0.1:")
        with urlopen(f"{url}/v1/emulator/models/spare") as answer:
            assert answer.status == 200
        (server,) = servers(data)
        family = [server, *server.children(recursive=True)]
        assert len(family) == 2
        assert os.getsid(server.pid) == server.pid
    assert not any(process.is_running() for process in family)
    assert (data / "emulator.log").stat().st_mode & 0o777 == 0o600


def test_an_error_in_the_block_ends_the_emulator_and_is_raised_on(folder: Path) -> None:
    with (
        pytest.raises(ZeroDivisionError),
        running_emulator([folder / "manifest.yaml"], folder / "data", program=PROGRAM),
    ):
        raise ZeroDivisionError
    assert servers(folder / "data") == []


def test_it_ends_when_the_runner_is_killed(folder: Path) -> None:
    with running(folder) as runner:
        (server,) = servers(folder / "data")
        family = [server, *server.children(recursive=True)]
        runner.kill()
        assert not psutil.wait_procs(family, timeout=10)[1]


def test_an_interrupt_of_the_terminal_leaves_it_to_the_runner(folder: Path) -> None:
    with running(folder) as runner:
        (server,) = servers(folder / "data")
        assert os.getpgid(server.pid) != os.getpgid(runner.pid)
        os.killpg(runner.pid, signal.SIGINT)
        runner.wait(20)
        assert not server.is_running()


def test_a_start_that_fails_tells_what_the_emulator_said(folder: Path) -> None:
    (folder / "manifest.yaml").write_text("version: 2\n")
    with (
        pytest.raises(UsageError, match=r"The emulator did not start: .*The manifest has"),
        running_emulator([folder / "manifest.yaml"], folder / "data", program=PROGRAM),
    ):
        pytest.fail("the block ran")


def test_a_program_that_never_listens_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emulator.launch._START_SECONDS", 0.3)
    monkeypatch.setattr("emulator.launch._END_SECONDS", 0.1)
    sleeper = (sys.executable, "-c", "import time; print('listening', flush=True); time.sleep(60)")
    began = time.monotonic()
    with (
        pytest.raises(UsageError, match="The emulator did not start"),
        running_emulator([], tmp_path, program=sleeper),
    ):
        pytest.fail("the block ran")
    assert time.monotonic() - began < 10


def test_without_the_extra_the_hint_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extra, "NEEDED", ("werkzeug", "no_such_package"))
    with pytest.raises(UsageError) as caught, running_emulator([], tmp_path):
        pytest.fail("the block ran")
    assert "no_such_package" in caught.value.message
    assert "pip install '.[emulator]'" in caught.value.hint


def test_the_real_program_is_the_command_of_this_installation() -> None:
    assert list(REAL_PROGRAM) == f"{sys.executable} -P -m runner emulator serve".split(" ")
