"""No key and no signed URL leaves, whatever fails: every byte written anywhere is searched for every canary."""

import base64
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from tests.acceptance.contract.contract_project import KEY_CANARY, Project, rows, threshold
from tests.fakes.loopback_port import Answer
from tests.fakes.result_files import result
from tests.fakes.two_port_records import documented, store_error
from tests.fakes.two_port_service import INFERENCE_CANARY, SIGNATURE_CANARY, TwoPortService

CANARIES = (KEY_CANARY, SIGNATURE_CANARY, INFERENCE_CANARY)


def _forms(secret: str) -> Iterator[bytes]:
    """Give the secret as it is, URL-quoted in each way, escaped in JSON, and in base64 at each of its three offsets."""
    texts = {secret, quote(secret), quote(secret, safe=""), quote_plus(secret), quote(secret, safe="").lower()}
    yield from (text.encode() for text in sorted({*texts, secret.replace("/", "\\/")}))
    for text in sorted(texts):
        for offset in range(3):
            for encode in (base64.b64encode, base64.urlsafe_b64encode):
                whole = encode(b"\0" * offset + text.encode())
                yield whole[4 if offset else 0 : len(whole) - 4]  # the ends depend on the bytes beside the secret


def _leaks(places: Mapping[str, bytes]) -> list[tuple[str, str]]:
    """Return every place that holds a form of a canary, with that form."""
    forms = {form for canary in CANARIES for form in _forms(canary)}
    return sorted((place, form.decode()) for place, content in places.items() for form in forms if form in content)


def _written(folder: Path) -> dict[str, bytes]:
    """Return every byte under a folder: the files' content, and their names."""
    found = {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return found | {"the names of all files": "\n".join(map(str, folder.rglob("*"))).encode()}


@pytest.mark.parametrize("canary", CANARIES)
@pytest.mark.parametrize("place", ["report.json", "journal.sqlite3", "stderr"])
def test_a_planted_leak_is_found_in_each_form(canary: str, place: str) -> None:
    for form in _forms(canary):
        assert _leaks({place: b"x" + form + b"y"}), form
    for text in (f"https://store/?X-Amz-Signature={quote(canary, safe='')}&b=1", f"Basic user:{canary}!"):
        assert _leaks({place: text.encode()})
        for offset in range(3):
            assert _leaks({place: base64.b64encode(b"-" * offset + text.encode())}), offset
    assert _leaks({place: b"nothing here"}) == []


def _trouble(project: Project) -> None:
    """Let everything fail in which a key or a signed URL could be told."""
    for name in (
        "fine", "echoed", "echoed_html", "bad_status", "lost_put", "refused_put", "lost_get", "refused_get",
        "lost_switch", "failed", "garbage", "redirected", "odd_url", "no_host", "truncated",
    ):  # fmt: skip
        project.add(name, policy=threshold({"metric": "auc", "min": 0.8}), evaluation=rows(40, seed=500))
    project.manifest["models"]["bad_status"]["wait"] = {"timeout": "3s"}
    project.save()
    models = project.service.models
    models["echoed"].key = "another"
    models["echoed"].always["upload_url"] = Answer(status=400)
    echo = project.environment["KEY_OF_ECHOED_HTML"]
    models["echoed_html"].always["upload_url"] = Answer(status=403, body=f"<p>{echo} {quote(echo)}</p>".encode())
    models["bad_status"].always["status"] = Answer(status=404, body=f"bad key {KEY_CANARY}bad_status".encode())
    models["lost_put"].next_answer("put", Answer(lost="done"))
    models["refused_put"].always["put"] = store_error(400, "InvalidRequest")
    models["lost_get"].next_answer("download", Answer(lost="arrived"), Answer(lost="done"))
    models["refused_get"].always["download"] = store_error(404, "NoSuchKey")
    models["lost_switch"].next_answer("switch", Answer(lost="done"))
    models["failed"].ends = ["job_failed"]
    models["failed"].message = f"could not read for {project.environment['KEY_OF_FAILED']}"
    models["garbage"].results = [b"\x00garbage"]
    models["redirected"].next_answer("status", Answer(status=302, headers=(("Location", project.service.store_url),)))
    models["odd_url"].store_url = "ftp://127.0.0.1"
    models["no_host"].store_url = "http://127.0.0.1:1"
    models["truncated"].next_answer("upload_url", Answer(status=200, body=b'{"retrain_job_id": "j", "upload_url": "ht'))


def test_no_key_and_no_signed_url_is_in_any_byte_a_run_leaves(project: Project) -> None:
    _trouble(project)
    project.service.lists_classifiers = True
    outputs: dict[str, bytes] = {}
    json_lines = ("--log-format", "json")
    for command in (
        ("run", "models.yaml"),
        ("run", "models.yaml", "--format", "json", *json_lines),
        ("status",),
        ("verify", *json_lines),
    ):
        finished = project.retrain(*command, "-vv")
        outputs |= {f"stdout of {command}": finished.out.encode(), f"stderr of {command}": finished.err.encode()}
    assert {call.name for call in project.service.calls()} >= {"put", "download", "switch", "classifiers"}
    assert "failed" in project.outcomes().values()
    assert _leaks(outputs | _written(project.state)) == []


def test_no_secret_is_left_anywhere_by_a_run_that_was_killed(project: Project) -> None:
    model = project.add("churn")
    model.next_answer("put", Answer(delay=1.0))
    process = project.start("run", "models.yaml", "-vv")
    try:
        while not project.service.calls("churn", "put"):
            assert process.poll() is None
        arguments = Path(f"/proc/{process.pid}/cmdline").read_bytes()
    finally:
        process.kill()
        out, err = process.communicate()
    assert _leaks({"arguments": arguments, "stdout": out, "stderr": err} | _written(project.state)) == []


def test_nothing_of_the_service_but_the_jobs_own_words_gets_into_the_report(project: Project) -> None:
    project.add("churn").always["upload_url"] = documented(f"no such user {KEY_CANARY}churn")
    project.run()
    assert _leaks({"report": json.dumps(project.report()).encode()}) == []


def test_nothing_is_written_beside_the_state_but_the_note_of_the_journals_end(project: Project) -> None:
    project.add("churn", results=[result(AUC="0.9")])
    heads = project.folder / "home" / ".local" / "state" / "retrain" / "heads"
    before = {path for path in project.folder.rglob("*") if project.state not in (path, *path.parents)}
    project.run()
    after = {path for path in project.folder.rglob("*") if project.state not in (path, *path.parents)}
    (note,) = heads.iterdir()
    assert after - before == {note, *(path for path in (heads, *heads.parents) if path not in before)} & after
    assert note.stat().st_size < 1024


def test_a_netrc_and_proxies_of_the_environment_are_not_heard(project: Project) -> None:
    project.add("churn")
    netrc = project.folder / "home" / ".netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password sesame\n", encoding="utf-8")
    netrc.chmod(0o600)
    with_proxy = TwoPortService()
    try:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            project.environment[name] = with_proxy.url
        assert project.run().code == 0
        assert with_proxy.log == []
    finally:
        with_proxy.close()
    assert not any(call.header("authorization") for call in project.service.calls())
