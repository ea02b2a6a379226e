"""A profile changes the service as it says, and nothing else; what it does not name is as documented."""

import gzip
import io
import json
import tarfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emulator.keys import ACCOUNT_KEY, own_key
from emulator.profile import DOCUMENTED, Member, Result
from emulator.profile_file import CAUTIOUS, read_profile
from emulator.result_layout import Trained, lay_out
from runner.errors import UsageError
from tests.unit.emulator.emulator_harness import API, Answered, Emulator, started, write_manifest
from tests.unit.emulator.profile_schema import FILE, made_schema

CASES = sorted((Path(__file__).parents[2] / "cases" / "realities").glob("*.yaml"))
SCRIPTED = "training: {metrics: {any: {AUC: 0.9}}}\n"
TABLE = b"a,b\n1,2\n"
TRAINED = Trained(metrics={"AUC": 0.9012}, file=None)


@contextmanager
def served(folder: Path, profile: str) -> Iterator[Emulator]:
    """Serve the models of the tests, which nothing trains, with a profile."""
    write_manifest(folder, ["spare", "wine"])
    (folder / "profile.yaml").write_text(SCRIPTED + profile, encoding="utf-8")
    with started(folder, "--own-keys", "--profile", str(folder / "profile.yaml")) as emulator:
        yield emulator


def status(emulator: Emulator, job: object, *, key: str = own_key("spare")) -> Answered:
    return emulator.call("GET", f"{API}/retrain_jobs/{job}", key=key)


def started_of(emulator: Emulator) -> int:
    return [entry["effect"] for entry in emulator.requests()].count("started")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_each_reality_is_a_profile_with_a_title(case: Path) -> None:
    assert read_profile(str(case), []).title


def test_an_empty_profile_is_the_documented_one(tmp_path: Path) -> None:
    (tmp_path / "profile.yaml").write_text("title: the same\n")
    assert read_profile(str(tmp_path / "profile.yaml"), []) == msgspec.structs.replace(DOCUMENTED, title="the same")


def test_cautious_is_a_profile_that_ships_with_the_emulator() -> None:
    assert read_profile("cautious", []) == read_profile(str(CAUTIOUS), [])
    assert read_profile("cautious", []).second_put == "train_again"


BAD_PROFILES = {
    "statuss: {}": ":1:1: unknown key `statuss`. Did you mean `statuses`?",
    "second_put: refuze": ":1:13: unknown value `refuze`. Did you mean `refuse`?",
    "rules:\n  - {call: put, answer: {status: 600}}": ":2:34: expected a whole number <= 599.",
    "rules:\n  - {call: put, until: 3, kind: status_500}": ":2:5: `from` and `until` need `since`.",
    "rules:\n  - {call: put, wrap: data, kind: status_500}": "more than one of `kind`, `answer` and changes.",
    "rules:\n  - {call: put, effect_after: 3, answer: {}}": ":2:31: only a switch can take effect later.",
    "rules:\n  - {call: put, answer: {text: a, error: b}}": "an answer has one of `json`, `text` and `error`.",
    "rules:\n  - {call: put, model: a, kind: status_500}": ":2:24: there is no model `a`.",
    "result: {members: [{path: a}]}": "the member a needs one content.",
    "result: {members: [{path: a, text: b, encoding: klingon}]}": ":1:49: unknown encoding `klingon`.",
    "result: {container: bare, members: []}": "`bare` takes one member.",
    "- {call: put}": ":1:1: a profile is a mapping.",
    "title: &a [1]\nrules: 3": "expected a string, got a list.",
    "a: &a [1,1,1,1,1,1,1,1,1]\n" + "".join(
        f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefg", "bcdefgh", strict=True)
    ): "too large when its aliases are replaced.",
}  # fmt: skip


@pytest.mark.parametrize("text", BAD_PROFILES, ids=lambda text: text[:40])
def test_a_wrong_profile_is_refused_with_its_place(tmp_path: Path, text: str) -> None:
    (tmp_path / "profile.yaml").write_text(text)
    with pytest.raises(UsageError) as caught:
        read_profile(str(tmp_path / "profile.yaml"), ["spare"])
    assert BAD_PROFILES[text] in str(caught.value)


