"""Files and set-ups from the field: what users met with this and other tools ends as `case.json` says it should."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.field.field_case import CASES, play, read_case
from tests.fakes.two_port_service import TwoPortService

NAMES = sorted(folder.name for folder in CASES.iterdir() if folder.is_dir())
STILL_WRONG = {
    "B26": "its host is one that nobody trusts, so that no proxy is asked",
    "B22d": "no way out of a training without end is named",
}


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
def test_a_case_from_the_field_ends_right(
    name: str, folder: Path, service: TwoPortService, request: pytest.FixtureRequest
) -> None:
    if read_case(name).needs_root and os.geteuid() != 0:
        pytest.skip("the case needs files and processes of two users")
    if name in STILL_WRONG:
        request.applymarker(pytest.mark.xfail(reason=STILL_WRONG[name], strict=True))
    assert play(name, folder, service) == []
