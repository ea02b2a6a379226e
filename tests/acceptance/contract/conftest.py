"""A fresh two-port service and a project on it for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.contract.contract_project import Project
from tests.fakes.two_port_service import TwoPortService


@pytest.fixture
def service() -> Iterator[TwoPortService]:
    service = TwoPortService()
    try:
        yield service
    finally:
        service.close()
    assert service.errors == []


@pytest.fixture
def project(tmp_path: Path, service: TwoPortService) -> Project:
    return Project(folder=tmp_path / "project", service=service)
