"""A site is brought up to date by writing what changed, and touches nothing but its own files."""

import fcntl
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.app.site import LISTING, SiteBuild, build_site, open_site
from runner.errors import LockedError, RetrainError, StateError, UsageError
from runner.journal.folder import StateFolder
from runner.journal.store import open_store
from runner.site.addresses import run_path
from runner.site.pages import Page, with_way_back
from tests.unit.reports.report_history import Recording
from tests.unit.site.fleet_history import FleetRecording

REPORT = b"<!doctype html><title>the report of a run</title>\n<body>\n<header>\n<h1>All done</h1></header>"


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[FleetRecording]:
    """Return two models after one run, in a real state folder."""
    folder = StateFolder(tmp_path / "state")
    store = open_store(folder)
    fleet = FleetRecording(record=Recording(store=store, folder=folder))
    fleet.begin()
    for name in ("churn", "demand"):
        fleet.train(name, "0.91")
    fleet.end(page=REPORT)
    yield fleet
    store.close()


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return tmp_path / "public"


def build(fleet: FleetRecording, site: Path) -> SiteBuild:
    return build_site(str(fleet.record.folder.root), site)


def stamps(site: Path) -> dict[str, tuple[int, int]]:
    """Return which file each path is, and when it was written."""
    files = (path for path in site.rglob("*") if path.is_file())
    return {path.relative_to(site).as_posix(): (path.stat().st_ino, path.stat().st_mtime_ns) for path in files}


def contents(site: Path) -> dict[str, bytes]:
    return {path: (site / path).read_bytes() for path in stamps(site)}


def test_a_runs_page_is_its_report_with_a_way_back(fleet: FleetRecording, site: Path) -> None:
    built = build(fleet, site)
    page = site / run_path(fleet.runs[0])
    [way_back] = re.findall(rb"<nav.*</nav>\n", page.read_bytes())
    assert page.read_bytes().replace(way_back, b"") == REPORT
    for address in re.findall(r'href="(.+?)"', way_back.decode()):
        assert (page.parent / address).is_file()
    assert (built.models, built.runs, built.kept, built.removed, built.replaced) == (2, 1, 0, 0, ())
    assert built.written == len(stamps(site)) - 1
    assert built.index.is_file()


def test_a_second_build_touches_nothing(fleet: FleetRecording, site: Path) -> None:
    build(fleet, site)
    before = stamps(site)
    built = build(fleet, site)
    assert stamps(site) == before
    assert (built.written, built.kept) == (0, len(before) - 1)


def test_a_new_run_touches_its_own_page_its_models_and_the_lists(fleet: FleetRecording, site: Path) -> None:
    build(fleet, site)
    before = stamps(site)
    fleet.begin()
    fleet.train("demand", "0.92")
    fleet.end(page=REPORT)
    assert build(fleet, site).written == 4
    changed = {path for path, stamp in stamps(site).items() if before.get(path) != stamp}
    assert {path for path in changed if not path.startswith("models/demand-")} == {
        *("index.html", "runs/index.html", run_path(fleet.runs[1]), LISTING),
    }


def test_a_page_that_another_version_makes_alike_is_not_written(
    fleet: FleetRecording, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(fleet, site)
    before = stamps(site)
    monkeypatch.setattr("runner.site.pages.edition", lambda: "another")
    assert build(fleet, site).written == 0
    assert {path for path, stamp in stamps(site).items() if before[path] != stamp} == {LISTING}


def test_a_site_grown_run_by_run_is_the_same_as_one_built_at_once(
    fleet: FleetRecording, site: Path, tmp_path: Path
) -> None:
    for auc in ("0.92", "0.89"):
        build(fleet, site)
        fleet.begin()
        fleet.train("churn", auc)
        fleet.end(page=REPORT)
    build(fleet, site)
    build(fleet, tmp_path / "at once")
    assert contents(site) == contents(tmp_path / "at once")


def test_a_file_that_was_changed_or_removed_is_written_again(fleet: FleetRecording, site: Path) -> None:
    build(fleet, site)
    expected = contents(site)
    (site / "index.html").write_bytes(b"other")
    (site / run_path(fleet.runs[0])).unlink()
    assert build(fleet, site).written == 2
    assert contents(site) == expected


def test_pages_of_what_is_gone_are_removed_and_files_of_others_are_left(
    fleet: FleetRecording, site: Path, tmp_path: Path
) -> None:
    build(fleet, site)
    (site / "CNAME").write_text("models.example", encoding="utf-8")
    copy = tmp_path / "older"
    shutil.copytree(fleet.record.folder.root, copy)
    fleet.begin()
    fleet.train("new", "0.91")
    fleet.end(page=REPORT)
    build(fleet, site)
    beside = site / run_path(fleet.runs[1]).removesuffix("index.html") / "notes.txt"
    beside.write_text("mine", encoding="utf-8")
    assert build_site(str(copy), site).removed == 2
    left = stamps(site)
    assert not [path for path in left if path.startswith("models/new")]
    assert not list(site.glob("models/new*"))
    assert {"CNAME", beside.relative_to(site).as_posix()} <= left.keys()
    assert run_path(fleet.runs[1]) not in left


@pytest.mark.parametrize("name", ["index.html", ".git/config", "notes.txt"])
def test_a_folder_with_files_of_others_is_refused_and_left_alone(fleet: FleetRecording, site: Path, name: str) -> None:
    (site / name).parent.mkdir(parents=True)
    (site / name).write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match="is not a site that was built before"):
        build(fleet, site)
    assert contents(site) == {name: b"mine"}


