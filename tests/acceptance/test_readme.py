"""The commands of the README's first ten minutes, run as they stand there."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from runner.cli.main import COMMANDS
from tests.acceptance.conftest import ANSWERS, ROOT, Retrain

README = (ROOT / "README.md").read_text(encoding="utf-8")
DEMO = "retrain run --state .demo examples/configs/demo"


def commands_after(heading: str) -> list[str]:
    """Return the lines of the shell blocks below a heading, without their comments."""
    section = README.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    blocks = re.findall(r"```sh\n(.*?)```", section, flags=re.DOTALL)
    return [line.split("#")[0].strip() for block in blocks for line in block.splitlines() if line.strip()]


def test_what_the_readme_shows_after_the_demo_works(retrain: Retrain, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    assert retrain(*DEMO.split()[1:], cwd=tmp_path).returncode == 4
    shown = [line for line in commands_after("See it work") if line != "make demo"]
    assert len(shown) == 4
    for line in shown:
        program, *words = line.replace('"looks right"', "looks_right").split()
        assert program == ".venv/bin/retrain"
        done = retrain(*words, cwd=tmp_path, **dict.fromkeys(ANSWERS, "1"))
        assert (done.returncode, "Traceback" in done.stderr) == (0, False), f"{line}: {done.stderr}"
    assert (tmp_path / ".demo" / "runs" / "latest" / "report.html").is_file()


def test_the_readmes_first_model_validates_and_plans_and_rehearses(retrain: Retrain, tmp_path: Path) -> None:
    manifest = re.findall(r"```yaml\n(.*?)```", README, flags=re.DOTALL)[0]
    folder = tmp_path / "data" / "churn"
    folder.mkdir(parents=True)
    (tmp_path / "models.yaml").write_text(manifest, encoding="utf-8")
    for name, count in (("train", 160), ("eval", 80)):
        rows = "".join(f"{number},{number % 9},{'yes' if number % 9 > 4 else 'no'}\n" for number in range(count))
        (folder / f"{name}.csv").write_text(f"id,visits,churned\n{rows}{count},1,no\n", encoding="utf-8")
    for line in commands_after("Your first model")[:2]:
        assert retrain(*line.split()[1:], cwd=tmp_path).returncode == 0, line
    (tmp_path / "models.yaml").write_text(
        f"{manifest}    emulator: {{task: binary_classification, target: churned}}\n", encoding="utf-8"
    )
    done = retrain("run", "models.yaml", "--emulator", cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_the_readme_names_every_command_there_is() -> None:
    listed = subprocess.run(
        [sys.executable, "-m", "runner", "--help"], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout
    words = re.findall(r"^  ([a-z]+)  ", listed, flags=re.MULTILINE)
    assert words == list(COMMANDS)
    assert all(f"`retrain {word}" in README for word in words)
