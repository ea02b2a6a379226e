"""Mutants of what is known of the model in service: each lets a switch replace it by accident."""

from tests.stress.mutant import Mutant

_SERVING = "tests/unit/execute/test_execute_incumbent.py::"
_OLD_ANSWERS = "tests/unit/execute/test_execute_old_answers.py::"
_INCUMBENT = "tests/unit/plan/test_plan_incumbent.py::"
_MOVED = "tests/unit/execute/test_execute_moved.py::"

MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        name="a_change_passes_where_nothing_is_recorded",
        file="runner/policy/judge.py",
        old='return "passed" if outcome.cause == "first_run" and case.first_run == "pass" else "inconclusive"',
        new='return "passed" if outcome.cause == "first_run" else "inconclusive"',
        caught_by=_SERVING + "test_a_candidate_that_nothing_can_be_compared_with_waits_for_a_person",
    ),
    Mutant(
        name="first_run_passes_by_default",
        file="runner/manifest/model.py",
        old='first_run: FirstRun = "ask"',
        new='first_run: FirstRun = "pass"',
        caught_by=_SERVING + "test_a_lost_state_knows_nothing_of_what_serves_and_asks",
    ),
    Mutant(
        name="a_policy_switches_over_a_model_published_by_hand",
        file="runner/policy/decide.py",
        old='if decision.action == "switch" and drift == "changed_outside":',
        new='if decision.action == "hold" and drift == "changed_outside":',
        caught_by=_SERVING + "test_after_a_switch_by_hand_no_policy_switches_and_a_person_is_asked",
    ),
    Mutant(
        name="a_model_out_of_service_is_compared_with",
        file="runner/policy/evaluation.py",
        old='if drift != "changed_outside" or baseline.source == "result_file":',
        new='if drift != "in_sync" or baseline.source == "result_file":',
        caught_by=_SERVING + "test_after_a_switch_by_hand_no_policy_switches_and_a_person_is_asked",
    ),
    Mutant(
        name="the_list_is_not_looked_at_before_the_switch",
        file="runner/execute/switch.py",
        old="    yield from note_serving(run, listed)\n    if job.rollback is None and incumbent_moved(",
        new="    if job.rollback is None and incumbent_moved(",
        caught_by=_SERVING + "test_a_switch_by_hand_after_the_decision_is_seen_before_the_switch",
    ),
    Mutant(
        name="a_list_as_old_as_the_switch_contradicts_it",
        file="runner/plan/incumbent.py",
        old='if found.drift == "changed_outside" and young and',
        new='if found.drift == "in_sync" and young and',
        caught_by=_INCUMBENT + "test_a_list_younger_than_the_quarantine_after_a_switch_may_be_an_old_one",
    ),
    Mutant(
        name="an_unclear_switch_is_refused_though_another_model_was_published",
        file="runner/execute/switch.py",
        old="return len(gone) > replaced",
        new="return len(gone) > 1 + replaced",
        caught_by=_OLD_ANSWERS
        + "test_an_unclear_switch_is_not_called_refused_when_somebody_published_another_model_meanwhile",
    ),
    Mutant(
        name="a_statement_is_recorded_again_and_again",
        file="runner/plan/incumbent.py",
        old="return None if statement_sha256(statement) in progress.statements else statement",
        new="return statement",
        caught_by=_INCUMBENT + "test_a_statement_of_the_manifest_is_planned_recorded_once_and_then_inert",
    ),
    Mutant(
        name="a_swap_older_than_the_state_is_done_once_more",
        file="runner/plan/renames.py",
        old="if not _has_history(known, old) or known[old].begun_beside == names[old]:",
        new="if not _has_history(known, old):",
        caught_by=_MOVED + "test_a_swap_that_is_older_than_the_state_changes_nothing",
    ),
)
