"""A plan as a pull request's comment, read by a foreign reader of Markdown."""

import re

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from runner.plan.document import PlannedOptions
from runner.plan.model_plan import Action, Choice
from runner.reports.plan_text import MOST_BYTES, render_plan_markdown, render_plan_text
from tests.unit.plan.plan_documents import document, model

METRICS = "auc 0.939 against 0.954 (-0.015, worse), accuracy 93.9 % against none"
OURS = {"<details>", "</details>", "<summary>", "</summary>", "<!-- -->"}
HOSTILE = [
    "a | b || c",
    "`x` ``y`` ```z",
    "<img src=x onerror=alert(1)> <!-- <script>alert(1)</script>",
    "</details><h1>gone</h1>",
    "[click](javascript:alert(1)) ![i](https://evil.test/x.png) <https://evil.test>",
    "https://evil.test/?q www.evil.test mail@evil.test",
    "@team @org/team #12 GH-1 org/repo#7",
    "line\n\n# heading\n\n| new | row |\n\n```\ncode",
    "\r\n::error file=x::pwned\n##[error]pwned",
    "\u202e\u200b\x1b[31m\x00",
    "**bold** __bold__ ~~gone~~ $x$ &lt;b&gt; \\| \\",
    "|---|---|---|",
]


def tokens(page: str) -> list[Token]:
    """Return every token of the page as GitHub's dialect has it: tables, strikethrough and raw HTML."""
    parsed = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(page)
    return [one for token in parsed for one in (token, *(token.children or []))]


def rows(page: str) -> list[list[str]]:
    """Return the plain text of all body rows' cells."""
    found: list[list[str]] = []
    inside = False
    for token in tokens(page):
        if token.type in ("tbody_open", "tbody_close"):
            inside = token.type == "tbody_open"
        elif inside and token.type == "tr_open":
            found.append([])
        elif inside and token.type == "inline":
            texts = (child.content for child in token.children or [] if child.type in ("text", "code_inline"))
            found[-1].append("".join(texts))
    return found


def test_changes_stand_in_a_table_and_the_rest_is_folded() -> None:
    plan = document(
        models=(
            model("calm", Action.NONE, reason="The data is the same as for job 1."),
            model("busy", reason="The data changed."),
            model("broken", Action.NONE, outcome="failed", reason="No file."),
        )
    )
    page = render_plan_markdown(plan)
    assert page.startswith("## Retraining plan: 1 would fail, 1 to retrain and 1 unchanged\n")
    assert rows(page) == [
        ["busy", "retrain", "The data changed."],
        ["broken", "would fail", "No file."],
        ["calm", "unchanged", "The data is the same as for job 1."],
    ]
    before, folded = page.split("<details>")
    assert "busy" in before
    assert "broken" in before
    assert "calm" not in before
    assert "<summary>Nothing to do for 1 model</summary>" in folded
    held = document(models=(model("calm", Action.NONE), model("kept", Action.NONE, outcome="held", reason="No.")))
    assert "<summary>Nothing to do for 2 models; 1 needs a decision</summary>" in render_plan_markdown(held)
    assert plan.sha256 in page


def test_a_plan_without_changes_shows_no_table_of_changes() -> None:
    page = render_plan_markdown(document(models=(model("calm", Action.NONE),)))
    assert page.index("<details>") < page.index("| model |")


@pytest.mark.parametrize("text", HOSTILE)
def test_text_from_outside_makes_no_tag_link_mention_or_row(text: str) -> None:
    plan = document(
        models=(model(text, reason=text), model(text, Action.NONE, reason=text)),
        options=PlannedOptions(
            select=(text,), force=False, no_switch=False, emulator=False, allow_service_change=False
        ),
        service=text,
    )
    page = render_plan_markdown(plan)
    found = tokens(page)
    assert not {"link_open", "image", "s_open", "em_open", "fence"} & {token.type for token in found}
    html = " ".join(token.content for token in found if token.type in ("html_block", "html_inline"))
    assert set(re.findall(r"<[^>]*>", html)) <= OURS
    assert [len(row) for row in rows(page)] == [3, 3]
    assert [token.content for token in found if token.type == "heading_open"] == [""]
    assert not re.search(r"^\s*::", page, re.MULTILINE)
    prose = re.sub(r"(`+).+?\1", "", page)
    assert not re.search(r"@\w|\w://|#\d|##\[", prose)


