"""Files that are whole or not there: what was renamed over had reached the disk before, and the rename does after."""

import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from runner.lib.atomic_files import (
    FOLDER_MODE,
    open_below,
    read_up_to,
    real_folder,
    remove_flat,
    remove_unfinished,
    write_new,
    write_whole,
)


@pytest.fixture
def order(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note every fsync, with what it was of, and when a name is given to the file."""
    seen: list[str] = []
    fsync, replace, link = os.fsync, Path.replace, os.link

    def noting_fsync(handle: int) -> None:
        target = Path(f"/proc/self/fd/{handle}").resolve()
        seen.append(f"fsync of {'folder' if target.is_dir() else target.read_text()}")
        fsync(handle)

    def noting_replace(path: Path, target: Path) -> Path:
        seen.append("name")
        return replace(path, target)

    def noting_link(path: str, target: Path) -> None:
        seen.append("name")
        link(path, target)

    monkeypatch.setattr(os, "fsync", noting_fsync)
    monkeypatch.setattr(Path, "replace", noting_replace)
    monkeypatch.setattr(os, "link", noting_link)
    return seen


@pytest.mark.parametrize("write", [write_whole, write_new])
def test_the_content_is_on_disk_before_it_has_its_name_and_the_name_is_after(
    tmp_path: Path, order: list[str], write: Callable[[Path, bytes], None]
) -> None:
    write(tmp_path / "file", b"content")
    assert order == ["fsync of content", "name", "fsync of folder"]


def test_a_writer_that_fails_leaves_the_old_file_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_whole(tmp_path / "file", b"old")

    def refuse(_handle: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="Input"):
        write_whole(tmp_path / "file", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_bytes() == b"old"


def test_a_stream_is_read_up_to_a_size() -> None:
    content = bytes(range(256)) * 8192
    assert read_up_to(io.BytesIO(content), 1 << 30) == content
    assert read_up_to(io.BytesIO(content), 1_500_000) == content[:1_500_000]


def test_a_folder_below_is_made_and_nothing_on_the_way_to_it_is_a_link(tmp_path: Path) -> None:
    assert real_folder(tmp_path / "state", "runs", "a").is_dir()
    assert real_folder(tmp_path / "state", "runs", "a").stat().st_mode & 0o777 == FOLDER_MODE
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "state" / "runs" / "b").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "state" / "runs" / "c").touch()
    (tmp_path / "state" / "runs" / "d").symlink_to("nowhere")
    for name in ("b", "c", "d"):
        with pytest.raises(NotADirectoryError):
            real_folder(tmp_path / "state", "runs", name)


def test_a_file_below_is_not_opened_through_a_link_or_from_outside(tmp_path: Path) -> None:
    (tmp_path / "state" / "a").mkdir(parents=True)
    (tmp_path / "state" / "a" / "file").write_text("x", encoding="utf-8")
    (tmp_path / "secret").write_text("s", encoding="utf-8")
    with open_below(tmp_path / "state", "a/file") as file:
        assert file.read() == b"x"
    (tmp_path / "state" / "b").symlink_to("a")
    (tmp_path / "state" / "c").symlink_to("../secret")
    for name in ("b/file", "c", "../secret", "a/../../secret", str(tmp_path / "secret")):
        with pytest.raises(OSError, match="behind a link"):
            open_below(tmp_path / "state", name)


def test_a_folder_is_removed_with_its_files_alone(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "mine").touch()
    for name in ("plain", "deep", "linked"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
    (tmp_path / "deep" / "folder").mkdir()
    (tmp_path / "linked" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for name in ("plain", "deep", "linked", "link"):
        remove_flat(tmp_path / name)
    left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*"))
    assert left == ["deep", "deep/folder", "elsewhere", "elsewhere/mine", "link", "linked", "linked/link"]


def test_what_a_killed_writer_of_a_new_file_left_is_removed_and_nothing_that_looks_similar(tmp_path: Path) -> None:
    target = tmp_path / "models.yaml"
    left = tmp_path / ".models.yaml.retrain-abcd1234"
    others = [tmp_path / name for name in (".models.yaml.swp", ".models.yaml.abcd1234", ".other.retrain-abcd1234")]
    for path in (left, *others):
        path.touch()
    remove_unfinished(target)
    assert not left.exists()
    assert all(path.exists() for path in others)


def test_a_writer_of_a_new_file_that_is_killed_leaves_what_the_next_one_removes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "models.yaml"
    monkeypatch.setattr(Path, "unlink", lambda _path, missing_ok=False: None)  # noqa: ARG005 -- it never comes so far
    write_new(target, b"x")
    monkeypatch.undo()
    assert len(list(tmp_path.iterdir())) == 2
    remove_unfinished(target)
    assert list(tmp_path.iterdir()) == [target]
