"""The files of a run: the same bytes everywhere, and text from outside stays text."""

import base64
import hashlib
import os
import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest

from runner.reports.formats.render import _environment, make_ready, render_files, render_html
from tests.unit.reports.report_history import RUN, Recording

RENDER = """
import hashlib, sys
from pathlib import Path
from runner.journal.folder import StateFolder
from runner.journal.store import open_for_reading
from runner.reports.run_history import read_history
from runner.reports.formats.render import _environment, make_ready, render_files, render_html

store = open_for_reading(StateFolder(Path(sys.argv[1])))
files = render_files(read_history(store.read(), sys.argv[2]))
store.close()
for name, content in files.items():
    sys.stdout.write(f"{name} {hashlib.sha256(content).hexdigest()}\\n")
"""
VOID = {"meta", "link", "br", "input", "rect", "path", "circle", "use"}
UNSEEN = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


class Page(HTMLParser):
    """Collects what a browser would see, and refuses a page that is not well nested."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def files(everything: Recording) -> dict[str, bytes]:
    return render_files(everything.history())


@pytest.fixture(scope="module")
def page(files: dict[str, bytes]) -> Page:
    parser = Page()
    parser.feed(files["report.html"].decode())
    parser.close()
    assert parser.open == []
    return parser


def test_the_bytes_are_the_same_whatever_hash_seed_time_zone_and_locale(
    everything: Recording, files: dict[str, bytes]
) -> None:
    expected = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    surroundings = [
        {"PYTHONHASHSEED": "0", "TZ": "UTC", "LC_ALL": "C"},
        {"PYTHONHASHSEED": "1", "TZ": "Asia/Tokyo", "LC_ALL": "C.UTF-8", "PYTHONUTF8": "0"},
        {"PYTHONHASHSEED": "4242", "TZ": "America/St_Johns", "LC_ALL": "POSIX", "LANG": "ja_JP.UTF-8"},
    ]
    for one in surroundings:
        command = [sys.executable, "-c", RENDER, str(everything.folder.root), RUN]
        answer = subprocess.run(command, env={**os.environ, **one}, capture_output=True, text=True, check=True)
        assert dict(line.split() for line in answer.stdout.splitlines()) == expected


def test_what_is_made_ready_ahead_of_a_runs_end_is_all_that_its_page_needs(everything: Recording) -> None:
    _environment.cache_clear()
    make_ready()
    ready = set(_environment(autoescape=True).cache or ())
    render_html(everything.history())
    assert ready == set(_environment(autoescape=True).cache or ()) != set()


def test_the_journal_file_holds_the_runs_events_byte_by_byte(everything: Recording, files: dict[str, bytes]) -> None:
    lines = files["journal.jsonl"].splitlines()
    assert [hashlib.sha256(line).hexdigest() for line in lines] == [link.sha256 for link in everything.links]


def test_hostile_text_stays_text_in_html(page: Page) -> None:
    shown = " ".join(page.text)
    assert "<script>alert(1)</script>" in shown
    assert page.named("script") == [{}]
    assert {tag for tag, _ in page.tags} <= {
        *("html", "head", "meta", "link", "title", "style", "script", "body", "a", "header", "main", "footer"),
        *("section", "div", "p", "h1", "h2", "h3", "h4", "dl", "dt", "dd", "ul", "ol", "li", "details", "summary"),
        *("form", "label", "input", "fieldset", "legend", "button", "table", "caption", "thead", "tbody", "tr", "th"),
        *("td", "code", "b", "span", "br", "time", "figure", "figcaption"),
        *("svg", "symbol", "use", "rect", "path", "circle", "text"),
    }
    for _, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on") or name in ("src", "srcset", "style")]


def digest_source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_the_html_loads_nothing_and_allows_only_its_own_style_and_script(files: dict[str, bytes], page: Page) -> None:
    html = files["report.html"].decode()
    [policy] = [one for one in page.named("meta") if one.get("http-equiv") == "Content-Security-Policy"]
    [style] = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    [script] = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    assert policy["content"] == (
        f"default-src 'none'; style-src {digest_source(style)}; script-src {digest_source(script)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    results = [one["href"] for one in page.named("a") if one.get("class") == "in-state"]
    assert all(re.fullmatch(r"\.\./\.\./runs/[\w./%-]+", link or "") for link in results)
    own = [one["href"] for one in page.named("a") + page.named("use") if one.get("class") != "in-state"]
    assert {link and link[0] for link in own} == {"#"}
    assert [one["href"] for one in page.named("link")] == ["data:,"]
    assert not re.search(r"url\(|@import|https?:", style)
    assert not re.search(r"fetch|XMLHttp|import\(|https?:|eval|</", script)


def test_control_and_direction_characters_are_shown_not_sent(files: dict[str, bytes]) -> None:
    for name in ("report.md", "report.html"):
        text = files[name].decode()
        assert not UNSEEN.search(text), name
        assert "u202e" in text
        assert "x1b" in text
        assert "x00" in text


def test_the_html_can_be_walked_by_keyboard_and_screen_reader(page: Page) -> None:
    ids = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    for link in page.named("a") + page.named("use"):
        if link.get("class") == "in-state":
            continue
        assert link["href"] is not None
        assert link["href"][1:] in ids
    for section in page.named("section"):
        assert section["aria-labelledby"] in ids
    assert all(one.get("scope") in ("col", "row") for one in page.named("th"))
    assert len(page.named("table")) == len(page.named("caption"))
    charts = [one for one in page.named("svg") if one.get("role") == "img"]
    assert len(charts) == 6 + 2 * 8  # six rules have a value; eight models have a timeline and a lane
    assert len(page.named("title")) == 1 + len(charts)
    assert all(one.get("aria-hidden") == "true" for one in page.named("svg") if one not in charts)
    assert page.named("html") == [{"lang": "en"}]


def test_an_outcome_is_told_in_words_and_not_by_colour_alone(page: Page) -> None:
    text = " ".join(" ".join(page.text).split())
    for words in ("switched", "held", "awaiting approval", "unchanged", "training", "failed", "unknown"):
        assert words in text


def test_the_page_and_the_comment_begin_with_the_answer(files: dict[str, bytes], page: Page) -> None:
    answer = (
        "1 of 9 models switched; 2 were held back, 1 waits for approval, 1 is unchanged, 1 is still in training, "
        "2 failed and 1 has an unknown result."
    )
    begin = f"## {answer}\n\nRetraining run `{RUN}` ended with exit code 8"
    assert files["report.md"].decode().startswith(begin)
    title = page.text[page.text.index(next(one for one in page.text if one.strip()))]
    assert title.startswith(answer)


def test_the_markdown_has_whole_tables_and_no_runs_of_blank_lines(files: dict[str, bytes]) -> None:
    text = files["report.md"].decode()
    assert "\n\n\n" not in text
    assert text.endswith(f"`retrain verify {RUN}`.\n")
    for block in text.split("\n\n"):
        lines = block.splitlines()
        if lines[0].startswith("|"):
            assert re.fullmatch(r"\|( --- \|)+", lines[1])
            bars = {len(re.findall(r"(?<!\\)\|", line)) for line in lines}
            assert len(bars) == 1, block


def test_hostile_text_stays_text_in_markdown(files: dict[str, bytes]) -> None:
    text = files["report.md"].decode()
    assert not re.search(
        r"(?<!\\)<(?!!-- -->|/?details>|/?summary>)", text
    )  # no other tag; the comment breaks a mention
    links = re.findall(r"(?<!\\)\]\((.*?)\)", text)
    assert all(re.fullmatch(r"\.\./\.\./runs/[\w./%-]+", link) for link in links), links
    assert not re.search(r"@(?!<!-- -->)(?!ci`|desk`)", text)
    assert "://" not in text
    assert not re.search(r"www\.", text)
    assert not re.search(r"#\d", text)


def test_both_show_how_to_verify_the_run(files: dict[str, bytes], everything: Recording) -> None:
    for name in ("report.md", "report.html"):
        text = files[name].decode()
        assert f"retrain verify {RUN}" in text
        assert everything.links[-1].sha256 in text


def test_an_empty_run_renders(everything: Recording) -> None:
    history = everything.history()
    history.record.models.clear()
    rendered = render_files(history)
    assert rendered["report.md"].startswith(b"## No model took part.\n")
    assert b"The run ended before any model was planned." in rendered["report.html"]
