"""What the documentation says in passing is true too: commands and options named in sentences exist, links lead on."""

import re
from typing import get_args

import click
import pytest

from runner.cli.main import COMMANDS, group
from runner.errors import Kind
from runner.execute.progress_events import ProgressEvent
from runner.journal.outcomes import OUTCOMES
from tests.acceptance.docs.blocks import folder_of, inline_code, links_of, pages, text_of

BESIDE = ["../README.md", "../README.ja.md", "../ARCHITECTURE.md", "../CHANGELOG.md", "../CONTRIBUTING.md"]


def unknown_words(span: str) -> list[str]:
    """Return what a code span such as `retrain plan --out FILE` or `plan --out` names and the command line lacks."""
    words = span.removeprefix("retrain ").split()
    if not words or words[0] not in COMMANDS or not (span.startswith("retrain ") or "--" in span):
        return [words[0]] if span.startswith("retrain ") and re.fullmatch("[a-z]+", words[0]) else []
    context = click.Context(group)
    command = group.get_command(context, words[0])
    if isinstance(command, click.Group):
        named = words[1].split("|") if len(words) > 1 else []
        below = [command.get_command(context, name) for name in named if re.fullmatch("[a-z]+", name)]
        if None in below:
            return named
        command = below[0] if below else command
    assert command is not None
    known = {option for parameter in command.get_params(context) for option in parameter.opts}
    return [option for option in re.findall(r"(?<!\S)\[?(--[a-z-]+)", " ".join(words)) if option not in known]


@pytest.mark.parametrize("page", [*pages(), *BESIDE])
def test_every_command_and_option_that_a_sentence_names_exists(page: str) -> None:
    assert {span: unknown_words(span) for span in inline_code(page) if unknown_words(span)} == {}


def test_the_page_of_commands_names_every_command() -> None:
    spans = [span for span in inline_code("reference/commands.md") if span.startswith("retrain ")]
    assert {span.split()[1] for span in spans} == set(COMMANDS)


def test_every_outcome_and_kind_of_failure_is_explained() -> None:
    table = text_of("reference/exit-codes.md").split("## Outcomes of a model")[1]
    told = re.findall(r"^\| `([a-z_]+)` \|", table, re.MULTILINE)
    assert told == [*OUTCOMES, *Kind]


def test_the_start_page_and_the_contents_lead_to_every_page() -> None:
    others = {page for page in pages() if page not in ("README.md", "index.md")}
    assert {link.split("#")[0] for link in links_of("README.md") if not link.startswith("#")} == others
    assert {f"{page}.md" for page in re.findall(r"<([\w/-]+)>$", text_of("index.md"), re.MULTILINE)} == others


def test_every_event_for_programs_is_explained_with_its_values() -> None:
    table = text_of("how-to/terminal.md").split("| event | values |\n| --- | --- |\n")[1].split("\n\n")[0]
    cells = [row.strip("| ").split(" | ") for row in table.splitlines()]
    shown = {event.strip("`"): set(re.findall(r"`([a-z_]+)`", values)) for event, values in cells}
    names = {kind: re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower() for kind in get_args(ProgressEvent)}
    assert shown == {name: set(kind.__struct_fields__) - {"text"} for kind, name in names.items()}


@pytest.mark.parametrize("page", [*pages(), *BESIDE])
def test_every_link_to_a_file_leads_to_one(page: str) -> None:
    targets = [link.split("#")[0] for link in links_of(page) if "://" not in link]
    assert [target for target in targets if target and not (folder_of(page) / target).exists()] == []


@pytest.mark.parametrize(
    ("span", "unknown"),
    [
        ("retrain plan --out FILE", []),
        ("retrain plan --outt FILE", ["--outt"]),
        ("plan --nothing", ["--nothing"]),
        ("retrain rollbck churn", ["rollbck"]),
        ("retrain audit head|keygen", []),
        ("retrain audit heads", ["heads"]),
        ("retrain audit sign latest --head", ["--head"]),
    ],
)
def test_a_word_that_the_command_line_lacks_is_found(span: str, unknown: list[str]) -> None:
    assert unknown_words(span) == unknown
