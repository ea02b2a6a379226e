"""The inbox of a state folder, into which anybody who may write there can put anything."""

from pathlib import Path

import pytest

from runner.journal.folder import StateFolder
from runner.journal.folder_store import FolderInbox, FolderStore


@pytest.fixture
def inbox(tmp_path: Path) -> FolderInbox:
    store = FolderStore(StateFolder(tmp_path / "state"))
    store.inbox.post("a.json", b"content")
    return store.inbox


def test_a_link_is_neither_followed_nor_read_and_can_be_set_aside(inbox: FolderInbox, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    (inbox.folder.inbox / "b.json").symlink_to(secret)
    assert inbox.pending() == ("a.json", "b.json")
    with pytest.raises(OSError, match="behind a link"):
        inbox.read("b.json", 100)
    inbox.set_aside("b.json")
    assert inbox.pending() == ("a.json",)
    assert secret.read_bytes() == b"secret"


def test_a_folder_in_the_place_of_an_entry_is_set_aside_as_it_is(inbox: FolderInbox) -> None:
    (inbox.folder.inbox / "b.json" / "deep").mkdir(parents=True)
    with pytest.raises(IsADirectoryError):
        inbox.read("b.json", 100)
    assert (Path(inbox.set_aside("b.json")) / "deep").is_dir()


def test_a_file_of_another_user_is_not_read(inbox: FolderInbox, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path.stat

    def owned_by_another(path: Path, *, follow_symlinks: bool = True) -> object:
        found = real(path, follow_symlinks=follow_symlinks)
        return found if path != inbox.folder.inbox else type(found)((*found[:4], found.st_uid + 1, *found[5:10]))

    monkeypatch.setattr(Path, "stat", owned_by_another)
    with pytest.raises(PermissionError, match="belongs to"):
        inbox.read("a.json", 100)


def test_what_a_killed_poster_left_is_not_pending(inbox: FolderInbox) -> None:
    (inbox.folder.inbox / ".b.json.retrain-abcdefgh").write_bytes(b"half")
    assert inbox.pending() == ("a.json",)


@pytest.mark.parametrize("name", ["../journal.sqlite3", "/etc/passwd", "..", ".", "a/b", ""])
def test_a_name_leads_nowhere_else(inbox: FolderInbox, name: str) -> None:
    for used in (lambda: inbox.read(name, 10), lambda: inbox.remove(name), lambda: inbox.post(name, b"")):
        with pytest.raises(OSError, match="not a name"):
            used()
