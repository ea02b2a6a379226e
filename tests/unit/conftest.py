"""Builders of results and metric definitions, which the tests of several packages read."""

import io
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from runner.manifest.model import Direction, MetricDefinition


def build_definition(name: str, select: str | None, **changes: Any) -> MetricDefinition:
    direction: Direction = "higher"
    values: dict[str, Any] = {"file": None, "direction": direction, "target": None, "unit": None, **changes}
    return MetricDefinition(name=name, select=select, **values)


def build_zip(members: Mapping[str, bytes | str], compression: int = zipfile.ZIP_DEFLATED) -> io.BytesIO:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream


@pytest.fixture
def definition() -> Callable[..., MetricDefinition]:
    return build_definition


@pytest.fixture
def zipped() -> Callable[..., io.BytesIO]:
    return build_zip
