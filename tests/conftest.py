"""What holds for every test: nothing fails because the machine is slow, or because of how the suite was started."""

import compileall
import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("unhurried", settings(deadline=None))
settings.load_profile("unhurried")

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell has its background jobs ignore it

# Tests start thousands of commands; where Python is told not to keep bytecode, each would compile the program again.
for package in ("runner", "emulator"):
    compileall.compile_dir(Path(__file__).parents[1] / package, quiet=2)

os.environ["XDG_STATE_HOME"] = "/dev/null"  # no note of a journal's end in the home folder of who runs the tests

WAITING = (  # for outages, leases and trainings
    "test_faults.py",
    "test_ephemeral.py",
    "test_contract_object_state.py",
    "test_contract_postgres.py",
    "test_pipelines_without_a_disk.py",
    "test_contract_lost_answers.py",
    "test_secrets.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests that wait most: begun last, nothing else would be left to do meanwhile."""
    items.sort(key=lambda item: item.path.name not in WAITING)
