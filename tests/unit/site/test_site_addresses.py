"""Every page has a path of its own, within the site's folder, whatever its name is."""

import re
from pathlib import PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.site.addresses import asset_path, model_place, run_path
from tests.unit.reports.report_history import HOSTILE

SAFE = re.compile(r"[^\W_]([^\W_]|-)*(\.[0-9A-Za-z-]+)?")  # a run's id has a point
NAMES = ["..", ".", "", "/etc/passwd", "a/../../b", "CON", "-rf", "需要予測", "\ud800", "A" * 300, HOSTILE, "a\x00b"]


def is_safe(path: str) -> bool:
    first, folder, name = PurePosixPath(path).parts
    return first in ("models", "runs") and SAFE.fullmatch(folder) is not None and name == "index.html"


@pytest.mark.parametrize("name", NAMES)
def test_no_name_leads_out_of_the_folder(name: str) -> None:
    assert is_safe(model_place("emulator", name).path)
    assert is_safe(run_path(name))


@settings(max_examples=40)
@given(st.text())
def test_any_text_gives_a_safe_path_that_no_file_system_cuts(name: str) -> None:
    assert is_safe(model_place("emulator", name).path)
    assert is_safe(run_path(name))
    assert all(len(part.encode()) < 250 for part in PurePosixPath(run_path(name)).parts)


def test_models_do_not_share_a_page() -> None:
    places = {model_place(service, name).path for service in ("emulator", "a.example") for name in NAMES}
    assert len(places) == 2 * len(NAMES)
    assert model_place("s", "churn").path.lower() != model_place("s", "Churn").path.lower()
    assert model_place("s", "a b").path != model_place("s", "a-b").path


def test_a_runs_id_and_a_models_name_can_be_read_in_their_paths() -> None:
    assert run_path("20260301T040506Z-1a2b3c") == "runs/20260301T040506Z-1a2b3c/index.html"
    assert model_place("emulator", "Churn EU").path.startswith("models/churn-eu-")
    assert model_place("emulator", "需要予測").path.startswith("models/需要予測-")
    assert model_place("emulator", "churn").root == "../../"


def test_a_file_with_other_content_has_another_name() -> None:
    assert asset_path(b"one", "css") != asset_path(b"other", "css")
