"""Ways to break decision, switch and the loop around all models, each with the test that must go red."""

from tests.stress.mutant import Mutant

_PROTOCOL = "tests/unit/execute/test_execute_protocol.py::"
_EDGES = "tests/unit/execute/test_execute_edges.py::"
_UNREAD = "tests/unit/execute/test_execute_unread.py::"

MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        name="no_intent_before_the_switch",
        file="runner/execute/switch.py",
        old=(
            "    yield from record(\n        SwitchIntended(\n            "
            "retrain_job_id=job.retrain_job_id,\n            decision_sha256=mandate,\n            "
            "attempt=number,\n            "
            "listed_before=_before(run, job, serving),\n        ),\n        "
            'guard=f"switch:{run.context.service}:{run.progress.identity}:{mandate}:{number}",\n    )\n'
        ),
        new="",
        caught_by=_PROTOCOL + "test_the_intent_is_durable_before_the_first_byte_and_the_decision_before_the_switch",
    ),
    Mutant(
        name="no_guard_on_the_switch",
        file="runner/execute/switch.py",
        old='        guard=f"switch:{run.context.service}:{run.progress.identity}:{mandate}:{number}",\n',
        new="",
        caught_by=_EDGES + "test_every_intent_carries_a_guard_of_its_own",
    ),
    Mutant(
        name="a_held_candidate_is_switched_to",
        file="runner/execute/switch.py",
        old='if not approved and job.decided.action != "switch" and not waits_blocked:',
        new='if not approved and job.decided.action == "await_approval" and not waits_blocked:',
        caught_by=_PROTOCOL + "test_a_candidate_below_its_limit_is_held_and_never_switched",
    ),
    Mutant(
        name="no_switch_is_not_heard",
        file="runner/execute/switch.py",
        old="if run.context.choice.no_switch:",
        new="if run.context.choice.force:",
        caught_by=_PROTOCOL + "test_no_switch_leaves_the_decision_for_the_next_run",
    ),
    Mutant(
        name="a_runner_that_slept_switches",
        file="runner/execute/switch.py",
        old="if leaves.passed(run.context.clock):",
        new="if leaves is None:",
        caught_by=_PROTOCOL + "test_a_runner_that_slept_longer_than_the_quarantine_does_not_switch",
    ),
    Mutant(
        name="an_unclear_switch_counts_as_done",
        file="runner/execute/switch.py",
        old="if isinstance(effect, Done):",
        new="if not isinstance(effect, NeverSent | Rejected):",
        caught_by=_PROTOCOL + "test_a_switch_that_never_became_visible_is_intended_once_more_after_the_quarantine",
    ),
    Mutant(
        name="the_list_of_classifiers_is_not_read",
        file="runner/execute/switch.py",
        old="return any(classifier.model_id == job.model_id for classifier in listed)",
        new="return listed is not None",
        caught_by=_PROTOCOL + "test_a_switch_that_never_became_visible_is_intended_once_more_after_the_quarantine",
    ),
    Mutant(
        name="a_model_that_was_listed_before_proves_the_switch",
        file="runner/execute/switch.py",
        old="None if found and was_listed else found",
        new="found",
        caught_by=_PROTOCOL + "test_a_model_listed_before_the_switch_proves_nothing_afterwards",
    ),
    Mutant(
        name="a_list_that_cannot_tell_proves_that_nothing_was_switched",
        file="runner/execute/switch.py",
        old="if serves is None or (waited",
        new="if (waited",
        caught_by=_PROTOCOL + "test_a_model_listed_before_the_switch_proves_nothing_afterwards",
    ),
    Mutant(
        name="no_quarantine_after_a_switch",
        file="runner/execute/switch.py",
        old="(_leaves_within(run) + run.quarantine).total_seconds()",
        new="0.0",
        caught_by=_EDGES + "test_a_switch_that_arrives_late_within_the_quarantine_is_not_sent_again",
    ),
    Mutant(
        name="one_switch_intent_too_many",
        file="runner/execute/switch.py",
        old="job.switches >= INTENTS",
        new="job.switches > INTENTS",
        caught_by=_EDGES + "test_a_switch_that_never_becomes_visible_is_sent_as_often_as_there_are_intents_and_no_more",
    ),
    Mutant(
        name="a_stop_before_the_switch_is_not_recorded",
        file="runner/execute/switch.py",
        old=(
            '        yield from record(SwitchRejected(retrain_job_id=job.retrain_job_id, message="stopped '
            'before it was sent"))\n'
        ),
        new="",
        caught_by=_EDGES + "test_a_stop_between_intent_and_switch_records_that_nothing_was_sent",
    ),
    Mutant(
        name="a_changed_result_file_is_judged",
        file="runner/execute/evaluation.py",
        old="        if blob_sha256(blobs, name) == sha256:\n",
        new="        if blob_sha256(blobs, name):\n",
        caught_by=_EDGES + "test_a_lost_result_is_downloaded_again_and_what_lies_in_its_place_is_not_judged",
    ),
    Mutant(
        name="a_disk_that_fails_is_a_damaged_archive",
        file="runner/results/zip_and_tar.py",
        old="        raise unreadable.error from None\n",
        new='        raise refusal("The result is damaged.") from None\n',
        caught_by="tests/unit/policy/test_policy_record.py::TestEvaluate::"
        "test_a_stream_that_cannot_be_read_says_nothing_about_the_file",
    ),
    Mutant(
        name="an_unread_result_rests_whatever_the_manifest_defines",
        file="runner/plan/approvals.py",
        old="    return decided.unread is not None or unusable or bool",
        new="    return unusable or bool",
        caught_by=_UNREAD + "test_a_manifest_that_is_mended_judges_the_stored_file_without_training_or_download",
    ),
    Mutant(
        name="a_suspect_file_is_downloaded_for_ever",
        file="runner/execute/evaluation.py",
        old="            if suspect or not evaluated.suspect:\n",
        new="            if not evaluated.suspect:\n",
        caught_by=_UNREAD + "test_a_suspect_file_that_comes_twice_is_the_result",
    ),
    Mutant(
        name="a_held_candidate_is_news_every_night",
        file="runner/plan/planner.py",
        old="    return replace(plan, still_held=still)\n",
        new="    return plan\n",
        caught_by="tests/unit/plan/test_planner.py::test_a_held_candidate_stays_held_and_only_its_first_report_is_news",
    ),
    Mutant(
        name="the_lock_of_a_living_process_is_freed",
        file="runner/app/state/partitions.py",
        old="    if holder.is_here:\n        raise",
        new="    if holder.pid < 0:\n        raise",
        caught_by="tests/unit/app/test_app_unlock.py::test_a_living_process_of_this_host_is_named_and_cannot_be_freed",
    ),
    Mutant(
        name="work_is_started_after_a_stop",
        file="runner/execute/coordinator.py",
        old=(
            "        elif self.stopped is not None:\n            self._emit_stop()\n"
            "            self._resume(workflow, error=StoppedError(self.stopped))\n"
        ),
        new="",
        caught_by="tests/unit/execute/test_execute_edges.py::"
        "test_a_stop_whose_upload_is_unclear_ends_unknown_not_in_training",
    ),
    Mutant(
        name="upload_slots_are_not_counted",
        file="runner/execute/coordinator.py",
        old="while self._slot_queue and self._slots_taken < self.settings.uploads:",
        new="while self._slot_queue:",
        caught_by=_EDGES + "test_no_more_uploads_run_side_by_side_than_there_are_slots",
    ),
    Mutant(
        name="models_are_not_bounded",
        file="runner/execute/coordinator.py",
        old="if len(self._own) >= self.settings.parallel:",
        new="if len(self._own) < 0:",
        caught_by=_EDGES + "test_no_more_models_are_driven_side_by_side_than_parallel_allows",
    ),
    Mutant(
        name="one_models_bug_ends_the_others",
        file="runner/execute/workflow.py",
        old="    except Exception as bug:",
        new="    except LookupError as bug:",
        caught_by=_EDGES + "test_one_models_bug_does_not_end_the_others",
    ),
    Mutant(
        name="one_run_takes_jobs_without_a_bound",
        file="runner/execute/workflow.py",
        old="STARTS = 3",
        new="STARTS = 30",
        caught_by=_PROTOCOL + "test_a_store_that_always_expires_fails_and_does_not_loop",
    ),
    Mutant(
        name="an_interrupted_upload_counts_as_in_training",
        file="runner/execute/workflow.py",
        old="if job.stage in (JobStage.SENDING, JobStage.SWITCHING):",
        new="if job.stage == JobStage.SWITCHING:",
        caught_by=_EDGES + "test_a_stop_whose_upload_is_unclear_ends_unknown_not_in_training",
    ),
    Mutant(
        name="the_limit_of_switches_is_not_kept",
        file="runner/execute/model_run.py",
        old="return self.switches >= 0",
        new="return True",
        caught_by=_EDGES + "test_no_more_models_are_switched_than_the_limit_allows",
    ),
)