def test_the_words_of_a_reason_survive() -> None:
    text = "job `a|b` of @team <x> failed: https://x.test #7"
    [[_, _, shown]] = rows(render_plan_markdown(document(models=(model(reason=text),))))
    assert shown == text.replace("`", "")


def test_a_command_that_a_reason_quotes_is_code_without_escapes() -> None:
    reason = 'It waits for `retrain approve wine --reason "..."`.'
    assert f"| {reason} |" in render_plan_markdown(document(models=(model(reason=reason),)))


@pytest.mark.parametrize("count", [500, 2_000])
@pytest.mark.parametrize("reason", ["The data changed since job 0123456789abcdef.", "x" * 900, "@" * 900, "再" * 900])
@pytest.mark.parametrize("action", [Action.RETRAIN, Action.NONE])
def test_any_number_of_models_and_any_reasons_fit_into_a_comment(count: int, reason: str, action: Action) -> None:
    models = tuple(model(f"model-{number}-{'n' * 60}", action, reason=reason) for number in range(count))
    page = render_plan_markdown(document(models=models))
    assert len(page.encode()) <= MOST_BYTES < 65_536
    shown = len(rows(page))
    left = re.search(r"^(\d+) more of these models", page, re.MULTILINE)
    assert shown + (int(left[1]) if left else 0) == count
    assert shown > 80
    assert page.count("<details>") == page.count("</details>")


def test_five_hundred_models_with_ordinary_names_all_fit() -> None:
    reason = "The data changed since job 0123456789abcdef0123456789abcdef."
    models = tuple(model(f"churn-region-{number}", reason=reason) for number in range(500))
    page = render_plan_markdown(document(models=models))
    assert len(rows(page)) == 500
    assert "more of these models" not in page


def test_models_that_change_are_shown_before_those_that_rest() -> None:
    resting = tuple(model(f"calm-{number}", Action.NONE, reason="@" * 400) for number in range(900))
    page = render_plan_markdown(document(models=(*resting, model("busy"))))
    assert rows(page)[0][0] == "busy"
    assert "more of these models would not fit here" in page


def test_the_flags_a_plan_was_made_with_are_shown() -> None:
    options = PlannedOptions(
        select=("tag:daily",), force=True, no_switch=True, emulator=True, allow_service_change=True
    )
    page = render_plan_markdown(document(options=options))
    assert "Planned with `--select tag:daily --force --no-switch --emulator --allow-service-change`." in page


def test_what_waits_shows_its_metrics_beside_those_of_the_incumbent() -> None:
    waiting = document(models=(model("a", Action.NONE, outcome="awaiting_approval", metrics=METRICS),))
    for shown in (
        render_plan_markdown(waiting),
        render_plan_text(waiting, Choice()),
        render_plan_text(waiting, Choice(), width=200),
    ):
        assert METRICS in shown


def test_in_a_terminal_no_line_of_a_plan_begins_with_text_from_outside() -> None:
    plan = document(models=(model("a", Action.NONE, outcome="failed", reason="::error::x\n::error::y\x1b[2J"),))
    assert render_plan_text(plan, Choice()).splitlines() == [
        "service: developer-api.predictionone.sony.biz",
        "a: would fail",
        "    why: ::error::x ::error::y\\x1b[2J",
        "plan: 1 would fail",
        "next: retrain doctor --select a",
    ]


def test_ids_are_short_in_the_comment_as_on_the_terminal() -> None:
    job = "0123456789abcdef0123456789abcdef"
    plan = document(models=(model("calm", Action.NONE, reason=f"The data is the same as for job {job}."),))
    assert f"job {job[:8]}." in render_plan_markdown(plan, job_ids=[job])
    assert job not in render_plan_markdown(plan, job_ids=[job])
