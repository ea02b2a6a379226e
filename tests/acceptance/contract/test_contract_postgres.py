"""A state in PostgreSQL, used from machines that have nothing: each model is trained once, whoever is killed."""

import itertools
import os
import subprocess
import sys
from urllib.parse import quote

import pytest

from runner.journal.postgres_store import PostgresStore
from tests.acceptance.contract.contract_project import KEY_CANARY, ROOT, Finished, Project, judged, rows, wait_until
from tests.fakes import preloaded
from tests.fakes.object_stores import SECRET, fresh_address, set_credentials
from tests.fakes.postgres_server import PASSWORD, fresh_schema, one_server, set_password


class Machines:
    """A project whose commands each run on a machine that nobody has used; `address` is where its state is."""

    def __init__(self, project: Project, address: str) -> None:
        self.project = project
        self.address = address
        self.printed = ""
        self._homes = 0

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a command on the next machine."""
        return subprocess.Popen(
            [sys.executable, "-m", "runner", *arguments],
            cwd=self.project.folder,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **self._variables()},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def _variables(self) -> dict[str, str]:
        self._homes += 1
        home = self.project.folder / f"home-{self._homes}"
        home.mkdir()
        secrets = {name: os.environ[name] for name in ("PGPASSWORD", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
        return {"HOME": str(home), "RETRAIN_STATE": self.address, **secrets, **self.project.environment}

    def retrain(self, *arguments: str) -> Finished:
        """Run a command to its end on the next machine."""
        done = judged(preloaded.retrain(arguments, folder=self.project.folder, environment=self._variables()))
        self.printed += done.out + done.err
        return done

    def uploads(self) -> int:
        return sum(len(self.project.service.accepted(name)) for name in self.project.manifest["models"])


@pytest.fixture
def machines(project: Project, monkeypatch: pytest.MonkeyPatch) -> Machines:
    set_password(monkeypatch)
    set_credentials(monkeypatch)
    return Machines(project, one_server().address(fresh_schema(), more="&lease=10s"))


def age_the_lease(address: str) -> None:
    """Let the time of a lease pass."""
    PostgresStore(address)._database.run("UPDATE {s}.lease SET renewed = renewed - life - life")


def test_fresh_machines_train_each_model_once_and_read_what_the_others_did(machines: Machines) -> None:
    project = machines.project
    project.add("churn")
    project.add("visits", policy={"type": "manual"}, train=rows(seed=1))
    absent = machines.retrain("run", "models.yaml")
    assert absent.code == 7
    assert f"`retrain state init '{machines.address}'" in absent.err
    assert project.service.log == []
    assert machines.retrain("state", "init").code == 0
    for _ in range(3):
        done = machines.retrain("run", "models.yaml")
        assert done.code == 0, done.err
    assert machines.uploads() == 2
    status = machines.retrain("status")
    assert "churn" in status.out
    assert "visits" in status.out
    assert machines.retrain("approve", "visits", "--yes", "--reason", "seen by the team").code == 0
    assert len(project.service.calls(name="switch")) == 2
    for seed in (7, 8, 9):
        project.write_data("churn", rows(seed=seed))
        done = machines.retrain("run", "models.yaml")
        assert done.code == 0, done.err
    pruned = machines.retrain("prune", "--results", "--keep", "0", "--yes")
    assert "2 result files removed" in pruned.out, pruned.err
    verified = machines.retrain("verify")
    assert verified.code == 0, verified.out + verified.err
    assert machines.retrain("state", "doctor").code == 0
    for canary in (PASSWORD, SECRET, KEY_CANARY):
        assert canary not in machines.printed
    files = [path for path in project.folder.rglob("home-*/**/*") if path.is_file()]
    assert files
    assert not any(PASSWORD.encode() in path.read_bytes() for path in files)


def test_a_run_that_is_killed_is_continued_by_the_next_machine_when_its_lease_is_over(machines: Machines) -> None:
    project = machines.project
    model = project.add("churn")
    model.training = True
    assert machines.retrain("state", "init").code == 0
    process = machines.start("run", "models.yaml")
    wait_until(lambda: machines.uploads() == 1, what="the upload")
    wait_until(lambda: len(project.service.calls(name="status")) > 1, what="a poll")
    process.kill()
    process.communicate()
    held = machines.retrain("run", "models.yaml")
    assert held.code == 6, held.err
    assert "holds the state" in held.err
    model.training = False
    age_the_lease(machines.address)
    done = machines.retrain("run", "models.yaml")
    assert done.code == 0, done.err
    assert machines.uploads() == 1
    assert machines.retrain("verify").code == 0


def test_a_state_moves_from_a_folder_to_a_database_with_its_files_in_a_bucket_and_on(machines: Machines) -> None:
    project, database = machines.project, f"{machines.address}&blobs={quote(fresh_address())}"
    project.add("churn")
    places = [str(project.state), database, fresh_address()]
    machines.address = places[0]
    assert machines.retrain("run", "models.yaml").code == 0
    for before, after in itertools.pairwise(places):
        moved = machines.retrain("state", "migrate", before, after)
        assert moved.code == 0, moved.err
        machines.address = before
        assert machines.retrain("run", "models.yaml").code == 7
        machines.address = after
        verified = machines.retrain("verify")
        assert verified.code == 0, verified.out + verified.err
        assert machines.retrain("run", "models.yaml").code == 0
    assert machines.uploads() == 1


def test_a_loss_is_accepted_in_the_database(machines: Machines) -> None:
    project = machines.project
    project.add("churn")
    assert machines.retrain("state", "init").code == 0
    database = PostgresStore(machines.address)._database
    kept = 0
    for seed in range(2):
        project.write_data("churn", rows(seed=seed))
        assert machines.retrain("run", "models.yaml").code == 0
        kept = kept or database.run("SELECT max(seq) FROM {s}.events")[0][0]
    database.run("DELETE FROM {s}.events WHERE seq > %(kept)s", {"kept": kept})
    refused = machines.retrain("run", "models.yaml")
    assert refused.code == 7
    assert "retrain state accept-loss" in refused.err
    accepted = machines.retrain("state", "accept-loss", "--reason", "an old backup")
    assert accepted.code == 0, accepted.err
    machines.retrain("run", "models.yaml")
    assert len(project.service.calls(name="switch")) == 2  # a person decides first
    verified = machines.retrain("verify")
    assert verified.code == 0, verified.out + verified.err
