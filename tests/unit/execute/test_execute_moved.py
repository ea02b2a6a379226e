"""A model keeps what is known of it under another name, and is never trained again only because of its name."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from runner.errors import Kind
from runner.plan.model_plan import Choice
from runner.providers.base import Code, Effect
from tests.fakes.world import CrashError, World, service_error

OLD, NEW = "churn", "churn-eu"
ALWAYS = {OLD: "key-1", NEW: "key-1", "other": "key-2", "third": "key-3"}


def manifest(*names: str, moved: str = "", extra: str = "", keys: dict[str, str] | None = None) -> str:
    """Return a manifest of models on one dataset."""
    sources = {name: name.upper().replace("-", "_") for name in names} | (keys or {})
    models = "".join(f"  {name}: {{api_key: {{env: {sources[name]}}}}}\n" for name in names)
    return (
        'version: 1\nservice: {url: "https://service.test", quarantine: 5m}\n'
        "datasets: {d: {train: data.csv}}\n"
        "policies: {p: {type: threshold, rules: [{metric: auc, min: 0.9}]}}\n"
        f"defaults: {{dataset: d, policy: p}}\nmodels:\n{models}{moved and f'moved: [{moved}]'}\n{extra}"
    )


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A world in which `churn` serves job-1."""
    made = World(tmp_path, manifest(OLD))
    made.keys = dict(ALWAYS)
    assert made.run()[OLD].outcome == "switched"
    return made


def uploads(world: World) -> int:
    return world.service.calls("put")


def test_a_renamed_model_keeps_its_incumbent_and_is_not_trained_again(world: World) -> None:
    world.write_manifest(manifest(NEW, moved=f"{{from: {OLD}, to: {NEW}}}"))
    end = world.run()[NEW]
    assert (end.outcome, uploads(world)) == ("unchanged", 1)
    assert end.reason.startswith(
        f"It was called {OLD}, whose history moves here. The data is the same as for job job-1"
    )
    assert world.model(NEW).incumbent_id == "job-1"
    assert world.model(NEW).former_names == (OLD,)
    assert world.model(OLD).jobs == {}


def test_an_entry_that_was_recorded_once_changes_nothing_any_more(world: World) -> None:
    world.write_manifest(manifest(NEW, moved=f"{{from: {OLD}, to: {NEW}}}"))
    world.run()
    before = len(list(world.progress().runs))
    end = world.run()[NEW]
    assert end.reason == "The data is the same as for job job-1, which was switched to last; nothing to do."
    assert (len(world.progress().runs) - before, world.model(NEW).former_names) == (1, (OLD,))


def test_a_model_that_is_renamed_while_it_trains_goes_on_with_its_job(tmp_path: Path) -> None:
    world = World(tmp_path, manifest(OLD, extra="").replace("policy: p}", "policy: p, wait: {timeout: 1m}}"))
    world.keys = dict(ALWAYS)
    assert world.run()[OLD].outcome == "training"
    world.write_manifest(manifest(NEW, moved=f"{{from: {OLD}, to: {NEW}}}"))
    assert world.run()[NEW].outcome == "switched"
    assert world.service.effects == {("upload", "key-1"): 1, ("switch", "key-1"): 1}


@pytest.mark.parametrize("rotated", [False, True])
def test_a_renamed_model_without_an_entry_is_found_out_by_its_key(world: World, rotated: bool) -> None:
    if rotated:
        world.keys[NEW] = "key-9"
        world.service.rotated["key-9"] = "key-1"
    world.write_manifest(manifest(NEW))
    end = world.run()[NEW]
    assert (end.outcome, uploads(world)) == ("failed", 1)
    assert end.error is not None
    assert (end.error.kind, "job job-1" in end.error.message) == (Kind.CONFIG, True)
    assert f"- {{from: {OLD}, to: {NEW}}}" in end.error.hint
    world.write_manifest(manifest(NEW, moved=f"{{from: {OLD}, to: {NEW}}}"))
    assert world.run()[NEW].outcome == "unchanged"
    assert (uploads(world), world.model(NEW).identity) == (1, OLD)


def test_another_model_is_trained_although_a_name_left_the_manifest(world: World) -> None:
    world.write_manifest(manifest("other"))
    assert world.run()["other"].outcome == "switched"
    assert world.service.effects["upload", "key-2"] == 1


def test_a_model_beside_those_that_stay_is_not_asked_about(world: World) -> None:
    asked = world.service.calls("status")
    world.service.before = lambda call, job: pytest.fail("asked") if (call, job) == ("status", "job-1") else None
    world.write_manifest(manifest(OLD, "other"))
    assert world.run()["other"].outcome == "switched"
    assert world.service.calls("status") > asked


def test_nothing_is_uploaded_while_the_service_cannot_be_asked(world: World) -> None:
    def broken(call: str, job: str) -> Effect | None:
        if (call, job) == ("status", "job-1"):
            raise service_error(None, again=True)
        return None

    world.service.before = broken
    world.write_manifest(manifest(NEW))
    assert world.run()[NEW].outcome == "failed"
    assert uploads(world) == 1
    world.service.before = lambda _call, _job: None
    assert "moved" in world.run()[NEW].reason


