"""The laid-out pipelines on hosted runners: a fresh machine for each job, the state in a bucket, no stored key.

The bucket is moto's. The job's identity is exchanged for keys of a role by a service of our own that speaks TLS, as
AWS's does, and writes down which token asked for which role.
"""

import json
import os
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import trustme
import yaml

from tests.acceptance.places.test_pipelines import GITHUB, GITLAB
from tests.fakes.object_stores import moto_endpoint

_KEYS = """<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>
<AccessKeyId>{role}</AccessKeyId><SecretAccessKey>canary-secret</SecretAccessKey><SessionToken>s</SessionToken>
<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult>
</AssumeRoleWithWebIdentityResponse>"""


class Identities:
    """Gives jobs their tokens, as GitHub does, and roles their keys, as AWS does; `asked` has (role, token)."""

    def __init__(self, folder: Path) -> None:
        self.asked: list[tuple[str, str]] = []
        self.authority = folder / "authority.pem"
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(self.authority))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(context)
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                audience = parse_qs(urlsplit(self.path).query)["audience"][0]
                allowed = self.headers["Authorization"] == "bearer request-token"
                self._answer(json.dumps({"value": f"token for {audience}" if allowed else ""}))

            def do_POST(self) -> None:
                asked = parse_qs(urlsplit(self.path).query)
                service.asked.append((asked["RoleArn"][0], asked["WebIdentityToken"][0]))
                self._answer(_KEYS.format(role=asked["RoleArn"][0]))

            def _answer(self, text: str) -> None:
                self.send_response(200)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_words: object) -> None:
                """It keeps `asked` instead."""

        self._server = ThreadingHTTPServer(("localhost", 0), Handler)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"https://localhost:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def identities(tmp_path: Path) -> Iterator[Identities]:
    started = Identities(tmp_path)
    yield started
    started.stop()


class Hosted:
    """Machines of a pipeline: each has a home and files of its own, and is gone with its job."""

    def __init__(self, project: Path, programs: Path, folder: Path, identities: Identities) -> None:
        self._project, self._folder = project, folder
        self._path = f"{programs}:{os.defpath}"
        self.address = f"s3://bucket/{folder.name}?region=us-east-1&endpoint={moto_endpoint()}"
        self._trust = {
            "AWS_ENDPOINT_URL_STS": identities.url,
            "SSL_CERT_FILE": str(identities.authority),
            "CURL_CA_BUNDLE": str(identities.authority),
        }
        self._jobs = 0

    def job(self, *scripts: str, **environment: str) -> list[str]:
        """Run the steps of one job, each in a shell of its own, and return what they printed."""
        self._jobs += 1
        machine = self._folder / f"machine-{self._jobs}"
        machine.mkdir()
        variables = machine / "variables"
        printed = []
        for script in scripts:
            kept = dict(line.split("=", 1) for line in _lines(variables))
            done = subprocess.run(
                ["bash", "-e", "-c", script],
                cwd=self._project,
                env={
                    "PATH": self._path,
                    "HOME": str(machine),
                    "RUNNER_TEMP": str(machine),
                    "GITHUB_ENV": str(variables),
                    "GITHUB_STEP_SUMMARY": str(machine / "summary.md"),
                    "RETRAIN_STATE": self.address,
                    **self._trust,
                    **kept,
                    **environment,
                },
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=100,
                check=False,
            )
            assert done.returncode == 0, done.stdout
            printed.append(done.stdout)
        return printed


def _lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


@pytest.fixture
def hosted(project: Path, programs: Path, tmp_path: Path, identities: Identities) -> Hosted:
    machines = Hosted(project, programs, tmp_path, identities)
    keys = {"AWS_ACCESS_KEY_ID": "operator", "AWS_SECRET_ACCESS_KEY": "operator"}
    machines.job(f"retrain state init '{machines.address}'", **keys)
    return machines


def github_step(project: Path, job: str, name: str) -> str:
    steps = yaml.safe_load((project / GITHUB).read_text(encoding="utf-8"))["jobs"][job]["steps"]
    # The loop that asks for a new token again and again would outlive the test.
    return str(next(step["run"] for step in steps if step.get("name") == name)).replace(
        "while sleep 200", "while false"
    )


def test_the_github_workflow_trains_once_from_fresh_machines_by_the_jobs_own_identity(
    project: Path, hosted: Hosted, identities: Identities
) -> None:
    identity = {
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "request-token",
        "ACTIONS_ID_TOKEN_REQUEST_URL": f"{identities.url}/token?version=1",
        "GITHUB_EVENT_NAME": "schedule",
    }
    planning = [github_step(project, "plan", name) for name in ("credentials", "plan", "replay")]
    running = [github_step(project, "run", name) for name in ("credentials", "run", "report")]
    hosted.job(*planning, ROLE="plan-role", **identity)
    hosted.job(*running, ROLE="run-role", **identity)
    assert set(identities.asked) == {
        ("plan-role", "token for sts.amazonaws.com"),
        ("run-role", "token for sts.amazonaws.com"),
    }
    assert (project / "report.html").is_file()
    again = hosted.job(*planning, ROLE="plan-role", **identity)
    assert "1 awaiting approval" in (project / "summary.md").read_text(encoding="utf-8"), again
    assert "request-token" not in "".join(again)


def test_the_gitlab_jobs_train_once_from_fresh_machines_by_the_jobs_own_identity(
    project: Path, hosted: Hosted, identities: Identities
) -> None:
    jobs = yaml.safe_load((project / GITLAB).read_text(encoding="utf-8"))
    scripts = {name: "\n".join(jobs[f".{name}"]["script"]) for name in ("plan", "run")}
    identity = {"RETRAIN_IDENTITY": "token of the job", "CI_PROJECT_DIR": str(project), "CI_PIPELINE_SOURCE": "push"}
    hosted.job(scripts["plan"], ROLE="plan-role", **identity)
    hosted.job(scripts["run"], ROLE="run-role", **identity)
    assert set(identities.asked) == {
        ("plan-role", "token of the job"),
        ("run-role", "token of the job"),
    }
    (again,) = hosted.job(scripts["plan"], ROLE="plan-role", **identity)
    assert "awaiting approval" in again
    assert "token of the job" not in again
