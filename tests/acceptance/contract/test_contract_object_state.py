"""Runs on machines without a disk, whose state is in an object store. The judge is the service's log."""

import itertools
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from tests.acceptance.contract.contract_project import Finished, Project, finish, rows, wait_for_training, wait_until
from tests.fakes.two_port_service import TwoPortService
from tests.fakes.unreliable_s3 import Fault, S3Server

ACCESS, SECRET = "CANARYaccess0key", "CANARYsecret/key+0123456789"
LEASE = timedelta(seconds=15)  # after which one of ten seconds is old, by the store's clock
_MACHINES = itertools.count()


class EmptyMachines(Project):
    """A project each command of which is run on a machine of its own, with nothing on it but the checkout."""

    store: S3Server
    is_one: bool = False  # machine, whose home stays

    @property
    def address(self) -> str:
        return self.store.address("prod", "&lease=10s")

    def words_of(self, arguments: Sequence[str]) -> list[str]:
        return list(arguments)

    def variables(self) -> dict[str, str]:
        home = self.folder / "home" / ("same" if self.is_one else str(next(_MACHINES)))
        home.mkdir(exist_ok=True)
        credentials = {"AWS_ACCESS_KEY_ID": ACCESS, "AWS_SECRET_ACCESS_KEY": SECRET}
        return {"HOME": str(home), "RETRAIN_STATE": self.address, **credentials, **self.environment}


@pytest.fixture
def machines(tmp_path: Path, service: TwoPortService) -> Iterator[EmptyMachines]:
    with S3Server().serving() as store:
        made = EmptyMachines(folder=tmp_path / "project", service=service)
        made.store = store
        begun = made.retrain("state", "init")
        assert begun.code == 0, begun.err
        yield made
        written = b"".join(stored.content for stored in store.objects.values())
        files = b"".join(path.read_bytes() for path in made.folder.rglob("*") if path.is_file())
        assert SECRET.encode() not in written + files
        assert ACCESS.encode() not in written + files


def effects(machines: EmptyMachines, model: str) -> tuple[int, int]:
    """Return how often a model was uploaded and switched."""
    return len(machines.service.calls(model, "put")), len(machines.service.calls(model, "switch"))


def ended(machines: EmptyMachines, *arguments: str, code: int = 0) -> Finished:
    done = machines.retrain(*arguments)
    assert done.code == code, done.err
    assert SECRET not in done.out + done.err
    return done


def test_three_nights_on_empty_machines_train_each_model_once(machines: EmptyMachines) -> None:
    for name in ("churn", "spam"):
        machines.add(name)
    machines.add("fraud", policy={"type": "manual"})
    for _ in range(3):
        ended(machines, "run", "models.yaml")
    assert effects(machines, "churn") == effects(machines, "spam") == (1, 1)
    assert effects(machines, "fraud") == (1, 0)
    ended(machines, "approve", "fraud", "--reason", "seen", "--yes")
    assert effects(machines, "fraud") == (1, 1)
    assert "fraud" in ended(machines, "status").out
    assert "verified" in ended(machines, "verify").out
    machines.write_data("churn", rows(seed=5))
    ended(machines, "run")
    assert effects(machines, "churn") == (2, 2)
    for words in (["history", "churn"], ["show", "latest"], ["report", "latest", "--format", "json"], ["unlock"]):
        ended(machines, *words)
    ended(machines, "audit", "bundle", "latest", "--out", "bundle.zip")
    ended(machines, "verify", "bundle.zip")
    ended(machines, "site", "pages")
    ended(machines, "inspect", "churn")
    assert "Nothing is missing" in ended(machines, "state", "accept-loss", "--reason", "x", code=2).err


def test_a_machine_keeps_the_downloads_of_its_last_run_only(machines: EmptyMachines) -> None:
    machines.add("churn")
    machines.is_one = True
    for seed in range(3):
        machines.write_data("churn", rows(seed=seed))
        ended(machines, "run", "models.yaml")
    home = machines.folder / "home" / "same"
    assert len([*home.rglob("result.zip")]) == len([*home.rglob("answers.jsonl")]) == 1
    [copy] = {path.parent for path in home.rglob("index.json")}
    assert f"rm -r {copy}" in ended(machines, "state", "doctor").out


