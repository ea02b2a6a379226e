"""Where a system lacks what POSIX has, help and validation still work; a run says what it needs when it gets there."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
WITHOUT = """
import os, signal, sys
for name in ("fcntl", "pwd", "grp", "resource", "termios", "tty", "pty"):
    sys.modules[name] = None
for name in ("SIGHUP", "SIGKILL", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGPIPE", "pthread_sigmask"):
    if hasattr(signal, name):
        delattr(signal, name)
for name in ("O_DIRECTORY", "O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "geteuid", "getuid", "sched_getaffinity", "fork"):
    if hasattr(os, name):
        delattr(os, name)
sys.argv = ["retrain", *sys.argv[1:]]
from runner.cli.main import main
sys.exit(main())
"""
MANIFEST = """
version: 1
service: {emulator: true}
datasets: {d: {train: train.csv}}
policies: {p: {type: auto}}
models: {m: {api_key: {env: KEY}, dataset: d, policy: p, emulator: {task: binary_classification, target: y}}}
"""


@pytest.mark.parametrize(
    "words",
    [
        ("--version",),
        ("--help",),
        ("validate", "--help"),
        ("plan", "--help"),
        ("run", "--help"),
        ("validate", "m.yaml"),
    ],
)
def test_a_system_without_the_modules_and_signals_of_posix_shows_help_and_validates(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    (tmp_path / "m.yaml").write_text(MANIFEST)
    (tmp_path / "train.csv").write_text("x,y\n" + "1,a\n2,b\n" * 60)
    ended = subprocess.run(
        [sys.executable, "-c", WITHOUT, *words], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr


def test_every_module_is_imported_without_them() -> None:
    every = "import pkgutil, runner, importlib\nfor module in pkgutil.walk_packages(runner.__path__, 'runner.'):\n"
    code = (
        WITHOUT.partition("sys.argv")[0]
        + every
        + "    '__main__' in module.name or importlib.import_module(module.name)"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
