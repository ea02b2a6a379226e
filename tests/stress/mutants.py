"""All ways to break the runner that its tests must notice, and changes that break nothing, each with its reason.

A line that no longer fits the sources is to be brought up to date or replaced, not dropped.
"""

from tests.stress import (
    mutants_of_the_answers,
    mutants_of_the_clocks,
    mutants_of_the_disk,
    mutants_of_the_doubt,
    mutants_of_the_inbox,
    mutants_of_the_incumbent,
    mutants_of_the_loss,
    mutants_of_the_partitions,
    mutants_of_the_record,
    mutants_of_the_remote_state,
    mutants_of_the_result,
    mutants_of_the_switch,
    mutants_of_the_trust,
    mutants_of_the_upload,
)
from tests.stress.mutant import Equivalent, Mutant

MUTANTS: tuple[Mutant, ...] = (
    *mutants_of_the_upload.MUTANTS,
    *mutants_of_the_doubt.MUTANTS,
    *mutants_of_the_switch.MUTANTS,
    *mutants_of_the_record.MUTANTS,
    *mutants_of_the_result.MUTANTS,
    *mutants_of_the_incumbent.MUTANTS,
    *mutants_of_the_trust.MUTANTS,
    *mutants_of_the_loss.MUTANTS,
    *mutants_of_the_disk.MUTANTS,
    *mutants_of_the_clocks.MUTANTS,
    *mutants_of_the_answers.MUTANTS,
    *mutants_of_the_inbox.MUTANTS,
    *mutants_of_the_remote_state.MUTANTS,
    *mutants_of_the_partitions.MUTANTS,
)

EQUIVALENT: tuple[Equivalent, ...] = (
    Equivalent(
        name="result_and_decision_are_two_transactions",
        file="runner/execute/evaluation.py",
        old=(
            "    yield from record(stored, judged(run.context.manifest, run.model, stored, inputs, "
            "evaluated.evaluation))"
        ),
        new=(
            "    yield from record(stored)\n    yield from record(judged(run.context.manifest, run.model, "
            "stored, inputs, evaluated.evaluation))"
        ),
        reason=(
            "A crash between the two leaves a stored result that the next run judges from the file: the "
            "same decision, one transaction more."
        ),
    ),
    Equivalent(
        name="a_rule_asks_for_not_below_its_limit",
        file="runner/policy/judge.py",
        old="return self.value >= self.limit",
        new="return not self.value < self.limit",
        reason="The two differ for NaN alone, and no number that policy.number lets through is one.",
    ),
)