def test_results_that_nothing_needs_are_removed_from_the_store(machines: EmptyMachines) -> None:
    machines.add("churn")
    for seed in range(4):
        machines.write_data("churn", rows(seed=seed))
        ended(machines, "run", "models.yaml")
    before = [name for name in machines.store.objects if "/results/" in name]
    assert len(before) == 4
    words = ("prune", "--results", "--keep", "0")
    assert "2 result files would be removed" in ended(machines, *words, "--dry-run").out
    assert "2 result files removed" in ended(machines, *words, "--yes").out
    assert [name for name in machines.store.objects if "/results/" in name] == before[2:]
    ended(machines, "verify")
    machines.store.objects[before[0]] = machines.store.objects["prod/format.json"]  # not what was recorded
    assert "0 result files" in ended(machines, *words, "--yes").out
    assert before[0] in machines.store.objects


@pytest.mark.parametrize("knows", [True, False])
def test_a_loss_is_accepted_in_the_store_by_a_machine_that_knew_the_end_and_by_another(
    machines: EmptyMachines, knows: bool
) -> None:
    machines.add("churn")
    machines.is_one = knows
    commits = list[list[str]]()
    for seed in range(2):
        machines.write_data("churn", rows(seed=seed))
        ended(machines, "run", "models.yaml")
        commits.append(machines.store.names("prod/p/0000/journal/"))
    for name in set(commits[1]) - set(commits[0]):
        del machines.store.objects[name]
    refused = ended(machines, "run", "models.yaml", code=7)
    assert "retrain state accept-loss" in refused.err
    accepted = ended(machines, "state", "accept-loss", "--reason", "a lifecycle rule removed them")
    assert "are in s3://bucket/prod/lost/" in accepted.out
    assert len([name for name in machines.store.names("prod/lost/") if name.endswith("/report.json")]) == 1
    assert effects(machines, "churn") == (2, 2)
    machines.retrain("run", "models.yaml")
    assert effects(machines, "churn") == (2, 2)  # a person decides first
    ended(machines, "verify")


def test_a_run_that_is_killed_is_continued_by_another_machine_when_its_lease_is_old(machines: EmptyMachines) -> None:
    machines.add("churn").training = True
    killed = machines.start("run", "models.yaml")
    wait_for_training(machines, "churn")
    killed.kill()
    killed.communicate()
    refused = machines.retrain("run", "models.yaml")
    assert (refused.code, "holds the state s3://bucket/prod since" in refused.err) == (6, True), refused.err
    assert "--lock-timeout" in refused.err
    machines.service.models["churn"].training = False
    machines.store.skew += LEASE
    ended(machines, "run", "models.yaml")
    assert effects(machines, "churn") == (1, 1)
    ended(machines, "verify")


def test_of_three_runs_at_once_one_works(machines: EmptyMachines) -> None:
    machines.add("churn")
    codes = sorted(finish(process).code for process in [machines.start("run", "models.yaml") for _ in range(3)])
    assert codes[0] == 0
    assert set(codes) <= {0, 6}
    assert effects(machines, "churn") == (1, 1)
    ended(machines, "verify")


def test_every_third_answer_of_the_store_is_lost_and_nothing_is_done_twice(machines: EmptyMachines) -> None:
    machines.add("churn")
    machines.store.fault = lambda _method, _key, number: "lost" if number % 3 == 0 else None
    ended(machines, "run", "models.yaml")
    ended(machines, "run", "models.yaml")
    assert effects(machines, "churn") == (1, 1)
    ended(machines, "verify")


@pytest.mark.parametrize(
    ("request_of_a_run", "meanwhile", "number"),
    [
        ("leases/term-", ("GET", ""), 2),  # the journal is listed, after the leases
        ("journal/00000000000000002", ("GET", ""), 4),  # the inbox, while the plans are recorded
        ("journal/00000000000000016", ("PUT", "prod/checkpoint/latest"), 1),  # while the report is recorded
    ],
)
def test_a_run_asks_a_far_store_at_once_for_what_does_not_depend_on_each_other(
    machines: EmptyMachines, request_of_a_run: str, meanwhile: tuple[str, str], number: int
) -> None:
    machines.add("churn")
    came, lasted = threading.Semaphore(0), list[bool]()

    def answered(method: str, key: str, _number: int) -> None:
        if (method, key) == meanwhile:
            came.release()
        elif method == "PUT" and key.startswith(f"prod/p/0000/{request_of_a_run}"):
            lasted.append(all(came.acquire(timeout=10) for _ in range(number)))

    machines.store.fault = answered
    ended(machines, "run", "models.yaml")
    assert lasted == [True]


