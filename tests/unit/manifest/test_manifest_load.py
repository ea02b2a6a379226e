"""Files and folders form one manifest of typed values."""

import os
import re
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace

from runner.errors import ExitCode, UsageError
from runner.manifest.document import ManifestError
from runner.manifest.load import load, read
from runner.manifest.model import (
    AutoPolicy,
    Bounds,
    CommandKey,
    EmulatorModel,
    EnvKey,
    FetchedKey,
    FileKey,
    KeyringKey,
    Limits,
    ManualPolicy,
    MetricDefinition,
    Place,
    Retrain,
    Rule,
    Source,
    ThresholdPolicy,
    Wait,
)
from runner.manifest.service import standard_service
from runner.providers.prediction_one.facts import FACTS
from tests.fakes.prediction_one import CHECKS

ACCEPT = Path(__file__).parents[2] / "cases" / "accept"
BASE = "version: 1\ndatasets: {churn: {train: churn.csv}}\npolicies: {always: {type: auto}}\n"
MODEL = "models: {churn: {api_key: {env: K}, dataset: churn, policy: always}}\n"


def codes(*paths: Path) -> list[str]:
    return [problem.code for problem in read(paths).problems]


def write(folder: Path, **files: str) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, text in files.items():
        paths.append(folder / f"{name}.yaml")
        paths[-1].write_text(text, "utf-8")
    return paths


def test_a_model_has_the_defaults_of_the_product_when_it_says_nothing(tmp_path: Path) -> None:
    manifest = load(write(tmp_path, m=BASE + MODEL))
    model = manifest.models["churn"]
    assert (model.retrain, model.wait, model.checks) == (Retrain(), Wait(), CHECKS)
    assert (model.tags, model.owner, model.emulator) == ((), None, None)
    assert model.place == Place(file=str(tmp_path / "m.yaml"), line=4, column=10)
    assert manifest.limits == Limits()
    assert manifest.approvals_folder is None
    assert manifest.service == standard_service(FACTS)


def test_the_whole_example_becomes_typed_values() -> None:
    manifest = load([ACCEPT / "whole_example.yaml"])
    churn = manifest.models["churn"]
    assert churn.api_key == EnvKey(name="CHURN_API_KEY")
    assert churn.retrain == Retrain(min_interval=timedelta(days=1), max_age=timedelta(days=30), attempts=2)
    assert churn.wait == Wait(timeout=timedelta(hours=12), poll=None)
    assert (churn.tags, churn.owner) == (("daily", "marketing"), "growth-team")
    assert manifest.models["usage"].wait.timeout == timedelta(hours=6)
    daily = manifest.datasets["daily"].train
    assert daily == Source(
        pattern="data/daily/*.csv", folder=ACCEPT, pick="latest", place=daily.place, formats=FACTS.limits.formats
    )
    churn_eval = manifest.datasets["churn"].eval
    assert churn_eval is not None
    assert (churn_eval.pattern, churn_eval.folder, churn_eval.pick) == ("data/churn/eval.csv", ACCEPT, None)
    assert manifest.datasets["daily"].train_sha256 == (
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    )
    assert manifest.metrics["profit"] == MetricDefinition(
        name="profit", file="report.json", select="/summary/profit", direction="higher", target=None, unit=None
    )
    assert manifest.approvals_folder == ACCEPT / "approvals"
    assert manifest.limits == Limits(parallel=8, uploads=2, switches_per_run=20, stop_after_failures=5)
    assert list(manifest.policies) == ["guarded"]


def test_a_rule_keeps_its_limit_exact_and_a_rule_with_two_limits_becomes_two() -> None:
    policy = load([ACCEPT / "metrics_of_each_direction.yaml"]).policies["guarded"]
    assert isinstance(policy, ThresholdPolicy)
    gain = Rule(
        metric="median_absolute_error_ratio",
        kind="min_gain",
        limit=Decimal("0.01"),
        against="incumbent",
        level="warn",
        any_eval=False,
    )
    assert [rule.limit for rule in policy.rules[:2]] == [Decimal(-1500), Decimal(12)]
    assert policy.rules[2].any_eval
    assert gain in policy.rules
    assert replace(gain, kind="max", limit=Decimal("0.5"), against=None) in policy.rules
    assert len(policy.rules) == 5


