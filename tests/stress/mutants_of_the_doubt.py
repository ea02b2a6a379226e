"""Ways to believe too much or too little: of words, clocks, abandoned answers, people and files."""

from tests.stress.mutant import Mutant

_FALSE = "tests/unit/execute/test_execute_false_answers.py::"
_OLD = "tests/unit/execute/test_execute_old_answers.py::"
_OVER = "tests/unit/execute/test_execute_replan.py::"
_EDGES = "tests/unit/execute/test_execute_edges.py::"
_WORDS = "tests/unit/execute/test_execute_approvals.py::"
_END = "tests/unit/execute/test_execute_coordinator_end.py::"
_PROGRESS = "tests/unit/journal/test_journal_progress.py::"
_DURABLE = "tests/unit/lib/test_atomic_files.py::"
_DECIDE = "tests/unit/policy/test_policy_decide.py::"
_RECORD = "tests/unit/policy/test_policy_record.py::"
_VERIFY = "tests/unit/app/test_app_verify.py::"
_LOCK = "tests/unit/journal/test_journal_lock.py::"

MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        name="a_store_that_lied_keeps_its_model_in_training_for_ever",
        file="runner/execute/training.py",
        old='if status.phase == "going" and watch.contradicts(status, asked):',
        new="if status.phase is None:",
        caught_by=_FALSE + "test_a_false_yes_of_the_store_ends_unknown_once_nothing_can_come_any_more_and_names_the"
        "_next_step",
    ),
    Mutant(
        name="a_settled_lie_of_the_store_stays_a_witness",
        file="runner/execute/upload_evidence.py",
        old="(value in job.lingered and job.stage != JobStage.NEVER_STARTED)",
        new="value in job.lingered",
        caught_by=_FALSE + "test_a_false_yes_that_was_settled_leaves_no_doubt_for_later_lost_uploads",
    ),
    Mutant(
        name="a_job_that_says_the_word_now_is_no_witness",
        file="runner/execute/upload_evidence.py",
        old="if open_under_it or (",
        new="if (",
        caught_by=_FALSE + "test_no_upload_is_called_dead_while_a_younger_one_of_another_model_says_its_word",
    ),
    Mutant(
        name="a_job_left_alone_is_a_witness_for_ever",
        file="runner/execute/upload_evidence.py",
        old="job is newest and job.stage",
        new="newest and job.stage",
        caught_by=_FALSE + "test_a_job_left_alone_by_force_within_its_lag_leaves_no_doubt",
    ),
    Mutant(
        name="a_word_that_outlasts_the_quarantine_is_not_learnt",
        file="runner/journal/retrain_job.py",
        old="if isinstance(fact, StatusChanged) and fact.status == job.status:",
        new="if isinstance(fact, StatusChanged) and not fact.status:",
        caught_by=_FALSE
        + "test_a_queue_that_was_short_over_the_quarantine_is_learnt_however_seldom_the_status_is_read",
    ),
    Mutant(
        name="a_word_is_learnt_within_the_lag_of_a_status",
        file="runner/execute/training.py",
        old="return asked.waited >= quarantine.total_seconds() or (by_clock and asked.waited >= self._steady())",
        new="return asked.waited >= 1.0",
        caught_by=_FALSE + "test_a_status_that_lags_behind_uploads_leaves_no_doubt_for_later_lost_ones",
    ),
    Mutant(
        name="the_status_is_not_read_when_the_quarantine_ends",
        file="runner/execute/training.py",
        old="min(step, max(self._until_known(status.value, asked), SHORTEST), self.left)",
        new="min(step, self.left)",
        caught_by=_FALSE
        + "test_a_queue_that_was_short_over_the_quarantine_is_learnt_however_seldom_the_status_is_read",
    ),
    Mutant(
        name="a_word_known_from_trainings_is_still_called_a_contradiction",
        file="runner/execute/training.py",
        old=" and not is_said_in_training(self.run, value)",
        new="",
        caught_by=_FALSE
        + "test_a_queue_under_a_word_for_waiting_is_learnt_and_a_lost_upload_in_it_is_never_called_dead",
    ),
    Mutant(
        name="a_job_that_becomes_known_late_fails_its_model",
        file="runner/execute/training_ends.py",
        old="unheard = job.status in (None, *_GONE.values()) and",
        new="unheard = job is None and",
        caught_by="tests/unit/execute/test_execute_patience.py::"
        "test_a_job_that_is_not_known_right_after_its_upload_is_waited_for",
    ),
    Mutant(
        name="a_person_may_call_any_training_not_started",
        file="runner/journal/model_progress.py",
        old="lingers = job.stage == JobStage.STARTED and job.status in job.lingered",
        new="lingers = job.stage == JobStage.STARTED",
        caught_by=_PROGRESS + "test_a_person_may_tell_only_of_uploads_without_an_answer_and_of_contradicted_ones",
    ),
    Mutant(
        name="a_wait_is_measured_by_the_wall_clock",
        file="runner/execute/training.py",
        old="return self.run.context.clock.monotonic() - self.began",
        new="return self.run.context.clock.now().timestamp() - self.run.job.started_at.timestamp()",
        caught_by=_OLD + "test_a_clock_set_forward_does_not_end_the_wait_for_a_training",
    ),
    Mutant(
        name="a_contradiction_is_told_as_soon_as_a_run_begins",
        file="runner/execute/training.py",
        old="over = asked.waited >= self._steady() and is_over(",
        new="over = is_over(",
        caught_by=_FALSE
        + "test_a_queue_under_a_word_for_waiting_is_learnt_and_a_lost_upload_in_it_is_never_called_dead",
    ),
    Mutant(
        name="a_lost_upload_is_made_good_by_the_old_plan",
        file="runner/execute/workflow.py",
        old=(
            '        run.warn(f"{lost}; the model is planned again")\n'
            "        run.plan = yield from _plan_again(run, run.context.choice)\n"
        ),
        new=(
            '        run.warn(f"{lost}; the model is planned again")\n'
            "        from msgspec.structs import replace\n        from runner.plan.model_plan import STAGES, Action\n"
            "        run.plan = replace(run.plan, stages=STAGES[Action.RETRAIN])\n"
        ),
        caught_by=_OVER
        + "test_data_that_changed_since_the_lost_upload_is_trained_in_the_same_run_under_its_own_digest",
    ),
    Mutant(
        name="what_a_lost_upload_had_packed_stays",
        file="runner/execute/workflow.py",
        old="        release(run.prepared)\n        run.prepared = None\n",
        new="        run.prepared = None\n",
        caught_by=_OVER + "test_what_the_lost_upload_had_packed_is_removed_when_another_is_made",
    ),
    Mutant(
        name="models_are_started_after_too_many_failures",
        file="runner/execute/model_run.py",
        old="if self.failures is not None and self.failures <= 0:",
        new="if self.failures is not None and self.failures <= -9:",
        caught_by=_OVER + "test_a_model_whose_upload_was_lost_is_not_started_over_after_the_limit_of_failures",
    ),
    Mutant(
        name="two_lost_switches_are_said_to_be_unreadable",
        file="runner/execute/switch.py",
        old="    if serves is False:",
        new="    if serves:",
        caught_by=_EDGES + "test_a_switch_that_never_becomes_visible_is_sent_as_often_as_there_are_intents_and_no_more",
    ),
    Mutant(
        name="a_rejected_candidate_is_switched_to",
        file="runner/plan/eligibility.py",
        old="    if job.rejection is not None:\n        return was_rejected(job, job.rejection)\n",
        new="",
        caught_by=_WORDS + "test_a_candidate_that_a_person_rejected_is_not_switched_to_although_its_policy_would",
    ),
    Mutant(
        name="another_incumbent_changes_no_decision",
        file="runner/plan/approvals.py",
        old="return definition_moved(manifest, model, job) or incumbent_moved(manifest, model, progress, job)",
        new="return definition_moved(manifest, model, job)",
        caught_by=_WORDS + "test_a_decision_no_longer_holds_when_another_incumbent_serves_than_at_its_time",
    ),
    Mutant(
        name="the_more_daring_of_two_wishes_wins",
        file="runner/policy/types.py",
        old='("hold", "ask", "switch")',
        new='("ask", "hold", "switch")',
        caught_by=_DECIDE + "test_hold_wins_where_a_missing_metric_and_a_missing_incumbent_differ",
    ),
    Mutant(
        name="files_are_named_before_they_are_on_disk",
        file="runner/lib/atomic_files.py",
        old="            if lasting:\n                os.fsync(file.fileno())\n",
        new="",
        caught_by=_DURABLE + "test_the_content_is_on_disk_before_it_has_its_name_and_the_name_is_after",
    ),
    Mutant(
        name="names_of_files_do_not_reach_the_disk",
        file="runner/lib/atomic_files.py",
        old="        os.fsync(handle)\n",
        new="        os.fstat(handle)\n",
        caught_by=_DURABLE + "test_the_content_is_on_disk_before_it_has_its_name_and_the_name_is_after",
    ),
    Mutant(
        name="an_abandoned_answer_resumes_its_model",
        file="runner/execute/coordinator.py",
        old="if delivery.ticket == delivery.workflow.ticket:",
        new="if delivery.ticket >= 0:",
        caught_by=_END
        + "test_a_stop_lets_an_effect_finish_and_forgets_an_answer_that_comes_after_its_work_was_abandoned",
    ),
    Mutant(
        name="a_stop_abandons_an_effect",
        file="runner/execute/coordinator.py",
        old="if not active.effect and active not in going_on",
        new="if active not in going_on",
        caught_by=_END
        + "test_a_stop_lets_an_effect_finish_and_forgets_an_answer_that_comes_after_its_work_was_abandoned",
    ),
    Mutant(
        name="who_records_goes_on_while_a_slow_commit_is_under_way",
        file="runner/execute/coordinator.py",
        old="            self.committer.submit(self.commit, facts).add_done_callback(self._leave_word)\n",
        new="            self.committer.submit(self.commit, facts)\n            self._end_commit(None)\n",
        caught_by=_END + "test_a_slow_commit_keeps_nobody_else_waiting_and_resumes_nobody_before_it_is_durable",
    ),
    Mutant(
        name="a_stop_meets_what_is_being_recorded",
        file="runner/execute/coordinator.py",
        old="        going_on = {*self._ready, *(workflow for workflow, _ in (*self._records, *self._committing))}\n",
        new="        going_on = {*self._ready}\n",
        caught_by=_END + "test_a_stop_leaves_what_is_being_recorded_alone",
    ),
    Mutant(
        name="a_stop_ends_an_upload_between_its_intent_and_its_end",
        file="runner/execute/coordinator.py",
        old="[waiting for waiting in self._slot_queue if waiting.slot is UploadSlot.DUE]",
        new="[waiting for waiting in self._slot_queue if waiting.slot is None]",
        caught_by=_END + "test_a_stop_ends_an_upload_that_is_recorded_and_waits_for_its_slot_before_it_is_sent",
    ),
    Mutant(
        name="a_lock_is_left_to_the_garbage_collector",
        file="runner/journal/lock.py",
        old="        lock.release()\n",
        new="",
        caught_by=_LOCK + "test_the_state_is_free_as_soon_as_a_command_has_failed_and_not_when_its_lock_is_collected",
    ),
    Mutant(
        name="recorded_inputs_in_another_spelling_are_believed",
        file="runner/policy/decide.py",
        old="    if _ENCODER.encode(found) != _ENCODER.encode(value):",
        new="    if not found and not value:",
        caught_by=_RECORD + "test_a_record_of_any_other_form_is_refused",
    ),
    Mutant(
        name="recorded_limits_may_be_no_numbers",
        file="runner/policy/decide.py",
        old="    if not all(number.is_finite() for number in numbers):",
        new="    if any(number.is_snan() for number in numbers):",
        caught_by=_RECORD + "test_a_record_of_any_other_form_is_refused",
    ),
    Mutant(
        name="decisions_are_not_compared_when_they_are_computed_again",
        file="runner/app/audit/recompute.py",
        old="    if again != recorded:",
        new="    if not again:",
        caught_by=_VERIFY + "test_a_decision_that_was_forged_in_an_unbroken_chain_is_named",
    ),
    Mutant(
        name="digests_of_decisions_are_not_compared",
        file="runner/app/audit/recompute.py",
        old="    if (policy_sha256, candidate_sha256) != (fact.policy_sha256, fact.candidate_sha256):",
        new="    if not policy_sha256 or not candidate_sha256:",
        caught_by=_VERIFY + "test_a_forged_digest_of_the_policy_or_the_candidate_is_named",
    ),
)
