"""What programs see that are started here, and whose code runs: never that of the folder one is in."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random

import psutil

from emulator.launch import running_emulator
from runner.errors import UsageError
from tests.fakes.two_port_service import TwoPortService
from tests.stress.hostile.attack import Attack

_ROOT = Path(__file__).parents[3]
_MANIFEST = """
version: 1
service: {url: "SERVICE"}
datasets: {d: {train: d.csv}}
policies: {p: {type: auto}}
models:
  churn:
    api_key: COMMAND
    dataset: d
    policy: p
    emulator: {task: binary_classification, target: churned}
  sales: {api_key: {env: SALES_KEY}, dataset: d, policy: p}
notify:
  - {on: [failed], to: COMMAND}
  - {ping: COMMAND}
"""
_LOOK = """
import json, os
with open(os.path.join(os.path.dirname(__file__), "seen"), "a") as file:
    print(json.dumps({"variables": dict(os.environ), "handles": len(os.listdir("/proc/self/fd"))}), file=file)
print("key")
"""
_HANDLES = 5  # standard input, output and error, the file it writes, and the folder it lists
_CANARY = "canary-8c2e91"
_SECRETS = (
    *("SALES_KEY", "RETRAIN_SIGNING_KEY", "GITHUB_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "CI_JOB_TOKEN"),
    *("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "GOOGLE_APPLICATION_CREDENTIALS", "AZURE_CLIENT_SECRET"),
    *("VAULT_TOKEN", "OP_SERVICE_ACCOUNT_TOKEN", "BW_SESSION", "HTTPS_PROXY", "PGPASSWORD", "KEY", "PYTHON_TOKEN"),
)


def _project(folder: Path, service: str = "http://127.0.0.1:9") -> None:
    """Lay out a manifest whose key and addresses are printed by a command that writes down what it sees."""
    rows = "".join(f"{n % 7},{'ab'[n % 2]},{'ny'[n % 2]}\n" for n in range(120))
    (folder / "d.csv").write_text(f"visits,plan,churned\n{rows}", encoding="utf-8")
    (folder / "look.py").write_text(_LOOK, encoding="utf-8")
    key = json.dumps({"command": [sys.executable, "-I", str(folder / "look.py")]})
    manifest = _MANIFEST.replace("COMMAND", key).replace("SERVICE", service)
    (folder / "models.yaml").write_text(manifest, encoding="utf-8")


def _retrain(folder: Path, *words: str, **given: str) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run(
        [sys.executable, "-P", "-m", "runner", *words],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(_ROOT), **given},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if "Traceback" in done.stderr:
        raise LookupError(done.stderr)
    return done


def _key_commands(folder: Path, random: Random) -> Iterator[str]:
    """Let a key command look at its variables and open files."""
    service = TwoPortService()  # it knows none of the keys
    _project(folder, service.url)
    secrets = random.sample(_SECRETS, 5)
    try:
        _retrain(folder, "run", "models.yaml", **dict.fromkeys(secrets, _CANARY))
    finally:
        service.close()
    looks = [json.loads(line) for line in (folder / "seen").read_text(encoding="utf-8").splitlines()]
    if not looks or "PATH" not in looks[0]["variables"]:
        raise LookupError("the command did not look")
    for look in looks:
        yield from (f"a key command gets {name}" for name in secrets if name in look["variables"])
        if look["handles"] > _HANDLES:
            yield f"a key command gets {look['handles'] - _HANDLES} open files of ours"


def _emulator(folder: Path, random: Random) -> Iterator[str]:
    """Look at the environment of the emulator and of its training processes."""
    _project(folder)
    secrets = random.sample(_SECRETS, 5)
    before = dict(os.environ)
    os.environ.update(dict.fromkeys(secrets, _CANARY))
    try:
        with running_emulator([folder / "models.yaml"], folder / "emulator"):
            started = psutil.Process().children(recursive=True)
            seen = [process.environ() for process in started if "emulator" in " ".join(process.cmdline())]
    finally:
        os.environ.clear()
        os.environ.update(before)
    if not any("OMP_NUM_THREADS" in one for one in seen) or len(seen) < 2:
        raise LookupError("the emulator or its training process was not seen")
    yield from {f"the emulator gets {name}" for one in seen for name in secrets if name in one}


_CHECKS = (
    ("validate", "models.yaml"),
    ("plan", "models.yaml"),
    ("plan", "models.yaml", "--out", "plan.json"),
    ("plan", "models.yaml", "--format", "json"),
    ("validate", "models.yaml", "--format", "sarif"),
)


def _checked(folder: Path, random: Random) -> Iterator[str]:
    """Check a stranger's manifest, whose keys are printed by commands."""
    _project(folder)
    words = random.choice(_CHECKS)
    done = _retrain(folder, *words)
    if done.returncode not in {0, 2}:
        raise LookupError(done.stderr)
    if (folder / "seen").exists():
        yield f"`retrain {' '.join(words)}` runs the manifest's key command"


_MODULES = ("yaml", "click", "msgspec", "json", "runner", "sitecustomize", "usercustomize", "sklearn", "requests")


def _modules(folder: Path, random: Random) -> Iterator[str]:
    """Lay modules into the folder that a command is started in."""
    _project(folder)
    ran = folder / "ran"
    hostile = f"open({str(ran)!r}, 'w').close()\nraise SystemExit(99)\n"
    for name in random.sample(_MODULES, 6):
        if random.random() < 0.5:
            (folder / name).mkdir()
            (folder / name / "__init__.py").write_text(hostile, encoding="utf-8")
        else:
            (folder / f"{name}.py").write_text(hostile, encoding="utf-8")
    checked = _script(folder, "validate", "models.yaml")
    if ran.exists():
        yield "code of the folder that retrain is started in runs"
    elif checked.returncode != 0:
        raise LookupError(checked.stderr)
    with _standing_in(folder), suppress(UsageError), running_emulator([folder / "models.yaml"], folder / "emulator"):
        pass
    if ran.exists():
        yield "code of the folder that the emulator is started in runs"


@contextmanager
def _standing_in(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def _script(folder: Path, *words: str) -> "subprocess.CompletedProcess[bytes]":
    """Run the command as an installation makes it: a script that is not in the folder one is in."""
    (folder / "bin").mkdir(exist_ok=True)
    script = folder / "bin" / "retrain"
    script.write_text("from runner.cli.main import main\nmain()\n", encoding="utf-8")
    return subprocess.run(
        [sys.executable, str(script), *words],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder / "bin"), "PYTHONPATH": str(_ROOT)},
        capture_output=True,
        timeout=60,
        check=False,
    )


ATTACKS = (
    Attack(name="a key command that looks around", sentence="C3", play=_key_commands),
    Attack(name="a secret on its way to the emulator", sentence="C4", play=_emulator),
    Attack(name="a key command in a manifest that is checked", sentence="C5", play=_checked),
    Attack(name="modules in the folder one is in", sentence="C6", play=_modules),
)
