"""The schema in editors: yaml-language-server finds it by the manifest's first line, offline.

The server is a Node program (`npm install yaml-language-server`); YAML_LANGUAGE_SERVER or PATH says where it is, and
without it these tests skip.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runner.app.init import MANIFEST, init
from runner.lib.schemas import load_schema
from tests.acceptance.conftest import ROOT
from tests.acceptance.places.editor import Editor, editor

SERVER = os.environ.get("YAML_LANGUAGE_SERVER") or shutil.which("yaml-language-server")
pytestmark = pytest.mark.skipif(SERVER is None, reason="yaml-language-server is neither on PATH nor named")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    init(folder, ("manifest",))
    return folder


@pytest.fixture(scope="module")
def session(project: Path) -> Iterator[Editor]:
    with editor([str(SERVER)], project) as opened:
        yield opened


def changed(project: Path, old: str, new: str) -> str:
    text = (project / MANIFEST).read_text(encoding="utf-8")
    assert old in text
    return text.replace(old, new)


def labels(answer: Any) -> set[str]:
    return {item["label"] for item in answer["items"]}


def test_the_manifest_of_init_has_no_problem_in_an_editor(session: Editor, project: Path) -> None:
    assert session.problems(project / MANIFEST, (project / MANIFEST).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "example", sorted((ROOT / "examples" / "configs").glob("*/*.yaml")), ids=lambda path: path.stem
)
def test_an_example_has_no_problem_in_an_editor(session: Editor, example: Path) -> None:
    assert session.problems(example, example.read_text(encoding="utf-8")) == []


def test_an_editor_marks_an_unknown_key_at_its_line(session: Editor, project: Path) -> None:
    text = changed(project, "    policy: guarded", "    polcy: guarded")
    found = session.problems(project / "unknown.yaml", text)
    line = text.splitlines().index("    polcy: guarded")
    assert any(one["range"]["start"]["line"] == line and "polcy" in one["message"] for one in found), found


def test_an_editor_marks_a_word_that_is_not_a_choice(session: Editor, project: Path) -> None:
    found = session.problems(project / "choice.yaml", changed(project, "on_fail: hold", "on_fail: hodl"))
    assert any('"hold"' in one["message"] and '"ask"' in one["message"] for one in found), found


def test_an_editor_completes_the_keys_of_a_model(session: Editor, project: Path) -> None:
    text = changed(project, "    policy: guarded\n", "    policy: guarded\n    \n")
    session.problems(project / "complete.yaml", text)
    line = text.splitlines().index("    policy: guarded") + 1
    offered = labels(session.at("textDocument/completion", project / "complete.yaml", line, 4))
    assert {"owner", "tags", "checks"} <= offered


def test_an_editor_completes_the_choices_of_a_value(session: Editor, project: Path) -> None:
    text = changed(project, "    on_fail: hold # or ask", "    on_fail: ")
    session.problems(project / "value.yaml", text)
    line = next(number for number, one in enumerate(text.splitlines()) if one == "    on_fail: ")
    assert {"hold", "ask"} <= labels(session.at("textDocument/completion", project / "value.yaml", line, 13))


def test_hovering_over_a_key_shows_its_description(session: Editor, project: Path) -> None:
    text = (project / MANIFEST).read_text(encoding="utf-8")
    session.problems(project / "hover.yaml", text)
    line = text.splitlines().index("    dataset: churn")
    shown = session.at("textDocument/hover", project / "hover.yaml", line, 6)
    assert load_schema("manifest")["$defs"]["model"]["properties"]["dataset"]["description"] in str(shown["contents"])
