"""Files and set-ups from the field: what users met with this and other tools ends as `case.json` says it should."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.field.field_case import CASES, play, read_case
from tests.fakes.two_port_service import TwoPortService

NAMES = sorted(folder.name for folder in CASES.iterdir() if folder.is_dir())


@pytest.fixture
def service() -> Iterator[TwoPortService]:
    service = TwoPortService()
    try:
        yield service
    finally:
        service.close()
    assert service.errors == []


@pytest.fixture
def folder() -> Iterator[Path]:
    """Give a folder that other users may enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.parametrize("name", NAMES)
def test_a_case_from_the_field_ends_right(name: str, folder: Path, service: TwoPortService) -> None:
    if read_case(name).needs_root and os.geteuid() != 0:
        pytest.skip("the case needs files and processes of two users")
    assert play(name, folder, service) == []
