"""A recorded decision, computed again from its result file and its recorded inputs."""

from collections.abc import Callable
from typing import BinaryIO

from msgspec import Struct

from runner.errors import ModelError, StateError
from runner.journal.events import CandidateEvaluated, ResultDownloaded
from runner.journal.state_store import Blobs
from runner.plan.decision_inputs import candidate_digest
from runner.policy.record import evaluate, inputs_from_json, policy_digest


class SameBytes(Struct, frozen=True, kw_only=True):
    """The decision came out with exactly the recorded bytes."""


class Different(Struct, frozen=True, kw_only=True):
    """It came out otherwise; `why` continues a sentence that begins with the decision, `parts` names what differs."""

    why: str
    parts: tuple[str, ...] = ()


class Impossible(Struct, frozen=True, kw_only=True):
    """It cannot be computed again; `why` continues a sentence that begins with the decision."""

    why: str


Recomputed = SameBytes | Different | Impossible


def recompute(blobs: Blobs, fact: CandidateEvaluated, result: ResultDownloaded | None) -> Recomputed:
    """Judge the stored result file by the recorded inputs, and compare with what was recorded.

    That the file itself is the recorded one is for the caller to look at.
    """
    return recompute_from(blobs.open, fact, result)


def recompute_from(
    opened: Callable[[str], BinaryIO], fact: CandidateEvaluated, result: ResultDownloaded | None
) -> Recomputed:
    """Do the same with a result file that `opened` gives by its recorded path."""
    if result is None or result.sha256 != fact.result_sha256:
        return Impossible(why="refers to a result file that is not in the journal")
    try:
        inputs = inputs_from_json(dict(fact.inputs))
        with opened(result.path) as stream:
            again = evaluate(inputs, stream)
    except (OSError, ModelError, StateError) as error:
        return Impossible(why=f"cannot be computed again: {error}")
    recorded = fact.evaluation
    if again != recorded:
        parts = tuple(name for name in recorded.__struct_fields__ if getattr(recorded, name) != getattr(again, name))
        return Different(why="comes out differently when it is computed again", parts=parts)
    policy_sha256 = policy_digest(inputs.policy, inputs.definitions)
    candidate_sha256 = candidate_digest(fact.retrain_job_id, fact.result_sha256, policy_sha256, fact.bound)
    if (policy_sha256, candidate_sha256) != (fact.policy_sha256, fact.candidate_sha256):
        return Different(why="carries digests that are not those of its policy and candidate", parts=("digests",))
    return SameBytes()
