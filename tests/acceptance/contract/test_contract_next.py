"""Each row of the table of next steps, in a service and a state that come to it: its commands run as printed."""

import html
import json
import re
import shlex
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from runner.app.planning.data_checks import ONE_PASS_FROM
from runner.journal.outcomes import NEEDS_PERSON, Outcome
from runner.reports.model import NextCause
from runner.reports.next_step import TABLE
from tests.acceptance.contract.contract_project import Project, rows, threshold
from tests.fakes import preloaded
from tests.fakes.cut_journal import cut, events_of
from tests.fakes.loopback_port import Answer
from tests.fakes.result_files import result

AUC = {"metric": "auc", "min": 0.99}
CHANGE = {"metric": "auc", "against": "incumbent", "max_drop": 0.5}
QUICK = {"timeout": "1s", "poll": "100ms"}
ASKS = ("approve", "reject", "adopt")
LOOKS = ("history", "inspect")
# What cannot be brought about from outside: a run that is lost after the service said that a training failed.
_BY_A_CRASH = {("failed", "interrupted"), ("unknown", "interrupted")}


def unknown_switch(project: Project) -> None:
    project.add("churn").next_answer("switch", Answer(lost="done"))


def unknown_upload(project: Project) -> None:
    model = project.add("churn", wait=QUICK)
    model.before, model.during, model.training = "running", "running", True
    model.next_answer("put", Answer(lost="done"))


def cut_upload(project: Project) -> None:
    padding = b"x" * ONE_PASS_FROM
    model = project.add("churn", train=b"age,churned\n1," + padding + b"\none field\n", wait=QUICK)
    model.always["status"] = Answer(status=500, body=b"{}")


def no_key(project: Project) -> None:
    project.add("churn")
    del project.environment["KEY_OF_CHURN"]


def bad_data(project: Project) -> None:
    project.add("churn", train=b"a,b\n1\n")


def failing_service(project: Project) -> None:
    project.add("churn").always["upload_url"] = Answer(status=400, body=b"{}")


def failing_training(project: Project) -> None:
    project.add("churn").ends = ["job_error"]


def broken_result(project: Project) -> None:
    project.add("churn").always["download"] = Answer(status=404, body=b"gone")


def unreadable_hold(project: Project) -> None:
    project.add("churn", policy=threshold(AUC), results=[result(RMSE="1.0")])


def changed_outside(project: Project) -> None:
    project.add("churn", policy=threshold(CHANGE, first_run="pass"), evaluation=rows(seed=8))
    project.manifest["service"]["quarantine"] = "2s"
    project.service.lists_classifiers = True
    project.save()
    project.run()
    time.sleep(2.1)  # until then a list may be older than our switch
    project.service.publish_by_hand("churn")
    project.manifest["policies"]["churn"] = threshold(CHANGE, first_run="hold")
    project.save()
    project.write_data("churn", rows(seed=1))


def unknown_incumbent(project: Project) -> None:
    project.add("churn", policy=threshold(CHANGE, first_run="hold"))


def other_evaluation(project: Project) -> None:
    project.add("churn", policy=threshold(CHANGE, first_run="pass"), evaluation=rows(seed=8))
    project.run()
    project.write_data("churn_eval", rows(seed=9))
    project.write_data("churn", rows(seed=1))


def missed_rule(project: Project) -> None:
    project.add("churn", policy=threshold(AUC))


def lost_events(project: Project) -> None:
    project.add("churn", policy={"type": "manual"})
    project.run()
    project.run()
    cut(project.state, events_of(project.state) - 3)
    project.retrain("state", "accept-loss", "--reason", "the disk was full")


def expired(project: Project) -> None:
    project.add("churn", policy={"type": "manual", "expires": "1s"})
    project.run()
    time.sleep(1.2)


def unreadable_wait(project: Project) -> None:
    project.add("churn", policy={"type": "manual"}, results=[b"no zip"])


def waiting(project: Project) -> None:
    project.add("churn", policy={"type": "manual"})


def training(project: Project) -> None:
    project.add("churn", wait=QUICK).training = True


