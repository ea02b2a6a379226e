"""Ways to break the way from data to a started training, each with the test that must go red."""

from tests.stress.mutant import Mutant

_PROTOCOL = "tests/unit/execute/test_execute_protocol.py::"
_EDGES = "tests/unit/execute/test_execute_edges.py::"
_PATIENCE = "tests/unit/execute/test_execute_patience.py::"
_ONE_PASS = "tests/unit/execute/test_execute_one_pass.py::"
_MOVED = "tests/unit/execute/test_execute_moved.py::"

MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        name="no_intent_before_the_upload",
        file="runner/execute/upload.py",
        old="    yield from record(created, intended, guard=guard)\n",
        new="    yield from record(created)\n",
        caught_by=_PROTOCOL + "test_the_intent_is_durable_before_the_first_byte_and_the_decision_before_the_switch",
    ),
    Mutant(
        name="no_guard_on_the_upload",
        file="runner/execute/upload.py",
        old="    yield from record(created, intended, guard=guard)\n",
        new="    yield from record(created, intended)\n",
        caught_by=_EDGES + "test_every_intent_carries_a_guard_of_its_own",
    ),
    Mutant(
        name="the_end_leaves_before_the_check_has_ended",
        file="runner/execute/one_pass.py",
        old="self._decided.wait() and not self._aborted.is_set() and may_end()",
        new="may_end()",
        caught_by=_ONE_PASS + "test_the_end_of_the_data_leaves_after_the_commit_of_the_intent",
    ),
    Mutant(
        name="the_end_leaves_before_the_intent_is_recorded",
        file="runner/execute/upload.py",
        old=(
            "        yield from record(_checked(found), intended, guard=guard)\n"
            "        effect: Effect = yield Work("
            "pool=Pool.STAGE, function=one_pass.finish, effect=True, completes=True)\n"
        ),
        new=(
            "        effect: Effect = yield Work("
            "pool=Pool.STAGE, function=one_pass.finish, effect=True, completes=True)\n"
            "        yield from record(_checked(found), intended, guard=guard)\n"
        ),
        caught_by=_ONE_PASS + "test_the_end_of_the_data_leaves_after_the_commit_of_the_intent",
    ),
    Mutant(
        name="a_run_that_lost_its_state_sends_the_end",
        file="runner/execute/one_pass.py",
        old="not self._aborted.is_set() and may_end()",
        new="not self._aborted.is_set()",
        caught_by=_ONE_PASS + "test_a_run_that_holds_its_state_no_longer_does_not_send_the_end",
    ),
    Mutant(
        name="nothing_is_recorded_before_data_is_sent_without_its_end",
        file="runner/execute/upload.py",
        old="    yield from record(created, UploadBegun(retrain_job_id=job.retrain_job_id, bytes=size))\n",
        new="    yield from record(created)\n",
        caught_by=_ONE_PASS + "test_a_body_without_its_end_that_started_a_training_is_told_and_nothing_is_sent_again",
    ),
    Mutant(
        name="data_that_is_known_is_sent_whole",
        file="runner/execute/upload.py",
        old="if run.progress.intents.count(found.sha256) or found",
        new="if found",
        caught_by=_ONE_PASS + "test_data_that_was_sent_before_is_not_sent_whole_again",
    ),
    Mutant(
        name="a_start_without_the_end_is_taken_for_one",
        file="runner/execute/settle_upload.py",
        old="            if job.is_cut_short:\n                return started_without_end(run)\n",
        new="",
        caught_by=_ONE_PASS + "test_a_body_without_its_end_that_started_a_training_is_told_and_nothing_is_sent_again",
    ),
    Mutant(
        name="nobody_asks_whether_a_part_of_the_data_started_a_training",
        file="runner/execute/upload.py",
        old=(
            "    if proves_start(run, answer, job.status_before_upload):\n"
            "        return started_without_end(run)\n"
            "    yield from record(UploadRejected("
        ),
        new="    yield from record(UploadRejected(",
        caught_by=_ONE_PASS + "test_a_check_that_fails_after_a_part_started_a_training_is_told_as_unknown",
    ),
    Mutant(
        name="a_stop_breaks_off_an_upload_that_was_checked",
        file="runner/execute/upload.py",
        old="function=one_pass.finish, effect=True, completes=True)",
        new="function=one_pass.finish, effect=True)",
        caught_by=_ONE_PASS + "test_a_stop_lets_the_upload_end_that_has_begun",
    ),
    Mutant(
        name="what_was_checked_before_counts_as_the_data_of_a_new_job",
        file="runner/journal/retrain_job.py",
        old='        "data": None,  # what was checked before is other data\n',
        new="",
        caught_by=_ONE_PASS + "test_nothing_is_known_of_the_data_of_a_job_whose_upload_has_only_begun",
    ),
    Mutant(
        name="a_new_name_is_trained_without_a_question",
        file="runner/execute/upload.py",
        old="    yield from refuse_other_model(run, key)\n",
        new="",
        caught_by=_MOVED + "test_a_renamed_model_without_an_entry_is_found_out_by_its_key",
    ),
    Mutant(
        name="a_question_that_failed_is_taken_for_no",
        file="runner/execute/model_identity.py",
        old="if error.again or error.kind == Kind.NETWORK:",
        new="if False:",
        caught_by=_MOVED + "test_nothing_is_uploaded_while_the_service_cannot_be_asked",
    ),
    Mutant(
        name="every_upload_intent_has_one_number",
        file="runner/execute/upload.py",
        old="run.progress.intents.count(prepared.sha256) + 1",
        new="1",
        caught_by=_PROTOCOL + "test_a_failed_training_is_tried_again_by_the_next_run_as_often_as_attempts_allows",
    ),
    Mutant(
        name="no_quarantine_after_the_urls_expiry",
        file="runner/execute/upload_evidence.py",
        old="return reading.date >= over and",
        new="return reading.date >= expires and",
        caught_by=_PROTOCOL + "test_an_upload_that_never_arrived_gets_a_new_job_only_after_expiry_and_quarantine",
    ),
    Mutant(
        name="no_waiting_for_the_urls_expiry",
        file="runner/execute/settle_upload.py",
        old="if over and proves_waiting(run, answer):",
        new="if proves_waiting(run, answer):",
        caught_by=_PROTOCOL + "test_an_upload_that_never_arrived_gets_a_new_job_only_after_expiry_and_quarantine",
    ),
    Mutant(
        name="a_job_is_dead_whatever_its_status_says",
        file="runner/execute/settle_upload.py",
        old="if over and proves_waiting(run, answer):",
        new="if over:",
        caught_by=_PROTOCOL + "test_no_second_job_while_the_first_ones_word_proves_nothing",
    ),
    Mutant(
        name="an_unchanged_word_proves_a_start",
        file="runner/execute/upload_evidence.py",
        old="if not isinstance(answer, Status) or answer.value == status_before_upload:",
        new="if not isinstance(answer, Status):",
        caught_by=_PROTOCOL + "test_no_second_job_while_the_first_ones_word_proves_nothing",
    ),
    Mutant(
        name="an_ended_training_proves_no_start",
        file="runner/execute/upload_evidence.py",
        old='return answer.phase != "going" or (told_before',
        new="return (told_before",
        caught_by=_EDGES + "test_a_training_that_ended_proves_its_start_even_when_no_word_was_known_before",
    ),
    Mutant(
        name="another_word_for_waiting_proves_a_start",
        file="runner/execute/upload_evidence.py",
        old=" and not says_waiting(run, answer.value))",
        new=")",
        caught_by=_EDGES + "test_another_word_for_waiting_does_not_prove_a_start",
    ),
    Mutant(
        name="a_word_seen_in_training_counts_as_waiting",
        file="runner/execute/upload_evidence.py",
        old=" and evidence_against(run, value) is None",
        new="",
        caught_by=_PROTOCOL + "test_no_second_job_while_the_waiting_word_is_one_this_service_also_uses_for_trainings",
    ),
    Mutant(
        name="a_runner_that_slept_uploads",
        file="runner/execute/upload.py",
        old="if end.passed(run.context.clock):",
        new="if end is None:",
        caught_by=_PROTOCOL + "test_a_runner_that_slept_past_the_urls_expiry_does_not_send",
    ),
    Mutant(
        name="a_stop_before_the_upload_is_not_recorded",
        file="runner/execute/upload.py",
        old=('        yield from record(_never_sent(job.retrain_job_id, "stopped before anything was sent"))\n'),
        new="",
        caught_by=_PROTOCOL + "test_a_stop_between_intent_and_upload_records_that_nothing_was_sent",
    ),
    Mutant(
        name="an_expired_url_ends_the_model",
        file="runner/execute/upload.py",
        old='if effect.reason == "expired_url":',
        new='if effect.reason == "gateway":',
        caught_by=_PROTOCOL + "test_an_expired_url_gets_a_new_job_in_the_same_run",
    ),
    Mutant(
        name="an_unclear_upload_counts_as_never_sent",
        file="runner/execute/upload.py",
        old="yield from record(UploadUnknown(retrain_job_id=retrain_job_id, message=effect.message))",
        new="yield from record(_never_sent(retrain_job_id, effect.message))",
        caught_by=_PROTOCOL + "test_an_upload_whose_answer_was_lost_is_found_by_the_status_and_not_sent_again",
    ),
    Mutant(
        name="an_unclear_upload_counts_as_done",
        file="runner/execute/upload.py",
        old="if isinstance(effect, Done):",
        new="if not isinstance(effect, NeverSent | Rejected):",
        caught_by=_PROTOCOL + "test_an_upload_that_never_arrived_gets_a_new_job_only_after_expiry_and_quarantine",
    ),
    Mutant(
        name="an_unclear_effect_is_sent_again",
        file="runner/execute/retry.py",
        old="if not isinstance(effect, NeverSent) or attempt == SENDS:",
        new='if not hasattr(effect, "hint") or attempt == SENDS:',
        caught_by=_PROTOCOL + "test_a_switch_that_cannot_be_read_back_ends_unknown_and_stays_so",
    ),
    Mutant(
        name="an_effect_that_never_left_is_not_sent_again",
        file="runner/execute/retry.py",
        old="if not isinstance(effect, NeverSent) or attempt == SENDS:",
        new="if attempt:",
        caught_by=_PROTOCOL + "test_a_connection_that_was_never_made_may_send_the_same_upload_again",
    ),
    Mutant(
        name="reads_that_cannot_help_are_repeated",
        file="runner/execute/retry.py",
        old="if not error.again or used_up or late:",
        new="if used_up or late:",
        caught_by=_EDGES + "test_a_read_that_cannot_fare_better_is_not_repeated",
    ),
    Mutant(
        name="reads_are_not_bounded_in_number",
        file="runner/execute/retry.py",
        old="if not error.again or used_up or late:",
        new="if not error.again or late:",
        caught_by=_EDGES + "test_reads_before_the_upload_are_bounded_in_number",
    ),
    Mutant(
        name="reads_are_not_bounded_in_time",
        file="runner/execute/retry.py",
        old="if not error.again or used_up or late:",
        new="if not error.again or used_up:",
        caught_by=_EDGES + "test_reads_are_bounded_in_time_whatever_pause_a_server_asks_for",
    ),
    Mutant(
        name="the_deadline_of_a_training_is_not_kept",
        file="runner/execute/training.py",
        old="return still_training(run, status) if watch.left <= 0 else None",
        new="return None",
        caught_by=_PROTOCOL + "test_a_training_longer_than_the_deadline_keeps_its_job_and_the_next_run_goes_on",
    ),
    Mutant(
        name="a_deleted_job_is_no_failed_training",
        file="runner/execute/training.py",
        old="if error.code == Code.JOB_DELETED:",
        new="if error.code == Code.MODEL_DELETED:",
        caught_by=_EDGES + "test_a_job_that_is_deleted_in_its_training_counts_as_failed_once_that_lasts",
    ),
    Mutant(
        name="an_outage_is_waited_out_without_an_end",
        file="runner/execute/training.py",
        old="                if watch.left <= 0:\n                    return still_unread(run, trouble)\n",
        new="",
        caught_by=_PATIENCE + "test_an_outage_is_bounded_by_the_waits_deadline_alone",
    ),
    Mutant(
        name="a_job_that_is_deleted_right_after_its_upload_has_failed",
        file="runner/execute/training_ends.py",
        old="if value is not None and _was_never_known(run.job):",
        new="if False:",
        caught_by=_PATIENCE + "test_a_job_that_is_not_known_right_after_its_upload_is_waited_for",
    ),
    Mutant(
        name="an_end_that_was_said_before_the_upload_counts",
        file="runner/execute/training.py",
        old="if watch.is_early(status):",
        new="if False:",
        caught_by=_PATIENCE + "test_an_end_that_was_said_before_the_upload_is_not_believed",
    ),
    Mutant(
        name="a_body_ends_whatever_was_sent",
        file="runner/http/upload_body.py",
        old="if compared is not None and not compared.agrees():",
        new="if compared is None and self._content is not None:",
        caught_by="tests/unit/providers/test_provider_upload.py::"
        "test_another_content_of_the_same_size_never_becomes_a_whole_body",
    ),
    Mutant(
        name="any_bytes_fit_a_seal",
        file="runner/lib/checksums.py",
        old="return self._fast.end() == self._expected",
        new="return self._fast.end().secret == self._expected.secret",
        caught_by="tests/unit/lib/test_checksums.py::test_the_same_bytes_agree_however_they_are_cut_and_no_others_do",
    ),
    Mutant(
        name="any_answer_hands_its_connection_on",
        file="runner/http/transport.py",
        old="not isinstance(answer, Broken) and is_its_own(answer)",
        new="not isinstance(answer, Broken)",
        caught_by="tests/unit/providers/test_provider_connections.py::test_a_connection_with_an_early_hint_is_not_used_again",
    ),
    Mutant(
        name="a_job_may_be_another_models",
        file="runner/providers/prediction_one/client.py",
        old='self._read("upload_url", path, key, read)',
        new='self._read("upload_url", path, key, read, lambda _: True)',
        caught_by="tests/unit/providers/test_provider_connections.py::test_a_job_is_never_taken_for_another_models",
    ),
)
