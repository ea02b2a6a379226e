"""Whoever may write a branch gets no other file of the machine shown, none written elsewhere, and no minutes of it."""

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

from runner.cli.errors import write_traceback
from runner.lib.canonical_json import digest
from tests.stress.hostile.attack import Attack

_ROOT = Path(__file__).parents[3]
_SECONDS = 8  # of a processor that others use too; without a bound it is minutes
_CANARY = "CANARY-0815"
_BUG = 70
_MODEL = "{api_key: {env: K}, dataset: d, policy: p, emulator: {task: regression, target: b}}"
_MANIFEST = "version: 1\npolicies: {p: {type: auto}}\ndatasets: {d: {train: %s}}\nmodels: {m: " + _MODEL + "}\n"
_DATA = "a,b\n" + "1,2\n3,5\n" * 100


def _retrain(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the real command in a folder; the kernel ends it after some seconds of work."""
    return subprocess.run(
        [sys.executable, "-P", "-m", "runner", *words],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(_ROOT), "HOME": str(folder), "TOKEN": _CANARY},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS)),
    )


def _places(folder: Path) -> tuple[Path, Path]:
    """Return a checkout, and a folder of the machine's beside it."""
    checkout, outside = folder / "checkout", folder / "outside"
    (checkout / ".git").mkdir(parents=True)
    outside.mkdir()
    return checkout, outside


def _data(folder: Path, random: Random) -> Iterator[str]:
    """Have a file that is not data read as data: what is wrong with data is shown, and data is uploaded."""
    checkout, outside = _places(folder)
    secret = outside / random.choice(("id_ed25519", "credentials", "token.txt", "csv"))
    secret.write_text(f"{_CANARY}\n{_CANARY},1\n", encoding="utf-8")
    target = random.choice((secret, Path("/proc/self/environ"), Path("../outside") / secret.name))
    way = random.choice(("file", "chain", "pattern", "all"))
    link = checkout / "train.csv"
    if way == "chain":
        (checkout / "inner").symlink_to(target)
        link.symlink_to("inner")
    else:
        link.symlink_to(target)
    pick = {"pattern": "{glob: 't*.csv', pick: latest}", "all": "{glob: '*.csv', pick: all}"}
    (checkout / "models.yaml").write_text(_MANIFEST % pick.get(way, "train.csv"), encoding="utf-8")
    words = random.choice((("plan",), ("plan", "--format", "json"), ("run", "--emulator"), ("validate",)))
    done = _retrain(checkout, words[0], "models.yaml", *words[1:])
    if "train.csv" not in done.stdout + done.stderr:
        raise AssertionError(done)
    if _CANARY in done.stdout + done.stderr:
        yield f"{' '.join(words)} shows what is in {target}, which is not data ({way})"
    for path in (checkout / ".retrain").rglob("*"):
        if path.is_file() and _CANARY.encode() in path.read_bytes():
            yield f"{path.name} of the state has what is in {target} ({way})"


def _approvals(folder: Path, random: Random) -> Iterator[str]:
    """Have files of other programs read as approvals."""
    checkout, outside = _places(folder)
    if random.randrange(2):
        (checkout / ".git").rmdir()
    text = random.choice((f"{_CANARY}: 1\n", f"password: {_CANARY}\n", f"version: 1\nmodel: [{_CANARY}\n", _CANARY))
    (outside / random.choice(("secrets.yaml", "secrets.yml"))).write_text(text, encoding="utf-8")
    named = random.choice(("../outside", str(outside), "inner/../../outside"))
    (checkout / "inner").mkdir()
    manifest = _MANIFEST % "train.csv" + f"approvals: {named}\n"
    (checkout / "models.yaml").write_text(manifest, encoding="utf-8")
    command = random.choice(("validate", "plan"))
    form = random.choice(("text", "json", "github")) if command == "validate" else "text"
    done = _retrain(checkout, command, "models.yaml", "--format", form)
    if "is not an approval" not in done.stdout + done.stderr and _CANARY not in done.stdout + done.stderr:
        raise AssertionError(done)
    if _CANARY in done.stdout + done.stderr:
        yield f"{command} --format {form} shows {text!r} of a file at {named}"


def _through_plan(checkout: Path, outside: Path, _random: Random) -> Path | None:
    (checkout / "train.csv").write_text(_DATA, encoding="utf-8")
    (checkout / "models.yaml").write_text(_MANIFEST % "train.csv", encoding="utf-8")
    (checkout / "plan.json").symlink_to(outside / "new.json")
    _tried(_retrain(checkout, "plan", "models.yaml", "--emulator", "--out", "plan.json"))
    return None


def _through_init(checkout: Path, _outside: Path, random: Random) -> Path | None:
    (checkout / random.choice(("deploy", ".github", "schemas", "data", "approvals"))).symlink_to("../outside")
    _tried(_retrain(checkout, "init"))
    return None


def _through_site(checkout: Path, _outside: Path, _random: Random) -> Path | None:
    (checkout / "site").symlink_to("../outside")
    _tried(_retrain(checkout, "site", "site"))
    return None


def _through_error(checkout: Path, outside: Path, random: Random) -> Path | None:
    state = checkout / ".retrain"
    if random.randrange(2):
        state.mkdir(mode=0o700)
        (state / "internal-errors").symlink_to(outside)
    else:
        state.symlink_to(outside)
    return write_traceback("a bug\n", str(state))


def _tried(done: subprocess.CompletedProcess[str]) -> None:
    if done.returncode not in (0, 2):
        raise AssertionError(done)


def _written(folder: Path, random: Random) -> Iterator[str]:
    """Have links of the checkout lead what is written to another place."""
    checkout, outside = _places(folder)
    way = random.choice((_through_plan, _through_init, _through_site, _through_error))
    elsewhere = way(checkout, outside, random)
    for path in outside.rglob("*"):
        yield f"{way.__name__} wrote {path.name} through a link"
    if elsewhere is not None:
        elsewhere.unlink()


_FORGED: tuple[Callable[[dict[str, Any]], object], ...] = (
    lambda plan: plan["manifest"].update(paths=["\0"]),
    lambda plan: plan["manifest"].update(paths=["models.yaml\0"]),
    lambda plan: plan["manifest"].update(paths=["x" * 5000]),
    lambda plan: plan["manifest"].update(paths=["x" * 4000]),
    lambda plan: plan["manifest"].update(paths=[""]),
    lambda plan: plan["manifest"].update(paths=[]),
    lambda plan: plan["manifest"].update(paths=["loop"]),
    lambda plan: plan["manifest"]["files"][0].update(path="\0\x1b[31m"),
    lambda plan: plan["options"].update(select=["\0", "tag:"]),
    lambda plan: plan.update(service="\x1b]0;x\7"),
    lambda plan: plan.update(services_before=["\0"]),
    lambda plan: plan.update(moves=[{"old": "\0", "new": "../m"}]),
    lambda plan: plan["models"][0].update(name="../../m", retrain_job_id="\0"),
    lambda plan: plan.update(models=plan["models"] * 3),
    lambda plan: plan["state"].update(serial=2**53 - 1, lineage="0" * 64, head_sha256="0" * 64),
)


def _plan(folder: Path, random: Random) -> Iterator[str]:
    """Have a plan run that a stranger made, with a right digest."""
    checkout, _ = _places(folder)
    (checkout / "train.csv").write_text(_DATA, encoding="utf-8")
    (checkout / "loop").symlink_to("loop")
    (checkout / "models.yaml").write_text(_MANIFEST % "train.csv", encoding="utf-8")
    made = _retrain(checkout, "plan", "models.yaml", "--emulator", "--out", "plan.json")
    if made.returncode != 0:
        raise AssertionError(made)
    plan = json.loads((checkout / "plan.json").read_text(encoding="utf-8"))
    number = random.randrange(len(_FORGED))
    _FORGED[number](plan)
    del plan["sha256"]
    plan["sha256"] = digest(plan)
    (checkout / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
    given = random.choice(((), ("models.yaml",), ("loop",)))
    done = _retrain(checkout, "run", *given, "--plan", "plan.json")
    said = done.stdout + done.stderr
    if done.returncode in (0, _BUG) or done.returncode < 0:
        yield f"forged plan {number}, run with {given}, ends with {done.returncode}"
    if any(letter in said for letter in "\0\x1b\7") or len(said) > 20_000:
        yield f"forged plan {number}, run with {given}, controls the terminal or fills it"


def _chain(size: int) -> str:
    entries = "".join(f"  - {{from: a{number}, to: a{number + 1}}}\n" for number in range(size))
    return _MANIFEST.replace("{m:", f"{{a{size}:") % "train.csv" + f"moved:\n{entries}"


def _circle(size: int) -> str:
    entries = "".join(f"  - {{from: a{number}, to: a{(number + 1) % size}}}\n" for number in range(size))
    return _MANIFEST % "train.csv" + f"moved:\n{entries}"


def _recipients(size: int) -> str:
    told = f"on: [failed], to: {{env: X}}, owner: [{', '.join(f'o{n}' for n in range(300))}]"
    told += f", select: [{', '.join(f'tag:t{n}' for n in range(300))}]"
    entries = f"  - {{{told}}}\n" * (size // 200)
    models = "".join(f"  m{n}: {_MODEL.replace('env: K', f'env: K{n}')}\n" for n in range(size // 20))
    return _MANIFEST.rpartition("models:")[0] % "train.csv" + f"notify:\n{entries}models:\n{models}"


def _near(size: int) -> str:
    sets = "".join(f"  d{number:06}: {{train: t.csv}}\n" for number in range(size // 2))
    models = "".join(f"  m{n}: {{api_key: {{env: K{n}}}, dataset: x{n:06}, policy: p}}\n" for n in range(1500))
    return f"version: 1\npolicies: {{p: {{type: auto}}}}\ndatasets:\n{sets}models:\n{models}"


_MEETINGS: tuple[Callable[[int], str], ...] = (_chain, _circle, _recipients, _near)


def _meeting(folder: Path, random: Random) -> Iterator[str]:
    """Have a manifest checked in which many names are compared with many."""
    made = random.choice(_MEETINGS)
    (folder / "train.csv").write_text(_DATA, encoding="utf-8")
    (folder / "models.yaml").write_text(made(40_000), encoding="utf-8")
    command = random.choice((("validate",), ("plan", "--emulator"))) if made is _chain else ("validate",)
    done = _retrain(folder, command[0], "models.yaml", *command[1:])
    if done.returncode < 0:
        yield f"{' '.join(command)} does not end in {_SECONDS} s over {made.__name__}"
    elif done.returncode not in (0, 1, 3):
        raise AssertionError(done)


ATTACKS = (
    Attack(name="a secret that a link calls data", sentence="O1", play=_data),
    Attack(name="approvals that are files of others", sentence="O1", play=_approvals),
    Attack(name="links in the place of what is written", sentence="O2", play=_written),
    Attack(name="a plan that a stranger made", sentence="O3", play=_plan),
    Attack(name="names that are compared with each other", sentence="B1", play=_meeting),
)