STATES: dict[tuple[Outcome, NextCause], Callable[[Project], None]] = {
    ("unknown", "switch"): unknown_switch,
    ("unknown", "upload"): unknown_upload,
    ("unknown", "cut_upload"): cut_upload,
    ("failed", "credentials"): no_key,
    ("failed", "data"): bad_data,
    ("failed", "service"): failing_service,
    ("failed", "training"): failing_training,
    ("failed", "result"): broken_result,
    ("held", "unreadable"): unreadable_hold,
    ("held", "changed_outside"): changed_outside,
    ("held", "incumbent_not_known"): unknown_incumbent,
    ("held", "other_evaluation"): other_evaluation,
    ("held", "rules"): missed_rule,
    ("held", "blocked"): lost_events,
    ("held", "expired"): expired,
    ("awaiting_approval", "unreadable"): unreadable_wait,
    ("awaiting_approval", "review"): waiting,
    ("training", "unfinished"): training,
}


def as_printed(project: Project, command: str) -> preloaded.Ended:
    """Run a printed command with a reason in the place of the dots; one that asks is told `--yes`."""
    words = shlex.split(command.replace('"..."', '"seen by the team"'))[1:]
    return preloaded.retrain(
        [*words, *(["--yes"] if words[0] in ASKS else [])],
        folder=project.folder,
        environment={"HOME": str(project.folder / "home"), **project.environment},
    )


def _copy(source: Path, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, symlinks=True)


@pytest.mark.parametrize("row", STATES, ids=" ".join)
def test_every_command_of_a_row_runs_as_printed(project: Project, row: tuple[Outcome, NextCause]) -> None:
    STATES[row](project)
    done = project.run()
    entry, kept = project.entry("churn"), project.folder / "kept"
    step = entry["next"]
    assert (entry["outcome"], step["cause"]) == row, entry["reason"]
    if row[0] in NEEDS_PERSON:
        assert f"next: {step['commands'][0]}" in done.out
    _copy(project.state, kept / "state")
    _copy(project.folder / "home", kept / "home")
    quoted = [part for part in step["text"].split("`")[1::2] if part.startswith("retrain ")]
    for command in dict.fromkeys([*step["commands"], *step["look"], *quoted]):
        ran = as_printed(project, command)
        verb = command.split()[1]
        expected = {"run": {0, 1, 4, 5, 8}, "doctor": {0, 1}}.get(verb, {0})
        assert ran.code in expected, (command, ran.err.decode())
        _copy(kept / "state", project.state)
        _copy(kept / "home", project.folder / "home")


def _of_page(page: str) -> list[str]:
    """Return the commands of a page, with those of the parts that its script builds."""
    found = re.search(r'<script type="application/json" id="panels">(.*?)</script>', page, re.DOTALL)
    shown = page + (_texts(json.loads(found[1])) if found else "")
    return [html.unescape(text) for text in re.findall(r"<code[^>]*>(retrain [^<]+)</code>", shown)]


def _texts(part: object) -> str:
    """Return all texts of a value read from JSON."""
    if isinstance(part, dict):
        return _texts(list(part.values()))
    return "".join(map(_texts, part)) if isinstance(part, list) else str(part)


def test_every_command_of_the_pages_runs_as_printed(project: Project) -> None:
    project.add("churn", policy={"type": "manual"})
    project.add("price", policy=threshold(AUC))
    project.add("stock", train=b"a,b\n1\n")
    project.run()
    site, kept = project.folder / "site", project.folder / "kept"
    assert project.retrain("site", str(site)).code == 0
    commands = re.findall(r"`(retrain [^`]+)`", (project.newest / "report.md").read_text("utf-8"))
    for page in [project.newest / "report.html", *site.rglob("*.html")]:
        commands += _of_page(page.read_text("utf-8"))
    whole = dict.fromkeys(commands)
    verbs = {shlex.split(command)[1] for command in whole}
    assert verbs == {"approve", "doctor", "history", "reject", "run", "verify"}
    _copy(project.state, kept / "state")
    _copy(project.folder / "home", kept / "home")
    for command in whole:
        ran = as_printed(project, command)
        expected = {"run": {0, 1, 4, 5, 8}, "doctor": {0, 1}}.get(command.split()[1], {0})
        assert ran.code in expected, (command, ran.err.decode())
        _copy(kept / "state", project.state)
        _copy(kept / "home", project.folder / "home")


def test_every_row_has_a_state_that_comes_to_it() -> None:
    # Of `failed`, the rows for network and config have the commands of `data`.
    left = TABLE.keys() - STATES.keys() - _BY_A_CRASH
    assert {TABLE[row] for row in left} <= {TABLE["failed", "data"]}
