"""Histories move to other names all at once, and a move that cannot have been is a broken journal."""

from collections.abc import Sequence

import pytest

from runner.errors import StateError
from runner.journal.events import Draft, Fact, JobCreated, ModelFinished, ModelsMoved, NameMove, ServiceMoved
from runner.journal.progress import Progress
from tests.unit.journal.journal_facts import AT, RUN, chained, draft, example, run_started

HOST = "service.test"


def taken(job: str) -> JobCreated:
    return JobCreated(retrain_job_id=job, url_expires_at=AT, status_before_upload=None)


def failed() -> ModelFinished:
    fact = example("model_finished")
    assert isinstance(fact, ModelFinished)
    return fact


def moves(*pairs: tuple[str, str]) -> Draft:
    fact = ModelsMoved(moves=tuple(NameMove(old=old, new=new) for old, new in pairs))
    return Draft(at=AT, run_id=RUN, model=None, fact=fact)


def folded(*facts: tuple[str, Fact] | Draft) -> Progress:
    drafts = [fact if isinstance(fact, Draft) else draft(fact[1], model=fact[0]) for fact in facts]
    return Progress(chained([draft(run_started(HOST), model=None), *drafts]))


def names(progress: Progress) -> dict[str, list[str]]:
    return {name: list(model.jobs) for (_, name), model in progress.models.items()}


START = (("a", taken("j1")), ("b", taken("j2")), ("c", taken("j3")))


@pytest.mark.parametrize(
    ("pairs", "after"),
    [
        ([("a", "z")], {"z": ["j1"], "b": ["j2"], "c": ["j3"]}),
        ([("a", "b"), ("b", "a")], {"b": ["j1"], "a": ["j2"], "c": ["j3"]}),
        ([("a", "b"), ("b", "c"), ("c", "a")], {"b": ["j1"], "c": ["j2"], "a": ["j3"]}),
        ([("b", "d"), ("a", "b")], {"b": ["j1"], "d": ["j2"], "c": ["j3"]}),
    ],
)
def test_names_change_all_at_once_and_keep_their_order(
    pairs: Sequence[tuple[str, str]], after: dict[str, list[str]]
) -> None:
    progress = folded(*START, moves(*pairs))
    assert list(names(progress).items()) == list(after.items())


def test_a_history_keeps_its_identity_and_a_name_used_again_has_another() -> None:
    progress = folded(("a", taken("j1")), moves(("a", "b")), ("a", taken("j2")))
    assert progress.model(HOST, "b").identity == "a"
    assert progress.model(HOST, "b").former_names == ("a",)
    assert progress.model(HOST, "a").identity == "a#2"
    assert progress.former_names("b") == {"a"}


def test_a_try_without_a_job_gives_way() -> None:
    progress = folded(("a", taken("j1")), ("b", failed()), moves(("a", "b")))
    assert names(progress) == {"b": ["j1"]}
    assert progress.model(HOST, "b").last_outcome is None


def test_what_is_read_of_moves_to_come_changes_nothing() -> None:
    progress = folded(*START)
    view = progress.with_moves(HOST, [NameMove(old="a", new="z")])
    assert list(view.model(HOST, "z").jobs) == ["j1"]
    assert list(names(progress)) == ["a", "b", "c"]
    assert progress.model(HOST, "a").former_names == ()


@pytest.mark.parametrize(
    "pairs",
    [
        [("x", "z")],
        [("a", "b")],
        [("a", "y"), ("a", "z")],
        [("a", "z"), ("b", "z")],
        [("a", "b"), ("b", "c")],
    ],
)
def test_a_move_that_cannot_have_been_breaks_the_journal(pairs: Sequence[tuple[str, str]]) -> None:
    with pytest.raises(StateError, match="does not fit to the events before it"):
        folded(*START, moves(*pairs))


def test_a_model_of_another_service_remembers_it() -> None:
    progress = folded(("a", ServiceMoved(from_service="before.test")))
    assert progress.model(HOST, "a").from_service == "before.test"
    assert not progress.model(HOST, "a").has_history
