"""What a pipeline may install: what stays the same bytes; and where this program says it came from."""

import json
from importlib import metadata
from pathlib import Path

import pytest

from runner.app.init import NOT_SET, installed_source, is_pinned

COMMIT, DIGEST = "0c" * 20, "9a" * 32
GIT = {"vcs_info": {"vcs": "git", "commit_id": COMMIT}}
FILE = {"archive_info": {"hashes": {"sha256": DIGEST}}}


@pytest.mark.parametrize(
    "requirement",
    [
        f"retrain-runner @ git+https://git.example/team/retrain-runner@{COMMIT}",
        f"retrain-runner[notify,keyring] @ git+ssh://git@git.example/retrain-runner.git@{COMMIT}",
        f"retrain-runner @ https://files.example/retrain_runner-1.0.0-py3-none-any.whl#sha256={DIGEST}",
        "./vendor/retrain_runner-1.0.0-py3-none-any.whl",
    ],
)
def test_a_commit_a_digest_and_a_file_of_the_repository_are_pinned(requirement: str) -> None:
    assert is_pinned(requirement)


def test_the_line_in_the_place_of_a_source_is_not_a_requirement() -> None:
    assert not is_pinned(NOT_SET)
    assert "'" not in NOT_SET


@pytest.mark.parametrize(
    ("recorded", "source"),
    [
        ({"url": "https://g.example/r", **GIT}, f"git+https://g.example/r@{COMMIT}"),
        ({"url": "https://f.example/r.whl", **FILE}, f"https://f.example/r.whl#sha256={DIGEST}"),
        ({"url": "file:///home/ann/r.whl", **FILE}, None),
        ({"url": "file:///home/ann/r", **GIT}, None),
        ({"url": "https://ann:token@g.example/r", **GIT}, None),
        ({"url": "file:///home/ann/r", "dir_info": {"editable": True}}, None),
        ({"url": "https://f.example/r.whl", "archive_info": {}}, None),
        (None, None),
    ],
)
def test_the_source_is_what_pip_recorded_where_others_can_install_the_same(
    recorded: dict[str, object] | None, source: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "retrain_runner-1.0.0.dist-info"
    place.mkdir()
    (place / "METADATA").write_text("Metadata-Version: 2.1\nName: retrain-runner\nVersion: 1.0.0\n")
    if recorded is not None:
        (place / "direct_url.json").write_text(json.dumps(recorded))
    monkeypatch.syspath_prepend(tmp_path)
    assert metadata.distribution("retrain-runner").version == "1.0.0"
    assert installed_source() == (source and f"retrain-runner @ {source}")