def test_policies_have_the_types_their_words_say() -> None:
    policies = load([ACCEPT / "policies_of_each_type.yaml"]).policies
    assert isinstance(policies["always"], AutoPolicy)
    ask, soon, careful = policies["ask"], policies["ask_soon"], policies["careful"]
    assert isinstance(ask, ManualPolicy)
    assert isinstance(soon, ManualPolicy)
    assert (ask.expires, soon.expires) == (None, timedelta(milliseconds=500))
    assert isinstance(careful, ThresholdPolicy)
    assert (careful.on_pass, careful.on_fail, careful.on_inconclusive) == ("ask", "ask", "ask")
    assert (careful.first_run, careful.expires) == ("hold", timedelta(days=14))


def test_each_source_of_a_key_has_its_type() -> None:
    sources = {name: model.api_key for name, model in load([ACCEPT / "key_sources.yaml"]).models.items()}
    assert sources == {
        "from_env": EnvKey(name="_KEY_1"),
        "from_file": FileKey(path=ACCEPT / "secrets" / "churn.key"),
        "from_command": CommandKey(argv=("op", "read", "op://team/churn key"), folder=ACCEPT),
        "from_command_list": CommandKey(argv=("op", "read", "op://team/usage key"), folder=ACCEPT),
        "from_keyring": KeyringKey(service="prediction-one", username="churn"),
        "fetched": FetchedKey(secret_key=EnvKey(name="ACCOUNT_SECRET_KEY"), model_id=1234),
    }


def test_a_models_own_keys_win_key_by_key_and_bounds_keep_the_services_other_end() -> None:
    models = load([ACCEPT / "defaults_hold_everything.yaml"]).models
    assert models["churn"].checks.rows == Bounds(min=20, max=1_000_000)
    assert models["usage"].checks.rows == Bounds(min=20, max=10_000)
    assert models["usage"].checks.columns == Bounds(min=2, max=200)
    assert models["usage"].checks.on_fail == "warn"
    assert models["usage"].retrain == Retrain(min_interval=timedelta(0), max_age=timedelta(days=30), attempts=3)


def test_lists_and_keys_replace_those_of_the_defaults(tmp_path: Path) -> None:
    defaults = "defaults: {api_key: {env: SHARED}, tags: [a, b], dataset: churn, policy: always}\n"
    models = "models: {one: {}, two: {api_key: {file: k.txt}, tags: [c]}}\n"
    manifest = load(write(tmp_path, m=BASE + defaults + models))
    assert (manifest.models["one"].tags, manifest.models["two"].tags) == (("a", "b"), ("c",))
    assert manifest.models["two"].api_key == FileKey(path=tmp_path / "k.txt")


def test_the_emulator_takes_target_and_task_from_both_levels_and_checks_the_target() -> None:
    manifest = load([ACCEPT / "emulator.yaml"])
    assert (manifest.service.url, manifest.service.emulator) == (None, True)
    assert (manifest.service.quarantine, manifest.service.url_lifetime) == (timedelta(0), timedelta(minutes=10))
    churn, price = manifest.models["churn"].emulator, manifest.models["price"].emulator
    assert churn is not None
    assert price is not None
    assert churn == EmulatorModel(task="binary_classification", target="churned", target_place=churn.target_place)
    assert price == EmulatorModel(task="regression", target="価格", target_place=price.target_place)
    assert manifest.models["price"].checks.target == "価格"


def test_merge_keys_and_aliases_mean_what_yaml_says() -> None:
    models = load([ACCEPT / "anchors_and_merge_keys.yaml"]).models
    assert models["second"].api_key == EnvKey(name="SECOND_KEY")
    assert models["second"].wait == models["third"].wait == Wait(timeout=timedelta(days=2), poll=timedelta(minutes=5))
    assert models["third"].owner == "nobody"


def test_words_that_yaml_takes_for_booleans_times_and_dates_stay_text() -> None:
    manifest = load([ACCEPT / "words_that_stay_text.yaml"])
    model = manifest.models["yes"]
    assert (model.dataset, model.policy, model.owner) == ("on", "no", "12:30")
    assert model.tags == ("017", "2026-01-01", "1_000", "0x1F", "12", "Off")
    assert manifest.datasets["on"].train.pattern == "2026-01-01"
    assert manifest.datasets["017x"].train.pattern == "null"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://host/", "https://host"),
        ("https://host/v1/external", "https://host"),
        ("https://host:8443/gate/v1/external/", "https://host:8443/gate"),
        ("HTTP://localhost:8765", "http://localhost:8765"),
        ("http://127.9.9.9", "http://127.9.9.9"),
        ("http://[::1]:1", "http://[::1]:1"),
    ],
)
def test_an_address_ends_before_the_path_of_the_calls(tmp_path: Path, url: str, expected: str) -> None:
    reading = read(write(tmp_path, m=f"service: {{url: '{url}'}}\n{BASE}{MODEL}"))
    assert reading.problems == ()
    assert reading.manifest is not None
    assert reading.manifest.service.url == expected