def test_credentials_that_expire_while_a_model_trains_end_the_run_and_the_next_one_continues(
    machines: EmptyMachines,
) -> None:
    machines.add("churn").training = True
    process = machines.start("run", "models.yaml")
    wait_for_training(machines, "churn")
    machines.store.fault = lambda *_: "expired"
    machines.service.models["churn"].training = False
    done = finish(process)
    assert (done.code, "the credentials have expired" in done.err) == (7, True), done.err
    machines.store.fault = lambda *_: None
    machines.store.skew += LEASE
    ended(machines, "run", "models.yaml")
    assert effects(machines, "churn") == (1, 1)


@pytest.mark.plays("Y2")
def test_an_empty_machine_finds_that_the_journal_lost_its_end_by_the_files_of_runs(machines: EmptyMachines) -> None:
    machines.add("churn")
    for _ in range(2):
        ended(machines, "run", "models.yaml")
    names = machines.store.names("prod/p/0000/journal/")
    second = next(
        name for name in names if b'"run_started"' in machines.store.objects[name].content and name != names[0]
    )
    for name in names[names.index(second) :]:
        del machines.store.objects[name]
    machines.write_data("churn", rows(seed=5))
    done = machines.retrain("run", "models.yaml")
    assert (done.code, "belongs to no run in the journal" in done.err) == (7, True), done.err
    assert 'retrain state accept-loss --reason "..." --state ' in done.err
    assert effects(machines, "churn") == (1, 1)
    assert machines.retrain("verify").code == 7


@pytest.mark.parametrize(("commit", "fault"), [(3, "unsent"), (3, "lost"), (5, "lost"), (8, "lost")])
def test_a_run_that_is_killed_within_an_append_is_continued(machines: EmptyMachines, commit: int, fault: Fault) -> None:
    machines.add("churn")
    process, appends = list[subprocess.Popen[bytes]](), itertools.count(1)

    def kill(method: str, key: str, _number: int) -> Fault | None:
        if method == "PUT" and "/journal/" in key and next(appends) == commit:
            process[0].kill()
            return fault
        return None

    machines.store.fault = kill
    process.append(machines.start("run", "models.yaml"))
    process[0].communicate()
    assert process[0].returncode == -9
    machines.store.fault = lambda *_: None
    machines.store.skew += LEASE
    wait_until(lambda: machines.retrain("run", "models.yaml").code == 0, what="the end")
    assert effects(machines, "churn") == (1, 1)
    ended(machines, "verify")


def test_an_approval_from_another_machine_is_taken_up_by_the_run_that_holds_the_state(machines: EmptyMachines) -> None:
    machines.add("fast", policy={"type": "manual"})
    ended(machines, "run", "models.yaml")
    machines.add("slow").training = True
    process = machines.start("run", "models.yaml")
    wait_for_training(machines, "slow")
    try:
        ended(machines, "approve", "fast", "--reason", "seen by the team", "--yes")
        assert effects(machines, "fast") == (1, 1)
        assert process.poll() is None
    finally:
        machines.service.models["slow"].training = False
        assert finish(process).code == 0
    ended(machines, "verify")


def test_a_run_that_slept_while_another_took_over_ends_with_7_and_does_nothing_more(machines: EmptyMachines) -> None:
    machines.add("churn").training = True
    sleeper = machines.start("run", "models.yaml")
    wait_for_training(machines, "churn")
    sleeper.send_signal(signal.SIGSTOP)
    try:
        machines.store.skew += LEASE
        machines.service.models["churn"].training = False
        ended(machines, "run", "models.yaml")
    finally:
        sleeper.send_signal(signal.SIGCONT)
    done = finish(sleeper)
    assert (done.code, "Another runner has written to the journal" in done.err) == (7, True), done.err
    assert effects(machines, "churn") == (1, 1)
    ended(machines, "verify")
