"""Which partitions a machine takes, by what it was told and by a pipeline's variables, and its part of the limits."""

from collections.abc import Mapping

import pytest

from runner.app.planning.shards import Shard, budget_of, group_of, read_shard, shard_of
from runner.app.state.partitions import whole_of
from runner.errors import UsageError
from runner.journal.partitions import home_by_name
from runner.journal.postgres_address import part_address
from runner.manifest.model import Limits


@pytest.mark.parametrize("of", [1, 2, 3, 5, 8])
def test_each_partition_is_of_exactly_one_shard(of: int) -> None:
    shards = [read_shard(f"{number}/{of}", "--shard") for number in range(1, of + 1)]
    for partition in range(8):
        assert [shard.takes(partition) for shard in shards].count(True) == 1
    assert all(any(shard.takes(partition) for partition in range(8)) for shard in shards)


@pytest.mark.parametrize(
    ("environment", "shard"),
    [
        ({}, "1/1"),
        ({"RETRAIN_SHARD": "2/4", "CI_NODE_INDEX": "1", "CI_NODE_TOTAL": "3"}, "2/4"),
        ({"CI_NODE_INDEX": "3", "CI_NODE_TOTAL": "3"}, "3/3"),
        ({"CI_NODE_TOTAL": "1"}, "1/1"),  # what GitLab says without `parallel`
        ({"JOB_COMPLETION_INDEX": "0", "JOB_COMPLETIONS": "4"}, "1/4"),
        ({"JOB_COMPLETION_INDEX": "3", "JOB_COMPLETIONS": "4"}, "4/4"),
    ],
)
def test_a_pipelines_variables_say_which_shard_it_is(environment: Mapping[str, str], shard: str) -> None:
    assert shard_of(None, 8, "s", environment).text == shard
    assert shard_of("1/2", 8, "s", environment).text == "1/2"


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({"RETRAIN_SHARD": "0/4"}, "RETRAIN_SHARD is `0/4`"),
        ({"CI_NODE_INDEX": "5", "CI_NODE_TOTAL": "4"}, "is `5/4`"),
        ({"CI_NODE_INDEX": "9", "CI_NODE_TOTAL": "12"}, "4 of 12 machines would have nothing to do"),
        ({"JOB_COMPLETION_INDEX": "4", "JOB_COMPLETIONS": "4"}, "is `5/4`"),
        ({"JOB_COMPLETION_INDEX": "1"}, "JOB_COMPLETIONS is not set"),
        ({"JOB_COMPLETION_INDEX": "x", "JOB_COMPLETIONS": "4"}, "JOB_COMPLETION_INDEX is `x`"),
        ({"CI_NODE_INDEX": "1"}, "CI_NODE_INDEX/CI_NODE_TOTAL is `1/`"),
        ({"CI_NODE_INDEX": "1", "CI_NODE_TOTAL": "10000"}, "is `1/10000`"),
    ],
)
def test_what_names_no_share_is_refused(environment: Mapping[str, str], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        shard_of(None, 8, "s", environment)


def test_an_empty_option_is_refused_and_not_taken_for_the_whole_state() -> None:
    with pytest.raises(UsageError, match="does not name a shard"):
        shard_of("", 8, "s", {})


def test_a_state_with_one_partition_is_sharded_by_nobody() -> None:
    assert shard_of(None, 1, "s", {"CI_NODE_INDEX": "2", "CI_NODE_TOTAL": "4", "JOB_COMPLETION_INDEX": "1"}).of == 1
    assert shard_of("1/1", 1, "s", {}).of == 1
    for environment in ({"RETRAIN_SHARD": "2/2"}, {}):
        with pytest.raises(UsageError, match="has one partition"):
            shard_of(None if environment else "2/2", 1, "s", environment)


@pytest.mark.parametrize("limit", [0, 1, 2, 7, 20])
def test_the_shares_of_a_limit_are_the_limit(limit: int) -> None:
    shards = [Shard(number=number, of=3, source="") for number in (1, 2, 3)]
    assert sum(shard.share_of(limit) or 0 for shard in shards) == limit
    budgets = [budget_of(shard, Limits(switches_per_run=limit, stop_after_failures=1)) for shard in shards]
    assert sum(budget.switches or 0 for budget in budgets) == limit
    assert all(budget.closed() is None for budget in budgets)


@pytest.mark.parametrize(
    ("given", "environment", "group"),
    [
        ("night", {"RETRAIN_GROUP": "other", "GITHUB_RUN_ID": "1"}, "night"),
        (None, {"RETRAIN_GROUP": "retrain-29", "GITHUB_RUN_ID": "1"}, "retrain-29"),
        (None, {"GITHUB_RUN_ID": "123"}, "123"),
        (None, {"CI_PIPELINE_ID": "4711"}, "4711"),
        (None, {"CI_PIPELINE_ID": "<script>"}, None),
        (None, {}, None),
    ],
)
def test_runs_of_a_pipeline_have_its_id_in_common(
    given: str | None, environment: Mapping[str, str], group: str | None
) -> None:
    assert group_of(given, environment) == group


@pytest.mark.parametrize("name", ["a b", "-x", "a\nb", "x" * 101, "a/b", "$(id)"])
def test_a_group_is_a_plain_name(name: str) -> None:
    with pytest.raises(UsageError, match="not the name of a group"):
        group_of(name, {})


def test_where_a_history_begins_never_changes() -> None:
    names = ("churn", "spam", "需要予測", "a" * 200)
    assert [home_by_name(name, 8) for name in names] == [6, 3, 7, 5]
    assert {home_by_name(f"model-{number}", 16) for number in range(500)} == set(range(16))


@pytest.mark.parametrize("models", [500, 1000, 10_000])
@pytest.mark.parametrize("partitions", [16, 64])
def test_eight_machines_have_at_most_a_sixth_and_a_half_of_the_work_each(models: int, partitions: int) -> None:
    shards = [Shard(number=number, of=8, source="") for number in range(1, 9)]
    places = [home_by_name(f"model-{number}", partitions) for number in range(models)]
    loads = [sum(shard.takes(place) for place in places) for shard in shards]
    assert sum(loads) == models
    assert models / max(loads) >= 6.5


def test_the_state_of_a_partition_is_known_by_its_address() -> None:
    database = "postgresql://u@db.example/ml?schema=team&lease=10s&blobs=s3://b/files"
    for whole in ("/srv/state", "s3://b/prod", "s3://b/prod?region=eu-west-1", database):
        place, mark, parameters = whole.partition("?")
        part = part_address(whole, "0003") if whole == database else f"{place}/partitions/0003{mark}{parameters}"
        assert whole_of(part) == whole
        assert whole_of(whole) is None
