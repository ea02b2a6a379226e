"""Every command that a sentence of the program quotes is complete, or is printed where it is completed."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest
from msgspec import Struct

from runner.cli.console import Console
from runner.cli.main import group, main
from runner.plan.model_plan import with_whole_commands
from tests.acceptance.contract.contract_project import ROOT

_QUOTED = re.compile(r"`(retrain [^`\\(\[]+)`")
_PLACES = {  # what completes a sentence: an error's hint, a reason in a report, and the console
    *("hint", "otherwise", "reason", "next"),
    *("whole", "notice", "warning", "detail", "Preparing", "refused"),
}
# Sentences with a name of their own, each the hint of an error or the text of an event.
_NAMED = {"_WRITTEN", "_NO_JOBS", "_READ_BACK_HINT", "what", "way_back", "what_next", "compose"}


class Sentence(Struct, frozen=True):
    """A text of the program, with x for each of its values; `within` has the arguments, calls and names around it."""

    place: str
    text: str
    within: frozenset[str]


@cache
def sentences() -> tuple[Sentence, ...]:
    """Return every text in the package, without docstrings and comments."""
    return tuple(_sentences())


def _sentences() -> Iterator[Sentence]:
    for path in sorted((ROOT / "runner").rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        above = {id(child): node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
        for node in ast.walk(tree):
            text = _text(node, above.get(id(node)))
            if text:
                yield Sentence(f"{path.name}:{getattr(node, 'lineno', 0)}", text, frozenset(_around(node, above)))


def _text(node: ast.AST, parent: ast.AST | None) -> str | None:
    if isinstance(node, ast.JoinedStr):
        text = "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
        return re.sub(r"(?<=[^\s=/`]){}", "", text).replace("{}", "x")  # an option with the space before it, or a value
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return None if isinstance(parent, ast.JoinedStr | ast.Expr) else node.value
    return None


def _around(node: ast.AST, above: dict[int, ast.AST]) -> Iterator[str]:
    while (parent := above.get(id(node))) is not None:
        node = parent
        match node:
            case ast.keyword(arg=str(name)) | ast.FunctionDef(name=name):
                yield name
            case ast.Call(func=ast.Attribute(attr=name)) | ast.Call(func=ast.Name(id=name)):
                yield name
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                yield name


def parse(command: str) -> None:
    """Read a command as the program would, without running it; its help is a command too."""
    words = [word.strip('"') for word in command.split()[1:]]
    found: click.Command = group
    context = click.Context(group)
    while isinstance(found, click.Group) and words and not words[0].startswith("-"):
        name = words.pop(0)
        inner = found.get_command(context, name)
        assert inner is not None, command
        found = inner
    assert not isinstance(found, click.Group) or words == ["--help"], command
    try:
        found.make_context(command, [word.replace("...", "seen") for word in words])
    except click.exceptions.Exit:
        assert words == ["--help"]


def test_a_quoted_command_is_complete(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.yaml").write_text("version: 1\n")
    quoting = [sentence for sentence in sentences() if _QUOTED.search(sentence.text)]
    assert len(quoting) > 50
    for sentence in quoting:
        if "model_plan.py" not in sentence.place:  # which completes the others
            told = f"{sentence.place}: {sentence.text}"
            whole = with_whole_commands(
                sentence.text, run="retrain run m.yaml --state s", state=" --state s", model="m"
            )
            for command in _QUOTED.findall(whole):
                assert not re.search(r"\b[A-Z]{3,}\b", command), f"a placeholder is not to be pasted: {told}"
                parse(command)
            completed = sentence.within & (_PLACES | _NAMED)
            assert whole == sentence.text or completed, f"nothing completes this sentence: {told}"


def test_a_noun_agrees_with_its_count() -> None:
    assert [
        (sentence.place, sentence.text) for sentence in sentences() if re.search(r"[a-z]\(s\)", sentence.text)
    ] == []


def test_a_command_without_its_arguments_is_found() -> None:
    for command in (
        "retrain approve churn",
        "retrain inspect",
        "retrain audit",
        "retrain plan --out",
        "retrain nothing",
    ):
        with pytest.raises((click.UsageError, AssertionError)):
            parse(command)


def test_where_no_manifest_is_known_the_help_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RETRAIN_MANIFEST", raising=False)
    for manifest, command in ((False, "`retrain run --help`"), (True, "`retrain run --state 'a state'`")):
        if manifest:
            (tmp_path / "models.yaml").write_text("version: 1\n")
        with pytest.raises(SystemExit):
            main(["history", "--state", "a state"])
        assert f"Begin with {command}, or check --state." in capsys.readouterr().err


def test_a_log_line_has_whole_commands(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(state="a state")
    console.name_manifest([Path("models.yaml")])
    console.warning("Run `retrain run` again; `retrain status` shows it.")
    expected = "Run `retrain run models.yaml --state 'a state'` again; `retrain status --state 'a state'` shows it."
    assert expected in capsys.readouterr().err


@pytest.mark.parametrize("state", ["", " --state s"])
@pytest.mark.parametrize("run", ["retrain run", "retrain run models.yaml", "retrain run a b --emulator"])
def test_a_command_that_is_complete_stays_as_it_is(run: str, state: str) -> None:
    for command in ("run", "run --force", "run --force --select other", "doctor --select m", "status", "approve m"):
        once = with_whole_commands(f"`retrain {command}` it.", run=f"{run}{state}", state=state, model="m")
        assert with_whole_commands(once, run=f"{run}{state}", state=state, model="m") == once
        assert once.count("models.yaml") == ("models.yaml" in run and command[:3] in ("run", "doc"))


def test_a_forced_training_is_never_that_of_all_models() -> None:
    console = Console(state="s")
    console.name_manifest([Path("models.yaml")])
    hint = "Train it again with `retrain run --force`."
    assert console.whole(hint) == "Train it again with `retrain run --help`."
    console.model = "churn"
    assert console.whole(hint) == "Train it again with `retrain run models.yaml --state s --force --select churn`."


@pytest.mark.parametrize("words", [["emulator", "serve"], ["replay"], ["validate"], ["run"], ["plan"]])
def test_a_hint_names_the_manifest_of_the_command(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models.yaml").write_text("version: 1\n")
    (tmp_path / "other.yaml").write_text("version: 2\n")
    with pytest.raises(SystemExit):
        main([*words, "other.yaml"])
    told = capsys.readouterr()
    assert "`retrain validate models.yaml`" not in told.err
    assert words == ["validate"] or "`retrain validate other.yaml` shows it again." in told.err


@pytest.mark.parametrize(
    "words",
    [
        ["approve", "churn", "--reason", "x"],
        ["reject", "churn"],
        ["rollback", "churn", "--reason", "x"],
        ["resolve", "churn", "--as", "switched", "--reason", "x"],
        ["state", "show"],
        ["history"],
        ["verify"],
    ],
)
def test_a_state_that_does_not_exist_is_named(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="2"):
        main([*words, "--state", "nowhere"])
    assert "There is no journal in nowhere." in capsys.readouterr().err
