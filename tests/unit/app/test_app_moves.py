"""What plan, run and the commands that read say of models with other names, and of services that change."""

from datetime import timedelta
from pathlib import Path

import pytest

from runner.app.planning.plan import PlanRequest, plan
from runner.app.queries.history import HistoryRequest, explain, history
from runner.app.queries.status import status
from runner.app.review.resolve import ResolveRequest, propose_resolution, resolve
from runner.app.review.review import ReviewRequest, review
from runner.app.review.rollback import RollbackRequest, roll_back
from runner.app.run.run import RunRequest, run
from runner.app.site import build_site
from runner.app.state.read_state import read_progress
from runner.app.state.session import session
from runner.errors import ExitCode, UsageError
from runner.journal.events import RunFinished
from runner.plan.document import PlanDocument, counts
from runner.plan.model_plan import Choice
from runner.reports.plan_text import render_plan_markdown, render_plan_text
from tests.fakes.run_ids import run_id
from tests.fakes.world import CrashError, World

HOST, NEXT = "service.test", "next.test"
NAMES = {"churn": "CHURN", "churn-eu": "CHURN"}
MANIFEST = Path("models.yaml")


def manifest(*names: str, host: str = HOST, moved: str = "") -> str:
    models = "".join(f"  {name}: {{api_key: {{env: NO_{NAMES.get(name, name.upper())}}}}}\n" for name in names)
    return (
        f'version: 1\nservice: {{url: "https://{host}"}}\ndatasets: {{d: {{train: data.csv}}}}\n'
        "policies: {p: {type: threshold, rules: [{metric: auc, min: 0.9}]}}\n"
        f"defaults: {{dataset: d, policy: p}}\nmodels:\n{models}{moved and f'moved: [{moved}]'}\n"
    )


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Work in a folder where `churn` and `usage` serve; no key can be had, so nothing is sent by a run."""
    monkeypatch.chdir(tmp_path)
    made = World(tmp_path, manifest("churn", "usage"))
    assert {end.outcome for end in made.run().values()} == {"switched"}
    with session("state", lock_timeout=timedelta(0)) as opened:
        assert [*opened.progress.runs] == [run_id(1)]
    return made


def choice(*, select: str = "", allow: bool = False) -> Choice:
    trusted = frozenset({HOST, NEXT})
    return Choice(
        paths=[MANIFEST], select=[select] if select else [], allow_service_change=allow, trusted_hosts=trusted
    )


def planned(made: Choice | None = None) -> PlanDocument:
    return plan(PlanRequest(choice=made or choice(), state="state")).document


def do_run(made: Choice | None = None, kept: Path | None = None) -> ExitCode:
    request = RunRequest(
        choice=made or choice(), state="state", listener=lambda _model, _news: None, warn=lambda _text: None, plan=kept
    )
    return run(request).exit_code


def actions(document: PlanDocument) -> dict[str, str]:
    return {model.name: str(model.action) for model in document.models}


def test_a_plan_names_the_move_and_a_run_does_it_once(world: World) -> None:
    world.write_manifest(manifest("churn-eu", "usage", moved="{from: churn, to: churn-eu}"))
    document = planned()
    assert actions(document) == {"churn-eu": "move", "usage": "nothing"}
    assert counts(document.models) == {"to move": 1, "unchanged": 1}
    text = render_plan_text(document, Choice()).splitlines()
    assert text[:2] == [f"service: {HOST}", "moved: churn is called churn-eu now"]
    assert "**Moved:** churn is called churn-eu now" in render_plan_markdown(document)
    assert do_run() == ExitCode.OK
    assert actions(planned()) == {"churn-eu": "nothing", "usage": "nothing"}
    assert planned().moves == ()


def test_a_plan_file_with_a_move_is_run_as_it_is(world: World) -> None:
    world.write_manifest(manifest("churn-eu", "usage", moved="{from: churn, to: churn-eu}"))
    plan(PlanRequest(choice=choice(), state="state", out=Path("plan.json")))
    assert do_run(Choice(trusted_hosts=frozenset({HOST})), Path("plan.json")) == ExitCode.OK
    assert read_progress("state").model(HOST, "churn-eu").incumbent_id == "job-1"


def test_a_run_of_other_models_records_all_moves(world: World) -> None:
    world.write_manifest(manifest("churn-eu", "usage", moved="{from: churn, to: churn-eu}"))
    assert planned(choice(select="usage")).moves[0].new == "churn-eu"
    assert do_run(choice(select="usage")) == ExitCode.OK
    assert [one.name for one in status("state").models] == ["churn-eu", "usage"]


def test_the_history_of_a_model_goes_over_its_names(world: World) -> None:
    world.write_manifest(manifest("churn-eu", "usage", moved="{from: churn, to: churn-eu}"))
    do_run()
    for name in ("churn", "churn-eu"):
        entries = history(HistoryRequest(state="state", select=[name]))
        assert [(one.model, one.outcome) for one in entries] == [("churn", "switched"), ("churn-eu", "unchanged")]
        [explanation] = explain("state", name, run_id=None, job="job-1")
        assert explanation.confirmation.state == "same"


def test_the_page_of_an_old_name_leads_to_the_new_one(world: World) -> None:
    build_site("state", Path("site"))
    world.write_manifest(manifest("churn-eu", "usage", moved="{from: churn, to: churn-eu}"))
    do_run()
    assert build_site("state", Path("site")).models == 2
    pages = {path.parent.name.rpartition("-")[0]: path.read_text() for path in Path("site/models").glob("*/index.html")}
    assert sorted(pages) == ["churn", "churn-eu", "usage"]
    assert "This model is called" in pages["churn"]
    assert "Called before" in pages["churn-eu"]
    assert "#model=churn&" not in pages["churn-eu"]
    assert '#model=churn"' in pages["churn-eu"]


def test_a_command_with_the_old_name_says_the_new_one(world: World) -> None:
    world.write_manifest(manifest("churn-eu", "usage", moved="{from: churn, to: churn-eu}"))
    request = ReviewRequest(
        model="churn",
        action="reject",
        state="state",
        listener=lambda _model, _news: None,
        manifest=[MANIFEST],
        reason="no",
    )
    with pytest.raises(UsageError, match="churn is called churn-eu now"):
        review(request)


def test_an_upload_without_a_result_is_resolved_under_the_new_name(world: World) -> None:
    def crash(call: str, _job: str) -> None:
        if call == "put":
            raise CrashError

    world.write_data("2")
    world.service.before = crash
    with pytest.raises(CrashError):
        world.run()
    world.write_manifest(manifest("churn-eu", "usage", moved="{from: churn, to: churn-eu}"))
    do_run(choice(select="usage"))  # records the move, and says nothing of the model
    job = read_progress("state").model(HOST, "churn-eu").upload_unknown
    assert job is not None
    request = ResolveRequest(model="churn-eu", answer="not-started", reason="seen", state="state")
    assert propose_resolution(request).job == job.retrain_job_id
    resolve(request)
    assert actions(planned())["churn-eu"] == "retrain"


def test_a_plan_says_what_a_run_asks_of_a_model_with_a_new_name(world: World) -> None:
    world.write_manifest(manifest("churn-eu", "usage"))
    asks = " A run first asks whether it is churn, not in the manifest any more."
    reason = planned().models[0].reason
    assert (reason[:43], reason.endswith(asks)) == ("It has not been trained by this project yet", True)
    assert asks not in planned().models[1].reason
    world.write_manifest(manifest("fresh"))
    assert "whether it is one of churn, usage, not in" in planned().models[0].reason


@pytest.mark.parametrize("trusted", [False, True])
def test_whoever_switches_needs_to_trust_the_host(world: World, trusted: bool) -> None:
    hosts = frozenset({HOST}) if trusted else frozenset()

    def approval(*, record_only: bool) -> ReviewRequest:
        return ReviewRequest(
            model="churn",
            action="approve",
            state="state",
            listener=lambda _model, _news: None,
            manifest=[MANIFEST],
            reason="seen",
            record_only=record_only,
            trusted_hosts=hosts,
        )

    back = RollbackRequest(
        model="churn",
        reason="off",
        state="state",
        listener=lambda _model, _news: None,
        manifest=[MANIFEST],
        trusted_hosts=hosts,
    )
    refused, no_candidate = "API keys are not sent to", "No candidate of churn waits"
    with pytest.raises(UsageError, match=no_candidate if trusted else refused):
        review(approval(record_only=False))
    with pytest.raises(UsageError, match=no_candidate):
        review(approval(record_only=True))
    with pytest.raises(UsageError, match="served before|no job|nothing|only job" if trusted else refused):
        roll_back(back)
    assert world.service.calls("switch") == 2


def test_a_host_that_changes_in_a_pull_request_stops_known_models(world: World) -> None:
    world.write_manifest(manifest("churn", "usage", host=NEXT))
    document = planned()
    assert counts(document.models) == {"would fail": 2}
    assert document.services_before == (HOST,)
    assert render_plan_text(document, Choice()).splitlines()[0] == f"service: moves from {HOST} to {NEXT}"
    assert f"moves from {HOST} to {NEXT}" in render_plan_markdown(document)
    line = f"- {{service: {{from: {HOST}, to: {NEXT}}}}}"
    assert f"add `{line}` under `moved:` in the manifest, or give --allow-service-change" in document.models[0].reason
    assert do_run() == ExitCode.FAILED
    assert {one.outcome for one in history(HistoryRequest(state="state", service=NEXT))} == {"failed"}
    assert counts(planned().models) == {"would fail": 2}


@pytest.mark.parametrize("allow", [False, True])
def test_a_service_change_that_is_meant_is_recorded_once_and_begins_anew(world: World, allow: bool) -> None:
    entry = (
        ""
        if allow
        else f"{{service: {{from: {HOST}, to: between.test}}}}, {{service: {{from: between.test, to: {NEXT}}}}}"
    )
    world.write_manifest(manifest("churn", "usage", host=NEXT, moved=entry))
    document = planned(choice(allow=allow))
    assert actions(document) == {"churn": "move", "usage": "move"}
    assert counts(document.models) == {"to move": 2}
    assert document.models[0].stages[0] == "check"
    assert "where this project has no record of it" in document.models[0].reason
    do_run(choice(allow=allow))
    known = read_progress("state").model(NEXT, "churn")
    assert (known.from_service, known.jobs) == (HOST, {})
    world.write_manifest(manifest("churn", "usage", host=NEXT))
    assert actions(planned()) == {"churn": "retrain", "usage": "retrain"}
    assert planned().services_before == ()


def test_a_model_that_is_renamed_on_its_way_to_another_service_is_known(world: World) -> None:
    world.write_manifest(manifest("churn-eu", host=NEXT, moved="{from: churn, to: churn-eu}"))
    assert counts(planned().models) == {"would fail": 1}


def test_a_new_model_and_a_rehearsal_are_not_a_service_change(world: World) -> None:
    world.write_manifest(manifest("fresh", host=NEXT))
    assert actions(planned()) == {"fresh": "retrain"}
    world.write_manifest(manifest("churn", host="127.0.0.1:9"))
    assert actions(planned()) == {"churn": "retrain"}
    world.write_manifest(manifest("churn"))
    assert actions(planned()) == {"churn": "nothing"}


def test_a_model_that_lives_on_two_services_stays_on_both(world: World) -> None:
    world.write_manifest(manifest("churn", host=NEXT, moved=f"{{service: {{from: {HOST}, to: {NEXT}}}}}"))
    do_run()
    for host, action in ((HOST, "nothing"), (NEXT, "retrain")):
        world.write_manifest(manifest("churn", host=host))
        assert actions(planned()) == {"churn": action}


def test_a_run_that_was_lost_before_the_move_is_told_under_the_old_name(world: World) -> None:
    assert read_progress("state").runs[run_id(1)].finished == RunFinished(exit_code=5, stopped="lost")
    world.write_manifest(manifest("churn-eu", "usage", moved="{from: churn, to: churn-eu}"))
    assert do_run() == ExitCode.OK
    assert "churn-eu" not in (Path("state") / "runs" / run_id(1) / "report.md").read_text()
