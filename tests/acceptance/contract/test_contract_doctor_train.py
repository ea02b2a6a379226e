"""`retrain doctor --train` pays for one training on purpose, switches nothing unasked, and keeps what it learnt."""

import signal
import zipfile
from pathlib import Path

import pytest
import yaml

from emulator.profile_file import read_profile
from runner.lib.cassette import read_cassette
from tests.acceptance.contract.contract_project import KEY_CANARY, Finished, Project, interrupt, threshold, wait_until
from tests.fakes.result_files import archive, result
from tests.fakes.two_port_records import json_answer
from tests.fakes.two_port_service import SIGNATURE_CANARY

ROW = "CANARYrow"


def train(project: Project, *options: str, code: int = 0) -> Finished:
    ended = project.retrain("doctor", "models.yaml", "--train", "house", *options)
    assert ended.code == code, ended
    return ended


def kept(project: Project, name: str) -> Path:
    return project.state / "runs" / "latest" / name


def test_without_a_yes_nothing_is_trained_and_the_command_to_run_is_printed(project: Project) -> None:
    project.add("house")
    ended = train(project, code=2)
    assert "there is no terminal to ask on" in ended.err
    assert f"`retrain doctor models.yaml --train house --yes --state {project.state}`" in ended.err
    assert project.service.jobs == {}


def test_one_training_is_made_and_nothing_is_switched(project: Project) -> None:
    project.add("house")
    project.add("churn")
    text = train(project, "--yes").out
    assert len(project.service.accepted("house")) == 1
    assert project.service.calls("churn", "put") == []
    assert project.service.switched == []
    for head in ("as documented:", "learnt:", "not tried:", "kept:"):
        assert f"\n{head}\n" in text
    assert "a finished job is `job_finished`" in text
    assert "before its upload a job is `waiting`" in text
    assert "a switch: add --switch to try it" in text
    assert project.retrain("verify").code == 0, "what is kept beside the record is not a foreign file"


def test_the_job_is_the_candidate_of_the_next_run_which_trains_nothing(project: Project) -> None:
    project.add("house")
    train(project, "--yes")
    assert project.run().code == 0
    assert project.outcomes() == {"house": "switched"}
    assert len(project.service.accepted("house")) == 1


def test_a_switch_is_tried_where_it_is_asked_for(project: Project) -> None:
    project.add("house")
    text = train(project, "--yes", "--switch").out
    assert len(project.service.switches("house")) == 1
    assert "a switch is answered with `metadata`" in text


def test_a_switch_that_the_policy_does_not_decide_for_is_not_tried(project: Project) -> None:
    project.add("house", policy=threshold({"metric": "auc", "min": 0.95}))
    text = train(project, "--yes", "--switch").out
    assert project.service.switched == []
    assert "a switch: its policy did not decide to switch" in text


def test_a_second_call_goes_on_with_the_training_that_is_under_way(project: Project) -> None:
    model = project.add("house")
    model.training = True
    running = project.start("doctor", "models.yaml", "--train", "house", "--yes")
    wait_until(lambda: bool(project.service.accepted("house")), what="the upload")
    interrupt(running, signal.SIGKILL)
    model.training = False
    train(project, "--yes")
    assert len(project.service.accepted("house")) == 1


def test_what_is_not_ready_is_not_trained(project: Project) -> None:
    project.add("house")
    del project.environment["KEY_OF_HOUSE"]
    assert "not ready" in train(project, "--yes", code=1).out
    assert project.service.log == []


def test_what_is_kept_plays_the_service_and_has_no_secret_and_no_row_of_data(project: Project) -> None:
    rows = f"id,label\n{ROW},1\n".encode()
    project.add("house", results=[archive({"out/metrics.csv": b"metric,value\nAUC,0.9\n", "out/raw.csv": rows})])
    listed = {"models": [{"model_id": 7, "name": ROW}, {"model_id": 8, "name": "other"}]}
    project.service.models["house"].always["other"] = json_answer(listed)
    ended = train(project, "--yes")
    profile, cassette = kept(project, "profile.yaml"), kept(project, "cassette.zip")
    assert str(profile.parent.resolve()) in ended.out.replace(str(profile.parent), str(profile.parent.resolve()))
    with zipfile.ZipFile(cassette) as packed:
        everything = b"".join([profile.read_bytes(), *(packed.read(name) for name in packed.namelist())])
    job = next(iter(project.service.jobs))
    for secret in (KEY_CANARY, SIGNATURE_CANARY, ROW, job):
        assert secret.encode() not in everything
    read = read_cassette(cassette)
    calls = [exchange.call for exchange in read.exchanges]
    assert {"unknown_job", "upload_url", "put", "status", "download"} <= set(calls)
    assert read_profile(str(profile), ["house"]) == read_profile(str(cassette), ["house"])
    assert yaml.safe_load(profile.read_text())["title"].startswith("recorded by retrain-runner")


def test_a_place_that_a_search_found_comes_with_the_lines_that_pin_it(project: Project) -> None:
    project.add(
        "house", policy=threshold({"metric": "auc", "min": 0.8}), results=[archive({"scores.json": b'{"auc": 0.9}'})]
    )
    text = train(project, "--yes").out
    assert "paste into the manifest:\nmetrics:\n  auc: {file: scores.json, select: /auc}" in text


def test_values_in_percent_differ_and_come_with_the_line_that_reads_them(project: Project) -> None:
    project.add("house", policy=threshold({"metric": "auc", "min": 0.8}), results=[result(AUC="90.1")])
    text = train(project, "--yes").out
    assert "\nDIFFERS:\n  the result has no usable auc\n" in text
    assert "unit: percent}" in text.split("paste into the manifest:")[1]


def test_a_word_that_sounds_like_the_end_comes_with_the_line_that_makes_it_one_and_no_second_training(
    project: Project,
) -> None:
    project.add("house").ends = ["succeeded"]
    text = train(project, "--yes", code=5).out
    line = "statuses: {finished: [job_finished, succeeded]}"
    assert f"paste into the manifest:\nservice:\n  {line}\n" in text
    assert "\nDIFFERS:\n" in text
    project.manifest["service"] |= yaml.safe_load(line)
    project.save()
    assert project.run().code == 0
    assert project.outcomes() == {"house": "switched"}
    assert len(project.service.accepted("house")) == 1


@pytest.mark.parametrize("options", [("--select", "house"), ("--format", "json")])
def test_it_trains_one_model_and_tells_of_it_as_text(project: Project, options: tuple[str, str]) -> None:
    project.add("house", results=[result(AUC="0.9")])
    assert "--train cannot be used with --select or --format" in train(project, *options, code=2).err
