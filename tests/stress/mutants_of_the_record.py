"""Ways to break journal, plan, policy and audit, each with the test that must go red."""

from tests.stress.mutant import Mutant

_PROTOCOL = "tests/unit/execute/test_execute_protocol.py::"
_CHAIN = "tests/unit/journal/test_journal_chain.py::"
_STORE = "tests/unit/journal/test_journal_store.py::"
_PROGRESS = "tests/unit/journal/test_journal_progress.py::"
_FLIPS = "tests/stress/test_flips.py::"
_SECRETS = "tests/stress/test_secrets.py::"
_PLANNER = "tests/unit/plan/test_planner.py::"
_POLICY = "tests/unit/policy/"
_CHECKPOINT = "tests/unit/journal/test_journal_checkpoint.py::"
_NEEDED = "tests/unit/plan/test_plan_needed_jobs.py::"
_KNOWN = "tests/property/test_checkpoint.py::test_plans_and_statuses_are_the_same_in_known_histories"

MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        name="the_checkpoint_is_off_by_one",
        file="runner/journal/checkpoint.py",
        old="            return progress, chain(first, tail)",
        new="            return progress, tail",
        caught_by=_CHECKPOINT + "test_only_the_events_after_the_checkpoint_are_read",
    ),
    Mutant(
        name="a_checkpoint_is_believed_that_no_event_names",
        file="runner/journal/checkpoint.py",
        old=" or fact.checkpoint != mark.sha256:",
        new=":",
        caught_by=_CHECKPOINT + "test_without_a_sound_checkpoint_the_whole_journal_is_read_silently",
    ),
    Mutant(
        name="a_checkpoint_with_other_bytes_is_read",
        file="runner/journal/checkpoint.py",
        old="return content if hashlib.sha256(content).hexdigest() == mark.sha256 else None",
        new="return content",
        caught_by=_CHECKPOINT + "test_without_a_sound_checkpoint_the_whole_journal_is_read_silently",
    ),
    Mutant(
        name="attempts_before_the_checkpoint_are_forgotten",
        file="runner/plan/eligibility.py",
        old="        if settled >= ASKED_FOR and counted:",
        new="        if settled >= ASKED_FOR:",
        caught_by=_NEEDED + "test_attempts_in_a_row_are_counted_to_their_end",
    ),
    Mutant(
        name="intents_before_the_checkpoint_are_forgotten",
        file="runner/journal/model_progress.py",
        old='        return Intents(earlier=b"".join(sorted([*self._prefixes(), *recent])))',
        new="        return Intents()",
        caught_by=_NEEDED + "test_every_intent_counts_for_its_content",
    ),
    Mutant(
        name="the_job_of_the_last_outcome_is_forgotten",
        file="runner/plan/eligibility.py",
        old="    yield from _first(newest, lambda job: job.retrain_job_id == end)\n",
        new="",
        caught_by=_NEEDED + "test_the_job_of_the_last_outcome_is_kept",
    ),
    Mutant(
        name="an_old_open_job_is_forgotten",
        file="runner/plan/eligibility.py",
        old="    found |= {name for name, job in jobs.items() if job.stage in _OPEN}\n",
        new="",
        caught_by=_NEEDED + "test_a_job_that_may_still_be_training_is_kept_however_old_it_is",
    ),
    Mutant(
        name="earlier_data_before_the_checkpoint_is_forgotten",
        file="runner/plan/eligibility.py",
        old="    yield from _first(newest, lambda job: job.data is not None and counts_as_reference(model, job))\n",
        new="",
        caught_by=_KNOWN,
    ),
    Mutant(
        name="doubtful_words_before_the_checkpoint_are_forgotten",
        file="runner/plan/eligibility.py",
        old="    yield from _spoken_of(settled)\n",
        new="",
        caught_by=_KNOWN,
    ),
    Mutant(
        name="a_job_without_an_upload_is_forgotten",
        file="runner/plan/eligibility.py",
        old="{*found, *list(jobs)[-1:]}",
        new="found",
        caught_by=_KNOWN,
    ),
    Mutant(
        name="the_last_run_with_a_model_is_forgotten",
        file="runner/plan/eligibility.py",
        old="        elif names or run_id in judging:",
        new="        elif run_id in judging:",
        caught_by=_KNOWN,
    ),
    Mutant(
        name="that_a_job_served_twice_is_forgotten",
        file="runner/plan/eligibility.py",
        old="ids * 2 if len(ids) == 1 < len(serving.ids) else ids",
        new="ids",
        caught_by=_KNOWN,
    ),
    Mutant(
        name="the_chain_is_not_followed",
        file="runner/journal/chain.py",
        old="if event.seq != seq or row.seq != seq or prev not in (None, event.prev):",
        new="if event.seq != seq or row.seq != seq:",
        caught_by=_CHAIN + "test_an_event_changed_together_with_its_digest_breaks_at_the_next_one",
    ),
    Mutant(
        name="digests_of_events_are_not_compared",
        file="runner/journal/chain.py",
        old="if sha256 != row.sha256 or event.guard != row.guard:",
        new="if event.guard != row.guard:",
        caught_by=_CHAIN + "test_a_flipped_bit_in_any_byte_of_any_event_names_that_event",
    ),
    Mutant(
        name="guards_beside_events_are_not_compared",
        file="runner/journal/chain.py",
        old="if sha256 != row.sha256 or event.guard != row.guard:",
        new="if sha256 != row.sha256:",
        caught_by=_CHAIN + "test_a_changed_guard_or_row_number_beside_the_event_is_noticed",
    ),
    Mutant(
        name="a_writer_with_a_stale_head_appends",
        file="runner/journal/store.py",
        old="WHERE (SELECT",
        new="WHERE TRUE OR (SELECT",
        caught_by=_STORE + "test_a_store_whose_head_is_stale_refuses_to_append",
    ),
    Mutant(
        name="commits_are_not_synchronous",
        file="runner/journal/store.py",
        old="PRAGMA synchronous = EXTRA",
        new="PRAGMA synchronous = FULL",
        caught_by=_STORE + "test_commits_are_synchronous_and_use_the_rollback_journal",
    ),
    Mutant(
        name="the_journal_uses_a_write_ahead_log",
        file="runner/journal/store.py",
        old="PRAGMA journal_mode = DELETE",
        new="PRAGMA journal_mode = WAL",
        caught_by=_STORE + "test_commits_are_synchronous_and_use_the_rollback_journal",
    ),
    Mutant(
        name="a_lost_journal_is_begun_anew",
        file="runner/journal/store.py",
        old="    folder.require_journal()\n    folder.prepare()",
        new="    folder.prepare()",
        caught_by=_STORE + "test_a_missing_journal_beside_the_files_of_runs_is_refused",
    ),
    Mutant(
        name="guards_rest_on_the_database_alone",
        file="runner/journal/store.py",
        old="if guards & self._guards:",
        new="if guards & set():",
        caught_by=_STORE + "test_a_guard_holds_even_when_the_databases_index_of_guards_is_damaged",
    ),
    Mutant(
        name="a_foreign_database_is_taken",
        file="runner/journal/store.py",
        old="application != APPLICATION_ID or ",
        new="",
        caught_by=_STORE + "test_another_programs_database_or_format_is_refused",
    ),
    Mutant(
        name="a_garbled_schema_is_a_traceback",
        file="runner/journal/store.py",
        old="(sqlite3.Error, OSError, UnicodeDecodeError)",
        new="(sqlite3.Error, OSError)",
        caught_by=_STORE + "test_a_schema_that_is_not_text_any_more_is_an_error_of_ours",
    ),
    Mutant(
        name="an_unclear_upload_folds_to_never_started",
        file="runner/journal/retrain_job.py",
        old='UploadUnknown: lambda _fact, _place: {"stage": JobStage.SENDING},',
        new='UploadUnknown: lambda _fact, _place: {"stage": JobStage.NEVER_STARTED},',
        caught_by=_PROTOCOL + "test_an_upload_whose_answer_was_lost_is_found_by_the_status_and_not_sent_again",
    ),
    Mutant(
        name="an_open_upload_does_not_count_as_a_job",
        file="runner/journal/retrain_job.py",
        old="VOID = frozenset({JobStage.TAKEN, JobStage.NEVER_STARTED})",
        new="VOID = frozenset({JobStage.TAKEN, JobStage.NEVER_STARTED, JobStage.SENDING})",
        caught_by=_PROTOCOL + "test_a_crash_at_every_call_and_every_commit_never_trains_or_switches_twice",
    ),
    Mutant(
        name="a_review_outlives_its_decision",
        file="runner/journal/retrain_job.py",
        old='"decided": decided, "review": None',
        new='"decided": decided',
        caught_by=_PROGRESS + "test_a_new_decision_takes_back_the_review_of_the_one_before",
    ),
    Mutant(
        name="failures_on_other_data_count",
        file="runner/journal/model_progress.py",
        old="if job.stage != JobStage.FAILED or job.dataset_sha256 != dataset_sha256:",
        new="if job.stage != JobStage.FAILED:",
        caught_by=_PROGRESS + "test_attempts_count_the_failures_in_a_row_on_one_content",
    ),
    Mutant(
        name="one_attempt_too_many",
        file="runner/plan/planner.py",
        old="if failed < model.retrain.attempts:",
        new="if failed <= model.retrain.attempts:",
        caught_by=_PROTOCOL + "test_a_failed_training_is_tried_again_by_the_next_run_as_often_as_attempts_allows",
    ),
    Mutant(
        name="an_open_upload_is_not_settled",
        file="runner/plan/planner.py",
        old="(PlanStage.SETTLE_UPLOAD, PlanStage.WAIT, PlanStage.EVALUATE,",
        new="(PlanStage.WAIT, PlanStage.EVALUATE,",
        caught_by=_PLANNER + "test_an_upload_of_unknown_result_is_settled_first",
    ),
    Mutant(
        name="changed_data_is_not_trained",
        file="runner/plan/planner.py",
        old="job.dataset_sha256 not in {data.sha256, *inputs.same_rows}:",
        new="not data.sha256:",
        caught_by=_PLANNER + "test_changed_data_is_trained",
    ),
    Mutant(
        name="an_expired_approval_stays_open",
        file="runner/plan/planner.py",
        old="return expires if expires and now >= expires else None",
        new="return expires if expires and now < expires else None",
        caught_by=_PLANNER + "test_a_waiting_candidate_stays_waiting_and_expires",
    ),
    Mutant(
        name="a_limit_met_exactly_is_missed",
        file="runner/policy/judge.py",
        old="return self.value >= self.limit",
        new="return self.value > self.limit",
        caught_by=_POLICY + "test_policy_arithmetic.py::test_a_bound_is_inclusive_and_exact",
    ),
    Mutant(
        name="an_inconclusive_rule_passes",
        file="runner/policy/judge.py",
        old='return "inconclusive" if "inconclusive" in verdicts or not verdicts else "passed"',
        new='return "passed"',
        caught_by=_POLICY + "test_policy_decide.py::TestReasons::test_of_other_evaluation_data",
    ),
    Mutant(
        name="a_rule_that_only_warns_decides",
        file="runner/policy/judge.py",
        old='[rule.verdict for rule in rules if rule.level == "decide"]',
        new="[rule.verdict for rule in rules]",
        caught_by=_POLICY + "test_policy_decide.py::test_a_warning_changes_no_decision",
    ),
    Mutant(
        name="scores_on_different_data_are_compared",
        file="runner/policy/judge.py",
        old=("return None if rule.any_eval or effective is None else unfairness(effective, case.eval_sha256)"),
        new="return None",
        caught_by=_POLICY
        + "test_policy_judge.py::TestEvaluationData::test_other_or_unknown_evaluation_data_is_inconclusive",
    ),
    Mutant(
        name="verify_does_not_compare_files",
        file="runner/app/audit/evidence.py",
        old="    if found != sha256:",
        new="    if found is None:",
        caught_by=_FLIPS + "test_no_flip_and_no_cut_of_state_reports_and_results_is_silent",
    ),
    Mutant(
        name="verify_does_not_miss_runs_cut_from_the_journal",
        file="runner/app/state/unrecorded_files.py",
        old="elif not progress.has_run(entry.name):",
        new="elif not entry.name:",
        caught_by=_FLIPS + "test_no_state_that_is_gone_foreign_older_or_added_to_is_silent",
    ),
    Mutant(
        name="what_the_service_says_is_not_searched_for_secrets",
        file="runner/lib/secrets.py",
        old="                if text[at : at + length] in self._forms[start]:",
        new="                if text[at : at + length] == HIDDEN:",
        caught_by=_SECRETS + "test_no_key_and_no_signature_is_in_any_byte_while_everything_fails",
    ),
)