@pytest.mark.parametrize(("name", "told"), [("cautius", "Did you mean `cautious`?"), ("a.yaml", "Give documented or ")])
def test_a_profile_that_is_not_there_is_named_with_what_is(name: str, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_profile(name, [])
    assert told in str(caught.value)


@pytest.mark.plays("C8")
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(case=st.sampled_from(CASES), place=st.integers(0, 2000), junk=st.binary(max_size=12), cut=st.integers(0, 12))
def test_a_profile_of_a_stranger_is_read_or_refused(
    tmp_path: Path, case: Path, place: int, junk: bytes, cut: int
) -> None:
    content = case.read_bytes()
    place %= len(content)
    (tmp_path / "profile.yaml").write_bytes(content[:place] + junk + content[place + cut :])
    refused = ""
    try:
        read_profile(str(tmp_path / "profile.yaml"), [])
    except UsageError as error:
        refused = str(error)
    assert refused == "" or str(tmp_path / "profile.yaml") in refused


def test_the_wording_of_a_scalar_stays_as_it_is_written(tmp_path: Path) -> None:
    (tmp_path / "profile.yaml").write_text("statuses: {waiting: on, training: 017, finished: 2, failed: ~}\n")
    statuses = read_profile(str(tmp_path / "profile.yaml"), []).statuses
    assert (statuses.waiting, statuses.training, statuses.finished, statuses.failed) == ("on", "017", 2, None)


def test_statuses_ids_and_errors_are_said_as_the_profile_has_them(tmp_path: Path) -> None:
    profile = (
        "statuses: {waiting: 0, finished: 2}\nids: integer\n"
        'errors: {form: nested, http: 401, code: short, full_stop: false, messages: {invalid_api_key.: "違う。"}}\n'
        "rules: [{call: status, wrap: data}, {call: upload_url, rename: {retrain_job_id: metadata.retrain_job_id}}]\n"
    )
    with served(tmp_path, profile) as emulator:
        answer = emulator.call("GET", f"{API}/retrain_jobs/upload_url?filename=a.csv", key=own_key("spare")).json()
        job = answer["metadata"]["retrain_job_id"]
        assert (type(job), answer.keys()) == (int, {"upload_url", "metadata"})
        waiting = {"data": {"status": 0, "metadata": {"retrain_job_id": job}}}
        assert status(emulator, job).json() == waiting
        assert emulator.call("PUT", answer["upload_url"], body=TABLE).status == 200
        assert status(emulator, job).json()["data"]["status"] == 2
        refused = status(emulator, job, key="nobody")
        row = {"code": 400100204, "error": "PREDA_EXTERNAL_BAD_REQUEST", "message": "違う。"}
        assert (refused.status, refused.json()) == (401, {"error": row})


def test_a_window_is_measured_from_an_event_of_the_job(tmp_path: Path) -> None:
    profile = (
        'rules:\n  - {call: status, since: uploaded, until: 0.6, answer: {error: "Not found retrain job."}}\n'
        "  - {call: status, since: finished, from: 0, until: 1.2, drop: [download_url]}\n"
        "  - {call: status, since: finished, from: 2, answer: {status: 404, text: gone}}\n"
    )
    with served(tmp_path, profile) as emulator:
        job, url = emulator.take_job("spare")
        early = status(emulator, job)
        assert (early.status, early.json()["message"]) == (400, "Not found retrain job.")
        emulator.call("PUT", url, body=TABLE)
        began = time.monotonic()
        assert status(emulator, job).status == 400
        time.sleep(max(0.0, began + 0.7 - time.monotonic()))
        assert "download_url" not in status(emulator, job).json()
        time.sleep(max(0.0, began + 1.4 - time.monotonic()))
        assert "download_url" in status(emulator, job).json()
        time.sleep(max(0.0, began + 2.1 - time.monotonic()))
        assert (status(emulator, job).status, status(emulator, job).body) == (404, b"gone")


def test_a_switch_can_be_answered_in_other_words_and_take_effect_later(tmp_path: Path) -> None:
    profile = (
        "rules:\n  - {call: switch, model: spare, effect_after: 0, answer: {status: 204}}\n"
        "  - {call: switch, model: wine, nth: [1], effect_after: 0.5, answer: {status: 504, json: {message: late}}}\n"
        '  - {call: switch, model: wine, since: switched, from: 0, answer: {error: "Already applied."}}\n'
    )
    with served(tmp_path, profile) as emulator:
        jobs = {name: emulator.upload(name, TABLE) for name in ("spare", "wine")}
        answer = emulator.switch("spare", jobs["spare"])
        assert (answer.status, answer.body, emulator.describe("spare")["serving_job"]) == (204, b"", jobs["spare"])
        assert emulator.switch("wine", jobs["wine"]).status == 504
        assert emulator.describe("wine")["serving_job"] is None
        deadline = time.monotonic() + 10
        while emulator.describe("wine")["serving_job"] != jobs["wine"]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert emulator.switch("wine", jobs["wine"]).json()["message"] == "Already applied."
        effects = [entry["effect"] for entry in emulator.requests() if entry["call"] == "switch"]
        assert effects == ["switched", None, "switched", None]


def test_a_refused_switch_has_no_effect_whatever_the_rule_would_answer(tmp_path: Path) -> None:
    with served(tmp_path, "rules: [{call: switch, effect_after: 0, answer: {status: 204}}]\n") as emulator:
        job, _ = emulator.take_job("spare")
        assert emulator.switch("spare", job).json()["message"] == "Retrain job is not finished."


@pytest.mark.parametrize(
    ("second_put", "status_", "trained"), [("refuse", 403, 1), ("accept", 200, 1), ("train_again", 200, 2)]
)
def test_a_second_put_is_refused_taken_or_trained(tmp_path: Path, second_put: str, status_: int, trained: int) -> None:
    with served(tmp_path, f"second_put: {second_put}\n") as emulator:
        _, url = emulator.take_job("spare")
        assert [emulator.call("PUT", url, body=TABLE).status for _ in range(2)] == [200, status_]
        assert started_of(emulator) == trained


def test_the_store_asks_for_what_was_signed_and_for_its_own_headers(tmp_path: Path) -> None:
    profile = 'urls: {upload: {signed_headers: {content-type: "${content_type}"}}}\nput_headers: {x-ms-blob-type: B}\n'
    with served(tmp_path, profile) as emulator:
        _, url = emulator.take_job("spare", "a.zip")
        assert parse_qs(urlsplit(url).query)["X-Amz-SignedHeaders"] == ["content-type;host"]
        plain = emulator.call("PUT", url, body=TABLE)
        typed = emulator.call("PUT", url, body=TABLE, content_type="application/zip")
        both = emulator.call("PUT", url, body=TABLE, content_type="application/zip", x_ms_blob_type="B")
        assert [answer.status for answer in (plain, typed, both)] == [403, 400, 200]
        assert (b"SignatureDoesNotMatch" in plain.body, b"MissingRequiredHeader" in typed.body) == (True, True)


@pytest.mark.parametrize("body", ["before", "after"])
def test_a_put_is_redirected_to_another_host_and_starts_one_training(tmp_path: Path, body: str) -> None:
    profile = f"urls: {{upload: {{redirects: 2, redirect_status: 308, redirect_body: {body}}}}}\n"
    with served(tmp_path, profile) as emulator:
        _, url = emulator.take_job("spare")
        first = emulator.call("PUT", url, body=TABLE)
        second = emulator.call("PUT", first.headers["Location"], body=TABLE)
        assert [first.status, second.status, started_of(emulator)] == [308, 308, 0]
        assert urlsplit(first.headers["Location"]).hostname != urlsplit(url).hostname
        assert emulator.call("PUT", second.headers["Location"], body=TABLE).status == 200
        assert started_of(emulator) == 1


def test_urls_clock_lists_and_end_dates_are_the_profiles(tmp_path: Path) -> None:
    profile = (
        "clock: -3600\nurls: {download: {form: relative, seconds: 7}}\nlists: {models: nobody, classifiers: key}\n"
        "keys: {end_date: '%Y/%m'}\nrules: [{call: any, gzip: true}]\n"
    )
    with served(tmp_path, profile) as emulator:
        told = emulator.call("GET", f"{API}/models", key=ACCOUNT_KEY)
        assert time.time() - time.mktime(time.strptime(told.headers["Date"], "%a, %d %b %Y %H:%M:%S GMT")) > 3000
        assert (told.status, told.headers["Content-Encoding"]) == (400, "gzip")
        mine = json.loads(gzip.decompress(emulator.call("GET", f"{API}/classifiers", key=own_key("wine")).body))
        assert [entry["classifier_id"] for entry in mine["classifiers"]] == ["2"]
        key = emulator.call("GET", f"{API}/api-key?credential_type=train", key=ACCOUNT_KEY)
        assert len(json.loads(gzip.decompress(key.body))["end_date"]) == len("2026/12")


def _members(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_a_result_has_the_members_the_encodings_and_the_container_of_the_profile() -> None:
    text = Member(path="評価.csv", text="指標,${AUC}\n%,${AUC:percent}\n?,${Recall}\n", encoding="cp932")
    expected = "指標,0.9012\n%,90.12\n?,${Recall}\n".encode("cp932")
    inner = Member(path="a/b.zip", members=(text,))
    assert _members(_members(lay_out(Result(members=(text, inner)), TRAINED))["a/b.zip"]) == {"評価.csv": expected}
    assert lay_out(Result(container="bare", members=(text,)), TRAINED) == expected
    assert gzip.decompress(lay_out(Result(container="gzip", members=(text,)), TRAINED)) == expected
    with tarfile.open(fileobj=io.BytesIO(lay_out(Result(container="tar.gz", members=(text,)), TRAINED))) as archive:
        assert archive.getnames() == ["評価.csv"]
    assert _members(lay_out(Result(members=()), TRAINED)) == {}
    table = Member(path="x/metrics.csv", trained="metrics.csv")
    assert b"AUC,0.9012" in _members(lay_out(Result(members=(table,)), TRAINED))["x/metrics.csv"]
    book = Member(path="a.xlsx", workbook=(("AUC", "${AUC}"), ("x < y", None)))
    sheet = _members(lay_out(Result(container="bare", members=(book,)), TRAINED))["xl/worksheets/sheet1.xml"]
    assert (b"<v>0.9012</v>" in sheet, b"x &lt; y" in sheet) == (True, True)


def test_the_published_schema_is_made_from_the_profiles_types() -> None:
    assert json.loads(FILE.read_bytes()) == json.loads(json.dumps(made_schema())), (
        "write it with `python -m tests.unit.emulator.profile_schema`"
    )
