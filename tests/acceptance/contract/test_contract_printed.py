"""What the commands print for a person is true and runs: next steps, refusals, and what a damaged state is told."""

import shlex
import subprocess

import pytest

from tests.acceptance.contract.contract_project import Project, rows
from tests.fakes.cut_journal import cut, events_of


@pytest.fixture
def served(project: Project) -> Project:
    """Return a project whose model was switched twice."""
    project.add("churn")
    for seed in range(2):
        project.write_data("churn", rows(seed=seed))
        assert project.run().code == 0
    return project


def test_the_job_in_service_is_not_approved_and_a_second_switch_to_it_is_told_as_one(served: Project) -> None:
    first, second = served.service.switches("churn")
    refused = served.retrain("approve", "churn", "--job", second[:8], "--force", "--reason", "again", "--yes")
    assert refused.code == 2
    assert f"Job {second} of churn is recorded in service: there is nothing to approve." in refused.err
    [command] = [part for part in refused.err.split("`") if part.startswith("retrain rollback ")]
    words = shlex.split(command.replace('"..."', '"the list was old"'))[1:]
    again = served.retrain(*words, "--yes")
    assert again.code == 0, again.err
    assert f"job {second[:8]}, recorded in service; job {first[:8]} served before it" in again.err
    assert "switched to it once more (the list was old)" in again.out
    shown = served.retrain("history", "churn", "--incumbent-at", "2099-01-01").out
    assert "rollback from" not in shown
    assert served.service.switches("churn") == [first, second, second]


def test_the_first_job_that_serves_has_nothing_recorded_before_it(project: Project) -> None:
    project.add("churn")
    assert project.run().code == 0
    [job] = project.service.switches("churn")
    again = project.retrain("rollback", "churn", "--to", job, "--reason", "again", "--yes")
    assert "Nothing is recorded of the model before this one." in again.err
    assert "Nothing is recorded of the model in service." not in again.err


@pytest.mark.parametrize(
    "command",
    [
        ("approve", "churn"),
        ("reject", "churn"),
        ("rollback", "churn"),
        ("adopt", "churn"),
        ("resolve", "churn", "--as", "started"),
        ("state", "accept-loss"),
    ],
)
@pytest.mark.parametrize("reason", ["...", "-", "\u2026"])
def test_a_reason_without_a_letter_is_none(project: Project, command: tuple[str, ...], reason: str) -> None:
    refused = project.retrain(*command, f"--reason={reason}")
    assert refused.code == 2
    assert "is not a reason" in refused.err


def test_a_recorded_approval_without_a_terminal_does_not_say_that_production_would_change(project: Project) -> None:
    project.add("churn", policy={"type": "manual"})
    project.run()
    refused = project.retrain("approve", "churn", "--record-only", "--reason", "seen")
    assert "Nothing was done: the next run would change production, and there is no terminal" in refused.err


def test_a_journal_that_lacks_events_is_not_noted_and_prunes_nothing(served: Project) -> None:
    cut(served.state, events_of(served.state) - 3)
    prune = ("prune", "--results", "--keep", "0")
    for refused in (served.retrain(*prune, "--yes"), served.retrain(*prune)):
        assert refused.code == 7
        assert ".retrain/" not in refused.out + refused.err.partition("error")[0]
        assert "results/" not in refused.out + refused.err.partition("error")[0]
    dry = served.retrain(*prune, "--dry-run")
    assert dry.code == 0
    assert "lacks its last 3 events" in dry.err
    git = ("git", "-C", str(served.folder), "-c", "user.name=a", "-c", "user.email=a@b.test")
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "begin"], check=True)
    noted = served.retrain("audit", "head", "--git-note", "--repository", str(served.folder), "--trust-state")
    assert noted.code == 7
    assert "lacks its last 3 events" in noted.err
    assert "If a copy of this state was used elsewhere" in noted.err
    assert subprocess.run([*git, "notes", "--ref", "retrain", "list"], check=False, capture_output=True).stdout == b""


def test_why_a_candidate_is_still_held_runs_as_printed_and_takes_a_short_id(project: Project) -> None:
    rule = {"type": "threshold", "rules": [{"metric": "auc", "min": 0.99}]}
    project.add("churn", policy=rule)
    for _ in range(2):
        done = project.run()
        [why] = [line.removeprefix("why: ") for line in done.out.splitlines() if line.startswith("why: ")]
        assert project.retrain(*shlex.split(why)[1:]).code == 0
    [why] = [line for line in project.retrain("history", "churn").out.splitlines() if line.startswith("why: ")]
    assert project.retrain(*shlex.split(why)[2:]).code == 0
    job = project.entry("churn")["retrain_job_id"]
    assert job in project.retrain("history", "churn", "--job", job[:8]).out


def test_the_hint_of_an_audit_names_the_state(served: Project) -> None:
    run = max(path.name for path in (served.state / "runs").iterdir() if not path.is_symlink())
    with (served.state / "runs" / run / "report.md").open("a") as file:
        file.write(" ")
    refused = served.retrain("audit", "bundle", run)
    assert refused.code == 7
    assert f"`retrain verify {run} --state {served.state}` shows every finding" in refused.err


def test_a_job_that_served_is_not_switched_to_where_only_a_record_is_asked_for(served: Project) -> None:
    before = served.service.switches("churn")
    words = ("approve", "churn", "--job", before[0], "--force", "--record-only", "--reason", "seen", "--yes")
    refused = served.retrain(*words)
    assert refused.code == 2
    assert "Leave --record-only out" in refused.err
    assert served.service.switches("churn") == before


def test_a_refused_approval_names_the_whole_run_that_judges_again(project: Project) -> None:
    project.add("churn", policy={"type": "manual"})
    project.run()
    project.manifest["policies"]["churn"] = {"type": "threshold", "rules": [{"metric": "auc", "min": 0.1}]}
    project.save()
    refused = project.retrain("approve", "churn", "--reason", "seen", "--yes")
    assert refused.code == 7
    [command] = [part for part in refused.err.split("`") if part.startswith("retrain run ")]
    assert command.endswith(f" --state {project.state} --select churn")
    assert project.retrain(*shlex.split(command)[1:]).code == 0


@pytest.mark.parametrize("command", [("status",), ("show", "churn")])
@pytest.mark.parametrize("how", ["migrate", "pull"])
def test_what_is_next_in_a_state_that_was_moved_or_copied_names_the_one_that_counts(
    project: Project, command: tuple[str, ...], how: str
) -> None:
    project.add("churn", policy={"type": "manual"})
    assert project.run().code == 0
    original, elsewhere = str(project.state), str(project.folder / "elsewhere")
    done = project.retrain_elsewhere("state", how, original, elsewhere)
    assert done.code == 0, done.err
    read, counts = (original, elsewhere) if how == "migrate" else (elsewhere, original)
    shown = project.retrain_elsewhere(*command, "--state", read).out
    [line] = [line for line in shown.splitlines() if line.startswith("next: ")]
    words = shlex.split(line.removeprefix("next: ").replace('"..."', "seen"))
    assert words[-2:] == ["--state", counts]
    assert project.retrain_elsewhere(*words[1:], "--yes").code == 0
