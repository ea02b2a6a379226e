"""What starts `retrain run` at night: cron, systemd, Kubernetes, and the image it runs in."""

import json
import os
import re
import shutil
import subprocess
import tomllib
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from runner.app.planning.shards import group_of, shard_of
from runner.errors import ExitCode
from tests.acceptance.conftest import ROOT
from tests.acceptance.places.conftest import Shell

HADOLINT = os.environ.get("HADOLINT") or shutil.which("hadolint")
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def test_the_cron_line_runs_with_the_keys_and_only_once_at_a_time(project: Path, shell: Shell, programs: Path) -> None:
    asked = project / "asked"
    (programs / "retrain").write_text(f'#!/bin/sh\necho "$CHURN_API_KEY" "$@" >> {asked}; sleep 1\n', encoding="utf-8")
    (project / "keys.env").write_text("CHURN_API_KEY=from-the-file\n", encoding="utf-8")
    lines = (project / "deploy" / "cron" / "retrain").read_text(encoding="utf-8").splitlines()
    found = re.fullmatch(r"[\d*]+ [\d*]+ [\d*]+ [\d*]+ [\d*]+ retrain (?P<command>.+)", lines[-1])
    assert found is not None
    assert "%" not in found["command"], "cron reads it as a new line"
    command = (
        found["command"]
        .replace("/srv/models", str(project))
        .replace("/etc/retrain", str(project))
        .replace("/var/lib/retrain", str(project))
        .replace("/opt/retrain/bin", str(programs))
    )
    both = shell(f"({command}) & first=$!\nsleep 0.3\n({command}) || echo second $?\nwait $first", ("sh",))
    assert (both.returncode, both.stdout) == (0, "second 1\n"), both.stderr
    assert asked.read_text(encoding="utf-8") == "from-the-file run models.yaml -qq --allow-held\n"


def test_a_run_that_goes_on_later_or_was_stopped_is_not_a_failure_of_the_service(project: Path) -> None:
    unit = (project / "deploy" / "systemd" / "retrain.service").read_text(encoding="utf-8")
    codes = re.search(r"^SuccessExitStatus=(.+)$", unit, flags=re.MULTILINE)
    assert codes is not None
    assert {int(code) for code in codes[1].split()} == {
        ExitCode.UNFINISHED,
        ExitCode.LOCKED,
        ExitCode.TERMINATED,
    }


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not on PATH")
def test_systemd_takes_the_service_and_the_timer_without_a_remark(project: Path) -> None:
    folder = project / "deploy" / "systemd"
    units = [str(folder / "retrain.service"), str(folder / "retrain.timer")]
    checked = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
    remarks = [line for line in checked.stderr.splitlines() if str(folder) in line or "retrain." in line]
    assert (checked.returncode, remarks) == (0, [])


def test_the_service_hands_the_key_over_as_a_credential_and_never_as_an_argument(project: Path, shell: Shell) -> None:
    unit = (project / "deploy" / "systemd" / "retrain.service").read_text(encoding="utf-8")
    assert re.search(r"^LoadCredential=CHURN_API_KEY:/", unit, flags=re.MULTILINE)
    start = re.search(r"^ExecStart=/bin/sh -c '(.+)'$", unit, flags=re.MULTILINE)
    assert start is not None
    (project / "CHURN_API_KEY").write_text("from the credential", encoding="utf-8")
    # systemd replaces %d by the folder of the credentials and $$ by $
    command = start[1].replace("%d", str(project)).replace("$$", "$").replace("/opt/retrain/bin/retrain", "env #")
    assert "CHURN_API_KEY=from the credential\n" in shell(command, ("sh",)).stdout


def test_the_cron_job_forbids_overlap_keeps_the_state_and_takes_keys_from_a_secret(project: Path) -> None:
    claim, job = yaml.safe_load_all((project / "deploy" / "kubernetes" / "cronjob.yaml").read_text(encoding="utf-8"))
    spec = job["spec"]
    pod = spec["jobTemplate"]["spec"]["template"]["spec"]
    container = pod["containers"][0]
    assert (job["apiVersion"], job["kind"], spec["concurrencyPolicy"]) == ("batch/v1", "CronJob", "Forbid")
    assert (spec["jobTemplate"]["spec"]["backoffLimit"], pod["restartPolicy"]) == (0, "Never")
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    mounts = {mount["mountPath"]: volumes[mount["name"]] for mount in container["volumeMounts"]}
    assert mounts["/state"]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert {"name": "RETRAIN_STATE", "value": "/state/retrain"} in container["env"]
    assert container["envFrom"] == [{"secretRef": {"name": "retrain-keys"}}]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["readOnlyRootFilesystem"] is True


def test_the_cron_job_without_a_volume_takes_its_state_from_a_store_and_no_stored_key_of_it(project: Path) -> None:
    file = project / "deploy" / "kubernetes" / "cronjob-without-volume.yaml"
    account, job = yaml.safe_load_all(file.read_text(encoding="utf-8"))
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["serviceAccountName"] == account["metadata"]["name"]
    assert [volume for volume in pod["volumes"] if "emptyDir" not in volume] == []
    environment = {entry["name"]: entry["value"] for entry in container["env"]}
    assert environment["RETRAIN_STATE"].startswith("s3://")
    assert environment["HOME"] in {mount["mountPath"] for mount in container["volumeMounts"]}, "the rest is read-only"
    assert container["envFrom"] == [{"secretRef": {"name": "retrain-keys"}}]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True


