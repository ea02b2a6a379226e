"""Every command that the documentation shows is run as it is there, and prints what the page shows."""

import shutil
from pathlib import Path

import pytest

from tests.acceptance.docs.blocks import Block, blocks_of, pages
from tests.acceptance.docs.scene import make_scene
from tests.acceptance.docs.shell import TIMEOUT_S, Command, Ran, commands_of, matches, run_page

# The blocks that no test can run here: their page and first command. Each says why on its page.
NOT_RUN = {
    ("tutorial/first-fleet.md", "git clone https://example.com/retrain-runner.git"),  # it needs the network
    ("how-to/state-object-store.md", 'retrain state init "s3://acme-retrain/prod?region=eu-central-1"'),
    ("how-to/state-object-store.md", "retrain run"),
    ("how-to/state-object-store.md", 'retrain state migrate .retrain "s3://acme-retrain/prod?region=eu-central-1"'),
    ("how-to/state-postgres.md", 'retrain state init "postgresql://db.example.com/mlops"'),
    ("how-to/state-postgres.md", 'retrain state migrate .retrain "postgresql://db.example.com/mlops"'),
    ("how-to/state-postgres.md", 'export RETRAIN_STATE="postgresql://db.example.com/mlops"'),
}


def shell_blocks(page: str) -> list[Block]:
    """Return the blocks that are run: shell blocks, and those that are written to files."""
    blocks = blocks_of(page, "console", "sh", "yaml", "json", "text", "ini")
    return [block for block in blocks if block.language in ("console", "sh") or block.told("file")]


def left_out(page: str) -> list[Block]:
    return [block for block in shell_blocks(page) if block.told("not run")]


def shown_commands(page: str) -> list[Command]:
    return [one for block in shell_blocks(page) if not block.told("not run") for one in commands_of(block)]


def faults(commands: list[Command], ran: list[Ran]) -> list[str]:
    """Return a text for each command that ended or printed otherwise than its page says."""
    found = [
        f"{command.place}: {command.typed}\nended with {done.code}:\n{done.output}"
        for command, done in zip(commands, ran, strict=False)
        if done.code not in command.codes or (command.shown is not None and not matches(command.shown, done.output))
    ]
    return found if len(ran) == len(commands) else [*found, f"{commands[len(ran)].place}: the shell ended here"]


def skip_without_programs(page: str) -> None:
    wanted = {program for block in shell_blocks(page) for note in block.told("needs") for program in note.split()}
    missing = sorted(program for program in {"bash", "git", *wanted} if shutil.which(program) is None)
    if missing:
        pytest.skip(f"its commands need {', '.join(missing)}")


@pytest.fixture(scope="session")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scene")
    (folder / "home").mkdir()
    return make_scene(folder, folder / "home")


@pytest.mark.timeout(TIMEOUT_S + 20)
@pytest.mark.parametrize("page", [page for page in pages() if shown_commands(page)])
def test_every_command_of_a_page_does_what_the_page_shows(page: str, scene: Path, tmp_path: Path) -> None:
    skip_without_programs(page)
    project = tmp_path / "project"
    commands = shown_commands(page)
    shutil.copytree(scene, project, symlinks=True)
    found = faults(commands, run_page(commands, project, scene, scene.parent / "home"))
    assert not found, "\n\n".join(found)


def test_only_listed_blocks_are_not_run_and_each_says_why() -> None:
    blocks = [block for page in pages() for block in left_out(page)]
    assert all(len(block.told("not run")[0]) > 10 for block in blocks)
    assert {(block.page, block.text.splitlines()[0].split("  ")[0].removeprefix("$ ")) for block in blocks} == NOT_RUN


@pytest.mark.parametrize(
    ("shown", "seen", "alike"),
    [
        ("1 switched", "1 switched\n", True),
        ("1 switched", "1 held\n", False),
        ("a ...\nend", "a b\nc\nend", True),
        ("a ...\nend", "a b\nc\n", False),
        ("run 20260301T040506Z-1a2b3c", "run 20260302T040506Z-aaaaaa", True),
        ("churn  held", "churn   held", True),
        ("", "something", False),
    ],
)
def test_an_output_is_compared_but_for_ids_times_and_what_is_left_out(shown: str, seen: str, alike: bool) -> None:
    assert matches(shown, seen) is alike


def test_a_command_that_ends_or_prints_otherwise_is_told(tmp_path: Path) -> None:
    text = "$ echo one\ntwo\n$ false\n$ (exit 4)\n$ echo $?\n4\n$ echo > \\\n> file\n"
    block = Block(page="page.md", line=1, language="console", text=text, notes=())
    commands = list(commands_of(block))
    (tmp_path / "project").mkdir()
    found = faults(commands, run_page(commands, tmp_path / "project", tmp_path, tmp_path))
    assert [fault.splitlines()[0] for fault in found] == ["page.md:1: echo one", "page.md:1: false"]
    assert (tmp_path / "project" / "file").is_file()