def test_a_build_that_is_cut_off_is_finished_by_the_next(fleet: FleetRecording, site: Path) -> None:
    def killed() -> bytes:
        raise KeyboardInterrupt

    def cut_off() -> None:
        with open_site(site) as folder:
            folder.announce(["models/old/index.html", "index.html"])
            folder.put(Page(path="models/old/index.html", source="1", render=lambda: b"old"))
            folder.put(Page(path="index.html", source="1", render=killed))

    with pytest.raises(KeyboardInterrupt):
        cut_off()
    assert build(fleet, site).removed == 1
    assert "models/old/index.html" not in stamps(site)
    assert build(fleet, site).written == 0


def test_what_a_killed_build_left_beside_its_files_is_removed_by_the_next(fleet: FleetRecording, site: Path) -> None:
    site.mkdir()
    (site / f".{LISTING}.a1b2c3d4").write_bytes(b"{")
    build(fleet, site)
    expected = contents(site)
    halves = [site / ".index.html.k3_9zz0a", (site / run_path(fleet.runs[0])).with_name(".index.html.00000000")]
    for path in (*halves, site / ".notes.html.a1b2c3d4", site / ".index.html.orig"):
        path.write_bytes(b"<")
    assert build(fleet, site).written == 0
    assert contents(site) == {**expected, ".notes.html.a1b2c3d4": b"<", ".index.html.orig": b"<"}


def test_a_report_that_is_gone_or_changed_is_rendered_from_the_journal(fleet: FleetRecording, site: Path) -> None:
    fleet.begin()
    fleet.leave("churn")
    fleet.end()  # with the real report
    first, second = fleet.runs
    real = fleet.record.folder.run_folder(second) / "report.html"
    rendered = real.read_bytes()
    real.unlink()
    (fleet.record.folder.run_folder(first) / "report.html").write_bytes(b"<script>forged</script>")
    built = build(fleet, site)
    assert built.replaced == (first, second)
    [churn] = [path for path in stamps(site) if path.startswith("models/churn-")]
    page = (site / run_path(second)).read_text("utf-8")
    assert f'<a class="soft" href="../../{churn}" aria-label="history of churn">history</a></td>' in page
    assert (site / run_path(second)).read_bytes() == with_way_back(rendered, {"churn": f"../../{churn}"})
    assert b"forged" not in (site / run_path(first)).read_bytes()
    assert build(fleet, site).written == 0


def test_no_file_is_written_or_removed_through_a_link_that_leads_out(
    fleet: FleetRecording, site: Path, tmp_path: Path
) -> None:
    build(fleet, site)
    outside = tmp_path / "outside"
    shutil.copytree(site / "runs", outside)
    shutil.rmtree(site / "runs")
    (site / "runs").symlink_to(outside)
    (outside / "index.html").write_bytes(b"theirs")
    with pytest.raises(UsageError, match="leads out of"):
        build(fleet, site)
    assert (outside / "index.html").read_bytes() == b"theirs"


@pytest.mark.parametrize(
    "path", ["../victim", "/etc/victim", "models/../../victim", "notes.txt", "models/x/keep", "index.html\n"]
)
def test_a_forged_list_of_files_removes_nothing_outside(
    fleet: FleetRecording, site: Path, tmp_path: Path, path: str
) -> None:
    build(fleet, site)
    (tmp_path / "victim").write_text("mine", encoding="utf-8")
    listing = json.loads((site / LISTING).read_text("utf-8"))
    listing["files"][path] = {"sha256": "", "source": ""}
    (site / LISTING).write_text(json.dumps(listing), encoding="utf-8")
    with pytest.raises(UsageError, match="is not a list of files"):
        build(fleet, site)
    assert (tmp_path / "victim").exists()


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b'{"site_version": 2, "files": {}}', b"[" * 100_000])
def test_a_damaged_list_of_files_is_told(fleet: FleetRecording, site: Path, content: bytes) -> None:
    site.mkdir()
    (site / LISTING).write_bytes(content)
    with pytest.raises(UsageError, match="not a list of files"):
        build(fleet, site)


def test_two_builds_do_not_write_to_one_folder_at_once(fleet: FleetRecording, site: Path) -> None:
    site.mkdir()
    handle = os.open(site, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    with pytest.raises(LockedError):
        build(fleet, site)
    os.close(handle)
    assert build(fleet, site).written > 0


def test_what_a_web_server_is_to_read_is_as_readable_as_the_umask_says(fleet: FleetRecording, site: Path) -> None:
    before = os.umask(0o022)
    try:
        build(fleet, site)
    finally:
        os.umask(before)
    modes = {path.is_dir(): path.stat().st_mode & 0o777 for path in (site, *site.rglob("*"))}
    assert modes == {True: 0o755, False: 0o644}


def test_a_file_in_the_place_of_the_folder_is_told(fleet: FleetRecording, site: Path) -> None:
    site.write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match="is a file"):
        build(fleet, site)


def test_a_site_without_a_journal_is_told_and_makes_no_folder(tmp_path: Path, site: Path) -> None:
    with pytest.raises(UsageError, match="no journal"):
        build_site(str(tmp_path / "nothing"), site)
    assert not site.exists()


def test_a_damaged_journal_leaves_the_site_as_it_was(fleet: FleetRecording, site: Path) -> None:
    build(fleet, site)
    before = stamps(site)
    journal = fleet.record.folder.journal
    journal.write_bytes(journal.read_bytes().replace(b"churn", b"chorn", 1))
    with pytest.raises(StateError):
        build(fleet, site)
    assert stamps(site) == before


def test_a_page_that_cannot_be_written_is_told(fleet: FleetRecording, site: Path) -> None:
    build(fleet, site)
    (site / "index.html").unlink()
    (site / "index.html").mkdir()
    with pytest.raises(RetrainError, match="cannot be written: Is a directory"):
        build(fleet, site)
