"""Decisions that are left while a run holds the state: each counts once, on the basis it was made on, whatever crashes.

The runs are the real protocol in a world with a virtual clock; `slow` trains for ten minutes while people decide about
`fast`. What was done is read from the service's own log.
"""

import errno
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Literal

import msgspec
import pytest
from msgspec.structs import replace

from runner.app.review.candidates import Subject, basis
from runner.app.review.inbox import LARGEST, Adoption, Approval, DecisionInbox, LeftDecision, decoded, encoded, left
from runner.app.review.leaving import Left, Waiting, decide
from runner.app.review.resolve import Answer, ResolveRequest
from runner.app.review.review import ReviewRequest
from runner.app.review.rollback import RollbackRequest
from runner.app.run.run_end import RunResult
from runner.app.state import open_state
from runner.errors import LockedError, StateError
from runner.journal.events import DecisionTaken
from runner.journal.model_progress import ModelProgress
from runner.providers.base import Status
from tests.fakes.memory_state import MemoryInbox, MemoryState
from tests.fakes.world import REALM, UNCLEAR, CrashError, FakeJob, FakeService, VirtualClock, World

MANIFEST = """
version: 1
service: {url: "https://service.test", quarantine: 5m}
datasets: {d: {train: data.csv}, e: {train: other.csv}}
policies: {ask: {type: manual}, go: {type: auto}}
defaults: {wait: {poll: 5s}}
models:
  fast: {api_key: {env: FAST}, dataset: d, policy: ask}
  slow: {api_key: {env: SLOW}, dataset: e, policy: go}
"""


class Service(FakeService):
    """Trainings of `slow` take ten minutes, those of `fast` one."""

    slow: tuple[str, ...] = ("key-slow",)

    def _stands(self, retrain_job_id: str, job: FakeJob) -> Status:
        self.training_s = 600.0 if job.key in self.slow else 60.0
        return super()._stands(retrain_job_id, job)


class Inbox(MemoryInbox):
    """One that tells of each change, before and after it is made."""

    def __init__(self) -> None:
        super().__init__()
        self.step: Callable[[], None] = lambda: None

    def post(self, name: str, content: bytes) -> None:
        self.step()
        super().post(name, content)
        self.step()

    def remove(self, name: str) -> None:
        self.step()
        super().remove(name)
        self.step()


