"""A result file that cannot be read is judged like any other: once, by its policy, and without a second training."""

import errno
import io
import struct
import zipfile
from pathlib import Path

import pytest

from runner.app.audit.verify import verify
from runner.app.queries.replay import ReplayRequest, replay
from runner.execute import evaluation as candidate
from runner.journal.events import ModelFinished
from runner.journal.folder_store import FolderBlobs
from runner.journal.retrain_job import Decided, JobStage
from runner.plan.model_plan import Action
from runner.providers.base import Code
from runner.reports.replay import Judgeable
from tests.fakes.world import World, result_zip, service_error

MANIFEST = """\
version: 1
service: {{url: "https://service.test"}}
datasets: {{d: {{train: data.csv}}}}
policies: {{p: {policy}}}
{metrics}
models: {{m: {{api_key: {{env: KEY}}, dataset: d, policy: p}}}}
"""
POLICIES = {
    "auto": "{type: auto}",
    "manual": "{type: manual}",
    "hold": "{type: threshold, rules: [{metric: auc, min: 0.8}, {metric: recall, min: 0.1, level: warn}]}",
    "ask": "{type: threshold, on_inconclusive: ask, rules: [{metric: auc, min: 0.8}, {metric: recall, min: 0.1}]}",
}
OUTCOMES = {"auto": "switched", "manual": "awaiting_approval", "hold": "held", "ask": "awaiting_approval"}