def test_the_indexed_job_gives_each_pod_a_share_of_the_partitions_and_all_of_them_a_group(project: Path) -> None:
    file = project / "deploy" / "kubernetes" / "cronjob-indexed.yaml"
    account, job = yaml.safe_load_all(file.read_text(encoding="utf-8"))
    spec = job["spec"]["jobTemplate"]["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    environment = {entry["name"]: entry.get("value") for entry in container["env"]}
    assert (spec["completionMode"], spec["completions"]) == ("Indexed", spec["parallelism"])
    assert environment["JOB_COMPLETIONS"] == str(spec["completions"])
    given = {**{name: value or "retrain-29" for name, value in environment.items()}, "JOB_COMPLETION_INDEX": "3"}
    assert shard_of(None, 8, "s", given).text == "4/4"
    assert group_of(None, given) == "retrain-29"
    (group,) = [entry for entry in container["env"] if entry["name"] == "RETRAIN_GROUP"]
    assert group["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.labels['batch.kubernetes.io/job-name']"
    assert spec["template"]["spec"]["serviceAccountName"] == account["metadata"]["name"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True


def allowed(project: Path, role: str) -> dict[str, list[str]]:
    """Return what a role may do, each action with the names below the bucket."""
    policy = json.loads((project / "deploy" / "aws" / f"{role}-role.json").read_text(encoding="utf-8"))
    found: dict[str, list[str]] = {}
    for statement in policy["Statement"]:
        assert statement["Effect"] == "Allow"
        actions, resources = (
            [value] if isinstance(value, str) else value for value in (statement["Action"], statement["Resource"])
        )
        for action in actions:
            found[action] = [resource.removeprefix("arn:aws:s3:::BUCKET") for resource in resources]
    return found


def test_the_role_of_the_plan_only_reads_and_that_of_the_run_removes_no_record(project: Path) -> None:
    assert allowed(project, "plan") == {"s3:ListBucket": [""], "s3:GetObject": ["/PREFIX/*"]}
    run = allowed(project, "run")
    assert set(run) == {"s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload", "s3:DeleteObject"}
    whole = ["/PREFIX/p/*/leases/*", "/PREFIX/p/*/inbox/*"]
    parts = ["/PREFIX/partitions/*/p/*/leases/*", "/PREFIX/partitions/*/p/*/inbox/*"]
    assert run["s3:DeleteObject"] == [*whole, *parts]


def test_the_role_of_the_run_trusts_one_environment_of_one_repository(project: Path) -> None:
    for role, subject in (("run", "repo:OWNER/REPOSITORY:environment:retrain"), ("plan", None)):
        trust = json.loads((project / "deploy" / "aws" / f"trust-{role}-github.json").read_text(encoding="utf-8"))
        (statement,) = trust["Statement"]
        conditions = statement["Condition"]
        assert set(conditions) == {"StringEquals"}, "no pattern that another repository could fit"
        subjects = conditions["StringEquals"]["token.actions.githubusercontent.com:sub"]
        assert subject in (None, subjects)
        assert all("repo:OWNER/REPOSITORY:" in text for text in ([subjects] if isinstance(subjects, str) else subjects))
        assert conditions["StringEquals"]["token.actions.githubusercontent.com:aud"] == "sts.amazonaws.com"


def dockerfiles(project: Path) -> list[Path]:
    return [ROOT / "Dockerfile", project / "deploy" / "kubernetes" / "Dockerfile"]


@pytest.mark.skipif(HADOLINT is None, reason="hadolint is neither on PATH nor named by HADOLINT")
def test_hadolint_has_no_remark_on_a_dockerfile(project: Path) -> None:
    linted = subprocess.run([str(HADOLINT), *dockerfiles(project)], capture_output=True, text=True, check=False)
    assert (linted.returncode, linted.stdout) == (0, "")


@pytest.mark.plays("I3")
def test_an_image_starts_from_a_release_by_its_digest_and_runs_as_nobody_special(project: Path) -> None:
    for file in dockerfiles(project):
        text = file.read_text(encoding="utf-8")
        assert all(
            re.fullmatch(r"python:\d+\.\d+\.\d+-slim-\w+@sha256:[0-9a-f]{64}", base)
            for base in re.findall(r"^FROM (\S+)", text, re.MULTILINE)
        )
        assert re.findall(r"^USER (\S+)", text, re.MULTILINE) == ["10001:10001"]


def test_every_file_the_image_copies_is_there_and_let_through(project: Path) -> None:
    let_through = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for words in re.findall(r"^COPY (?!--)(.+)$", DOCKERFILE, re.MULTILINE):
        for source in words.split()[:-1]:
            assert (ROOT / source).exists()
            assert f"!{source}" in let_through
    for words in re.findall(r"^COPY (.+)$", dockerfiles(project)[1].read_text(encoding="utf-8"), re.MULTILINE):
        assert (project / words.split()[0]).exists()


def test_the_lock_of_the_image_holds_exactly_what_the_runner_and_its_remote_states_need() -> None:
    lock = (ROOT / "requirements" / "core.lock").read_text(encoding="utf-8")
    locked = {canonicalize_name(name) for name in re.findall(r"^([\w.-]+)==(?!.*sys_platform)", lock, re.MULTILINE)}
    assert locked == needed()


def needed() -> set[str]:
    """Return the names of everything that `pip install retrain-runner[objects,postgres]` brings."""
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    pending = [Requirement(text) for text in (*project["dependencies"], *extras["objects"], *extras["postgres"])]
    seen: set[str] = set()
    while pending:
        wanted = pending.pop()
        name = canonicalize_name(wanted.name)
        if name in seen:
            continue
        seen.add(name)
        brought = [Requirement(text) for text in distribution(name).requires or []]
        chosen = [{"extra": extra} for extra in ("", *wanted.extras)]
        pending += [need for need in brought if not need.marker or any(map(need.marker.evaluate, chosen))]
    return seen