@pytest.fixture
def pair(world: World) -> World:
    """`churn` serves job-1 and `other` job-2, each with a key of its own."""
    world.write_manifest(manifest(OLD, "other"))
    assert world.run()["other"].outcome == "switched"
    return world


def swap_keys(world: World) -> None:
    world.keys |= {OLD: "key-2", "other": "key-1"}


def swap_keys_back(world: World) -> None:
    world.keys |= {OLD: "key-1", "other": "key-2"}


def test_two_names_are_swapped_at_once(pair: World) -> None:
    swap_keys(pair)
    pair.write_manifest(manifest(OLD, "other", moved=f"{{from: {OLD}, to: other}}, {{from: other, to: {OLD}}}"))
    for _ in range(2):
        assert {name: end.outcome for name, end in pair.run().items()} == {OLD: "unchanged", "other": "unchanged"}
        assert (pair.model(OLD).incumbent_id, pair.model("other").incumbent_id) == ("job-2", "job-1")
    pair.write_data("2")
    assert {end.outcome for end in pair.run().values()} == {"switched"}
    assert pair.service.effects == {(call, key): 2 for call in ("upload", "switch") for key in ("key-1", "key-2")}


def test_a_swap_that_is_older_than_the_state_changes_nothing(pair: World) -> None:
    """The state was lost: what begins beside the entries has the names of now."""
    swap_keys(pair)
    pair.write_manifest(manifest(OLD, "other", moved=f"{{from: {OLD}, to: other}}, {{from: other, to: {OLD}}}"))
    shutil.rmtree(pair.state.root)
    assert {end.outcome for end in pair.run().values()} == {"switched"}
    trained, serving = dict(pair.service.effects), [pair.model(name).incumbent_id for name in (OLD, "other")]
    for _ in range(2):
        assert {end.outcome for end in pair.run().values()} == {"unchanged"}
        assert [pair.model(name).incumbent_id for name in (OLD, "other")] == serving
    assert pair.service.effects == trained


def test_names_that_are_swapped_without_an_entry_are_found_out_by_their_keys(pair: World) -> None:
    swap_keys(pair)
    sources = {OLD: "OTHER", "other": "CHURN"}
    pair.write_data("2")
    pair.write_manifest(manifest(OLD, "other", keys=sources))
    ends = pair.run()
    assert {end.outcome for end in ends.values()} == {"failed"}
    assert f"`- {{from: other, to: {OLD}}}` and `- {{from: {OLD}, to: other}}`" in ends[OLD].reason
    assert uploads(pair) == 2
    entries = f"{{from: other, to: {OLD}}}, {{from: {OLD}, to: other}}"
    pair.write_manifest(manifest(OLD, "other", keys=sources, moved=entries))
    assert {end.outcome for end in pair.run().values()} == {"switched"}
    assert uploads(pair) == 4


def test_keys_whose_values_are_swapped_train_and_switch_nothing(pair: World) -> None:
    swap_keys(pair)
    pair.write_data("2")
    before = dict(pair.service.effects)
    ends = pair.run()
    assert {end.outcome for end in ends.values()} == {"failed"}
    assert f"Give {OLD} its own key" in ends[OLD].reason
    assert pair.service.effects == before
    swap_keys_back(pair)
    assert {end.outcome for end in pair.run().values()} == {"switched"}


def test_a_service_that_forgot_the_jobs_stops_no_training(pair: World) -> None:
    def forgotten(call: str, job: str) -> None:
        if call == "status" and job in ("job-1", "job-2"):
            raise service_error(Code.NOT_FOUND_JOB)

    pair.service.before = forgotten
    pair.write_data("2")
    assert {end.outcome for end in pair.run().values()} == {"switched"}


@pytest.mark.parametrize("force", [False, True])
def test_the_key_of_a_strange_model_is_used_only_when_that_is_forced(pair: World, force: bool) -> None:
    """Who pastes a wrong key into a new variable must not train what serves somebody else."""
    pair.keys[OLD] = "key-3"
    pair.write_data("2")
    pair.write_manifest(manifest(OLD, "other", keys={OLD: "NEWER"}))
    pair.options = Choice(force=force)
    end = pair.run()[OLD]
    assert end.outcome == ("switched" if force else "failed")
    assert pair.service.effects["upload", "key-3"] == force
    assert "the service does not know job job-1 under the key" in (end.warnings[0] if force else end.reason)


def test_a_job_that_the_service_deleted_says_nothing_against_a_key(pair: World) -> None:
    def deleted(call: str, job: str) -> None:
        if (call, job) == ("status", "job-1"):
            raise service_error(Code.JOB_DELETED)

    pair.service.before = deleted
    pair.write_data("2")
    pair.write_manifest(manifest(OLD, "other", keys={OLD: "NEWER"}))
    assert pair.run()[OLD].outcome == "switched"