@pytest.mark.parametrize(
    "url",
    ["host", "//host", "https://", "https://a@b", "https://h/?q", "https://h/#f", "https://h:99999", "https://[::1", "https://h h", "file:///x", "https://h\\x"],  # noqa: E501 - a list
)  # fmt: skip
def test_an_address_of_another_form_is_refused(tmp_path: Path, url: str) -> None:
    assert codes(*write(tmp_path, m=f"service: {{url: '{url}'}}\n{BASE}{MODEL}")) == ["bad-url"]


def test_plain_http_to_another_machine_is_an_error(tmp_path: Path) -> None:
    reading = read(write(tmp_path, m=f"service: {{url: 'http://127.0.0.1.example.com'}}\n{BASE}{MODEL}"))
    assert [(problem.code, problem.severity) for problem in reading.problems] == [("plain-http", "error")]


def test_the_first_model_of_a_shared_key_is_shown_beside_the_second(tmp_path: Path) -> None:
    models = "models:\n  a: {api_key: {env: K}}\n  b: {api_key: {env: K}}\n"
    defaults = "defaults: {dataset: churn, policy: always}\n"
    (problem,) = read(write(tmp_path, m=BASE + defaults + models)).problems
    assert (problem.code, problem.line, problem.column) == ("shared-key", 7, 7)
    assert [(place.line, place.column) for place in problem.related] == [(6, 7)]


def test_a_key_is_bound_to_the_hosts_beside_its_source_in_lower_case() -> None:
    models = load([ACCEPT / "key_of_one_host.yaml"]).models
    host = "developer-api.easy-predictive-analytics.sony.com"
    assert {name: model.key_hosts for name, model in models.items()} == {
        "one": (host,),
        "two": (host, "::1"),
        "three": None,
    }


def test_bound_keys_say_nothing_against_the_emulator(tmp_path: Path) -> None:
    models = "models: {a: {api_key: {env: K, hosts: [h]}, emulator: {task: regression, target: y}}}\n"
    defaults = "service: {emulator: true}\ndefaults: {dataset: churn, policy: always}\n"
    assert read(write(tmp_path, m=BASE + defaults + models)).problems == ()


def test_status_words_are_lower_case() -> None:
    assert load([ACCEPT / "service_addresses.yaml"]).service.statuses.finished == ("job_finished", "finished")


def test_files_and_folders_form_one_manifest_whose_paths_start_at_each_files_folder(tmp_path: Path) -> None:
    write(tmp_path / "data", datasets="datasets: {churn: {train: churn.csv}}\n", other="policies: {p: {type: auto}}\n")
    (tmp_path / "data" / ".hidden.yaml").write_text("nonsense: 1\n")
    (tmp_path / "data" / "notes.txt").write_text("no manifest")
    write(tmp_path / "data" / "deeper.yaml", ignored="nonsense: 1\n")
    write(tmp_path, models="version: 1\nmodels: {m: {api_key: {file: k}, dataset: churn, policy: p}}\n")
    manifest = load([tmp_path / "models.yaml", tmp_path / "data"])
    assert manifest.datasets["churn"].train.folder == tmp_path / "data"
    assert manifest.models["m"].api_key == FileKey(path=tmp_path / "k")
    assert [Path(file.path).name for file in manifest.files] == ["models.yaml", "datasets.yaml", "other.yaml"]


def test_the_digest_depends_on_the_content_and_not_on_the_order_of_the_files(tmp_path: Path) -> None:
    paths = write(tmp_path, a=BASE, b=MODEL)
    first = load(paths)
    assert re.fullmatch("[0-9a-f]{64}", first.sha256)
    assert load(paths[::-1]).sha256 == first.sha256
    paths[1].write_text(MODEL + "# changed\n")
    assert load(paths).sha256 != first.sha256


def test_a_file_given_twice_is_read_once(tmp_path: Path) -> None:
    (path,) = write(tmp_path, m=BASE + MODEL)
    link = tmp_path / "link.yml"
    link.symlink_to(path)
    assert len(load([path, tmp_path, link, path]).files) == 1


def test_a_name_or_section_in_two_files_is_an_error_that_shows_both_places(tmp_path: Path) -> None:
    service = "service: {url: 'https://host'}\n"
    paths = write(tmp_path, a=BASE + MODEL + service, b=f"version: 1\n{MODEL}{service}")
    first, second = read(paths).problems
    assert (first.code, first.line, first.column) == ("duplicate-name", 2, 10)
    assert first.related == (Place(file=str(paths[0]), line=4, column=10),)
    assert (second.code, second.line, second.related[0].line) == ("duplicate-name", 3, 5)
    assert str(paths[0]) in first.message


