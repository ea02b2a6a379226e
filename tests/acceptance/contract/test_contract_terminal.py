"""What a person sees of a run: on terminals of many sizes and kinds, in a pipe, and when the display fails."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from runner.journal.folder import StateFolder
from runner.journal.lock import locked
from tests.acceptance.contract.contract_project import KEY_CANARY, Project, interrupt, threshold, wait_until
from tests.fakes.terminal import Terminal, in_terminal

NARROW, USUAL, WIDE = 40, 80, 200
HELD = threshold({"metric": "auc", "min": 0.95})


def run_in(project: Project, columns: int, *words: str, **environment: str) -> Terminal:
    """Start a run of the project in a terminal."""
    return in_terminal(
        ["run", "models.yaml", "--state", str(project.state), *words],
        columns=columns,
        cwd=project.folder,
        environment={**project.environment, **environment},
    )


def is_shown(terminal: Terminal, text: str) -> bool:
    return any(text in line for line in terminal.screen.shown())


@pytest.mark.parametrize("columns", [NARROW, USUAL, WIDE])
def test_a_terminal_shows_each_model_live_and_at_the_end_a_summary_in_its_place(project: Project, columns: int) -> None:
    project.add("churn").training = True
    project.add("demand", policy=HELD)
    terminal = run_in(project, columns)
    terminal.read_until(lambda: is_shown(terminal, "1 of 2 done"), what="the table")
    assert any("churn" in line and "training" in line for line in terminal.screen.shown())
    project.service.models["churn"].training = False
    assert terminal.finish() == 4
    shown = [line for line in terminal.screen.shown() if line]
    assert any(re.match("churn +✓ switched|✓ switched +churn", line) for line in shown[:8])
    if columns > NARROW:  # there the commands and their long paths take the room of the reasons
        assert "metrics: auc 0.9; nothing is recorded" in " ".join(" ".join(shown).split())
    assert not is_shown(terminal, "of 2 done")
    assert is_shown(terminal, "1 switched, 1 held")
    assert b"\x1b[32m" in terminal.written
    assert is_shown(terminal, "why: retrain history demand")


def test_no_line_of_the_table_is_broken_by_the_terminal(project: Project) -> None:
    """A line that wraps would shift every picture after it: the counts appear once."""
    project.add("a_model_with_a_very_long_name_that_fits_no_terminal").training = True
    terminal = run_in(project, NARROW)
    terminal.read_until(lambda: is_shown(terminal, "0:02"), what="two seconds")
    assert sum("of 1 done" in line for line in terminal.screen.shown()) == 1
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.finish() == 130


def test_a_run_that_is_stopped_leaves_the_terminal_as_it_was(project: Project) -> None:
    project.add("churn").training = True
    terminal = run_in(project, USUAL)
    terminal.read_until(lambda: is_shown(terminal, "training"), what="the table")
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.finish() == 130
    assert b"stopping (SIGINT): nothing new is started; press Ctrl-C again to end at once" in terminal.written
    assert b"\x1b[?" not in terminal.written
    assert is_shown(terminal, "~ training")
    assert project.outcomes() == {"churn": "training"}


def test_a_run_that_is_killed_has_no_mode_of_the_terminal_to_restore(project: Project) -> None:
    project.add("churn").training = True
    terminal = run_in(project, USUAL)
    terminal.read_until(lambda: is_shown(terminal, "training"), what="the table")
    terminal.process.kill()
    assert terminal.finish() == -9
    assert b"\x1b[?" not in terminal.written
    assert terminal.screen.column == 0


def test_no_color_with_any_value_leaves_no_colour(project: Project) -> None:
    project.add("churn")
    terminal = run_in(project, USUAL, NO_COLOR="anything")
    assert terminal.finish() == 0
    assert re.search(rb"\x1b\[[0-9;]*m", terminal.written) is None
    assert is_shown(terminal, "✓ switched")


def test_a_locale_without_unicode_gets_ascii(project: Project) -> None:
    project.add("churn")
    terminal = run_in(project, USUAL, LC_ALL="C")
    assert terminal.finish() == 0
    assert terminal.written.isascii()
    assert is_shown(terminal, "+ switched")


def test_a_terminal_with_another_encoding_gets_its_own(project: Project) -> None:
    project.add("demand")
    project.manifest["models"]["需要予測"] = project.manifest["models"].pop("demand")
    project.save()
    terminal = run_in(project, USUAL, PYTHONIOENCODING="cp932")
    assert terminal.finish() == 0
    assert "需要予測".encode("cp932") in terminal.written
    assert b"+ switched" in terminal.written


def test_where_nobody_watches_there_are_plain_lines(project: Project) -> None:
    project.add("churn")
    terminal = run_in(project, USUAL, CI="true")
    assert terminal.finish() == 0
    assert b"\x1b[1A" not in terminal.written
    assert is_shown(terminal, " churn: uploaded")


def test_a_pipe_gets_one_line_for_each_change_and_no_sequence_and_each_reason_once(project: Project) -> None:
    project.add("churn", policy=HELD)
    done = project.run()
    assert "\x1b" not in done.out + done.err
    lines = [line.split(" ", 1)[1] for line in done.err.splitlines()]
    assert lines[0] == "churn: checking the data"
    assert not any("call:" in line for line in lines)
    assert lines[-1] == "churn: held"
    assert len(lines) == len(set(lines))
    reason = project.entry("churn")["reason"]
    assert (done.out.count(reason), done.err.count(reason)) == (1, 0)


def test_a_run_that_is_stopped_says_so_at_once_and_what_had_not_begun_does_not_begin(project: Project) -> None:
    for name in ("first", "second", "third"):
        project.add(name).training = True
    project.manifest["limits"]["parallel"] = 1
    project.save()
    process = project.start("run", "models.yaml")
    wait_until(lambda: bool(project.service.accepted("first")), what="the upload")
    done = interrupt(process, signal.SIGINT)
    lines = [line.split(" ", 1)[1] for line in done.err.splitlines()]
    told = next(number for number, line in enumerate(lines) if line.startswith("stopping (SIGINT): "))
    assert [line for line in lines[told + 1 :] if not line.startswith("first: ")] == [
        "second: skipped",
        "third: skipped",
    ]
    assert not any(line.startswith(("second", "third")) for line in lines[:told])


def test_verbosity_says_nothing_then_calls_then_every_event_and_never_a_secret(project: Project) -> None:
    project.add("churn")
    quiet, calls, events = (project.run("--force", *words) for words in (["-q"], ["-v"], ["-vv"]))
    assert (quiet.err, "switched" in quiet.out) == ("", True)
    well = project.run("-qq")
    assert (well.code, well.err, well.out) == (0, "", "")
    project.manifest["policies"]["churn"] = dict(HELD)
    project.save()
    held = project.run("-qq", "--force")
    assert (held.code, held.err, "held" in held.out) == (4, "", True)
    assert "churn: call: status, number 1" in calls.err
    assert "recorded" not in calls.err
    assert "churn: recorded: upload_intended" in events.err
    assert KEY_CANARY not in events.err
    assert "ignature" not in events.err


def test_events_stream_to_stdout_and_end_with_the_report(project: Project) -> None:
    project.add("churn")
    done = project.run("--format", "jsonl")
    *events, last = [json.loads(line) for line in done.out.splitlines()]
    assert {"planned", "stage_started", "in_training", "status_received", "decided", "model_ended"} <= {
        event["event"] for event in events
    }
    assert [event["outcome"] for event in events if event["event"] == "model_ended"] == ["switched"]
    assert (last["event"], last["report"]) == ("report", project.report())
    assert done.err == ""


def test_the_log_as_json_carries_typed_events(project: Project) -> None:
    project.add("churn")
    done = project.run("--log-format", "json", "--format", "json")
    events = [json.loads(line) for line in done.err.splitlines()]
    ended = next(event for event in events if event["event"] == "model_ended")
    assert (ended["model"], ended["outcome"], ended["reason"]) == (
        "churn",
        "switched",
        project.entry("churn")["reason"],
    )
    assert json.loads(done.out) == project.report()


def test_a_reader_of_stderr_that_goes_away_changes_nothing(project: Project) -> None:
    project.add("churn").training = True
    process = project.start("run", "models.yaml")
    assert process.stderr is not None
    process.stderr.readline()
    process.stderr.close()
    project.service.models["churn"].training = False
    process.stderr = None
    out, _ = process.communicate(timeout=60)
    assert (process.returncode, b"1 switched" in out) == (0, True)
    assert project.outcomes() == {"churn": "switched"}


def test_a_terminal_that_is_stopped_holds_up_no_model(project: Project) -> None:
    """Nobody reads the pseudo-terminal: its buffer fills, and the table's thread waits alone."""
    for number in range(30):
        project.add(f"model_with_quite_a_long_name_{number}").training = number == 0
    terminal = run_in(project, WIDE)
    wait_until(lambda: len(project.service.switched) == 29, what="the switches")
    project.service.models["model_with_quite_a_long_name_0"].training = False
    wait_until(lambda: len(project.service.switched) == 30, what="the last switch")
    assert terminal.finish() == 0