class Project(World):
    """A world whose runs look into the inbox."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.memory = MemoryState(folder / "work")
        self.people = Inbox()
        self.memory.inbox = self.people
        self.slow = Service(clock=VirtualClock())
        super().__init__(folder, MANIFEST, service=self.slow, store=self.memory)
        self.decides = True
        (folder / "other.csv").write_bytes((folder / "data.csv").read_bytes() + b"999,1,a\n")


@pytest.fixture
def world(tmp_path: Path) -> Project:
    return Project(tmp_path / "world")


def reviewed(
    world: Project, action: Literal["approve", "reject"] = "approve", by: str = "ann@desk", *, later: bool = False
) -> LeftDecision:
    """Return a word about the newest candidate of `fast`, as the command leaves it."""
    model = world.model("fast")
    job = model.last
    assert job is not None
    asked = ReviewRequest(
        model="fast", reason="seen", state="x", action=action, record_only=later, agreed=basis(model, job)
    )
    return replace(left(asked, world.clock.now(), Subject(service=REALM, job=job.retrain_job_id), None), by=by)


def rolled_back(world: Project) -> LeftDecision:
    model = world.model("fast")
    to = model.serving.ids[0]
    asked = RollbackRequest(model="fast", reason="seen", state="x", to=to, agreed=basis(model, model.jobs[to]))
    return replace(left(asked, world.clock.now(), Subject(service=REALM, job=to), None), by="ann@desk")


def adopted(world: Project, name: str = "auc", value: str = "0.91") -> LeftDecision:
    what = Adoption(metrics={name: value}, eval=None, eval_sha256=None, result_sha256=None)
    return replace(reviewed(world), what=what, basis=basis(world.model("fast"), None))


def resolved(world: Project, answer: Answer, model: str = "fast") -> LeftDecision:
    job = world.model(model).last
    assert job is not None
    asked = ResolveRequest(model=model, reason="seen", state="x", answer=answer)
    return replace(left(asked, world.clock.now(), Subject(service=REALM, job=job.retrain_job_id), None), by="ann@desk")


def leave(world: Project, decision: LeftDecision) -> LeftDecision:
    DecisionInbox(world.store).leave(decision)
    return decision


def at(world: Project, seconds: float, act: Callable[[], object]) -> None:
    """Do something once, at the first call of the service so long after this moment."""
    due, done = world.clock.seconds + seconds, list[bool]()

    def before(_call: str, _job: str) -> None:
        if world.clock.seconds >= due and not done:
            done.append(True)
            act()

    world.service.before = before


def taken(world: Project) -> list[DecisionTaken]:
    facts = [link.event.fact for link in world.memory.events.links]
    return [fact for fact in facts if isinstance(fact, DecisionTaken)]


def switches(world: Project, model: str = "fast") -> int:
    return world.service.effects["switch", f"key-{model}"]


def test_a_candidate_is_switched_by_the_run_that_waits_for_another_training(world: Project) -> None:
    at(world, 200, lambda: leave(world, reviewed(world)))
    moments = list[float]()

    def after(call: str, _job: str) -> None:
        if call == "switch":
            moments.append(world.clock.seconds)

    world.service.after = after
    ends = world.run()
    assert ends["fast"].outcome == "switched"
    assert ends["fast"].reason.startswith("ann@desk approved it (seen)")
    assert ends["slow"].outcome == "switched"
    assert [round(seconds / 10) for seconds in moments] == [20, 60]  # within a poll; the other one when trained
    review = world.model("fast").jobs["job-1"].review
    assert review is not None
    assert review.fact.by == "ann@desk"
    assert world.store.inbox.pending() == ()
    assert [fact.refused for fact in taken(world)] == [None]


def test_a_decision_left_before_the_run_comes_before_its_training(world: Project) -> None:
    world.run()
    leave(world, reviewed(world))
    world.write_data("2")
    ends = world.run()
    assert world.service.serving["key-fast"] == "job-1"
    assert ends["fast"].outcome == "awaiting_approval"  # of the new candidate, trained on the new data
    assert ends["fast"].retrain_job_id == "job-3"
    assert switches(world) == 1


def test_decisions_of_one_second_are_taken_in_the_order_they_were_left(world: Project) -> None:
    """Their names begin with the second and go on with random digits."""
    world.run()
    left_in_turn = []
    for number in range(8):
        decision = reviewed(world, later=True)
        at_once = decision.left_at.replace(decision.left_at[20:26], f"{number:06}")
        left_in_turn.append(leave(world, replace(decision, left_at=at_once)).decision_id)
    assert sorted(left_in_turn) != left_in_turn
    found = DecisionInbox(world.store).pending(set_aside=False)
    assert [decision.decision_id for decision in found.decisions] == left_in_turn


def test_rejected_candidates_are_not_switched(world: Project) -> None:
    at(world, 200, lambda: leave(world, reviewed(world, "reject")))
    assert world.run()["fast"].outcome == "unchanged"
    assert switches(world) == 0
    review = world.model("fast").jobs["job-1"].review
    assert review is not None
    assert (review.fact.action, review.fact.by) == ("reject", "ann@desk")


def test_a_model_in_training_is_rolled_back_and_its_training_goes_on(world: Project) -> None:
    world.slow.slow = ("key-slow", "key-fast")
    for value in ("1", "2"):
        world.write_data(value)
        world.run()
        leave(world, reviewed(world))
        world.run()
    first, second = world.model("fast").serving.ids
    world.write_data("3")
    at(world, 200, lambda: leave(world, rolled_back(world)))
    before = world.clock.seconds
    ends = world.run()
    assert world.service.serving["key-fast"] == first
    assert switches(world) == 3
    assert ends["fast"].outcome == "awaiting_approval"
    newest = ends["fast"].retrain_job_id
    assert newest not in (first, second)
    assert world.service.effects["upload", "key-fast"] == 3
    assert world.clock.seconds - before < 700  # the training was not begun again


def test_a_training_that_is_waited_for_can_be_abandoned(world: Project) -> None:
    at(world, 200, lambda: leave(world, resolved(world, "abandoned", "slow")))
    ends = world.run()
    assert ends["slow"].outcome == "skipped"
    assert "resolved it as abandoned" in ends["slow"].reason
    assert world.clock.seconds < 250
    assert world.service.effects["upload", "key-slow"] == 1


def test_a_switch_that_nobody_answered_can_be_resolved(world: Project) -> None:
    world.service.readable = False
    world.run()
    leave(world, reviewed(world))
    world.service.after = lambda call, _job: UNCLEAR if call == "switch" else None
    assert world.run()["fast"].outcome == "unknown"
    leave(world, resolved(world, "switched"))
    assert world.run()["fast"].outcome in ("switched", "unchanged")
    assert world.model("fast").incumbent_id == "job-1"
    assert switches(world) == 1


def test_an_adoption_is_recorded_while_another_model_trains(world: Project) -> None:
    at(world, 200, lambda: leave(world, adopted(world)))
    world.run()
    adoption = world.model("fast").adoption
    assert adoption is not None
    assert (adoption.fact.metrics, adoption.fact.by) == ({"auc": "0.91"}, "ann@desk")


def test_a_stale_decision_is_refused_and_never_applied_to_another_candidate(world: Project) -> None:
    world.run()
    old = reviewed(world)
    world.write_data("2")
    world.run()
    leave(world, old)
    ends = world.run()
    assert ends["fast"].outcome == "awaiting_approval"
    assert switches(world) == 0
    [fact] = taken(world)
    assert fact.refused is not None
    assert fact.refused.exit_code == 7
    assert world.store.inbox.pending() == ()


def test_what_changed_after_it_was_shown_makes_a_decision_stale(world: Project) -> None:
    world.run()
    word = reviewed(world)
    leave(world, adopted(world))
    world.run()
    leave(world, word)
    world.run()
    assert switches(world) == 0
    assert [fact.refused is None for fact in taken(world)] == [True, False]


@pytest.mark.parametrize("first", ["approve", "reject"])
def test_of_two_people_who_decide_at_once_the_first_counts_and_the_second_is_told(
    world: Project, first: Literal["approve", "reject"]
) -> None:
    def both() -> None:
        earlier = reviewed(world, first)
        later = reviewed(world, "reject" if first == "approve" else "approve", by="bob@desk")
        leave(world, replace(later, decision_id=later.decision_id.replace("2026", "2027", 1)))
        leave(world, earlier)

    at(world, 200, both)
    world.run()
    assert switches(world) == (first == "approve")
    assert {fact.by: fact.refused is None for fact in taken(world)} == {"ann@desk": True, "bob@desk": False}


def test_a_withdrawn_decision_is_not_carried_out(world: Project) -> None:
    world.run()
    decision = leave(world, reviewed(world))
    assert DecisionInbox(world.store).withdraw(decision.decision_id)
    world.run()
    assert (switches(world), taken(world), world.store.inbox.pending()) == (0, [], ())


def test_a_decision_that_a_run_claimed_can_not_be_withdrawn(world: Project) -> None:
    world.run()
    decision = leave(world, reviewed(world))
    inbox = DecisionInbox(world.store)
    assert inbox.claim(decision.decision_id, "20260301T040506Z-1a2b3c")
    assert not inbox.withdraw(decision.decision_id)
    world.run()  # of the run that claimed it nothing is left
    assert switches(world) == 1


def test_who_read_an_entry_before_it_was_withdrawn_cannot_claim_it(world: Project) -> None:
    world.run()
    decision = leave(world, reviewed(world))
    inbox = DecisionInbox(world.store)
    [seen] = inbox.pending(set_aside=True).decisions
    assert inbox.withdraw(decision.decision_id)
    assert not inbox.claim(seen.decision_id, "20260301T040506Z-1a2b3c")
    assert world.store.inbox.pending() == ()


GARBAGE = {
    "nothing": b"",
    "no JSON": b"\xff{",
    "deep": b"[" * 50_000,
    "large": b" " * (LARGEST + 1),
    "a list": b"[]",
    "another version": b'{"version": 2}',
}


def lost(world: Project, *, arrives: bool) -> Callable[[str, bytes], None]:
    """Return a post whose answer never comes."""
    post = world.people.post

    def unanswered(name: str, content: bytes) -> None:
        if arrives:
            post(name, content)
        raise OSError(errno.EAGAIN, "the store cannot be reached")

    return unanswered


def test_a_decision_whose_answer_was_lost_is_left_if_it_arrived(
    world: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.run()
    decision = reviewed(world)
    monkeypatch.setattr(world.people, "post", lost(world, arrives=True))
    leave(world, decision)
    assert DecisionInbox(world.store).holds(decision.decision_id)


def test_a_decision_that_nobody_knows_of_is_not_told_to_be_left_or_not(
    world: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.run()
    monkeypatch.setattr(world.people, "post", lost(world, arrives=False))
    with pytest.raises(StateError, match="It is unknown whether the decision was left") as caught:
        leave(world, reviewed(world))
    assert "Look at `retrain status` first" in caught.value.hint


def test_who_decides_the_same_again_while_it_waits_leaves_it_once(
    world: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.run()
    monkeypatch.setitem(open_state.STORES, "memory", lambda _: world.memory)
    job = world.model("fast").last
    assert job is not None

    def held(_request: ReviewRequest) -> RunResult:
        raise LockedError("Run r holds the state.", hint="Wait.")

    def approve(reason: str) -> None:
        request = ReviewRequest(model="fast", reason=reason, state=world.memory.address, action="approve")
        subject = Subject(service=REALM, job=job.retrain_job_id)
        done = decide(request, held, Waiting(longest=timedelta(0), waits=False), subject)
        assert isinstance(done, Left)
        assert done.state == "left"

    approve("seen")
    approve("seen")
    assert len(world.people.entries) == 1
    approve("seen by another")
    assert len(world.people.entries) == 2


@pytest.mark.parametrize("content", GARBAGE.values(), ids=GARBAGE)
def test_garbage_is_set_aside_and_told_and_the_run_goes_on(world: Project, content: bytes) -> None:
    world.store.inbox.post("20260301T000000Z-0123456789abcdef0123456789abcdef.json", content)
    world.store.inbox.post("..what", content)
    ends = world.run()
    assert {end.outcome for end in ends.values()} == {"awaiting_approval", "switched"}
    assert world.store.inbox.pending() == ()
    told = [news.warning for _, news in world.told if hasattr(news, "warning")]
    assert len(told) == 2
    assert all("is not followed" in text for text in told)


def test_an_entry_under_another_name_than_its_own_is_not_a_decision(world: Project) -> None:
    world.run()
    content = encoded(reviewed(world))
    for number in range(3):
        world.store.inbox.post(f"20260301T00000{number}Z-0123456789abcdef0123456789abcdef.json", content)
    world.run()
    assert switches(world) == 0
    assert world.store.inbox.pending() == ()


@pytest.mark.parametrize(
    "change",
    [
        {"model": "../fast"},
        {"model": "fast", "by": ""},
        {"basis": "x"},
        {"left_at": "yesterday"},
        {"reason": "x" * 9000},
        {"decision_id": "../../etc"},
        {"extra": 1},
    ],
)
def test_a_decision_of_another_form_is_none(world: Project, change: dict[str, object]) -> None:
    world.run()
    entry = {**msgspec.json.decode(encoded(reviewed(world))), **change}
    with pytest.raises(ValueError, match="does not have the form"):
        decoded(msgspec.json.encode(entry))


def test_a_decision_about_an_unknown_job_or_a_metric_that_is_none_is_refused(world: Project) -> None:
    world.run()
    leave(world, replace(reviewed(world), what=Approval(job="job-77", force=False, record_only=False)))
    leave(world, adopted(world, "auc", "eight"))
    leave(world, adopted(world, "nonsense", "1"))
    ends = world.run()
    assert ends["fast"].outcome == "awaiting_approval"
    assert [fact.refused.exit_code for fact in taken(world) if fact.refused] == [2, 2, 2]
    assert world.store.inbox.pending() == ()


@pytest.mark.parametrize("other", [{"model": "elsewhere"}, {"service": "emulator"}])
def test_a_decision_about_a_model_of_another_manifest_or_service_stays(world: Project, other: dict[str, str]) -> None:
    world.run()
    decision = leave(world, replace(reviewed(world), **other))
    world.run()
    assert DecisionInbox(world.store).holds(decision.decision_id)
    assert taken(world) == []


@pytest.mark.parametrize("model", ["fast", "elsewhere"])
def test_a_decision_that_waited_for_two_weeks_is_refused(world: Project, model: str) -> None:
    world.run()
    leave(world, replace(reviewed(world), model=model))
    world.clock.seconds += timedelta(days=14).total_seconds() + 1
    world.run()
    assert (switches(world), world.store.inbox.pending()) == (0, ())
    [fact] = taken(world)
    assert fact.refused is not None
    assert "more than 14 days" in fact.refused.message


def test_a_bug_of_ours_refuses_the_decision_and_the_run_goes_on(
    world: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.run()
    leave(world, reviewed(world))
    monkeypatch.setattr("runner.app.review.inbox_desk.rule_on_review", lambda *_arguments: 1 / 0)
    with pytest.raises(ZeroDivisionError):  # the world shows bugs, which a run tells of at its end
        world.run()
    [fact] = taken(world)
    assert fact.refused is not None
    assert fact.refused.exit_code == 70
    assert world.store.inbox.pending() == ()


def test_a_stopped_run_leaves_a_decision_for_the_next(world: Project) -> None:
    def stop() -> None:
        assert world.coordinator is not None
        world.coordinator.stop("SIGTERM")
        leave(world, reviewed(world))

    at(world, 200, stop)
    assert world.run()["fast"].outcome == "awaiting_approval"
    assert len(world.store.inbox.pending()) == 1
    assert world.run()["fast"].outcome in ("switched", "unchanged")
    assert switches(world) == 1


CASES: dict[str, tuple[Callable[[Project], LeftDecision], int, Callable[[ModelProgress], object]]] = {
    "approve": (reviewed, 1, lambda model: model.incumbent_id),
    "reject": (lambda world: reviewed(world, "reject"), 0, lambda model: model.jobs["job-1"].review),
    "adopt": (adopted, 0, lambda model: model.adoption),
    "approve for the next run": (lambda world: reviewed(world, later=True), 1, lambda model: model.incumbent_id),
}


@pytest.mark.parametrize("name", CASES)
def test_whatever_crashes_a_decision_counts_once(tmp_path: Path, name: str) -> None:
    decide, wanted, done = CASES[name]
    number, crashed = 0, True
    while crashed:
        number += 1
        world = Project(tmp_path / f"{number}")
        world.run()
        leave(world, decide(world))
        crashed = _crashes(world, number)
        for _ in range(2):
            world.clock.seconds += 3600
            world.run()
        assert switches(world) == wanted, number
        assert done(world.model("fast")), number
        assert [fact.refused for fact in taken(world)] == [None], number
        assert world.store.inbox.pending() == (), number
    assert number > 8


def test_whatever_crashes_a_rollback_counts_once(tmp_path: Path) -> None:
    number, crashed = 0, True
    while crashed:
        number += 1
        world = Project(tmp_path / f"{number}")
        for value in ("1", "2"):
            world.write_data(value)
            world.run()
            leave(world, reviewed(world))
            world.run()
        first = world.model("fast").serving.ids[0]
        leave(world, rolled_back(world))
        crashed = _crashes(world, number)
        for _ in range(2):
            world.clock.seconds += 3600
            world.run()
        assert world.service.serving["key-fast"] == first, number
        assert switches(world) == 3, number
        assert [fact.refused for fact in taken(world)] == [None] * 3, number
    assert number > 8


def _crashes(world: Project, number: int) -> bool:
    """Run, and crash at the step of this number: before or after a commit, a change of the inbox, or a switch."""
    seen = [0]

    def step(*_what: object) -> None:
        seen[0] += 1
        if seen[0] == number:
            raise CrashError

    def at_switch(call: str, _job: str) -> None:
        if call == "switch":
            step()

    world.people.step, world.on_commit = step, step
    world.service.before = world.service.after = at_switch
    try:
        world.run()
    except CrashError:
        return True
    finally:
        world.people.step = lambda: None
        world.on_commit = lambda _number: None
        world.service.before = world.service.after = lambda _call, _job: None
    return False
