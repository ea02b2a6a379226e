"""Files that forges read: the citation and the templates of issues fit their formats."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from runner import __version__
from tests.acceptance.conftest import ROOT

TEMPLATES = ROOT / ".github" / "ISSUE_TEMPLATE"


def check(schema: str, *files: Path) -> None:
    words = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *map(str, files)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("schema", "files"),
    [
        ("vendor.github-issue-config", [TEMPLATES / "config.yml"]),
        ("vendor.github-issue-forms", sorted(TEMPLATES.glob("*_*.yml"))),
        ("vendor.citation-file-format", [ROOT / "CITATION.cff"]),
    ],
)
def test_a_file_fits_its_format(schema: str, files: list[Path]) -> None:
    assert files
    check(schema, *files)


def test_the_citation_has_the_current_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == __version__
