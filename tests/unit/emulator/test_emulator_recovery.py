"""What survives a kill -9 of the server, and what does not survive its end."""

import time
from pathlib import Path

import psutil
import pytest

from emulator import serve
from emulator.hosting import Hosting
from emulator.http_server import make_server
from emulator.keys import own_key
from emulator.profile import DOCUMENTED
from runner.errors import UsageError
from tests.unit.emulator.emulator_harness import API, Emulator, metrics_of, started, to_csv, write_manifest

OWN = "--own-keys"


def large() -> bytes:
    """Data whose training takes long enough to be interrupted."""
    rows = [[(n * k) % (1000 + k) for k in range(1, 16)] + [n % 2] for n in range(15_000)]
    return to_csv([*(f"c{k}" for k in range(15)), "diagnosis"], rows)


def workers_of(emulator: Emulator) -> list[psutil.Process]:
    return psutil.Process(emulator.process.pid).children(recursive=True)


def wait_for_imports(emulator: Emulator) -> None:
    deadline = time.monotonic() + 20
    while not any("/sklearn/" in mapped.path for worker in workers_of(emulator) for mapped in worker.memory_maps()):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def survivors(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Give the processes time to end, and return those that did not."""
    _, alive = psutil.wait_procs(processes, timeout=10)
    return alive


def test_jobs_the_model_in_service_and_signed_urls_survive_a_kill(folder: Path, small: bytes) -> None:
    with started(folder, OWN) as emulator:
        done = emulator.train("spare", small)["metadata"]["retrain_job_id"]
        emulator.switch("spare", done)
        waiting, url = emulator.take_job("spare")
        before = emulator.describe("spare")
        emulator.kill()
        port = emulator.address[1]
    with started(folder, OWN, "--port", str(port)) as emulator:
        assert emulator.describe("spare") == before
        assert metrics_of(emulator.result(emulator.status("spare", done)))["AUC"] == 1.0
        assert emulator.call("PUT", url, body=small).status == 200
        assert emulator.wait("spare", waiting)["status"] == "job_finished"


def test_a_training_ends_with_its_killed_server_and_is_resumed_by_the_next(folder: Path) -> None:
    with started(folder, OWN) as emulator:
        job = emulator.upload("spare", large())
        wait_for_imports(emulator)
        time.sleep(0.2)
        assert emulator.status("spare", job)["status"] == "training"
        workers = workers_of(emulator)
        emulator.kill()
        assert survivors(workers) == []
        assert [file.name for file in (emulator.data / "jobs" / job).iterdir()] == ["upload"]
    with started(folder, OWN) as emulator:
        assert emulator.wait("spare", job)["status"] == "job_finished"
        assert [entry["effect"] for entry in emulator.requests()].count("started") == 1
        assert emulator.describe("spare")["trainings"] == 1


def test_an_idle_worker_ends_with_its_killed_server(folder: Path) -> None:
    with started(folder, OWN) as emulator:
        wait_for_imports(emulator)
        workers = workers_of(emulator)
        emulator.kill()
        assert survivors(workers) == []


def test_closing_standard_input_ends_the_server_and_its_workers(folder: Path) -> None:
    with started(folder, OWN) as emulator:
        workers = workers_of(emulator)
        assert workers
        assert emulator.process.stdin is not None
        emulator.process.stdin.close()
        assert emulator.process.wait(10) == 0
        assert survivors(workers) == []


def test_a_worker_that_is_killed_is_replaced_and_its_job_trained(folder: Path) -> None:
    with started(folder, OWN) as emulator:
        job = emulator.upload("spare", large())
        for worker in workers_of(emulator):
            worker.kill()
        assert emulator.wait("spare", job)["status"] == "job_finished"


def test_two_servers_do_not_share_a_data_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "_LOCK_SECONDS", 0.1)
    hosting = Hosting(models={}, account_digests=frozenset())
    with started(folder, OWN) as emulator, pytest.raises(UsageError, match="Another emulator uses"):
        serve.serve(
            hosting,
            host="127.0.0.1",
            port=0,
            data=emulator.data,
            profile=DOCUMENTED,
            ready=lambda _: pytest.fail("ran"),
        )


def test_a_port_in_use_is_told_in_one_sentence(folder: Path) -> None:
    with started(folder, OWN) as emulator, pytest.raises(UsageError, match="cannot listen on"):
        make_server(lambda *_: [], host="127.0.0.1", port=emulator.address[1])


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory, small: bytes) -> tuple[Path, str, str]:
    """Give the data folder of a server that is gone, and its two jobs: one trained, one failed."""
    folder = tmp_path_factory.mktemp("ended")
    write_manifest(folder)
    with started(folder, OWN) as emulator:
        trained = emulator.train("spare", small)["metadata"]["retrain_job_id"]
        failed = emulator.train("refused", b"a,b\n1,2\n")["metadata"]["retrain_job_id"]
    return emulator.data, trained, failed


def test_every_file_in_the_data_folder_is_its_owners_alone(ended: tuple[Path, str, str]) -> None:
    modes = {path: path.stat().st_mode & 0o777 for path in ended[0].rglob("*")}
    assert {mode for path, mode in modes.items() if path.is_file()} == {0o600}
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}


def test_what_a_model_was_trained_on_is_kept_and_not_the_model(ended: tuple[Path, str, str]) -> None:
    data, trained, failed = ended
    assert {file.name for file in (data / "jobs" / trained).iterdir()} == {"result.zip", "upload", "recipe.json"}
    assert {file.name for file in (data / "jobs" / failed).iterdir()} == {"upload"}


def test_a_data_folder_that_is_moved_away_is_told_in_a_sentence(folder: Path) -> None:
    with started(folder, "--own-keys") as emulator:
        emulator.data.rename(folder / "moved")
        answer = emulator.call("GET", f"{API}/retrain_jobs/upload_url?filename=a.csv", key=own_key("spare"))
    told = (folder / "stderr.txt").read_text(encoding="utf-8")
    assert answer.status == 500
    assert "The emulator's data folder cannot be used: " in answer.json()["message"]
    assert "error: The emulator's data folder cannot be used: " in told
    assert "Traceback" not in told
