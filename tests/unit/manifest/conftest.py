from collections.abc import Callable
from pathlib import Path

import pytest

from runner.manifest.load import Reading, read

Read = Callable[..., Reading]


@pytest.fixture
def read_text(tmp_path: Path) -> Read:
    """Read one manifest given as text or bytes."""

    def read_it(content: str | bytes, name: str = "m.yaml") -> Reading:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read([path])

    return read_it
