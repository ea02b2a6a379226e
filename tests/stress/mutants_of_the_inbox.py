"""Mutants of the inbox: a decision that counts twice, is lost, or is applied to what nobody was shown."""

from tests.stress.mutant import Mutant

_INBOX = "tests/unit/app/test_app_inbox.py::"
_DECIDE = "tests/unit/execute/test_execute_coordinator_decisions.py::"

MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        name="a_decision_that_counts_is_applied_again",
        file="runner/app/review/inbox_desk.py",
        old="        return waiting.decision_id in self.opened.progress.decisions",
        new="        return waiting.decision_id in self.told",
        caught_by=_INBOX + "test_whatever_crashes_a_decision_counts_once[approve]",
    ),
    Mutant(
        name="a_decision_is_removed_before_it_is_durable",
        file="runner/execute/decisions.py",
        old="        ruling = decisions.rule(waiting, context)\n",
        new="        ruling = decisions.rule(waiting, context)\n        decisions.inbox.remove(waiting.decision_id)\n",
        caught_by=_INBOX + "test_whatever_crashes_a_decision_counts_once[approve]",
    ),
    Mutant(
        name="a_stale_decision_is_followed",
        file="runner/app/review/candidates.py",
        old="if request.agreed is not None and request.agreed != now:",
        new="if request.taken is None and request.agreed is not None and request.agreed != now:",
        caught_by=_INBOX + "test_what_changed_after_it_was_shown_makes_a_decision_stale",
    ),
    Mutant(
        name="a_decision_is_written_apart_from_what_it_comes_to",
        file="runner/execute/decisions.py",
        old="                yield from record(ruling.taken, *ruling.facts, guard=ruling.taken.guard)",
        new=(
            "                yield from record(ruling.taken, guard=ruling.taken.guard)\n"
            "                if ruling.facts:\n                    yield from record(*ruling.facts)"
        ),
        caught_by=_INBOX + "test_whatever_crashes_a_decision_counts_once[approve]",
    ),
    Mutant(
        name="an_adoption_counts_before_it_is_recorded",
        file="runner/execute/drift.py",
        old="        yield from record(run.decision, adopted, guard=run.decision.guard)",
        new=("        yield from record(run.decision, guard=run.decision.guard)\n        yield from record(adopted)"),
        caught_by=_INBOX + "test_whatever_crashes_a_decision_counts_once[adopt]",
    ),
    Mutant(
        name="a_withdrawn_decision_is_claimed",
        file="runner/app/review/inbox.py",
        old="        if self.holds(decision_id):\n            return True\n",
        new="        if decision_id:\n            return True\n",
        caught_by=_INBOX + "test_who_read_an_entry_before_it_was_withdrawn_cannot_claim_it",
    ),
    Mutant(
        name="a_claim_of_a_run_does_not_stop_a_withdrawal",
        file="runner/app/review/inbox.py",
        old="_WITHDRAWN)\n        except FileExistsError:\n            return False",
        new="_WITHDRAWN)\n        except FileExistsError:\n            pass",
        caught_by=_INBOX + "test_a_decision_that_a_run_claimed_can_not_be_withdrawn",
    ),
    Mutant(
        name="a_decision_does_not_wait_for_its_models_own_workflow",
        file="runner/execute/coordinator.py",
        old="        if own is None:\n            self._ready.append(decision)\n        elif",
        new="        if decision:\n            self._ready.append(decision)\n        elif",
        caught_by=_DECIDE + "test_a_decision_waits_for_the_work_of_its_own_model",
    ),
    Mutant(
        name="a_model_begins_while_a_decision_about_it_is_carried_out",
        file="runner/execute/coordinator.py",
        old="if waiting.model not in self._decided), None)",
        new="if waiting.model), None)",
        caught_by=_DECIDE + "test_a_model_does_not_begin_before_the_decision_about_it_is_done",
    ),
    Mutant(
        name="a_stopped_run_begins_a_decision",
        file="runner/execute/coordinator.py",
        old="if self.stopped is not None and workflow.beside and not workflow.begun:",
        new="if self.stopped == '' and workflow.beside and not workflow.begun:",
        caught_by=_DECIDE + "test_a_stopped_run_begins_no_decision",
    ),
)
