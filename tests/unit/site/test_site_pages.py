"""The pages: the same bytes everywhere, relative links that lead somewhere, and text from outside stays text."""

import posixpath
import re
from collections.abc import Callable, Iterable
from html.parser import HTMLParser
from urllib.parse import urldefrag

import pytest

from runner.journal.chain import Link
from runner.reports.model_timeline import read_fleet
from runner.site.addresses import run_path
from runner.site.pages import site_pages
from tests.unit.reports.report_history import HOSTILE, Recording, record_everything
from tests.unit.site.fleet_history import FleetRecording

UNSEEN = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
NAMES = [HOSTILE, "</title><script>alert(1)</script>", "' onmouseover='alert(1)", "..", "需要予測", "-rf"]


class Seen(HTMLParser):
    """Collects a page's tags and text."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(content.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    @property
    def addresses(self) -> list[str]:
        return [value for _, attrs in self.tags for key in ("href", "src") if (value := attrs.get(key))]


def rendered(links: Iterable[Link]) -> dict[str, bytes]:
    return {page.path: page.render() for page in site_pages(read_fleet(links))}


@pytest.fixture(scope="module")
def files(year: Recording) -> dict[str, bytes]:
    return rendered(year.store.read())


@pytest.fixture
def hostile_files(fleet: FleetRecording) -> dict[str, bytes]:
    fleet.begin(actor=HOSTILE)
    for name in NAMES:
        fleet.fail(name, HOSTILE)
    fleet.end(1, page=b"")
    return rendered(fleet.record.store.read())


def html(files: dict[str, bytes]) -> dict[str, Seen]:
    return {path: Seen(content) for path, content in files.items() if path.endswith(".html")}


def test_every_link_is_relative_and_leads_to_a_file_of_the_site(year: Recording, files: dict[str, bytes]) -> None:
    runs = {run_path(run_id) for run_id in read_fleet(year.store.read()).progress.runs}
    linked = set()
    for path, page in html(files).items():
        for address in page.addresses:
            if address.startswith(("data:,", "#")):
                continue
            assert not re.match(r"[a-z]+:|/", address), address
            linked.add(posixpath.normpath(posixpath.join(posixpath.dirname(path), urldefrag(address).url)))
    assert linked == {*files, *runs}


def test_hostile_text_stays_text(hostile_files: dict[str, bytes]) -> None:
    pages = html(hostile_files)
    assert len(pages) == len(NAMES) + 2
    for path, page in pages.items():
        assert [list(attrs) for tag, attrs in page.tags if tag == "script"] == [["src"]], path
        assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on") or name == "style"], path
        assert not UNSEEN.search(hostile_files[path].decode()), path
    assert "</title><script>alert(1)</script>" in " ".join(pages["index.html"].text)


def test_every_page_takes_its_style_and_script_from_the_site_alone(files: dict[str, bytes]) -> None:
    for path, page in html(files).items():
        [policy] = [
            attrs["content"] for tag, attrs in page.tags if attrs.get("http-equiv") == "Content-Security-Policy"
        ]
        assert policy is not None
        assert policy.startswith("default-src 'none'; style-src 'self'; script-src 'self'; img-src data:;"), path
        assert "<style" not in files[path].decode()
    assert not [
        one for path, one in files.items() if path.endswith(".css") and re.search(rb"url\(|@import|https?:", one)
    ]


def test_the_same_journal_gives_the_same_bytes(year: Recording, files: dict[str, bytes]) -> None:
    assert rendered(year.store.read()) == files


def test_pages_of_models_that_a_run_did_not_touch_keep_source_and_bytes(fleet: FleetRecording) -> None:
    fleet.begin()
    for name in ("churn", "demand"):
        fleet.train(name, "0.91")
    fleet.end(page=b"")
    before = {page.path: (page.source, page.render()) for page in site_pages(read_fleet(fleet.record.store.read()))}
    fleet.begin()
    fleet.train("demand", "0.92")
    fleet.end(page=b"")
    after = {page.path: (page.source, page.render()) for page in site_pages(read_fleet(fleet.record.store.read()))}
    changed = {path for path in after if before[path] != after[path]}
    assert {path for path in after if before[path][0] != after[path][0]} == changed
    assert len([path for path in changed if path.startswith("models/demand-")]) == 1
    assert changed - {path for path in changed if path.startswith("models/demand-")} == {
        "index.html",
        "runs/index.html",
    }


def test_a_model_of_every_kind_has_a_page_and_trouble_comes_first(fleet: FleetRecording) -> None:
    record_everything(fleet.record)
    files = rendered(fleet.record.store.read())
    text = files["index.html"].decode()
    order = re.findall(r'<tbody data-outcome="(\w*)"', text)
    assert order == [
        *("unknown", "failed", "failed", "held", "held", "awaiting_approval", "training", "switched", "unchanged"),
    ]
    assert "6 of 9 models need a person." in text
    assert "retrain approve daily --job job-daily --reason" in text
    assert "auc 0.9120" in text
    assert len([path for path in files if path.startswith("models/")]) == 9


def test_a_run_under_way_has_no_link(one_run: Callable[[str], FleetRecording]) -> None:
    fleet = one_run("churn")
    fleet.begin()
    fleet.leave("churn")
    files = rendered(fleet.record.store.read())
    assert run_path(fleet.runs[0]).encode() in files["index.html"]
    assert run_path(fleet.runs[1]).encode() not in b"".join(files.values())
    assert b"not yet" in files["runs/index.html"]
