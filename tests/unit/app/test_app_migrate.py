"""A state that is moved: the same bytes, and at no moment two places that can be written."""

import re
import shlex
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from runner.app.audit.verify import verify
from runner.app.migrate import Copied, migrate, pull, push
from runner.app.queries.status import status
from runner.app.state.manage import init_state
from runner.app.state.open_state import open_state
from runner.app.state.session import session
from runner.errors import ExitCode, StateError, UsageError
from runner.http.objects import bucket
from runner.journal.events import Draft
from runner.journal.folder import StateFolder
from runner.journal.folder_store import FolderStore
from tests.fakes.object_stores import begun, set_credentials
from tests.fakes.unreliable_s3 import FaultOf, S3Server
from tests.unit.journal.journal_facts import run_started

NOBODY = timedelta(0)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[S3Server]:
    set_credentials(monkeypatch)
    for name in ("XDG_CACHE_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setattr(bucket, "_WAITS_S", ())
    with S3Server().serving() as running:
        yield running


def a_run(address: str) -> str:
    """Let a run that does nothing begin and end, and return its id."""
    with session(address, lock_timeout=NOBODY) as opened:
        at = "2026-03-01T04:05:06.000007Z"
        opened.recorder.append([Draft(at=at, run_id=opened.run_id, model=None, fact=run_started())])
        opened.finish(ExitCode.OK, None)
    return opened.run_id


@pytest.fixture
def folder(tmp_path: Path) -> str:
    made = str(tmp_path / "state")
    FolderStore(StateFolder(Path(made))).begin()
    a_run(made)
    a_run(made)
    return made


def moved(source: str, target: str) -> Copied:
    return migrate(source, target, lock_timeout=NOBODY)


def only_the_first(number: int) -> FaultOf:
    """Return a store that is away after so many requests."""
    return lambda _method, _key, now: "unsent" if now > number else None


def is_writable(address: str) -> bool:
    try:
        with session(address, lock_timeout=NOBODY):
            return True
    except StateError:
        return False


def test_a_folder_moves_to_an_object_store_and_back_with_the_same_head(
    server: S3Server, folder: str, tmp_path: Path
) -> None:
    before, target = verify(folder, None), server.address("prod")
    assert moved(folder, target).head_sha256 == before.head_sha256
    after = verify(target, None)
    assert (after.events, after.head_sha256, after.files, after.findings) == (
        before.events,
        before.head_sha256,
        before.files,
        (),
    )
    told: list[str] = []
    status(folder, warn=told.append)
    assert f"See it with --state '{target}'." in told[0]
    with pytest.raises(StateError, match="has moved to s3://bucket/prod"):
        a_run(folder)
    a_run(target)
    back = str(tmp_path / "back")
    moved(target, back)
    assert verify(back, None).findings == ()
    with pytest.raises(StateError, match=f"has moved to {back}"):
        a_run(target)
    a_run(back)


def test_a_migration_that_is_cut_at_any_request_leaves_one_place_at_most_and_continues(
    server: S3Server, folder: str
) -> None:
    target, cuts = server.address("prod"), 0
    for allowed in range(200):
        server.fault = only_the_first(len(server.requests) + allowed)
        try:
            moved(folder, target)
        except StateError:
            cuts += 1
        else:
            break
        finally:
            server.fault = lambda *_: None
        assert not (is_writable(folder) and is_writable(target))
    assert cuts > 5
    assert not is_writable(folder)
    assert is_writable(target)
    assert verify(target, None).findings == ()
    assert moved(folder, target).events == 0


def test_a_place_where_another_state_is_takes_none(server: S3Server, folder: str) -> None:
    target = server.address("prod")
    begun(target)
    with pytest.raises(StateError, match=r"There is a state at .*prod.* already"):
        moved(folder, target)
    assert is_writable(folder)


def test_a_state_that_does_not_verify_is_not_moved(server: S3Server, folder: str) -> None:
    [report, *_] = Path(folder).rglob("report.json")
    report.write_bytes(b"{}")
    with pytest.raises(StateError, match="does not verify, so it is not moved"):
        moved(folder, server.address("prod"))
    assert server.names("prod") == []


def test_a_folder_whose_copy_has_not_got_its_name_yet_is_not_a_state_that_a_run_begins(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = str(tmp_path / "target")

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(FolderStore, "arrive", interrupted)
        with pytest.raises(KeyboardInterrupt):
            moved(folder, target)
    assert not is_writable(folder)
    for attempt in (a_run, status, init_state):
        with pytest.raises(StateError, match=r"is not .*/target yet"):
            attempt(target)
    moved(folder, target)
    assert is_writable(target)


def test_a_state_begun_where_another_was_to_arrive_is_not_taken_for_it(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = str(tmp_path / "target")
    monkeypatch.setattr(FolderStore, "arrive", lambda *_: None)
    moved(folder, target)
    (tmp_path / "target.arriving").rename(tmp_path / "aside")
    for _ in range(4):
        a_run(target)
    with pytest.raises(StateError, match="There is a state at"):
        moved(folder, target)


def test_two_states_do_not_mix_in_one_place(server: S3Server, folder: str, tmp_path: Path) -> None:
    target, other = server.address("prod"), str(tmp_path / "other")
    FolderStore(StateFolder(Path(other))).begin()
    a_run(other)
    server.fault = lambda method, key, _: "denied" if method == "PUT" and key.endswith("format.json") else None
    with pytest.raises(StateError):
        moved(folder, target)
    server.fault = lambda *_: None
    with pytest.raises(StateError, match="holds another journal"):
        moved(other, target)
    moved(folder, target)
    assert is_writable(other)


def test_a_pulled_copy_follows_and_its_own_runs_are_pushed_back(server: S3Server, tmp_path: Path) -> None:
    address, copy = server.address("prod"), str(tmp_path / "copy")
    begun(address)
    with pytest.raises(UsageError, match="has no run yet"):
        pull(address, copy)
    a_run(address)
    assert pull(address, copy).events == 3
    a_run(address)
    assert pull(address, copy).events == 3
    assert verify(copy, None).findings == ()
    refused = pytest.raises(StateError, match=f"is a copy of {re.escape(address)}, and a state in two places trains")
    with refused as caught:
        a_run(copy)
    assert f"--state '{address}'" in caught.value.hint
    with pytest.raises(StateError, match="is a copy of"):
        moved(copy, str(tmp_path / "elsewhere"))
    own = shlex.split(caught.value.hint.split("`")[-2])
    assert own == ["rm", str(tmp_path / "copy" / "copy-of")]
    Path(own[1]).unlink()
    run_id = a_run(copy)
    assert push(copy, address, lock_timeout=NOBODY).events == 3
    assert verify(address, run_id).findings == ()
    a_run(copy)
    a_run(address)
    with pytest.raises(StateError, match="holds another journal, or differs from this one"):
        push(copy, address, lock_timeout=NOBODY)
    assert open_state(address).holder() is None
