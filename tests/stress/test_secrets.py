"""A sample of `suite_secrets`, the scanner's own control, and hostile text through the real command."""

import ast
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runner.lib.secrets import Redactor, Secret
from tests.acceptance.contract.contract_project import Finished, Project, threshold
from tests.fakes.result_files import result
from tests.fakes.two_port_records import json_answer
from tests.fakes.two_port_service import TwoPortService
from tests.stress.canaries import Scanner, forms, written_below
from tests.stress.hostile_text import LINE, MESSAGE, in_html, in_markdown, on_a_terminal
from tests.stress.leaking_service import TEMPTATIONS
from tests.stress.suite_secrets import CANARIES, KEYS, tempt
from tests.stress.watched_command import watched

RUNNER = Path(__file__).parents[2] / "runner"
MAY_REVEAL = {
    "emulator/hosting.py",
    "notify.py",
    "http/transport.py",
    "http/responses.py",  # a place that is relative to the URL before
    "http/headers.py",  # which headers a URL was signed with
}
QUICK = {
    "message",
    "escaped",
    "slashes",
    "page",
    "elsewhere",
    "word",
    "failed",
    "failed_word",
    "id_is_key",
    "xml",
    "code",
}
SAMPLE = tuple(one for one in TEMPTATIONS if one.name in QUICK and (one.call, one.name) != ("put", "page"))


def test_no_key_and_no_signature_is_in_any_byte_while_everything_fails(tmp_path: Path) -> None:
    commands = (("run", "models.yaml", "-vv"), ("status", "-vv", "--log-format", "json"))
    done = tempt(tmp_path / "project", SAMPLE, commands=commands)
    assert "failed" in done.outcomes
    assert len(done.places) > len(commands) * 3
    assert b"***" in done.places["stderr of run models.yaml -vv"]
    assert done.leaks() == []


