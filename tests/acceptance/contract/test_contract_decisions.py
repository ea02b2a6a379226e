"""Before production changes a person sees the numbers and is asked; what is printed for them to run, runs."""

import re
import shlex

import pytest

from tests.acceptance.contract.contract_project import AUTO, Project, rows, threshold
from tests.fakes.loopback_port import Answer
from tests.fakes.result_files import result
from tests.fakes.terminal import Terminal, in_terminal

FIRST, SECOND = result(AUC="0.954", RMSE="1.50"), result(AUC="0.939", RMSE="1.25")
EVAL = rows(seed=99)
QUESTION = "? [y/N]"
_QUOTED = re.compile(r"`(retrain (?:approve|reject|resolve|rollback) [^`]*)`")


def in_project(project: Project, *words: str) -> Terminal:
    """Start a command on a terminal, with the state named by the environment."""
    return in_terminal(
        words,
        columns=120,
        cwd=project.folder,
        environment={**project.environment, "RETRAIN_STATE": str(project.state)},
    )


def asked(project: Project, *words: str) -> Terminal:
    """Start a command on a terminal, and wait for its question."""
    terminal = in_project(project, *words)
    terminal.read_until(lambda: QUESTION in text(terminal), what="the question")
    return terminal


def text(terminal: Terminal) -> str:
    return "\n".join(terminal.screen.shown())


def answered(project: Project, answer: str, *words: str) -> tuple[int, str]:
    """Run a command on a terminal, answer its question, and return its exit code and what the screen shows."""
    terminal = asked(project, *words)
    terminal.type(answer)
    return terminal.finish(), text(terminal)


@pytest.fixture
def waiting(project: Project) -> Project:
    """Return a project in which a worse candidate waits beside a job that serves."""
    project.add("churn", evaluation=EVAL, results=[FIRST, SECOND])
    assert project.run().code == 0
    project.manifest["policies"]["churn"] = {"type": "manual"}
    project.save()
    project.write_data("churn", rows(seed=1))
    assert project.run().code == 0
    assert project.outcomes() == {"churn": "awaiting_approval"}
    return project


def table_of(shown: str) -> dict[str, list[str]]:
    """Return the rows of the metrics by their names."""
    return {
        words[0]: words[1:] for words in map(str.split, shown.splitlines()) if words and words[0] in ("auc", "rmse")
    }


def test_approve_shows_both_models_and_switches_on_a_yes(waiting: Project) -> None:
    code, shown = answered(waiting, "y\n", "approve", "churn", "--reason", "seen")
    assert (code, len(waiting.service.switches("churn"))) == (0, 2)
    assert table_of(shown) == {
        "auc": ["0.939", "0.954", "-0.015", "worse"],
        "rmse": ["1.25", "1.50", "-0.25", "better"],
    }
    assert "Switch production model churn to job " in shown


@pytest.mark.parametrize("answer", ["n\n", "\n", "\x04", "yeah\n"])
def test_any_other_answer_does_nothing_and_ends_with_1(waiting: Project, answer: str) -> None:
    journal = (waiting.state / "journal.sqlite3").read_bytes()
    code, shown = answered(waiting, answer, "approve", "churn", "--reason", "seen")
    assert (code, "Nothing was done." in shown) == (1, True)
    assert (waiting.state / "journal.sqlite3").read_bytes() == journal
    assert len(waiting.service.switches("churn")) == 1


def test_who_is_asked_sees_the_numbers_with_q_too(waiting: Project) -> None:
    code, shown = answered(waiting, "n\n", "approve", "churn", "--reason", "seen", "-q")
    assert (code, "auc" in table_of(shown)) == (1, True)
    done = waiting.retrain("approve", "churn", "--reason", "seen", "-q", "--yes")
    assert (done.code, done.err) == (0, "")


def test_status_cuts_ids_unless_asked(waiting: Project) -> None:
    [incumbent] = waiting.service.switches("churn")
    for words, shown in (((), incumbent[:8]), (("--wide",), incumbent)):
        terminal = in_project(waiting, "status", *words)
        assert terminal.finish() == 0
        assert re.search(f"^churn +{shown} ", text(terminal), re.MULTILINE)
    assert f"incumbent {incumbent[:8]}, " in waiting.retrain("status").out
    assert f"incumbent {incumbent}, " in waiting.retrain("status", "--wide").out


def test_yes_asks_nothing_on_a_terminal_either(waiting: Project) -> None:
    terminal = in_project(waiting, "approve", "churn", "--reason", "seen", "--yes")
    assert terminal.finish() == 0
    assert QUESTION not in text(terminal)
    assert table_of(text(terminal))["auc"][2:] == ["-0.015", "worse"]


