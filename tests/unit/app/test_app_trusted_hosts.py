"""A manifest may name any host; keys go to it only when the operator trusts it, and nothing is read before that."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from runner.app.planning.plan import PlanRequest, plan
from runner.app.planning.service_access import ManifestKeys
from runner.app.run.run import RunRequest, run
from runner.app.service import TargetService, connected
from runner.errors import ExitCode, ModelError, UsageError
from runner.http.proxies import Proxies, Proxy
from runner.lib.secrets import Redactor
from runner.manifest.load import load
from runner.manifest.model import Service
from runner.plan.model_plan import Choice
from runner.providers.base import ServiceOptions
from runner.providers.prediction_one.client import Client
from runner.reports.plan_text import render_plan_markdown, render_plan_text
from tests.fakes.prediction_one import STATUSES

HOST = "service.test"
TRACE = Path("was-executed")


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder whose manifest names a strange host, and commands that leave a trace when they are executed."""
    monkeypatch.chdir(tmp_path)
    Path("train.csv").write_text("id,label\n" + "1,a\n2,b\n" * 60)
    write_manifest()


def write_manifest(url: str = f"https://{HOST}", **key: Any) -> None:
    manifest = {
        "version": 1,
        "service": {"url": url},
        "datasets": {"d": {"train": "train.csv"}},
        "policies": {"p": {"type": "auto"}},
        "models": {"churn": {"api_key": {"command": ["touch", str(TRACE)], **key}, "dataset": "d", "policy": "p"}},
        "notify": [{"on": ["always"], "to": {"command": ["touch", str(TRACE)]}}],
    }
    Path("models.yaml").write_text(yaml.safe_dump(manifest))


def choice(*trusted: str, emulator: bool = False) -> Choice:
    return Choice(paths=[Path("models.yaml")], emulator=emulator, trusted_hosts=frozenset(trusted))


def do_run(made: Choice, plan_file: Path | None = None) -> ExitCode:
    request = RunRequest(
        choice=made, state="state", listener=lambda _model, _news: None, warn=lambda _text: None, plan=plan_file
    )
    return run(request).exit_code


@pytest.mark.plays("M1")
@pytest.mark.parametrize("trusted", [(), ("other.test",), ("test",)])
def test_a_run_with_a_host_that_nobody_trusts_is_refused_before_a_command_is_executed(trusted: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match=f"API keys are not sent to {HOST}") as caught:
        do_run(choice(*trusted))
    assert f"--trust-host {HOST}" in caught.value.hint
    assert not TRACE.exists()
    assert not Path("state").exists()


def test_a_run_with_a_host_that_the_operator_trusts_begins() -> None:
    assert do_run(choice(HOST)) == ExitCode.FAILED  # its command printed no key
    assert TRACE.exists()


def test_a_plan_names_the_host_and_says_that_a_run_would_be_refused() -> None:
    document = plan(PlanRequest(choice=choice(), state="state")).document
    assert (document.service, document.service_trusted) == (HOST, False)
    assert render_plan_text(document, Choice()).splitlines()[0] == (
        f"service: {HOST} (not trusted: a run is refused without --trust-host {HOST} or RETRAIN_TRUSTED_HOSTS={HOST})"
    )
    assert "not trusted" in render_plan_markdown(document)


def test_a_plan_of_a_trusted_host_names_it_in_its_first_line() -> None:
    document = plan(PlanRequest(choice=choice(HOST), state="state")).document
    assert document.service_trusted
    assert render_plan_text(document, Choice()).splitlines()[0] == f"service: {HOST}"
    assert "not trusted" not in render_plan_markdown(document)


def test_trust_does_not_travel_in_a_plan_file() -> None:
    plan(PlanRequest(choice=choice(HOST), state="state", out=Path("plan.json")))
    with pytest.raises(UsageError, match="API keys are not sent to"):
        do_run(Choice(), Path("plan.json"))
    assert do_run(Choice(trusted_hosts=frozenset({HOST})), Path("plan.json")) == ExitCode.FAILED


def test_the_emulator_needs_no_trust() -> None:
    assert plan(PlanRequest(choice=choice(emulator=True), state="state")).document.service_trusted


def test_a_key_that_is_bound_to_other_hosts_is_not_read() -> None:
    write_manifest("https://127.0.0.1:9", hosts=["127.0.0.1"])
    model = load([Path("models.yaml")]).models["churn"]
    redactor = Redactor()
    client = Client(base_url="https://[::1]:9", statuses=STATUSES, redactor=redactor)
    keys = ManifestKeys(client, redactor, host="::1")
    with pytest.raises(ModelError, match=r"The key of churn is bound to 127\.0\.0\.1, and the service is ::1"):
        keys.model_key(model)
    client.close()
    assert not TRACE.exists()


@pytest.mark.plays("R8")
@pytest.mark.parametrize("trusted", [False, True])
def test_a_proxy_that_only_the_manifest_names_gets_nothing(*, trusted: bool) -> None:
    service = Service(
        url=f"https://{HOST}",
        emulator=False,
        statuses=STATUSES,
        url_lifetime=timedelta(hours=1),
        options=ServiceOptions(proxies=Proxies(choice=Proxy(host="proxy.test", port=3128))),
    )
    hosts = frozenset({HOST, "proxy.test"} if trusted else {HOST})
    target = TargetService(name=HOST, emulator=False, trusted_hosts=hosts)
    if trusted:
        connected(service, f"https://{HOST}", target, Redactor()).close()
        return
    with pytest.raises(UsageError, match=r"The proxy proxy\.test is named by the manifest alone"):
        connected(service, f"https://{HOST}", target, Redactor())