def test_a_rotated_key_from_elsewhere_is_not_another_model(pair: World) -> None:
    pair.keys[OLD] = "key-9"
    pair.service.rotated["key-9"] = "key-1"
    pair.write_data("2")
    pair.write_manifest(manifest(OLD, "other", keys={OLD: "NEWER"}))
    assert {end.outcome for end in pair.run().values()} == {"switched"}


def test_a_new_model_takes_the_name_of_one_that_is_renamed(world: World) -> None:
    world.keys[OLD] = "key-3"
    world.write_manifest(manifest(OLD, NEW, moved=f"{{from: {OLD}, to: {NEW}}}, {{from: unknown, to: {OLD}}}"))
    ends = world.run()
    assert {name: end.outcome for name, end in ends.items()} == {OLD: "switched", NEW: "unchanged"}
    assert {end.outcome for end in world.run().values()} == {"unchanged"}
    assert (world.model(OLD).identity, world.model(NEW).identity) == (f"{OLD}#2", OLD)
    assert world.service.effects["upload", "key-3"] == 1


def test_a_history_that_came_to_a_name_does_not_go_on_to_the_next_one(world: World) -> None:
    """`b` had none of its own when both names changed, and is called so now."""
    world.keys |= {"b": "key-1", "c": "key-2"}
    world.write_manifest(manifest("b", "c", moved=f"{{from: {OLD}, to: b}}, {{from: b, to: c}}"))
    for outcome in ("switched", "unchanged"):
        assert {name: end.outcome for name, end in world.run().items()} == {"b": "unchanged", "c": outcome}
    assert world.model("b").incumbent_id == "job-1"


def test_names_of_several_renames_lead_to_the_last_one(world: World) -> None:
    steps = "{from: churn, to: b}, {from: b, to: c}"
    world.keys["c"] = "key-1"
    world.write_manifest(manifest("c", moved=steps))
    assert world.run()["c"].outcome == "unchanged"
    assert world.model("c").incumbent_id == "job-1"
    world.keys["e"] = "key-1"
    world.write_manifest(manifest("e", moved=f"{steps}, {{from: c, to: d}}, {{from: d, to: e}}"))
    assert world.run()["e"].outcome == "unchanged"
    assert world.model("e").former_names == (OLD, "c")


def test_a_name_that_comes_back_has_its_history_back(world: World) -> None:
    world.write_manifest(manifest(NEW, moved=f"{{from: {OLD}, to: {NEW}}}"))
    world.run()
    for name, before in ((OLD, NEW), (NEW, OLD)):
        world.write_manifest(manifest(name, moved=f"{{from: {before}, to: {name}}}"))
        assert world.run()[name].outcome == "unchanged"
    assert (uploads(world), world.model(NEW).identity) == (1, OLD)


def test_two_histories_for_one_name_are_refused_with_a_way_out(pair: World) -> None:
    """`other` left the manifest long ago; now `churn` gets its name."""
    pair.write_manifest(manifest(OLD))
    pair.run()
    pair.keys["other"] = "key-1"
    entry = f"{{from: {OLD}, to: other}}"
    pair.write_manifest(manifest("other", moved=entry))
    end = pair.run()["other"]
    assert (end.outcome, "has a history of both" in end.reason) == ("failed", True)
    assert "`- {from: other, to: other-before}`" in end.reason
    pair.write_manifest(manifest("other", moved=f"{entry}, {{from: other, to: other-before}}"))
    assert pair.run()["other"].outcome == "unchanged"
    assert (pair.model("other").incumbent_id, pair.model("other-before").incumbent_id) == ("job-1", "job-2")
    assert uploads(pair) == 2


def test_histories_that_lead_to_one_name_are_refused(pair: World) -> None:
    pair.write_manifest(manifest(NEW, moved=f"{{from: {OLD}, to: other}}, {{from: other, to: {NEW}}}"))
    end = pair.run()[NEW]
    assert end.reason.startswith(f"`moved` leads from {OLD} and other to {NEW}")
    assert uploads(pair) == 2


def crash_at(number: int) -> Callable[[int], None]:
    def on_commit(commit: int) -> None:
        if abs(commit) == number // 2 + 1 and (commit > 0) == (number % 2 == 0):
            raise CrashError

    return on_commit


def test_a_crash_anywhere_in_the_run_that_moves_a_name_trains_nothing_twice(tmp_path: Path) -> None:
    crashes = 0
    for number in range(22):
        (tmp_path / str(number)).mkdir()
        world = World(tmp_path / str(number), manifest(OLD))
        world.keys = dict(ALWAYS)
        world.run()
        world.write_data("2")
        world.write_manifest(manifest(NEW, moved=f"{{from: {OLD}, to: {NEW}}}"))
        world.commits = 0
        world.on_commit = crash_at(number)
        try:
            world.run()
        except CrashError:
            crashes += 1
        world.on_commit = lambda _number: None
        world.run()
        assert (world.run()[NEW].outcome, world.model(NEW).former_names) == ("unchanged", (OLD,))
        assert world.service.effects["upload", "key-1"] == world.service.effects["switch", "key-1"] == 2
    assert crashes > 10
