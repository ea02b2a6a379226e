"""How commands are found: groups by what people do, common options anywhere, the nearest command for a wrong one."""

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from runner.cli.main import COMMANDS, GROUPS, group, main
from runner.errors import UsageError
from runner.plan.model_plan import with_whole_commands


def printed(*arguments: str) -> str:
    return CliRunner().invoke(group, arguments, prog_name="retrain", catch_exceptions=False, terminal_width=80).output


def refused(*arguments: str) -> tuple[str, str]:
    error = CliRunner().invoke(group, arguments, prog_name="retrain").exception
    assert isinstance(error, UsageError)
    return error.message, error.hint


def test_the_help_lists_every_command_in_one_line_under_what_people_do() -> None:
    text = printed("--help")
    assert [title for title in GROUPS if f"\n{title}:\n" in text] == list(GROUPS)
    for name, summary in COMMANDS.items():
        assert sum(line.startswith(f"  {name} ") and line.endswith(summary) for line in text.splitlines()) == 1
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize("name", ["audit", "state", "emulator"])
def test_the_help_of_a_group_shows_each_summary_whole(name: str) -> None:
    text = printed(name, "--help")
    found = group.get_command(click.Context(group), name)
    assert isinstance(found, click.Group)
    for command in found.commands.values():
        assert command.get_short_help_str(200) in text


def test_the_help_of_every_option_says_what_it_does() -> None:
    contexts = [click.Context(group)]
    for context in contexts:
        if isinstance(context.command, click.Group):
            names = context.command.list_commands(context)
            found = (context.command.get_command(context, name) for name in names)
            contexts += [click.Context(command, parent=context) for command in found if command]
        for param in context.command.get_params(context):
            assert not isinstance(param, click.Option) or param.help, (context.command.name, param.name)
    assert len(contexts) > 30


@pytest.mark.parametrize("words", [("run",), ("history",), ("doctor",), ("schema",), ("audit", "sign")])
def test_the_help_of_a_command_lists_its_own_options_before_the_common_ones(words: tuple[str, ...]) -> None:
    own, common = printed(*words, "--help").split("\nCommon options:\n")
    for option in ("--state ", "--verbose ", "--quiet ", "--log-format ", "--no-color ", "--help "):
        assert option in common
        assert option not in own
    assert "--trust-state " not in own
    assert ("\nOptions:\n" in own) == (words != ("schema",))


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_is_what_its_option_shows(name: str) -> None:
    assert printed("help", name) == printed(name, "--help")


def test_help_goes_into_groups_and_alone_shows_all() -> None:
    assert printed("help", "audit", "sign") == printed("audit", "sign", "--help")
    assert printed("help") == printed("--help")
    assert "has no command `extra`" in refused("help", "plan", "extra")[0]


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["aprove"], "There is no command `retrain aprove`.", "Did you mean `retrain approve`?"),
        (["audit", "hed"], "There is no command `retrain audit hed`.", "Did you mean `retrain audit head`?"),
        (["help", "stauts"], "There is no command `retrain stauts`.", "Did you mean `retrain status`?"),
        (["--state", "x", "rnu"], "There is no command `retrain rnu`.", "Did you mean `retrain run`?"),
        (["zzzz"], "There is no command `retrain zzzz`.", "`retrain --help` lists them."),
    ],
)
def test_a_wrong_command_names_the_nearest(arguments: list[str], message: str, hint: str) -> None:
    assert refused(*arguments) == (message, hint)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--state", "elsewhere", "status"],
        ["--state=elsewhere", "-q", "status"],
        ["status", "--state", "elsewhere"],
        ["--no-color", "--log-format", "json", "--state", "elsewhere", "status"],
    ],
)
def test_common_options_may_stand_before_the_command(arguments: list[str], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "runner", *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert "elsewhere" in done.stdout + done.stderr
    assert "No such option" not in done.stderr


def test_common_options_may_stand_before_a_command_of_a_group(tmp_path: Path) -> None:
    message, _ = refused("--state", str(tmp_path / "none"), "audit", "head")
    assert "none" in message


def test_an_option_of_one_command_is_not_taken_before_it() -> None:
    found = CliRunner().invoke(group, ["--force", "run"]).exception
    assert isinstance(found, SystemExit | click.NoSuchOption)


@pytest.mark.parametrize(
    ("sentence", "whole"),
    [
        ("run `retrain run` again", "run `retrain run a.yaml --state s` again"),
        ("`retrain run --dry-run`", "`retrain run a.yaml --state s --dry-run`"),
        ("`retrain validate` shows it", "`retrain validate a.yaml --state s` shows it"),
        ("`retrain plan --out new.json`", "`retrain plan a.yaml --state s --out new.json`"),
        ("or `retrain run --force`.", "or `retrain run a.yaml --state s --force --select 'Café x'`."),
        ("`retrain status` lists the models", "`retrain status --state s` lists the models"),
        ("`retrain audit keygen` makes one", "`retrain audit keygen --state s` makes one"),
        ("`retrain approve --help` says how", "`retrain approve --help` says how"),
        ("`retrain verify 1 --state x` shows it", "`retrain verify 1 --state x` shows it"),
        ("`retrain state init s3://b/p`", "`retrain state init s3://b/p`"),
        ("`retrain state show`", "`retrain state show --state s`"),
        ("`retrain init`, `retrain schema`", "`retrain init`, `retrain schema`"),
    ],
)
def test_a_command_in_a_sentence_gets_its_manifest_and_state(sentence: str, whole: str) -> None:
    assert (
        with_whole_commands(sentence, run="retrain run a.yaml --state s", state=" --state s", model="Café x") == whole
    )


def test_a_hint_names_the_state_that_was_given(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models.yaml").write_text("version: 1\n")
    with pytest.raises(SystemExit):
        main(["approve", "churn", "--reason", "fine", "--state", str(tmp_path / "my state")])
    assert f"--state '{tmp_path}/my state'`" in capsys.readouterr().err
