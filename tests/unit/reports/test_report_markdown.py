"""The Markdown report begins with the answer, names what to do next, and never grows beyond a comment."""

import re
from decimal import Decimal
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from msgspec.structs import replace

from runner.journal.events import CommitRecord, ErrorRecord
from runner.journal.folder import StateFolder
from runner.journal.outcomes import Outcome
from runner.policy.evaluation import Cause, Drift, Verdict
from runner.reports.build import build_report
from runner.reports.formats.render import render_html, render_markdown, summarize
from runner.reports.model import DecisionReport, ModelReport, RuleReport
from runner.reports.next_step import CommandContext, next_step, why
from runner.reports.page import answer
from runner.reports.text import clipped, drift, markdown_prose
from tests.unit.reports.report_history import MemoryJournal, Recording, record_everything, record_hostile
from tests.unit.reports.report_scenes import record_fleet


def recording() -> Recording:
    return Recording(store=MemoryJournal(), folder=StateFolder(Path("nowhere")))


@pytest.fixture(scope="module")
def fleet() -> Recording:
    record = recording()
    record_fleet(record)
    return record


def test_five_hundred_models_fit_into_a_comment(fleet: Recording) -> None:
    text = render_markdown(fleet.history()).decode()
    assert len(text.encode()) < 60_000
    assert text.startswith("## 250 of 500 models switched; 50 were held back, 50 wait for approval, 100 failed and 50 ")
    shown = text.split("<details>")[0]
    for outcome, number in {"unknown": 50, "failed": 100, "held": 50, "awaiting approval": 50}.items():
        rows = re.findall(rf"\n- \*\*{outcome}\*\* `(\w+)`: ", shown)
        [(count, names)] = re.findall(rf"\n(\d+) more \*\*{outcome}\*\*: (.+)\.\n", shown)
        named = set(re.findall(r"`(\w+)`", names))
        assert len(rows) == 10
        assert int(count) == number - 10 == len(named - set(rows))
    assert "Failures by kind: 100 training." in shown
    assert "retrain approve " in shown


def test_names_and_messages_of_any_length_and_kind_fit_too() -> None:
    record = recording()
    record.start()
    for number in range(60):
        record_hostile(record, f"{number} {'@#|`<' * 2000}")
    record.end(1)
    assert len(render_markdown(record.history())) < 60_000


def test_the_page_of_a_large_run_has_less_than_twenty_kilobytes_a_model() -> None:
    record = recording()
    record_fleet(record, size=110, before=5)
    assert len(render_html(record.history())) / 110 < 20_000


@pytest.mark.parametrize(
    ("summary", "sentence"),
    [
        ({}, "No model took part."),
        ({"switched": 1}, "The model switched."),
        ({"held": 3}, "All 3 models were held back."),
        ({"switched": 1, "unknown": 1}, "1 of 2 models switched; 1 has an unknown result."),
        (
            {"held": 2, "training": 1, "failed": 1200},
            "2 of 1,203 models were held back; 1 is still in training and 1,200 failed.",
        ),
    ],
)
def test_the_answer_is_one_sentence(summary: dict[Outcome, int], sentence: str) -> None:
    assert answer(summary) == sentence


def decision(drift: Drift = "in_sync") -> DecisionReport:
    return DecisionReport(
        action="hold",
        by="policy",
        at="2026-03-01T04:05:06.000007Z",
        reason="Because.",
        policy_sha256="0" * 64,
        candidate_sha256="0" * 64,
        incumbent="measured",
        drift=drift,
        approval=None,
        rollback=None,
    )


CONTEXT = CommandContext(run="retrain run models.yaml --state there", state=" --state there")


def test_a_command_of_the_comment_is_a_block_with_a_button_to_copy_it(fleet: Recording) -> None:
    text = render_markdown(fleet.history()).decode()
    item = next(part for part in text.split("\n- ") if part.startswith("**awaiting approval**"))
    name = re.findall(r"`(\w+)`", item)[0]
    [block] = [token for token in MarkdownIt().parse(f"- {item}") if token.type == "fence"][:1]
    assert (block.info, block.content) == ("sh", f'retrain approve {name} --reason "..."\n')
    assert f'or `retrain reject {name} --reason "..."`' in item
    assert "`retrain" not in item.split("```")[0]


def test_a_reason_that_is_only_a_command_is_kept_without_its_arguments() -> None:
    reason = 'Candidate 7 waits for `retrain approve m --reason "..."` or `retrain reject m`.'
    waiting = ModelReport(name="m", outcome="awaiting_approval", reason=reason)
    assert why(replace(waiting, next=next_step(waiting, CONTEXT))) == "Candidate 7 waits for `approve` or `reject`."


def text_of(model: ModelReport) -> str:
    found = next_step(model, CONTEXT)
    return found.text if found else ""


