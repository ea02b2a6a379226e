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
    """Let each process begin with a share of the tests that wait most: begun last, nothing would be left to do beside.

    The processes get consecutive parts of the list, of equal length.
    """
    count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    waiting = sorted(
        (item for item in items if item.path.name in WAITING), key=lambda item: item.path.name != WAITING[0]
    )
    others = [item for item in items if item.path.name not in WAITING]
    ordered: list[pytest.Item] = []
    for number in range(count):
        share = waiting[number::count]
        rest = max((len(items) - len(ordered)) // (count - number) - len(share), 0)
        ordered += share + others[:rest]
        del others[:rest]
    items[:] = ordered + others
