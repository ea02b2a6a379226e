"""Whoever may write the emulator's data folder, in the state of a checkout, runs nothing and never gets out of it."""

import json
import os
import pickle
import selectors
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from emulator.hosting import HostedModel
from emulator.keys import key_digest
from emulator.state import State
from emulator.training.job_folder import JobFolder
from emulator.training.predicting import predict_rows
from emulator.training.refusal import RefusedTrainingError
from emulator.training.train import trained_model
from tests.stress.hostile.attack import Attack

_ROOT = Path(__file__).parents[3]
_TABLE = "visits,plan,churned\n" + "".join(f"{n % 7},{'ab'[n % 2]},{'ny'[n % 2]}\n" for n in range(120))
_RECIPE = '{"task":"binary_classification","target":"churned"}'
_MANIFEST = """
version: 1
service: {emulator: true}
datasets: {d: {train: d.csv}}
policies: {p: {type: auto}}
models:
  churn: {api_key: {env: K}, dataset: d, policy: p, emulator: {task: binary_classification, target: churned}}
"""
_SECONDS = 30.0


def _data(folder: Path) -> tuple[Path, str]:
    """Return an emulator's data folder with one finished job that is in service, and the job's id."""
    data = folder / "emulator"
    data.mkdir(mode=0o700)
    (folder / "models.yaml").write_text(_MANIFEST, encoding="utf-8")
    state = State(data / "state.sqlite3")
    model = HostedModel(
        name="churn", task="binary_classification", target="churned", key_digest=key_digest("k"), key_label="k"
    )
    state.register([model])
    job = state.issue_job("churn", "d.csv")
    state.start_training(job, held_back=0)
    state.finish(job, {"AUC": 1.0})
    found = state.job(job)
    if found is None or not state.switch(found):
        raise LookupError("the job is not in service")
    state.close()
    place = data / "jobs" / job
    place.mkdir(parents=True)
    (place / "upload").write_text(_TABLE, encoding="utf-8")
    (place / "recipe.json").write_text(_RECIPE, encoding="utf-8")
    return data, job


@contextmanager
def _served(folder: Path, data: Path) -> Iterator[str]:
    """Give the URL of an emulator on the data folder; empty where it refuses to start, in a sentence."""
    command = [sys.executable, "-P", "-m", "runner", "emulator", "serve", str(folder / "models.yaml"), "--port", "0"]
    with subprocess.Popen(
        [*command, "--data", str(data), "--own-keys", "--until-stdin-closes"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(_ROOT)},
    ) as process:
        try:
            yield _url(process)
        finally:
            process.terminate()


def _url(process: "subprocess.Popen[bytes]") -> str:
    if process.stdout is None or process.stderr is None:
        raise LookupError("the emulator was started without pipes")
    said = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while b"listening on " not in said:
            if not selector.select(_SECONDS):
                raise TimeoutError(said)
            block = os.read(process.stdout.fileno(), 65536)
            if not block:
                told = process.stderr.read()
                if b"error: " not in told or b"Traceback" in told:
                    raise LookupError(told)
                return ""
            said += block
    return said.decode().rpartition("listening on ")[2].strip()


def _predict(url: str) -> int:
    body = json.dumps({"rows": [{"visits": 1, "plan": "a"}]}).encode()
    request = Request(f"{url}/v1/emulator/models/churn/predict", data=body, method="POST")
    try:
        with urlopen(request, timeout=_SECONDS) as answer:
            return int(answer.status)
    except HTTPError as error:
        return error.code


class _Touch:
    """Unpickled, it makes a file."""

    def __init__(self, marker: Path) -> None:
        self._marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return (os.mkdir, (str(self._marker),))


def _pickled(folder: Path, random: Random) -> Iterator[str]:
    """Put a pickle where the model or what it is made of is looked for."""
    data, job = _data(folder)
    ran = folder / "ran"
    name = random.choice(("model.pickle", "recipe.json", "upload", "model.joblib"))
    (data / "jobs" / job / name).write_bytes(pickle.dumps(_Touch(ran), protocol=random.choice((0, 4))))
    rows = [{"visits": 1, "plan": "a"}]
    with suppress(RefusedTrainingError):  # what the server does with a row to predict, without a second process
        if predict_rows(trained_model(JobFolder(path=data / "jobs" / job)), rows)["predictions"] != ["n"]:
            raise LookupError("the model is not the one that was trained")
    if ran.exists():
        yield f"a pickle named {name} ran code"


_Sql = Callable[[sqlite3.Connection, str], object]
_TRAINING = "UPDATE jobs SET retrain_job_id = ?, phase = 'training'"
_SERVING = "UPDATE models SET serving_job = ?"
_TRIGGER = "CREATE TRIGGER t AFTER UPDATE ON jobs BEGIN UPDATE models SET serving_job = '{}'; END"
_TAMPERS: tuple[_Sql, ...] = (
    lambda state, place: state.execute(_TRAINING, (place,)),
    lambda state, place: state.execute(_SERVING, (place,)),
    lambda state, place: state.execute(_TRAINING, (place.encode(),)),
    lambda state, place: state.execute(_TRIGGER.format(place)),
)


def _job_ids(folder: Path, random: Random) -> Iterator[str]:
    """Let a job's id be a path, so that its training reads and writes elsewhere."""
    data, job = _data(folder)
    victim = folder / "victim"
    victim.mkdir()
    (victim / "upload").write_text(_TABLE, encoding="utf-8")
    (victim / "recipe.json").write_text(_RECIPE, encoding="utf-8")
    place = random.choice((str(victim), "../../victim", f"{job}/../../../victim"))
    tamper = random.choice(_TAMPERS)
    state = sqlite3.connect(data / "state.sqlite3")
    with state:
        tamper(state, place)
    state.close()
    before = sorted(victim.iterdir())
    with _served(folder, data) as url:
        if url:
            yield f"the emulator serves jobs at {place}"
            _predict(url)
            time.sleep(1)  # a training begins
    if sorted(victim.iterdir()) != before:
        yield f"a job named {place} wrote there"


def _links(folder: Path, random: Random) -> Iterator[str]:
    """Put a link where the emulator writes or reads."""
    data, job = _data(folder)
    victim = folder / "victim"
    name = random.choice(("requests.jsonl", "emulator.lock", "signing.key", f"jobs/{job}/upload", "jobs"))
    place = data / name
    if place.is_dir():
        place.rename(victim)
    else:
        victim.write_text("mine", encoding="utf-8")
        place.unlink(missing_ok=True)
    place.symlink_to(victim)
    with _served(folder, data) as url:
        if url:
            yield f"the emulator goes through the link {name}"
            _predict(url)
    if victim.is_file() and victim.read_text(encoding="utf-8") != "mine":
        yield f"the emulator wrote through the link {name}"


ATTACKS = (
    Attack(name="a pickle in the emulator's data", sentence="C1", play=_pickled),
    Attack(name="a job id of the emulator that is a path", sentence="C2", play=_job_ids),
    Attack(name="a link in the emulator's data", sentence="C2", play=_links),
)
