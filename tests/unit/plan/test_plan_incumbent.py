"""What is known of the model in service, and whether the service's list contradicts it."""

from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from runner.journal.model_progress import ModelProgress
from runner.manifest.model import Model
from runner.plan.incumbent import ONE_WAY, Moment, baseline_of, is_unrecorded, may_drift, observe, own_model
from runner.providers.base import Classifier
from tests.fakes.world import World
from tests.unit.plan.plan_people import manifest, plan_of

LATER = timedelta(days=1)
STATED = "incumbent: {metrics: {auc: 0.95}}"


def model(world: World) -> Model:
    return world.manifest.models["m"]


def serving(*pairs: tuple[str | None, int]) -> tuple[Classifier, ...]:
    """Return a list of classifiers from their ids and the models they serve."""
    return tuple(Classifier(classifier_id=name, model_id=number) for name, number in pairs)


def at(world: World, *, age: timedelta = LATER) -> Moment:
    """Return the moment so long after the world's last run."""
    return Moment(now=world.clock.now() + age, quarantine=timedelta(minutes=5))


@pytest.fixture
def served(tmp_path: Path) -> World:
    """Return a world in which job-1, the service's model 1, was switched to."""
    world = World(tmp_path, manifest())
    assert world.run()["m"].outcome == "switched"
    return world


@pytest.mark.parametrize(
    ("own", "listed", "drift"),
    [
        (None, serving(("a", 1)), "in_sync"),
        (None, serving(("a", 7), ("b", 1)), "in_sync"),
        (None, serving(("a", 7)), "changed_outside"),
        (None, (), "changed_outside"),
        (None, None, "cannot_be_told"),
        ("a", serving(("a", 1), ("b", 7)), "in_sync"),
        ("a", serving(("a", 7), ("b", 1)), "changed_outside"),
        ("a", serving(("b", 1)), "cannot_be_told"),
        ("a", serving(("a", 1), ("a", 7)), "cannot_be_told"),
        ("a", serving((None, 1)), "cannot_be_told"),
        ("a", None, "cannot_be_told"),
    ],
)
def test_the_list_says_whether_our_model_is_in_service_and_the_classifier_makes_it_exact(
    served: World, own: str | None, listed: tuple[Classifier, ...] | None, drift: str
) -> None:
    if own is not None:
        served.write_manifest(manifest(service=f"{{classifier_id: {own}}}"))
    found = observe(model(served), served.model(), listed, at(served))
    assert found.drift == drift
    assert found.reason.endswith(".")


def test_a_list_younger_than_the_quarantine_after_a_switch_may_be_an_old_one(served: World) -> None:
    listed = serving(("a", 7))
    fresh = observe(model(served), served.model(), listed, at(served, age=timedelta(minutes=4)))
    assert (fresh.drift, "may be an old list" in fresh.reason) == ("cannot_be_told", True)
    assert observe(model(served), served.model(), listed, at(served, age=timedelta(minutes=6))).drift != fresh.drift


def test_a_list_without_what_served_before_our_switch_is_not_an_old_one(served: World) -> None:
    progress = served.model()
    progress.jobs["job-1"] = replace(progress.jobs["job-1"], listed_before=(5,))
    young = at(served, age=timedelta(minutes=4))
    assert observe(model(served), progress, serving(("a", 5)), young).drift == "cannot_be_told"
    assert observe(model(served), progress, serving(("a", 7)), young).drift == "changed_outside"
    of_the_future = at(served, age=timedelta(hours=-2))  # a machine whose clock was far ahead recorded the switch
    assert observe(model(served), progress, serving(("a", 5)), of_the_future).drift == "changed_outside"


def test_where_nothing_is_recorded_or_no_number_is_known_the_list_is_not_asked(served: World) -> None:
    unknown = ModelProgress()
    assert is_unrecorded(unknown)
    assert not may_drift(unknown)
    assert may_drift(served.model())
    found = observe(model(served), unknown, serving(("a", 1)), at(served))
    assert (found.drift, found.reason) == ("cannot_be_told", "Nothing is recorded of the model in service.")


def test_the_own_model_is_what_one_classifier_serves(served: World) -> None:
    served.write_manifest(manifest(service="{classifier_id: a}"))
    assert own_model(model(served), serving(("a", 7), ("b", 1))) == 7
    assert own_model(model(served), serving(("a", 7), ("a", 8))) is None
    assert own_model(model(served), None) is None
    served.write_manifest(manifest())
    assert own_model(model(served), serving((None, 7))) is None


def test_a_statement_of_the_manifest_is_planned_recorded_once_and_then_inert(tmp_path: Path) -> None:
    world = World(tmp_path, manifest("{type: manual}", incumbent="{metrics: {auc: 0.95}}"))
    plan = plan_of(world)
    assert plan.stages[0] == "adopt"
    assert plan.reason.startswith("The model in service is adopted as stated (auc 0.95). ")
    assert world.run()["m"].outcome == "awaiting_approval"
    assert (baseline := baseline_of(world.model())) is not None
    assert (baseline.source, dict(baseline.metrics)) == ("stated", {"auc": "0.95"})
    assert "adopt" not in plan_of(world).stages
    world.write_manifest(manifest("{type: manual}", incumbent="{metrics: {auc: 0.950}}"))  # the same, spelt otherwise
    assert "adopt" not in plan_of(world).stages
    world.write_manifest(manifest("{type: manual}", incumbent="{metrics: {auc: 0.96}}"))
    assert "adopt" in plan_of(world).stages


def test_a_plan_that_adopts_does_not_say_that_nothing_is_known(tmp_path: Path) -> None:
    reason = plan_of(World(tmp_path, manifest(incumbent="{metrics: {auc: 0.95}}"))).reason
    assert "adopted as stated (auc 0.95)" in reason
    assert "knows nothing about" not in reason
    assert reason.endswith(ONE_WAY)


def test_a_statement_alone_is_an_action_and_nothing_is_sent_for_it(tmp_path: Path) -> None:
    world = World(tmp_path, manifest("{type: manual}"))
    world.run()
    before = list(world.service.log)
    world.write_manifest(manifest("{type: manual}", incumbent="{metrics: {auc: 0.95}}", retrain="{min_interval: 7d}"))
    world.write_data("2")
    assert (plan_of(world).action, plan_of(world).stages) == ("adopt", ("adopt",))
    assert world.run()["m"].outcome == "unchanged"
    assert world.service.log == before
    assert not is_unrecorded(world.model())


def test_once_a_job_of_ours_has_served_the_manifests_statement_counts_no_more(served: World) -> None:
    served.write_manifest(manifest(incumbent="{metrics: {auc: 0.95}}"))
    assert plan_of(served).stages == ()


def test_a_plan_that_may_switch_says_when_nothing_is_known_of_what_it_replaces(tmp_path: Path) -> None:
    world, told = World(tmp_path, manifest()), "replaces a model this project knows nothing about"
    assert told in plan_of(world).reason
    world.write_manifest(manifest(incumbent="{metrics: {auc: 0.95}}"))
    world.run()
    world.write_manifest(manifest())
    world.write_data("2")
    assert told not in plan_of(world).reason