def test_each_trouble_has_a_next_step_that_can_be_copied() -> None:
    waiting = ModelReport(name="a b", outcome="awaiting_approval", reason="Because.")
    assert text_of(waiting) == (
        "Decide with `retrain approve 'a b' --reason \"...\" --state there` or "
        "`retrain reject 'a b' --reason \"...\" --state there`."
    )
    unread = replace(waiting, unread="The result is empty.")
    assert text_of(unread).endswith(" `retrain inspect 'a b' --state there` shows what its result holds.")
    for known, result in ((None, "not-started"), (decision(), "not-switched")):
        told = text_of(replace(waiting, outcome="unknown", decision=known))
        assert f"`retrain resolve 'a b' --as {result} --reason \"...\" --state there`" in told
    error = ErrorRecord(kind="data", message="It is bad.", hint="Mend it, then `retrain run`.")
    failed = next_step(replace(waiting, outcome="failed", error=error), CONTEXT)
    assert failed is not None
    assert failed.text == "Mend it, then `retrain run models.yaml --state there`."
    assert failed.commands == (
        "retrain run models.yaml --state there",
        "retrain doctor models.yaml --state there --select 'a b'",
    )
    assert next_step(replace(waiting, outcome="switched"), CONTEXT) is None


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ([("passed", "measured"), ("inconclusive", "first_run")], "State what serves"),
        ([("inconclusive", "changed_outside")], "Accept what serves"),
        ([("failed", "measured"), ("inconclusive", "first_run")], "Improve the data"),
        ([("failed", "measured")], "Improve the data"),
    ],
)
def test_better_data_is_not_an_answer_where_only_the_incumbent_is_not_known(
    rules: list[tuple[Verdict, Cause]], told: str
) -> None:
    entries = tuple(
        RuleReport(
            baseline=None,
            cause=cause,
            formula="auc >= 0.9",
            level="decide",
            limit=Decimal("0.9"),
            margin=None,
            metric="auc",
            observed=None,
            reason="Because.",
            verdict=verdict,
        )
        for verdict, cause in rules
    )
    drift: Drift = "changed_outside" if rules[0][1] == "changed_outside" else "in_sync"
    model = ModelReport(name="m", outcome="held", reason="Because.", rules=entries, decision=decision(drift))
    assert text_of(model).startswith(told)


def test_quoted_commands_are_code_and_everything_else_is_text() -> None:
    assert markdown_prose("Run `retrain run` *now* `") == r"Run `retrain run` \*now\* \`"
    assert markdown_prose("`<b>`<b>") == r"`<b>`\<b>"


def test_long_text_is_cut_and_row_counts_tell_their_drift() -> None:
    assert clipped("x" * 300) == "x" * 300
    assert clipped("x" * 301) == "x" * 300 + "..."
    assert drift(4567, 4426) == ", +141 (+3.2 %) since the job before"
    assert drift(90, 100) == ", -10 (-10.0 %) since the job before"
    assert drift(5, 5) == ", as many as the job before"
    assert drift(5, None) == drift(None, 5) == drift(5, 0) == ""


def test_what_finds_no_room_is_counted(fleet: Recording) -> None:
    parts = summarize(build_report(fleet.history()), lambda _: "x" * 1000)
    assert parts.rest.left_out > 0
    assert len(parts.rest.pieces) + parts.rest.left_out == parts.rest_count == 250
    assert len(parts.blocks.pieces) == 14
    assert parts.blocks.left_out > 250


def test_the_links_of_the_comment_are_those_of_the_page() -> None:
    record = recording()
    record.start()
    record.end(0)
    history = record.history()
    started = replace(
        history.record.started,
        ci_job="https://ci.example/jobs/7",
        manifest=replace(
            history.record.started.manifest,
            git=CommitRecord(commit="4" * 40, dirty=False, remote="git@github.example:team/models.git"),
        ),
        options=replace(history.record.started.options, state="our state"),
    )
    history.progress.runs[history.run_id] = replace(history.record, started=started)
    text = render_markdown(history).decode()
    commit = f"https://github.example/team/models/commit/{'4' * 40}"
    assert f"[`{'4' * 12}`]({commit}), [pipeline's job](https://ci.example/jobs/7)." in text
    assert f"`retrain verify {history.run_id} --state 'our state'`" in text
    page = render_html(history).decode()
    assert all(f'href="{address}"' in page for address in (commit, "https://ci.example/jobs/7"))
    assert f"verify --head &#39;our state/runs/{history.run_id}/report.json&#39; --state &#39;our state&#39;" in page


@pytest.mark.parametrize("run_before", ["before", "be)fore[a](https://elsewhere.example)"])
def test_in_a_pull_requests_comment_no_link_is_relative_and_the_run_before_is_named(run_before: str) -> None:
    record = recording()
    record_everything(record)
    history = record.history()
    history.progress.runs = {run_before: history.record, **history.progress.runs}
    text = render_markdown(history).decode()
    assert f"The run before: `{run_before}`." in text
    assert "result file `runs/" in text
    parsed = MarkdownIt("commonmark", {"html": True}).enable("table").parse(text)
    links = [child.attrs["href"] for token in parsed for child in token.children or [] if child.type == "link_open"]
    assert [link for link in links if not str(link).startswith("https://")] == []


def test_a_manual_policy_is_not_said_to_have_judged() -> None:
    record = recording()
    record_everything(record)
    text = render_markdown(record.history()).decode()
    blocks = text.split("\n### ")[1:]
    ruled = [block for block in blocks if "| rule | level |" in block]
    assert ruled
    assert all(", verdict " in block for block in ruled)
    assert all(", verdict " not in block for block in blocks if block not in ruled)