PLACES: dict[str, Callable[[Path, bytes], object]] = {
    "a message": lambda folder, leak: (folder / "stderr").write_bytes(b"error: " + leak + b"\n"),
    "a warning": lambda folder, leak: (folder / "report.md").write_bytes(b"- Warning: " + leak),
    "a field of the report": lambda folder, leak: (folder / "report.json").write_bytes(b'{"reason": "' + leak + b'"}'),
    "a line of a log": lambda folder, leak: (folder / "log").write_bytes(b"x\n" * 5000 + b"DEBUG " + leak),
    "a page of a database": lambda folder, leak: (folder / "db").write_bytes(bytes(4096) + leak + bytes(4096)),
    "a name of a file": lambda folder, leak: (folder / leak.decode("latin-1").replace("/", "_")).touch(),
    "the target of a link": lambda folder, leak: (folder / "latest").symlink_to(leak.decode("latin-1")),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("canary", CANARIES)
def test_a_planted_leak_is_found_in_every_place_and_form(tmp_path: Path, canary: str, place: str) -> None:
    scanner = Scanner(CANARIES)
    names_a_path = place in ("a name of a file", "the target of a link")
    for number, (form, leak) in enumerate(forms(CANARIES[canary])):
        if names_a_path and (b"\0" in leak or (b"/" in leak and "name" in place)):
            continue  # no path can hold it
        folder = tmp_path / str(number)
        folder.mkdir()
        PLACES[place](folder, leak)
        assert canary in {one.canary for one in scanner.leaks(written_below(folder))}, form
    assert scanner.leaks({"nothing": b"nothing here"}) == []


def test_a_leak_in_the_arguments_of_a_process_is_seen(tmp_path: Path) -> None:
    service = TwoPortService()
    try:
        project = Project(folder=tmp_path / "project", service=service)
        project.add("churn")
        code = "import time; time.sleep(2); print('k')"
        command = [sys.executable, "-c", code, KEYS["command"]]
        project.manifest["models"]["churn"]["api_key"] = {"command": command}
        project.save()
        seen = watched(project, "run", "models.yaml")
    finally:
        service.close()
    assert "arguments of it" in {leak.place for leak in Scanner(CANARIES).leaks(seen.places("it"))}


@pytest.mark.parametrize("cut", range(10, 40, 3))
def test_the_beginning_of_a_secret_before_a_cut_is_blotted_out(cut: int) -> None:
    redactor = Redactor()
    redactor.learn(Secret("CANARYkey/9e+4b/0123456789/0123456789/0123456789"))
    text = f"key {'CANARYkey/9e+4b/0123456789/0123456789/0123456789'[:cut]}…."
    assert redactor.redact(text) == "key ***…."


def test_of_secrets_that_overlap_in_a_text_nothing_is_left() -> None:
    redactor = Redactor()
    for value in ("abcd-efgh", "efgh-ijkl-mnop", "abcd"):
        redactor.learn(Secret(value))
    assert redactor.redact("<abcd-efgh-ijkl-mnop> abcdabcd efgh-") == "<***> ****** efgh-"


def test_the_signature_of_a_learnt_url_is_blotted_out_alone_too() -> None:
    redactor = Redactor()
    redactor.learn(
        Secret("https://store.test/a?X-Amz-Date=20260301T000000Z&X-Amz-Signature=CANARYsignature%2F7f%2B3a1b")
    )
    assert redactor.redact("sign CANARYsignature/7f+3a1b at 20260301T000000Z") == "sign *** at 20260301T000000Z"
    assert redactor.redact("get https://other.test/x?sig=abc now") == "get https://other.test/x?*** now"


def test_secrets_are_revealed_in_exactly_the_known_places() -> None:
    found = {
        str(path.relative_to(RUNNER if RUNNER in path.parents else RUNNER.parent))
        for path in [*RUNNER.rglob("*.py"), *(RUNNER.parent / "emulator").rglob("*.py")]
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.Attribute) and node.attr in ("reveal", "_value")
    }
    assert found - {"lib/secrets.py"} == MAY_REVEAL


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Project, dict[tuple[str, ...], Finished]]]:
    """Run commands on a service whose every text is hostile."""
    service = TwoPortService()
    project = Project(folder=tmp_path_factory.mktemp("hostile") / "project", service=service)
    for name in ("message", "word", "error", "metric", "job"):
        project.add(name, policy=threshold({"metric": "auc", "min": 0.8}), wait={"timeout": "5s", "poll": "100ms"})
    models = service.models
    models["message"].ends, models["message"].message = ["job_failed"], LINE
    models["word"].always["status"] = json_answer({"status": f"failed {LINE}"})
    models["error"].always["upload_url"] = json_answer({"message": LINE}, status=400)
    models["metric"].results = [result(**{LINE: "0.9", "AUC": MESSAGE})]
    models["job"].always["upload_url"] = json_answer({"retrain_job_id": LINE, "upload_url": f"{service.store_url}/x"})
    project.environment["GITHUB_ACTOR"] = LINE
    commands = [
        ("run", "models.yaml", "-vv"),
        ("plan", "models.yaml", "-vv"),
        ("doctor", "models.yaml", "-vv"),
        ("status", "-vv"),
        ("verify", "-vv"),
        ("reject", "metric", "--reason", LINE, "--log-format", "json", "-vv"),
    ]
    try:
        yield project, {command: project.retrain(*command) for command in commands}
    finally:
        service.close()


@pytest.mark.plays("T1")
def test_hostile_text_does_nothing_on_a_terminal(hostile: tuple[Project, dict[tuple[str, ...], Finished]]) -> None:
    _, ended = hostile
    for command, one in ended.items():
        assert on_a_terminal(one.out) == [], command
        assert on_a_terminal(one.err) == [], command
    assert any("script" in one.err for one in ended.values())


@pytest.mark.plays("T1")
def test_hostile_text_does_nothing_in_a_report(hostile: tuple[Project, dict[tuple[str, ...], Finished]]) -> None:
    project, _ = hostile
    runs = sorted((project.state / "runs").glob("2*"))
    assert len(runs) >= 1
    assert "script" in (runs[0] / "report.html").read_text("utf-8")
    for run in runs:
        page, text = (run / "report.html").read_text("utf-8"), (run / "report.md").read_text("utf-8")
        assert (in_html(page), in_markdown(text)) == ([], []), run.name
        json.loads((run / "report.json").read_bytes())


def test_the_signs_of_hostile_text_are_seen_where_it_is_not_escaped() -> None:
    assert len(set(on_a_terminal(LINE))) >= 6
    assert in_html(f"<p>{MESSAGE}</p>")
    assert in_markdown(MESSAGE)