def zipped(members: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, packed in members.items():
            archive.writestr(name, packed)
    return content.getvalue()


def encrypted() -> bytes:
    """Return an archive whose one member says that it is encrypted."""
    content = bytearray(result_zip({"AUC": "0.9"}))
    for magic, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        struct.pack_into("<H", content, content.index(magic) + offset, 1)
    return bytes(content)


UNREADABLE = {
    "empty": b"",
    "empty zip": zipped({}),
    "page": b"<!DOCTYPE html><title>502 Bad Gateway</title>",
    "damaged zip": result_zip({"AUC": "0.9"})[:60],
    "predictions only": zipped({"predictions.csv": b"id,label\n1,a\n"}),
    "encrypted": encrypted(),
    "too large a member": zipped({"metrics.csv": b"AUC,0.9\n" * (1 << 21) + b"x"}),
    "neither archive nor text": b"\x00\x01\xff",
}


def manifest(policy: str, metrics: str = "") -> str:
    return MANIFEST.format(policy=POLICIES[policy], metrics=metrics)


def world_of(folder: Path, policy: str, content: bytes) -> World:
    """Return a world whose service gives this content as a result, whoever asks however often."""
    world = World(folder, manifest(policy))
    world.service.results = [content] * 9
    return world


def decided(world: World) -> Decided:
    job = world.model().last
    assert job is not None
    assert job.decided is not None
    return job.decided


def run(world: World) -> ModelFinished:
    return world.run()["m"]


def counts(world: World) -> dict[str, int]:
    return {call: world.service.calls(call) for call in ("upload_url", "put", "status", "download", "switch")}


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("form", UNREADABLE)
def test_the_policy_decides_without_metrics_and_a_warning_says_why_there_are_none(
    memory_path: Path, form: str, policy: str
) -> None:
    world = world_of(memory_path, policy, UNREADABLE[form])
    end = run(world)
    assert (end.outcome, end.error) == (OUTCOMES[policy], None)
    evaluation = decided(world).fact.evaluation
    assert (evaluation.metrics, evaluation.problems, evaluation.texts) == ({}, {}, {})
    unread = str(evaluation.unread)
    why = f"the metrics could not be read: t{unread.removeprefix('T').removesuffix('.')}"
    assert end.warnings[-1] == f"{why}; `retrain inspect m --state {world.state.root}` shows what the result holds"
    assert {(rule.verdict, rule.cause) for rule in evaluation.rules} <= {("inconclusive", "unread")}
    assert verify(str(world.state.root), None).decisions == 1
    assert [
        finding.what for finding in verify(str(world.state.root), None).findings if "decision" in finding.where
    ] == []


@pytest.mark.parametrize("policy", ["hold", "ask"])
def test_a_threshold_names_the_reason_once_whatever_the_number_of_its_rules(memory_path: Path, policy: str) -> None:
    world = world_of(memory_path, policy, UNREADABLE["neither archive nor text"])
    reason = run(world).reason
    assert reason.startswith(
        "The metrics could not be read: the result is neither text (UTF-8, UTF-16, Shift_JIS, EUC-JP, ISO-2022-JP, "
    )
    assert "judged either" not in reason
    assert ("for `metrics:`" in reason) == (policy == "hold")


@pytest.mark.parametrize("policy", ["manual", "hold"])
def test_later_runs_ask_the_service_nothing_and_new_data_passes_by(memory_path: Path, policy: str) -> None:
    world = world_of(memory_path, policy, UNREADABLE["predictions only"])
    first = run(world)
    before = counts(world)
    world.service.jobs.clear()  # the service forgot the job
    for _ in range(3):
        later = run(world)
        assert later.outcome == first.outcome
        assert "metrics could not be read" in later.reason
    assert counts(world) == before
    assert counts(world)["download"] == 1
    world.write_data("2")
    world.service.results = []
    assert run(world).outcome == ("awaiting_approval" if policy == "manual" else "switched")
    assert counts(world)["put"] == 2


@pytest.mark.parametrize("policy", ["manual", "hold"])
def test_a_manifest_that_is_mended_judges_the_stored_file_without_training_or_download(
    memory_path: Path, policy: str
) -> None:
    report = zipped({"report.json": b'{"summary": {"gain": 0.93}}', "predictions.csv": b"id\n1\n"})
    world = world_of(memory_path, policy, report)
    run(world)
    before = counts(world)
    world.service.jobs.clear()
    world.write_manifest(
        manifest(policy, "metrics: {profit: {file: report.json, select: /summary/gain, direction: higher}}")
    )
    (plan,) = world.plans(world.progress())
    assert (plan.action, "`metrics` in the manifest changed since the decision" in plan.reason) == (Action.JUDGE, True)
    run(world)
    assert decided(world).unread is None
    assert decided(world).fact.evaluation.metrics["profit"] == "0.93"
    assert counts(world) == before
    assert verify(str(world.state.root), None).decisions == 2


def test_definitions_that_come_while_everything_could_be_read_change_nothing(memory_path: Path) -> None:
    world = World(memory_path, manifest("manual"))
    run(world)
    world.write_manifest(manifest("manual", "metrics: {profit: {select: profit, direction: higher}}"))
    (plan,) = world.plans(world.progress())
    assert plan.action == Action.NONE


def test_another_policy_judges_the_stored_file_by_what_it_asks_for(memory_path: Path) -> None:
    world = world_of(memory_path, "hold", UNREADABLE["empty zip"])
    run(world)
    world.write_manifest(manifest("auto"))
    end = run(world)
    (warning,) = end.warnings
    assert end.outcome == "switched"
    assert warning.startswith("the metrics could not be read: the result archive has no metrics.csv; it has nothing; ")
    assert counts(world)["download"] == 1


def test_replay_judges_it_too(memory_path: Path) -> None:
    world = world_of(memory_path, "auto", UNREADABLE["damaged zip"])
    run(world)
    world.write_manifest(manifest("hold"))
    (one,) = replay(ReplayRequest(paths=[world.folder / "models.yaml"], state=str(world.state.root))).decisions
    assert isinstance(one, Judgeable)
    assert (one.then.action, one.now.action, one.now.verdict) == ("switch", "hold", "inconclusive")


def test_a_job_with_unread_metrics_is_an_incumbent_without_values(memory_path: Path) -> None:
    world = world_of(memory_path, "auto", UNREADABLE["encrypted"])
    run(world)
    world.service.results = []
    world.write_data("2")
    rule = "{metric: auc, against: incumbent, max_drop: 0.01}"
    world.write_manifest(manifest("auto").replace(POLICIES["auto"], f"{{type: threshold, rules: [{rule}]}}"))
    assert run(world).outcome == "held"
    (found,) = decided(world).fact.evaluation.rules
    assert (found.verdict, found.cause) == ("inconclusive", "no_baseline")


SUSPECT = ("page", "empty", "damaged zip", "neither archive nor text")  # a whole archive is what the service has


@pytest.mark.parametrize("form", SUSPECT)
def test_a_suspect_file_is_downloaded_once_more_and_what_comes_then_is_judged(memory_path: Path, form: str) -> None:
    world = World(memory_path, manifest("hold"))
    world.service.results = [UNREADABLE[form]]
    end = run(world)
    assert (end.outcome, end.calls["download"]) == ("switched", 2)
    (warning,) = end.warnings
    assert warning.startswith("download: the metrics could not be read: the result is ")
    assert warning.endswith("; it is downloaded once more")
    assert [path.name for path in world.folder.rglob("result.*")] == ["result.zip"]


@pytest.mark.parametrize("form", SUSPECT)
def test_a_suspect_file_that_comes_twice_is_the_result(memory_path: Path, form: str) -> None:
    world = world_of(memory_path, "hold", UNREADABLE[form])
    for _ in range(2):
        assert run(world).outcome == "held"
    assert counts(world)["download"] == 2
    assert len(list(world.folder.rglob("result.*"))) == 1


@pytest.mark.parametrize("form", [form for form in UNREADABLE if form not in SUSPECT])
def test_a_whole_archive_is_downloaded_once(memory_path: Path, form: str) -> None:
    world = world_of(memory_path, "manual", UNREADABLE[form])
    for _ in range(2):
        assert run(world).outcome == "awaiting_approval"
    assert counts(world)["download"] == 1


class _Unreadable(io.RawIOBase):
    """A file on a disk that fails."""

    def readable(self) -> bool:
        return True

    def seek(self, offset: int, _whence: int = io.SEEK_SET, /) -> int:
        return offset

    def readinto(self, _buffer: object, /) -> int:
        raise OSError(errno.EIO, "Input/output error")


@pytest.mark.parametrize("content", [result_zip({"AUC": "0.91"}), b"AUC,0.91\n"])
def test_a_disk_that_fails_is_not_an_unread_result_and_the_next_run_reads_it(
    memory_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    world = world_of(memory_path, "hold", content)
    with monkeypatch.context() as patched:
        patched.setattr(candidate, "open_file", lambda _path: _Unreadable())
        patched.setattr(FolderBlobs, "open", lambda _blobs, _name: _Unreadable())
        for _ in range(2):
            end = run(world)
            assert (end.outcome, end.error and end.error.kind) == ("failed", "result")
            assert "Input/output error" in end.reason
    job = world.model().last
    assert job is not None
    assert job.stage == JobStage.STORED
    assert run(world).outcome == "switched"
    assert counts(world)["download"] == 1


@pytest.mark.parametrize("deleted", [False, True])
def test_a_stored_result_that_was_lost_before_it_was_judged_comes_again_or_ends_the_job(
    memory_path: Path, monkeypatch: pytest.MonkeyPatch, *, deleted: bool
) -> None:
    world = World(memory_path, manifest("hold"))
    with monkeypatch.context() as patched:
        patched.setattr(candidate, "open_file", lambda _path: _Unreadable())
        patched.setattr(FolderBlobs, "open", lambda _blobs, _name: _Unreadable())
        run(world)
    (stored,) = world.folder.rglob("result.*")
    stored.unlink()

    def refuse(call: str, job: str) -> None:
        if deleted and (call, job) == ("status", "job-1"):
            raise service_error(Code.JOB_DELETED)

    world.service.before = refuse
    end = run(world)
    assert "the stored result is downloaded again" in end.warnings[0]
    assert end.outcome == ("failed" if deleted else "switched")
    assert run(world).outcome == ("switched" if deleted else "unchanged")
    assert counts(world)["put"] == 1 + deleted
