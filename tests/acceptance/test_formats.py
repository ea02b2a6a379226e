"""`validate --format` and `report` as pipelines use them, in real processes, and docs/how-to/formats.md."""

import json
import os
import re
import shutil
import stat
from pathlib import Path

import pytest
import yaml
from junitparser import JUnitXml
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.acceptance.conftest import ROOT, Retrain
from tests.acceptance.contract.contract_project import Project
from tests.fakes import preloaded
from tests.fakes.two_port_service import TwoPortService

FORMATS_MD = (ROOT / "docs" / "how-to" / "formats.md").read_text(encoding="utf-8")
BROKEN = ROOT / "tests" / "cases" / "reject" / "everything_at_once.yaml"
MINIMAL = ROOT / "examples" / "configs" / "minimal"
VALIDATION_FORMATS = ("text", "json", "github", "gitlab", "sarif")
STORED = {"html": "report.html", "markdown": "report.md", "json": "report.json"}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the state of one run in which a model was switched."""
    service = TwoPortService()
    try:
        project = Project(folder=tmp_path_factory.mktemp("formats") / "project", service=service)
        project.add("wine")
        assert project.run().code == 0
    finally:
        service.close()
    return project.state


def command(state: Path, *words: str, **environment: str) -> preloaded.Ended:
    variables = {"HOME": str(state.parent), **environment}
    return preloaded.retrain([*words, "--state", str(state)], folder=ROOT, environment=variables)


def test_every_format_ends_with_3_and_tells_every_problem_with_a_relative_path(
    retrain: Retrain, tmp_path: Path
) -> None:
    (tmp_path / "models 日本.yaml").write_text(BROKEN.read_text("utf-8"), encoding="utf-8")
    for form in VALIDATION_FORMATS:
        done = retrain("validate", str(tmp_path / "models 日本.yaml"), "--format", form, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (3, ""), form
        assert all(f"`{name}`" in done.stdout for name in ("paralel", "aucc", "chrun", "q", "churn")), form
        assert str(tmp_path) not in done.stdout, form
        name = "models%20%E6%97%A5%E6%9C%AC.yaml" if form == "sarif" else "models 日本.yaml"
        assert name in done.stdout, form


def test_a_valid_manifest_ends_with_0_in_every_format(retrain: Retrain) -> None:
    for form in ("json", "github", "gitlab", "sarif"):
        done = retrain("validate", "examples/configs/minimal", "--format", form)
        assert (done.returncode, done.stderr) == (0, ""), form
        if form == "github":
            assert done.stdout == "valid: 1 model in 1 file\n"
        else:
            json.loads(done.stdout)


def test_a_rendered_report_is_byte_by_byte_the_stored_file_in_any_surroundings(ran: Path) -> None:
    surroundings = [
        {"PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "LC_ALL": "C"},
        {"PYTHONHASHSEED": "8", "TZ": "America/St_Johns", "LC_ALL": "C.UTF-8"},
        {"PYTHONHASHSEED": "9", "TZ": "UTC", "LC_ALL": "POSIX", "PYTHONUTF8": "0"},
    ]
    for (form, name), environment in zip(STORED.items(), surroundings, strict=True):
        done = command(ran, "report", "--format", form, **environment)
        assert (done.code, done.err) == (0, b"")
        assert done.out == (ran / "runs" / "latest" / name).read_bytes()


def test_junit_is_read_by_its_own_reader(ran: Path) -> None:
    suites = JUnitXml.fromstring(command(ran, "report", "--format", "junit").out)
    assert [(case.name, case.result) for suite in suites for case in suite] == [("wine", [])]


def test_openmetrics_is_read_by_its_own_reader_and_holds_the_metrics_of_the_documents(ran: Path) -> None:
    text = command(ran, "report", "--format", "openmetrics").out.decode()
    families = {family.name for family in text_string_to_metric_families(text)}  # type: ignore[no-untyped-call]  # theirs
    rows = re.findall(r"^\| (`retrain_.*?) \|", FORMATS_MD, re.MULTILINE)
    assert families == {name for row in rows for name in re.findall("`(.*?)`", row)}


def test_out_writes_a_file_as_the_umask_says_and_keeps_the_mode_of_the_one_before(ran: Path, tmp_path: Path) -> None:
    target = tmp_path / "retrain.prom"
    before = os.umask(0o022)
    try:
        done = command(ran, "report", "--format", "openmetrics", "--out", str(target))
        assert (done.code, done.out) == (0, b"")
        assert stat.S_IMODE(target.stat().st_mode) == 0o644
        target.chmod(0o640)
        command(ran, "report", "--format", "openmetrics", "--out", str(target))
    finally:
        os.umask(before)
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert target.read_bytes().endswith(b"# EOF\n")
    assert [path.name for path in tmp_path.iterdir()] == ["retrain.prom"]


def test_out_that_cannot_be_written_is_told_and_changes_nothing(ran: Path, tmp_path: Path) -> None:
    done = command(ran, "report", "--format", "json", "--out", str(tmp_path / "missing" / "x.json"))
    assert done.code == 1
    assert b"cannot be written: No such file or directory." in done.err
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_is_not_there_is_wrong_usage(ran: Path, tmp_path: Path) -> None:
    done = command(ran, "report", "20200101T000000Z-000000")
    assert (done.code, b"has no run `20200101T000000Z-000000`" in done.err) == (2, True)
    done = command(tmp_path / "empty", "report")
    assert (done.code, b"There is no journal" in done.err) == (2, True)


def test_the_shell_lines_of_the_document_work(retrain: Retrain, tmp_path: Path, ran: Path) -> None:
    (tmp_path / "textfile").mkdir()
    shutil.copy(MINIMAL / "models.yaml", tmp_path)  # a link would lead out of the folder
    (tmp_path / "data").symlink_to(MINIMAL / "data")
    blocks = re.findall(r"```sh\n(.*?)```", FORMATS_MD, re.DOTALL)
    scripts = re.findall(r"(?:script: |run: |- )(retrain .*)", FORMATS_MD)
    lines = [line for block in blocks for line in block.splitlines()] + scripts
    shown = [line.split(" >")[0].split() for line in lines]
    assert {tuple(words[:2]) for words in shown} == {("retrain", one) for one in ("validate", "report", "run")}
    for words in shown:
        if words[1] != "run":  # the examples are run elsewhere
            done = retrain(*words[1:], cwd=tmp_path, RETRAIN_STATE=str(ran))
            assert (done.returncode, done.stderr) == (0, ""), words
    assert {"report.json", "junit.xml"} <= {path.name for path in tmp_path.iterdir()}
    assert (tmp_path / "textfile" / "retrain.prom").is_file()


def test_the_yaml_of_the_document_parses() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", FORMATS_MD, re.DOTALL)
    assert len(blocks) == 5
    assert all(yaml.safe_load(block) for block in blocks)
