"""`make docs`: the pages build without a warning and load nothing from elsewhere; the reference holds everything."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runner.cli.main import COMMANDS
from runner.lib.schemas import NAMES, load_schema
from tests.acceptance.conftest import ROOT

PAGE_OF = {"journal": "journal-events"}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docs")
    words = ["-q", "-W", "--keep-going", "-n", "-d", str(folder / "read"), str(ROOT / "docs"), str(folder / "html")]
    done = subprocess.run([sys.executable, "-m", "sphinx", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "html"


def keys(node: Any) -> Iterator[str]:
    """Yield every key that a schema describes."""
    if isinstance(node, dict):
        described = [(key, child) for key, child in node.get("properties", {}).items() if isinstance(child, dict)]
        yield from (key for key, child in described if "description" in child)
        for word, child in node.items():
            if word not in ("examples", "default"):
                yield from keys(child)


def test_the_reference_has_every_command(built: Path) -> None:
    page = (built / "reference" / "commands.html").read_text(encoding="utf-8")
    assert all(f'id="retrain-{name}"' in page for name in COMMANDS)


@pytest.mark.parametrize("name", NAMES)
def test_the_reference_has_every_key_of_a_schema(name: str, built: Path) -> None:
    page = (built / "reference" / f"{PAGE_OF.get(name, f'{name}-keys')}.html").read_text(encoding="utf-8")
    shown = set(re.findall(r'<span class="pre">([^<]+)</span>', page))
    assert set(keys(load_schema(name))) <= shown


def test_no_page_loads_anything_from_elsewhere(built: Path) -> None:
    for page in built.rglob("*.html"):
        loaded = re.findall(r'<(?:script|img|link|iframe)[^>]*(?:src|href)="(https?:[^"]*)"', page.read_text("utf-8"))
        assert loaded == [], page.name
