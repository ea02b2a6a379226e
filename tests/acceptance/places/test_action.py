"""action.yml: its steps run by bash as GitHub runs them, with inputs that mean no good."""

import re
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.acceptance.conftest import ROOT
from tests.acceptance.places.conftest import Shell

ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
INSTALL, RUN = ACTION["runs"]["steps"]
HOSTILE = (
    "$(touch pwned)",
    "`touch pwned`",
    '"; touch pwned; "',
    "'; touch pwned; '",
    "| touch pwned",
    "a b & touch pwned",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a step left behind."""

    code: int
    log: str
    summary: str
    outputs: str


Act = Callable[..., Job]


@pytest.fixture
def act(shell: Shell, tmp_path: Path) -> Act:
    """Return a function that runs the action's second step with inputs, the others at their defaults."""
    files = {name: tmp_path / name.lower() for name in ("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT")}

    def run(**inputs: str) -> Job:
        for file in files.values():
            file.write_text("", encoding="utf-8")
        values = {name: str(one.get("default", "")) for name, one in ACTION["inputs"].items()} | inputs
        ran = shell(RUN["run"], **environment(RUN["env"], values), **{name: str(file) for name, file in files.items()})
        summary, outputs = (file.read_text(encoding="utf-8") for file in files.values())
        return Job(code=ran.returncode, log=ran.stdout, summary=summary, outputs=outputs)

    return run


def environment(declared: Mapping[str, str], inputs: Mapping[str, str]) -> dict[str, str]:
    """Return a step's environment, its expressions replaced as GitHub does."""
    known = {f"inputs.{name}": value for name, value in inputs.items()} | {"github.action_path": str(ROOT)}
    return {
        name: re.sub(r"\$\{\{ (\S+) \}\}", lambda found: known[found[1]], value) for name, value in declared.items()
    }


def test_every_input_arrives_through_the_environment_only() -> None:
    for step in ACTION["runs"]["steps"]:
        assert "${{" not in step["run"]
        assert step["shell"] == "bash"
    given = "".join(value for step in ACTION["runs"]["steps"] for value in step["env"].values())
    assert all(f"inputs.{name} " in given for name in ACTION["inputs"])


def test_a_valid_manifest_passes(act: Act) -> None:
    job = act()
    assert (job.code, job.outputs) == (0, "exit-code=0\n")
    assert "valid: 1 model" in job.log


def test_a_problem_becomes_an_annotation_at_its_line(act: Act, project: Path) -> None:
    manifest = project / "models.yaml"
    manifest.write_text(
        manifest.read_text(encoding="utf-8").replace("policy: guarded", "policy: gaurded"), encoding="utf-8"
    )
    job = act()
    assert (job.code, job.outputs) == (3, "exit-code=3\n")
    assert re.search(r"^::error file=models\.yaml,line=\d+,col=\d+,title=", job.log, flags=re.MULTILINE)


def test_a_plan_stands_in_the_summary_and_a_stale_one_shows_no_older_report(act: Act, project: Path) -> None:
    planned = act(command="plan", arguments="--out=plan.json\n--detailed-exitcode")
    assert (planned.code, planned.outputs) == (2, "exit-code=2\n")
    assert "churn" in planned.summary
    ran = act(command="run", arguments="--plan=plan.json\n--quiet")
    assert ran.code == 0, ran.log
    assert "awaiting approval" in ran.summary
    replayed = act(command="replay", arguments="--since\n365d")
    assert replayed.code == 0
    assert replayed.summary
    again = act(command="run", arguments="--plan=plan.json")
    assert (again.code, again.summary) == (7, "")
    assert "::error title=retrain::It ended with exit code 7." in again.log
    assert act(command="verify").code == 0
    assert (project / ".retrain").is_dir()


@pytest.mark.parametrize("text", HOSTILE)
def test_an_input_that_is_shell_stays_text(text: str, act: Act, programs: Path, tmp_path: Path) -> None:
    given = tmp_path / "given"
    (programs / "retrain").write_text(f'#!/bin/sh\nprintf "%s\\n" "$RETRAIN_STATE" "$@" > {given}\n', encoding="utf-8")
    assert act(command="plan", manifest=text, arguments=text, state=text).code == 0
    assert given.read_text(encoding="utf-8").splitlines() == [text, "plan", "--format", "markdown", text, "--", text]
    assert act(command=text).code == 2
    assert list(tmp_path.rglob("pwned*")) == []


def test_a_manifest_of_several_lines_is_several_paths_and_none_is_an_option(act: Act, project: Path) -> None:
    (project / "my models.yaml").write_text("models: {}\n", encoding="utf-8")
    assert "in 2 files" in act(manifest="models.yaml\r\n\nmy models.yaml\n").log
    assert act(manifest="--help").code == 3


def test_an_output_cannot_be_planted_by_an_input(act: Act) -> None:
    job = act(command="plan\nexit-code=0")
    assert (job.code, job.outputs) == (2, "exit-code=2\n")


def test_what_a_plan_prints_is_not_a_command_to_githubs_runner(act: Act, programs: Path) -> None:
    (programs / "retrain").write_text("#!/bin/sh\necho '::add-mask::x'\n", encoding="utf-8")
    log = act(command="plan").log.splitlines()
    token = log[0].removeprefix("::stop-commands::")
    assert re.fullmatch("[0-9a-f]{32}", token)
    assert log[1:] == ["::add-mask::x", f"::{token}::"]
    assert token not in act(command="plan").log


def test_a_summary_stays_below_what_github_takes(act: Act, programs: Path) -> None:
    (programs / "retrain").write_text("#!/bin/sh\nyes 'a line of the plan' | head -n 80000\n", encoding="utf-8")
    summary = act(command="plan").summary
    assert len(summary.encode()) < 1 << 20
    assert summary.endswith("a line of the plan\n\n\nToo long for a job summary; the rest was left out.\n")


def test_an_old_python_is_refused_with_what_to_do(tmp_path: Path) -> None:
    old = tmp_path / "python"
    old.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    old.chmod(0o755)
    done = subprocess.run(
        ["bash", "-c", INSTALL["run"]],
        env=environment(INSTALL["env"], {"python": str(old)}) | {"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "Python 3.11 or newer is needed" in done.stdout


def test_the_installed_command_is_put_on_the_jobs_path(tmp_path: Path) -> None:
    """With a Python and a pip that only write down what they are asked: the locks are hash-checked."""
    asked = tmp_path / "asked"
    python = tmp_path / "python"
    python.write_text(
        f'#!/bin/sh\necho "$@" >> {asked}\n'
        f'if [ "$3" = venv ]; then mkdir -p "$4/bin"; cp {python} "$4/bin/python"; fi\n',
        encoding="utf-8",
    )
    python.chmod(0o755)
    on_path = tmp_path / "github_path"
    done = subprocess.run(
        ["bash", "-c", INSTALL["run"]],
        env=environment(INSTALL["env"], {"python": str(python)})
        | {"PATH": "/usr/bin:/bin", "RUNNER_TEMP": str(tmp_path), "GITHUB_PATH": str(on_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert on_path.read_text(encoding="utf-8") == f"{tmp_path}/retrain-runner/bin\n"
    assert all(line.startswith("-I ") for line in asked.read_text(encoding="utf-8").splitlines())
    installs = [line for line in asked.read_text(encoding="utf-8").splitlines() if " install " in line]
    locks = f"-r {ROOT}/requirements/core.lock -r {ROOT}/requirements/build.lock"
    assert f"--require-hashes {locks}" in installs[0]
    assert installs[1].endswith(f"--no-deps --no-build-isolation {ROOT}")