def test_a_problem_in_merged_defaults_stands_at_the_defaults_own_line_and_once(tmp_path: Path) -> None:
    defaults = "defaults:\n  wait: {poll: 0s}\n  policy: alway\n"
    models = "models:\n  a: {api_key: {env: A}, dataset: churn, wait: {timeout: 1h}}\n"
    models += "  b: {api_key: {env: B}, dataset: churn}\n"
    paths = write(tmp_path, a=BASE + models, b=defaults)
    problems = [problem for problem in read(paths).problems if problem.severity == "error"]
    assert [(Path(p.file).name, p.line, p.column, p.code) for p in problems] == [
        ("b.yaml", 2, 16, "out-of-range"),
        ("b.yaml", 3, 11, "unknown-policy"),
    ]


def test_every_problem_of_all_files_is_told_at_once_in_the_order_of_their_places(tmp_path: Path) -> None:
    paths = write(tmp_path, b="version: 2\nlimits: {paralel: 1}\n", a=BASE + "models:\n  churn: {}\n  x: {ownr: 1}\n")
    problems = read(paths).problems
    assert [problem.place for problem in problems] == sorted(problem.place for problem in problems)
    assert {"wrong-value", "unknown-key", "missing-key"} <= {problem.code for problem in problems}
    assert {Path(problem.file).name for problem in problems} == {"a.yaml", "b.yaml"}


def test_references_are_not_judged_while_another_file_cannot_be_read(tmp_path: Path) -> None:
    model = "{api_key: {env: K}, dataset: churn, policy: p, wait: {timeout: 0s}}"
    paths = write(tmp_path, a="datasets: {churn: [}\n", b=f"models: {{m: {model}, n: {{owner: me}}}}\n")
    assert codes(*paths) == ["yaml-syntax", "out-of-range"]


def test_a_missing_path_an_empty_folder_and_a_folder_instead_of_a_file_are_problems(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    problems = read([tmp_path / "missing.yaml", tmp_path / "empty", Path("a\0b"), Path("x" * 5000)]).problems
    assert sorted(problem.code for problem in problems) == ["no-manifest", "unreadable", "unreadable", "unreadable"]
    assert {(problem.line, problem.column) for problem in problems} == {(1, 1)}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read_is_a_problem(tmp_path: Path) -> None:
    (path,) = write(tmp_path, m=BASE + MODEL)
    path.chmod(0)
    assert codes(path) == ["unreadable"]


def test_no_path_at_all_is_wrong_usage() -> None:
    with pytest.raises(UsageError):
        read([])


def test_load_raises_with_all_problems_and_the_exit_code_of_manifests(tmp_path: Path) -> None:
    with pytest.raises(ManifestError) as caught:
        load(write(tmp_path, m=BASE + "models: {m: {}}\n"))
    assert caught.value.exit_code is ExitCode.MANIFEST
    assert [problem.code for problem in caught.value.problems].count("missing-key") == 3
    assert "3 errors" in caught.value.message


def test_a_problem_is_one_line_of_file_line_column_code_message_and_hint(tmp_path: Path) -> None:
    (path,) = write(tmp_path, m=BASE + MODEL + "polices: {}\n")
    (problem,) = read([path]).problems
    expected = f"{path}:5:1: unknown-key: There is no key `polices` here. (Did you mean `policies`?)"
    assert problem.line_text() == expected


def test_the_manifest_cannot_be_changed(tmp_path: Path) -> None:
    manifest = load(write(tmp_path, m=BASE + MODEL))
    with pytest.raises(TypeError):
        manifest.models["new"] = manifest.models["churn"]  # type: ignore[index] # that is the claim
    with pytest.raises(AttributeError, match="immutable"):
        manifest.models["churn"].owner = "me"  # type: ignore[misc] # that is the claim


def test_a_thousand_warnings_do_not_make_a_manifest_invalid(tmp_path: Path) -> None:
    unused = "".join(f"  d{number}: {{train: x.csv}}\n" for number in range(1500))
    text = (
        f"version: 1\ndatasets:\n  churn: {{train: churn.csv}}\n{unused}policies: {{always: {{type: auto}}}}\n{MODEL}"
    )
    reading = read(write(tmp_path, m=text))
    assert len(reading.problems) == 1001
    assert reading.manifest is not None
