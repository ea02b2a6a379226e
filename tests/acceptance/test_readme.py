"""The front page: short, run as it is there, and the same in Japanese."""

import json
import re
import shutil
from pathlib import Path

import pytest

from docs.images.make import FOLDER, MADE_FROM, run_demo, svg_of, words_of
from tests.acceptance.conftest import ANSWERS, ROOT, Retrain
from tests.acceptance.docs.blocks import blocks_of, links_of
from tests.acceptance.docs.shell import commands_of, matches

PAGES = ["README.md", "README.ja.md"]
MOST_CHARACTERS = 6000
# What `make demo` runs, as the script `dev` has it, with the exit code that it expects.
DEMO = ("retrain run --state .demo examples/configs/demo", 4)


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def headings(page: str) -> list[str]:
    """Return the level of each heading."""
    return re.findall(r"^#+(?= )", text_of(page), re.MULTILINE)


def typed(page: str) -> list[str]:
    """Return the lines of the blocks of commands and output, without comments."""
    lines = [line for block in blocks_of(f"../{page}", "console", "sh") for line in block.text.splitlines()]
    return [line.split("  #")[0] for line in lines]


def figures(page: str) -> list[str]:
    """Return the numbers of the prose."""
    prose = re.sub(r"^```.*?^```|\]\([^)]*\)", "", text_of(page), flags=re.DOTALL | re.MULTILINE)
    return sorted(re.findall(r"\d+(?:\.\d+)*", prose))


def pictures(page: str) -> list[str]:
    return re.findall(r"!\[[^\]]*\]\(([^)]*)\)", text_of(page))


def test_the_front_page_is_short() -> None:
    assert len(text_of("README.md")) < MOST_CHARACTERS


def test_the_japanese_page_has_the_headings_commands_figures_and_links_of_the_english_one() -> None:
    english, japanese = PAGES
    assert headings(japanese) == headings(english)
    assert typed(japanese) == typed(english)
    assert figures(japanese) == figures(english)
    assert pictures(japanese) == pictures(english)
    other = {"README.md": "README.ja.md", "examples/configs/japanese": "examples/configs"}
    assert {other.get(link, link) for link in links_of(f"../{japanese}")} == set(links_of(f"../{english}"))


def test_the_demo_prints_what_the_front_page_shows(retrain: Retrain, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    folder = " / ".join(f'"{name}"' for name in DEMO[0].split()[-1].split("/"))
    assert f"DEMO = ROOT / {folder}" in text_of("dev")
    shown = [command for block in blocks_of("../README.md", "console") for command in commands_of(block)]
    assert [command.typed.split()[:2] for command in shown] == [
        ["make", "demo"],
        [".venv/bin/retrain", "approve"],
        [".venv/bin/retrain", "verify"],
    ]
    for command in shown:
        line, code = DEMO if command.typed == "make demo" else (command.typed, 0)
        words = line.replace('"looks right"', "looks_right").split()[1:]
        done = retrain(*words, cwd=tmp_path, **dict.fromkeys(ANSWERS, "1"))
        assert done.returncode == code, done.stderr
        printed = (done.stderr + done.stdout).replace("looks_right", "looks right")
        assert matches(command.shown or "", printed), printed
    assert (tmp_path / ".demo" / "runs" / "latest" / "report.html").is_file()


def test_the_pictures_are_not_older_than_the_pages_they_show(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    printed = run_demo(tmp_path)
    page = tmp_path / ".demo" / "runs" / "latest" / "report.html"
    advice = "make the pictures again: .venv/bin/python docs/images/make.py"
    ids = re.compile(r"\d{8}T[\d.]+Z-[0-9a-f]{6}|\b[0-9a-f]{8,}\b")
    kept = (FOLDER / "terminal.svg").read_text(encoding="utf-8")
    assert ids.sub("ID", svg_of(printed)) == ids.sub("ID", kept), advice
    assert json.loads(MADE_FROM.read_text(encoding="utf-8")) == {"page": words_of(page)}, advice


@pytest.mark.parametrize("page", PAGES)
def test_the_first_manifest_is_validated_planned_and_rehearsed(page: str, retrain: Retrain, tmp_path: Path) -> None:
    (manifest,) = blocks_of(f"../{page}", "yaml")
    (tmp_path / "models.yaml").write_text(manifest.text, encoding="utf-8")
    shutil.copytree(ROOT / "examples" / "configs" / "japanese" / "data", tmp_path / "data")
    folder = tmp_path / "data" / "churn"
    folder.mkdir()
    for name, count in (("train", 160), ("eval", 80)):
        rows = "".join(f"{number},{number % 9},{'yes' if number % 9 > 4 else 'no'}\n" for number in range(count))
        (folder / f"{name}.csv").write_text(f"id,visits,churned\n{rows}{count},1,no\n", encoding="utf-8")
    lines = [line for line in typed(page) if line.startswith("retrain ")]
    assert [line.split()[1] for line in lines] == ["validate", "plan", "run"]
    for line in lines:
        done = retrain(*line.split()[1:], cwd=tmp_path)
        assert done.returncode == 0, done.stderr


def test_the_japanese_manifest_is_the_japanese_example() -> None:
    (manifest,) = blocks_of("../README.ja.md", "yaml")
    example = (ROOT / "examples" / "configs" / "japanese" / "models.yaml").read_text(encoding="utf-8")
    assert manifest.text == re.sub(r"^#.*\n", "", example, flags=re.MULTILINE)