def test_an_approval_that_is_only_recorded_is_asked_for_too(waiting: Project) -> None:
    code, shown = answered(waiting, "y\n", "approve", "churn", "--reason", "seen", "--record-only")
    assert (code, "Let the next run switch production model churn to job " in shown) == (0, True)
    assert len(waiting.service.switches("churn")) == 1


def test_a_rejection_is_asked_for_on_a_terminal_and_goes_on_without_one(waiting: Project) -> None:
    code, _ = answered(waiting, "n\n", "reject", "churn")
    assert (code, waiting.outcomes()) == (1, {"churn": "awaiting_approval"})
    done = waiting.retrain("reject", "churn", "--reason", "worse")
    assert (done.code, table_of(done.err)["auc"][2:]) == (0, ["-0.015", "worse"])
    assert waiting.entry("churn")["decision"]["approval"]["reason"] == "worse"


def test_a_rollback_shows_what_it_goes_back_to_and_asks(waiting: Project) -> None:
    assert waiting.retrain("approve", "churn", "--reason", "seen", "--yes").code == 0
    first, second = waiting.service.switches("churn")
    code, shown = answered(waiting, "y\n", "rollback", "churn", "--reason", "off")
    assert (code, waiting.service.switches("churn")) == (0, [first, second, first])
    assert f"churn: back to job {first[:8]}, last switched to job {second[:8]}" in shown
    assert table_of(shown)["auc"] == ["0.954", "0.939", "+0.015", "better"]


@pytest.mark.parametrize("verb", ["approve", "rollback"])
def test_without_a_terminal_production_is_not_changed_and_the_printed_command_does_it(
    waiting: Project, verb: str
) -> None:
    if verb == "rollback":
        assert waiting.retrain("approve", "churn", "--reason", "seen", "--yes").code == 0
    before = len(waiting.service.switches("churn"))
    refused = waiting.retrain(verb, "churn", "--reason", "it's fine")
    assert (refused.code, refused.out) == (2, "")
    assert table_of(refused.err)["auc"][2:] != []
    assert len(waiting.service.switches("churn")) == before
    [command] = _QUOTED.findall(refused.err)
    assert waiting.retrain(*shlex.split(command)[1:]).code == 0
    assert len(waiting.service.switches("churn")) == before + 1


def test_a_question_that_stands_open_blocks_nobody_and_a_yes_to_what_changed_meanwhile_is_refused(
    waiting: Project,
) -> None:
    terminal = asked(waiting, "approve", "churn", "--reason", "seen")
    waiting.write_data("churn", rows(seed=2))
    assert waiting.run().code == 0
    terminal.type("y\n")
    assert terminal.finish() == 7
    assert "changed after they were shown" in " ".join(text(terminal).split())
    assert len(waiting.service.switches("churn")) == 1


def test_approve_demands_a_reason(waiting: Project) -> None:
    assert waiting.retrain("approve", "churn", "--yes").code == 2
    assert waiting.retrain("approve", "churn", "--yes", "--reason", " ").code == 2
    assert len(waiting.service.switches("churn")) == 1


def test_the_beginning_of_an_id_is_enough_where_it_is_the_only_one(waiting: Project) -> None:
    first, second = waiting.service.switches("churn")[0], waiting.entry("churn")["retrain_job_id"]
    both = waiting.retrain("approve", "churn", "--job", "job-", "--reason", "x", "--yes")
    assert (both.code, first in both.err, second in both.err) == (2, True, True)
    assert waiting.retrain("approve", "churn", "--job", "jab-0002", "--reason", "x", "--yes").code == 2
    assert waiting.retrain("approve", "churn", "--job", second[:-4], "--reason", "x", "--yes").code == 0
    assert waiting.retrain("rollback", "churn", "--to", first[:-4], "--reason", "x", "--yes").code == 0
    assert waiting.service.switches("churn") == [first, second, first]


@pytest.mark.parametrize(
    "words", [("approve",), ("rollback",), ("resolve", "--as", "switched")], ids=lambda words: words[0]
)
def test_a_model_that_nobody_knows_is_answered_by_the_nearest_one(waiting: Project, words: tuple[str, ...]) -> None:
    done = waiting.retrain(words[0], "churm", *words[1:], "--reason", "x")
    assert (done.code, "Did you mean `churn`?" in done.err) == (2, True)


def test_the_first_switch_says_that_nothing_is_known_of_the_model_in_service(project: Project) -> None:
    project.add("churn", policy={"type": "manual"})
    project.run()
    _, shown = answered(project, "n\n", "approve", "churn", "--reason", "seen")
    assert "Nothing is recorded of the model in service." in shown
    assert "A rollback cannot bring back what serves now" in shown


