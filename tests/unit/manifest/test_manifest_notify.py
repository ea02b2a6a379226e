"""The section `notify` as typed values, and what happens to a file that has it wrong beside other things."""

from pathlib import Path

from runner.manifest.load import load, read
from runner.manifest.model import CommandKey, EnvKey, FileKey, KeyringKey, Notification, Ping

CASES = Path(__file__).parents[2] / "cases"
HEAD = """
version: 1
datasets: {d: {train: d.csv}}
policies: {p: {type: auto}}
"""
MODELS = "models: {churn: {api_key: {env: A}, dataset: d, policy: p, owner: growth}}\n"


def test_each_form_of_an_entry_becomes_a_value_of_its_own() -> None:
    path = CASES / "accept" / "notify.yaml"
    entries = load([path]).notify
    assert [type(entry) for entry in entries] == [Notification] * 4 + [Ping]
    notifications = [entry for entry in entries if isinstance(entry, Notification)]
    assert notifications[0].on == ("failed", "held", "awaiting_approval")
    assert [entry.to for entry in notifications] == [
        EnvKey(name="SLACK_URL"),
        FileKey(path=path.parent / "secrets/mail.url"),
        CommandKey(argv=("pass", "show", "chat/models"), folder=path.parent),
        KeyringKey(service="retrain", username="chat"),
    ]
    assert [entry.owners for entry in notifications] == [(), ("growth-team",), ("growth-team",), ()]
    assert notifications[2].select == ("churn", "tag:daily")
    assert entries[4] == Ping(url=EnvKey(name="HEALTHCHECK_URL"), place=entries[4].place)
    assert entries[4].place.line == 14


def test_no_recipient_is_doubted_while_models_may_stand_in_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    told = tmp_path / "notify.yaml"
    told.write_text(f"{HEAD}{MODELS}notify: [{{on: [failed], to: {{env: HOOK}}, owner: finance}}]\n")
    assert [problem.code for problem in read([told]).problems] == ["matches-nothing"]
    assert [problem.code for problem in read([told, tmp_path / "absent.yaml"]).problems] == ["unreadable"]


def test_a_command_line_with_an_open_quote_is_told_at_its_place(tmp_path: Path) -> None:
    told = tmp_path / "notify.yaml"
    told.write_text(f'{HEAD}{MODELS}notify:\n  - ping: {{command: "pass \'show"}}\n')
    assert [(problem.line, problem.column, problem.code) for problem in read([told]).problems] == [
        (7, 21, "wrong-form")
    ]
