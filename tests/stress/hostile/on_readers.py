"""Whoever may write manifests and what is beside them costs no minutes, shows no other file and passes for nobody."""

import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

from tests.stress.hostile.attack import Attack

_ROOT = Path(__file__).parents[3]
_SIZE = 3 << 20
_SECONDS = 8  # of a processor that others use too; without a bound it is minutes
_CANARY = "CANARY-4711"
_MODEL = "{{api_key: {{env: K{0}}}, dataset: d, policy: p}}"
_HEAD = "version: 1\npolicies: {p: {type: auto}}\n"


def _retrain(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the real command in a folder; the kernel ends it after some seconds of work."""
    return subprocess.run(
        [sys.executable, "-P", "-m", "runner", *words],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(_ROOT), "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS)),
    )


_NONSENSE: tuple[Callable[[int], str], ...] = (
    lambda size: "a" * size,
    lambda size: "version: 1\nmodels: [" + "a," * (size // 2) + "]",
    lambda size: "version: 1\nmodels: {a: '" + "x-" * (size // 2),
    lambda size: "version: 1\nmodels: a" + "\u0301" * (size // 2),
    lambda size: 'version: 1\nmodels: "' + "\\x1b" * (size // 4) + '"\n',
    lambda size: "version: &a 1\nmodels: [" + "*a," * (size // 3) + "]",
    lambda size: "".join(f"%TAG !a{number}! tag:x\n" for number in range(size // 18)) + "--- {}\n",
    lambda size: "\n" * size + "a: [",
    lambda size: "version: 1\nmodels: {" + "".join(f"m{number}: {{}}," for number in range(size // 12)) + "}",
    lambda size: "version: 1." + "0" * size,
    lambda size: "version: 1\npolicies:\n" + "".join(f"  p{number}: {{type: auto}}\n" for number in range(size // 25)),
    lambda size: (
        f"{_HEAD}datasets: {{{''.join(f'd{number}: {{train: d}},' for number in range(size // 60))}}}\n"
        f"models: {{{''.join(f'm{n}: {{api_key: {{env: K}}, dataset: x{n}, policy: p}},' for n in range(2000))}}}\n"
    ),
    lambda size: "version: 1\nmodels: {k: {" + "a-key: {" * 60 + "secret-" * (size // 7),
)


def _nonsense(folder: Path, random: Random) -> Iterator[str]:
    """Have a manifest checked that has one huge line, or a huge number of small things."""
    text = random.choice(_NONSENSE)(_SIZE)
    (folder / "models.yaml").write_text(text, encoding="utf-8")
    form = random.choice(("text", "json", "github", "sarif"))
    done = _retrain(folder, "validate", "models.yaml", "--format", form)
    if done.returncode < 0:
        yield f"{text[:40]!r}, repeated, is not read in {_SECONDS} s"
    elif done.returncode != 3:
        raise AssertionError(done)
    elif len(done.stdout) > 1 << 20:
        yield f"{text[:40]!r}, repeated, has {len(done.stdout)} characters of messages"


def _linked(folder: Path, random: Random) -> Iterator[str]:
    """Have a file outside of the checkout read as a manifest, an approval or data of it."""
    outside, checkout = folder / "outside", folder / "checkout"
    outside.mkdir()
    (checkout / "approvals").mkdir(parents=True)
    if random.randrange(2):
        (checkout / ".git").mkdir()
    secret = outside / random.choice(("models.yaml", "secret.yaml"))
    secret.write_text(f"{_CANARY}: 1\nname: {_CANARY}\n", encoding="utf-8")
    (outside / "d.csv").write_text(f"{_CANARY}\n1\n", encoding="utf-8")
    manifest = (
        f"{_HEAD}approvals: approvals\ndatasets: {{d: {{train: d.csv}}}}\nmodels:\n  m:\n    api_key: {{env: K}}\n"
    )
    manifest += f"    dataset: d\n    policy: p\n    checks: {{target: {_CANARY.lower()}}}\n"
    way = random.choice(("file", "folder", "chain", "approval", "data"))
    path = "models.yaml"
    if way in ("approval", "data"):
        (checkout / "models.yaml").write_text(manifest, encoding="utf-8")
        target = secret if way == "approval" else outside / "d.csv"
        (checkout / ("approvals/a.yaml" if way == "approval" else "d.csv")).symlink_to(target)
    elif way == "folder":
        (checkout / ".git").mkdir(exist_ok=True)
        (checkout / "configs").symlink_to("../outside")
        path = "configs"
    elif way == "chain":
        (checkout / "step").symlink_to("../outside")
        (checkout / "models.yaml").symlink_to(f"step/{secret.name}")
    else:
        (checkout / "models.yaml").symlink_to(secret)
    done = _retrain(checkout, "validate", path)
    if "Traceback" in done.stderr or (way != "data" and done.returncode != 3):
        raise AssertionError(done)
    if _CANARY in done.stdout + done.stderr:
        yield f"a linked {way} shows its lines: {done.stdout}"


_COLUMN = "\n".join("ab" * 6)
_SPOILT: dict[str, tuple[str, str]] = {  # the content of the file outside, and of the one beside it
    "a file of one line": (f"{_CANARY}:x:19000\n", f"x,y\n{_COLUMN}\n"),
    "a name that occurs twice": (f"{_CANARY},{_CANARY},y\n1,2,3\n", "x,y\n1,2\n"),
    "a single label": ("x,y\n" + f"1,{_CANARY}\n" * 12, "x,y\n" + "1,a\n2,b\n" * 6),
    "a label of its own": ("x,y\n" + f"1,a\n2,b\n3,{_CANARY}\n" * 6, "x,y\n" + "1,a\n2,b\n" * 6),
    "a label too many": ("x,y\n" + "".join(f"1,{_CANARY}{at}\n" for at in range(250)), "x,y\n1,a\n2,b\n"),
    "a name like the target's": (f"x,{_CANARY}s\n1,2\n", "x,y\n1,2\n"),
}


def _elsewhere(folder: Path, random: Random) -> Iterator[str]:
    """Have the columns and labels of a data file outside of the checkout named by what is said against the data."""
    outside, checkout = folder / "outside", folder / "checkout"
    outside.mkdir()
    checkout.mkdir()
    if random.randrange(2):
        (checkout / ".git").mkdir()
    kind = random.choice(tuple(_SPOILT))
    foreign, own = _SPOILT[kind]
    (outside / "secret.csv").write_text(foreign, encoding="utf-8")
    (checkout / "own.csv").write_text(own, encoding="utf-8")
    (checkout / "link.csv").symlink_to("../outside/secret.csv")
    (checkout / "step").symlink_to("../outside")
    named = random.choice(
        (
            "link.csv",
            "step/secret.csv",
            str(outside / "secret.csv"),
            "../outside/secret.csv",
            "{glob: '../outside/*.csv'}",
        )
    )
    train, evaluation = (named, "own.csv") if kind == "a single label" or random.randrange(2) else ("own.csv", named)
    target = f"{_CANARY[:-1]}0" if kind == "a name like the target's" else "y"
    fails = random.choice(("stop", "warn"))
    (checkout / "models.yaml").write_text(
        f"{_HEAD}service: {{url: 'http://127.0.0.1:9'}}\ndatasets: {{d: {{train: {train}, eval: {evaluation}}}}}\n"
        f"models: {{m: {{api_key: {{env: PATH}}, dataset: d, policy: p, checks: {{target: {target}, on_fail: {fails},"
        " rows: {min: 1}, columns: {min: 1}}}}\n",
        encoding="utf-8",
    )
    checked = _retrain(checkout, "validate", "models.yaml")
    planned = _retrain(checkout, "plan", "models.yaml", "--format", random.choice(("text", "json", "markdown")))
    ran = (
        _retrain(checkout, "run", "models.yaml", "--format", "json")
        if "nothing was trained" in planned.stdout
        else planned
    )
    said = "".join(one.stdout + one.stderr for one in (checked, planned, ran))
    reports = "".join(path.read_text(encoding="utf-8") for path in (checkout / ".retrain").glob("runs/*/report.*"))
    if "own.csv" not in said + reports and "secret.csv" not in said + reports and "link.csv" not in said + reports:
        raise AssertionError(said)
    if "Traceback" in said:
        raise AssertionError(said)
    if _CANARY in said + reports:
        yield f"{kind}, named {named} ({fails}), is told: {said}"


_TWINS = (
    ("churn", "\u0441hurn"),
    ("churn", "\uff43\uff48urn"),
    ("model", "m\u043edel"),
    ("SCOPE", "\u0405\u0421\u041e\u0420\u0415"),
    ("\u30ab\u30e1\u30e9", "\u529b\u30e1\u30e9"),
    ("churn", "churn\u3164"),
)


def _twins(folder: Path, random: Random) -> Iterator[str]:
    """Have two models, or two policies, pass for one."""
    first, second = random.sample(random.choice(_TWINS), 2)
    apart = {"models": _MODEL, "policies": "{{type: auto}}"}
    section = random.choice(("models", "policies"))
    text = "version: 1\ndatasets: {d: {train: d.csv}}\n"
    for name, form in apart.items():
        names = (first, second) if name == section else ("p",)
        text += f"{name}:\n" + "".join(f"  {one}: {form.format(at)}\n" for at, one in enumerate(names))
    (folder / "models.yaml").write_text(
        text.replace("policy: p", "policy: p" if section == "models" else f"policy: {first}"), encoding="utf-8"
    )
    done = _retrain(folder, "validate", "models.yaml")
    if done.returncode != 3 or not any(code in done.stdout for code in ("similar-name", "bad-name")):
        yield f"{first!r} and {second!r} are both taken: {done.stdout}"


def _walk(folder: Path, random: Random) -> Iterator[str]:
    """Have a pattern go through folders without end."""
    if random.randrange(2):
        place = folder / "data"
        place.mkdir()
        for number in range(12):
            (place / f"again{number}").symlink_to(place, target_is_directory=True)
        wanted = "No file matches"
    else:
        place = folder
        for _ in range(150):
            place /= "data"
            place.mkdir()
        wanted = "folders within each other"
    pattern = random.choice(("data/**/*.csv", "**/**/*.csv", f"{folder}/**/x.csv"))
    manifest = (
        f"{_HEAD}datasets: {{d: {{train: {{glob: '{pattern}', pick: all}}}}}}\nmodels: {{m: {_MODEL.format(1)}}}\n"
    )
    (folder / "models.yaml").write_text(manifest, encoding="utf-8")
    done = _retrain(folder, "plan", "models.yaml", "--format", "json")
    if done.returncode < 0:
        yield f"{pattern} is looked for in more than {_SECONDS} s"
    elif wanted not in " ".join(done.stdout.split()):
        yield f"{pattern}: {done.stdout}{done.stderr}"


ATTACKS = (
    Attack(name="a manifest of nonsense", sentence="B1", play=_nonsense),
    Attack(name="a link out of the checkout", sentence="B2", play=_linked),
    Attack(name="data outside of the checkout", sentence="B2", play=_elsewhere),
    Attack(name="names that look alike", sentence="B3", play=_twins),
    Attack(name="a pattern without end", sentence="B4", play=_walk),
)
