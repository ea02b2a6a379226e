"""Sample programs in the style of the service's manual, which know nothing of this project, against the emulator."""

import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from emulator.keys import own_key
from emulator.launch import running_emulator

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "examples" / "vendor_samples"
PROGRAM = (sys.executable, "-P", str(ROOT / "tests" / "unit" / "emulator" / "serve_for_tests.py"))
MANIFEST = """
version: 1
service: {emulator: true}
datasets:
  churn: {train: train.csv}
policies:
  always: {type: auto}
models:
  churn:
    api_key: {env: NO_SUCH_KEY}
    dataset: churn
    policy: always
    emulator: {task: binary_classification, target: left}
"""
ROWS = "".join(f"{n % 9},{'gold' if n % 2 else 'iron'},{'yes' if n % 2 else 'no'}\n" for n in range(300))
TABLE = "visits,plan,left\n" + ROWS


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("samples")
    (folder / "manifest.yaml").write_text(MANIFEST)
    (folder / "train.csv").write_text(TABLE)
    with running_emulator([folder / "manifest.yaml"], folder / "data", program=PROGRAM) as url:
        yield url


def run_sample(
    command: list[str], url: str, upload: Path, result: Path, *, key: str
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PREDICTION_ONE_API_KEY": key, "SECONDS_BETWEEN_CHECKS": "0.2"}
    arguments = [url, str(upload), str(result)]
    return subprocess.run(
        [*command, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def serving_job(url: str) -> object:
    with urlopen(f"{url}/v1/emulator/models/churn") as answer:
        return json.load(answer)["serving_job"]


def milestones(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Return the first line and the last two of a sample that ended well."""
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    return [lines[0], *lines[-2:]]


def evaluated_rows(result: Path) -> int:
    """Return how many rows the downloaded result was evaluated on."""
    with zipfile.ZipFile(io.BytesIO(result.read_bytes())) as archive:
        name = next(name for name in archive.namelist() if name.endswith("/evaluation_raw_data.csv"))
        return len(archive.read(name).splitlines()) - 1


def test_the_python_sample_retrains_with_a_training_file_and_switches(emulator: str, tmp_path: Path) -> None:
    (tmp_path / "顧客.csv").write_text(TABLE)
    command = [sys.executable, str(SAMPLES / "retrain.py")]
    done = run_sample(command, emulator, tmp_path / "顧客.csv", tmp_path / "result.zip", key=own_key("churn"))
    job = serving_job(emulator)
    assert milestones(done) == [f"started {job}", "job_finished", f"switched to {job}"]
    assert evaluated_rows(tmp_path / "result.zip") == 75


def test_the_curl_sample_retrains_with_training_and_evaluation_data_and_switches(emulator: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "both.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("train_src/train.csv", TABLE)
        archive.writestr("eval_src/eval.csv", TABLE[: TABLE.index("\n", 600) + 1])
        evaluated = archive.read("eval_src/eval.csv").count(b"\n") - 1
    command = ["sh", str(SAMPLES / "retrain.sh")]
    done = run_sample(command, emulator, tmp_path / "both.zip", tmp_path / "result.zip", key=own_key("churn"))
    job = serving_job(emulator)
    assert milestones(done) == [f"started {job}", "job_finished", f"switched to {job}"]
    assert evaluated_rows(tmp_path / "result.zip") == evaluated


@pytest.mark.parametrize(
    "command", [[sys.executable, str(SAMPLES / "retrain.py")], ["sh", str(SAMPLES / "retrain.sh")]]
)
def test_a_sample_with_a_wrong_key_changes_nothing(emulator: str, tmp_path: Path, command: list[str]) -> None:
    before = serving_job(emulator)
    (tmp_path / "train.csv").write_text(TABLE)
    done = run_sample(command, emulator, tmp_path / "train.csv", tmp_path / "result.zip", key="wrong")
    assert done.returncode != 0
    assert "started" not in done.stdout
    assert serving_job(emulator) == before


@pytest.mark.parametrize(
    "command", [[sys.executable, str(SAMPLES / "retrain.py")], ["sh", str(SAMPLES / "retrain.sh")]]
)
def test_a_sample_stops_at_a_failed_retrain_with_the_services_message(
    emulator: str, tmp_path: Path, command: list[str]
) -> None:
    before = serving_job(emulator)
    (tmp_path / "bad.csv").write_text("a,b\n1,2\n")
    done = run_sample(command, emulator, tmp_path / "bad.csv", tmp_path / "result.zip", key=own_key("churn"))
    assert done.returncode == 1
    assert "no target column 'left'" in done.stderr
    assert serving_job(emulator) == before
