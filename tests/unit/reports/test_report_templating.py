"""Compiled templates: taken where they are sound, and never a reason for trouble."""

import sys
from pathlib import Path

import jinja2
import pytest
from jinja2 import Environment, nodes

from runner.reports.formats.render import FILTERS, templates

NAME = "model.md.j2"


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with one compiled template."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    fresh(tmp_path).get_template(NAME)
    assert len(list(tmp_path.iterdir())) == 1
    return tmp_path


def fresh(folder: Path, *, autoescape: bool = False) -> Environment:
    return templates("runner.reports", autoescape=autoescape, filters=FILTERS, compiled=folder)


def compilations(folder: Path, monkeypatch: pytest.MonkeyPatch, *, autoescape: bool = False) -> int:
    """Return how many templates are compiled to have one."""
    counted: list[str] = []
    plain = Environment.compile

    def compile_counted(self: Environment, source: str, *args: object) -> object:
        counted.append(source)
        return plain(self, source, *args)  # type: ignore[call-overload] # as it was called

    with monkeypatch.context() as patched:
        patched.setattr(Environment, "compile", compile_counted)
        fresh(folder, autoescape=autoescape).get_template(NAME)
    return len(counted)


def test_a_template_is_compiled_once_for_all_processes(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert compilations(kept, monkeypatch) == 0


def test_a_template_compiled_under_other_settings_is_not_taken(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert compilations(kept, monkeypatch, autoescape=True) == 1


@pytest.mark.parametrize("length", [0, 3, 30, 200, 5000])
def test_a_damaged_compiled_template_is_compiled_anew_and_mended(
    kept: Path, length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    (file,) = kept.iterdir()
    file.write_bytes(file.read_bytes()[:length])
    assert compilations(kept, monkeypatch) == 1
    assert compilations(kept, monkeypatch) == 0


def test_nothing_is_kept_where_python_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    fresh(tmp_path).get_template(NAME)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("made", ["absent", "file"])
def test_where_nothing_can_be_kept_a_page_is_made_all_the_same(
    tmp_path: Path, made: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    folder = tmp_path / "folder"
    if made == "file":
        folder.touch()
    assert compilations(folder, monkeypatch) == 1


def test_no_template_has_what_a_filter_makes_of_a_constant() -> None:
    """Jinja would work it out when it compiles: a changed filter would not show in templates that are kept."""
    environment = templates("runner.reports", "runner.site", filters=FILTERS)
    for name in environment.list_templates(filter_func=lambda one: one.endswith(".j2")):
        assert environment.loader is not None
        tree = environment.parse(environment.loader.get_source(environment, name)[0])
        for one in tree.find_all(nodes.Filter):
            if one.name in FILTERS:
                with pytest.raises(jinja2.nodes.Impossible):
                    one.as_const()
