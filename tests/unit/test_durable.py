"""Files that are whole or not there: what was renamed over had reached the disk before, and the rename does after."""

import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from runner.durable import read_up_to, write_new, write_whole


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