def test_what_waits_or_is_held_shows_both_models_in_summary_status_plan_and_reports(project: Project) -> None:
    project.add("churn", evaluation=EVAL, results=[FIRST, SECOND])
    project.add("fraud", policy=AUTO, evaluation=EVAL, results=[FIRST, SECOND])
    project.run()
    project.manifest["policies"]["churn"] = {"type": "manual"}
    project.manifest["policies"]["fraud"] = threshold({"metric": "auc", "against": "incumbent", "max_drop": 0.01})
    project.save()
    project.write_data("churn", rows(seed=1))
    project.write_data("fraud", rows(seed=1))
    told = "auc 0.939 against 0.954 (-0.015, worse)"
    run = project.run()
    assert project.outcomes() == {"churn": "awaiting_approval", "fraud": "held"}
    folder = project.state / "runs" / "latest"
    assert run.out.count(told) == (folder / "report.md").read_text("utf-8").count(told) == 2
    assert (folder / "report.html").read_text("utf-8").count("-0.015 worse") == 2
    assert project.retrain("status").out.count(told) == 2
    assert told in project.retrain("plan", "models.yaml").out
    evidence = project.entry("fraud")["evidence"]
    assert evidence["source"] == "measured"
    assert evidence["metrics"][0] == {
        "name": "auc",
        "candidate": 0.939,
        "incumbent": 0.954,
        "difference": -0.015,
        "change": "worse",
        "unit": "",
        "problem": None,
    }


def printed(project: Project, out: str) -> dict[str, str]:
    """Return the commands for a person that a run, its report and status print, by verb and what they say."""
    report = project.state / "runs" / "latest" / "report.md"
    lines = [line[6:] for line in out.splitlines() if line.startswith(("next: ", "  or: "))]
    quoted = _QUOTED.findall(report.read_text("utf-8") + project.entry("churn")["reason"])
    status = [line[6:] for line in project.retrain("status").out.splitlines() if line[:6] in ("next: ", "  or: ")]
    return {" ".join(shlex.split(command)[1:5]): command for command in (*lines, *quoted, *status)}


def run_as_printed(project: Project, command: str) -> int:
    """Run a command on a terminal with a reason in the place of the dots, and agree where it asks."""
    terminal = in_project(project, *shlex.split(command.replace('"..."', '"seen by the team"'))[1:])
    terminal.type("y\n")
    return terminal.finish()


@pytest.mark.parametrize("verb", ["approve", "reject"])
def test_the_commands_for_what_waits_run_as_printed(waiting: Project, verb: str) -> None:
    found = printed(waiting, waiting.run().out)
    assert {words.split()[0] for words in found} == {"approve", "reject"}
    for words, command in found.items():
        if words.startswith(verb):
            assert run_as_printed(waiting, command) == 0, command
            break


def test_the_command_that_forces_an_older_candidate_runs_as_printed(waiting: Project) -> None:
    older = waiting.entry("churn")["retrain_job_id"]
    waiting.write_data("churn", rows(seed=2))
    waiting.run()
    refused = waiting.retrain("approve", "churn", "--job", older, "--reason", "x", "--yes")
    [command] = _QUOTED.findall(refused.err)
    assert f"--state {waiting.state}" in command
    assert run_as_printed(waiting, command) == 0
    assert waiting.service.switches("churn")[-1] == older


@pytest.mark.parametrize("answer", ["switched", "not-switched"])
def test_the_commands_for_an_unknown_switch_run_as_printed(project: Project, answer: str) -> None:
    project.add("churn").next_answer("switch", Answer(lost="done"))
    done = project.run()
    assert done.code == 8
    found = printed(project, done.out)
    assert {f"resolve churn --as {one}" for one in ("switched", "not-switched")} == set(found)
    assert run_as_printed(project, found[f"resolve churn --as {answer}"]) == 0


@pytest.mark.parametrize("answer", ["started", "not-started"])
def test_the_commands_for_an_unknown_upload_run_as_printed(project: Project, answer: str) -> None:
    model = project.add("churn", wait={"timeout": "1s", "poll": "100ms"})
    model.before, model.during, model.training = "running", "running", True
    model.next_answer("put", Answer(lost="done"))
    done = project.run()
    assert project.outcomes() == {"churn": "unknown"}
    found = printed(project, done.out)
    assert {f"resolve churn --as {one}" for one in ("started", "not-started")} < set(found)
    assert run_as_printed(project, found[f"resolve churn --as {answer}"]) == 0