def test_stdout_in_a_file_gets_the_plain_summary_while_the_terminal_keeps_the_last_picture(
    project: Project, tmp_path: Path
) -> None:
    project.add("churn")
    out = tmp_path / "out.txt"
    command = f'"$PYTHON" -m runner run models.yaml --state "{project.state}" > "{out}"'
    ours, theirs = pty.openpty()
    environment = {**project.environment, "PATH": os.environ["PATH"], "PYTHON": sys.executable, "TERM": "xterm"}
    environment |= {"PYTHONPATH": str(Path(__file__).parents[3]), "HOME": str(project.folder), "LANG": "C.UTF-8"}
    subprocess.run(
        ["/bin/sh", "-c", command], cwd=project.folder, env=environment, stderr=theirs, check=True, timeout=60
    )
    written = os.read(ours, 65536).decode()
    os.close(ours)
    os.close(theirs)
    assert "1 of 1 done" in written
    assert out.read_text(encoding="utf-8").startswith("churn  switched           ")


def test_a_run_that_waits_for_another_says_for_which(project: Project) -> None:
    project.add("churn")
    assert project.run().code == 0
    with locked(StateFolder(project.state), "the-other", timeout=0):
        done = project.run("--lock-timeout", "300ms")
        terminal = run_in(project, USUAL, "--lock-timeout", "1m")
        terminal.read_until(lambda: is_shown(terminal, "waiting for run the-other"), what="the line")
    assert done.code == 6
    assert re.search(r"Z waiting for run the-other \(\S+ on \S+, process \d+\) to end\n", done.err)
    assert terminal.finish() == 0
