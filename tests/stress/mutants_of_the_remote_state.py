"""Mutants of a state elsewhere: an append that is another's, a lease that nobody honours, a store that is believed."""

from tests.stress.mutant import Mutant

_OBJECTS = "tests/unit/journal/test_journal_object_store.py::"
_POSTGRES = "tests/unit/journal/test_journal_postgres.py::"
_LEASED = "tests/unit/app/test_app_leased_state.py::"
_BUCKETS = "runner/http/objects/bucket.py"
_MADE_OR_HELD = "lambda: self._is_made(name, content) or self._holds(name, content)"

MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        name="a_commit_has_no_nonce",
        file="runner/journal/object_log.py",
        old="(nonce or secrets.token_hex(16)).encode()",
        new='(nonce or "0" * 32).encode()',
        caught_by=_OBJECTS + "test_equal_events_of_another_writer_are_not_taken_for_its_own",
    ),
    Mutant(
        name="a_request_in_doubt_is_not_sent_again",
        file=_BUCKETS,
        old="    for wait in _WAITS_S:\n",
        new="    for wait in _WAITS_S[:0]:\n",
        caught_by=_OBJECTS + "test_every_third_answer_of_an_append_may_be_lost_or_wrong[unsent]",
    ),
    Mutant(
        name="a_commit_that_exists_is_another_writers",
        file=_BUCKETS,
        old=_MADE_OR_HELD,
        new=_MADE_OR_HELD.replace("self._holds(name, content)", "False"),
        caught_by=_OBJECTS + "test_every_third_answer_of_an_append_may_be_lost_or_wrong[lost]",
    ),
    Mutant(
        name="a_commit_that_exists_is_its_own",
        file=_BUCKETS,
        old=_MADE_OR_HELD,
        new=_MADE_OR_HELD.replace("self._holds(name, content)", "True"),
        caught_by=_OBJECTS + "test_equal_events_of_another_writer_are_not_taken_for_its_own",
    ),
    Mutant(
        name="the_library_sends_requests_again",
        file=_BUCKETS,
        old="request=15, retries=0,",
        new="request=15, retries=1,",
        caught_by=_OBJECTS + "test_nobody_but_the_runner_sends_a_request_again",
    ),
    Mutant(
        name="a_commit_is_made_where_one_is",
        file=_BUCKETS,
        old=_MADE_OR_HELD,
        new=_MADE_OR_HELD.replace("self._is_made(name, content)", "self.put(name, content) is None"),
        caught_by=_OBJECTS + "test_equal_events_of_another_writer_are_not_taken_for_its_own",
    ),
    Mutant(
        name="a_store_that_overwrites_is_taken_when_a_run_begins",
        file="runner/journal/object_store.py",
        old="                fit.result()\n",
        new="",
        caught_by=_OBJECTS + "test_a_store_that_overwrites_is_refused_at_the_beginning_and_at_each_hold",
    ),
    Mutant(
        name="the_age_of_a_lease_is_judged_by_this_machines_clock",
        file="runner/journal/object_lease.py",
        old="        self.now = now\n",
        new='        self.now = now.now(tz=__import__("datetime").UTC)\n',
        caught_by=_OBJECTS + "test_a_lease_keeps_others_out_until_it_is_old_by_the_stores_clock",
    ),
    Mutant(
        name="a_lease_that_ended_is_renewed",
        file="runner/journal/object_lease.py",
        old="            self._lost = True  # somebody",
        new="            self._lost = False  # somebody",
        caught_by=_OBJECTS + "test_a_lease_that_ended_is_never_renewed",
    ),
    Mutant(
        name="a_lease_lasts_that_was_not_renewed",
        file="runner/journal/object_lease.py",
        old="        return not self._lost and seconds() - self._renewed < self.life.total_seconds() / 2",
        new="        return not self._lost",
        caught_by=_OBJECTS + "test_a_lease_keeps_others_out_until_it_is_old_by_the_stores_clock",
    ),
    Mutant(
        name="a_run_whose_lease_is_young_has_ended",
        file="runner/journal/object_lease.py",
        old="self.lasts() and not self._seen.is_young(run_id, self.life)",
        new="self.lasts()",
        caught_by=_OBJECTS + "test_a_run_whose_lease_is_young_has_not_ended_though_its_term_is_gone",
    ),
    Mutant(
        name="who_slept_while_taking_a_lease_believes_what_it_saw",
        file="runner/journal/object_lease.py",
        old="            if seconds() - began >= self.life.total_seconds() / 2:\n",
        new="            if seconds() < began:\n",
        caught_by=_OBJECTS + "test_a_run_that_slept_while_it_took_the_lease_looks_again_who_holds_it",
    ),
    Mutant(
        name="a_lapsed_lease_tells_who_has_ended",
        file="runner/journal/object_lease.py",
        old="self.lasts() and not self._seen.is_young(run_id, self.life)",
        new="not self._seen.is_young(run_id, self.life)",
        caught_by=_OBJECTS + "test_a_lease_that_lapsed_tells_of_no_run_that_it_has_ended",
    ),
    Mutant(
        name="lost_runs_are_closed_without_asking_for_their_lease",
        file="runner/app/state/session.py",
        old="(run_id for run_id in lost if not self.lease.has_ended(run_id))",
        new="(run_id for run_id in lost if not run_id)",
        caught_by=_LEASED + "test_a_run_whose_lease_is_young_is_not_closed_as_lost",
    ),
    Mutant(
        name="a_report_is_recorded_before_it_is_stored",
        file="runner/app/state/session.py",
        old="            digests, report = self._write(run_id, each_file(history)), build_report(history)\n",
        new=(
            "            self.recorder.run_fact_for(run_id, ReportWritten(files={}, checkpoint=None))\n"
            "            digests, report = self._write(run_id, each_file(history)), build_report(history)\n"
        ),
        caught_by=_LEASED + "test_a_report_that_cannot_be_stored_is_not_recorded",
    ),
    Mutant(
        name="a_state_is_begun_where_none_is",
        file="runner/journal/object_store.py",
        old=(
            "        if found is None:\n            raise StateError(\n"
            '                f"There is no state at {self._shown}.",'
        ),
        new=(
            "        if found is None:\n            self.begin()\n            return self.format\n"
            "        if self.bucket is None:\n            raise StateError(\n"
            '                f"There is no state at {self._shown}.",'
        ),
        caught_by=_OBJECTS + "test_a_mistyped_prefix_begins_nothing",
    ),
    Mutant(
        name="a_journal_that_lost_its_end_is_read",
        file="runner/journal/object_log.py",
        old="        if commit and (not items or _number(items[0]) != commit):\n",
        new="        if commit and items and _number(items[0]) != commit:\n",
        caught_by=_OBJECTS + "test_a_state_that_lost_its_end_is_refused_by_a_machine_that_knew_it",
    ),
    Mutant(
        name="a_state_of_another_lineage_is_read",
        file="runner/journal/object_store.py",
        old="(found is None or found[0].lineage != known.lineage)",
        new="(found is None)",
        caught_by=_OBJECTS + "test_another_state_under_the_address_is_refused_by_a_machine_that_knew_the_first",
    ),
    Mutant(
        name="the_database_appends_after_any_end",
        file="runner/journal/postgres_log.py",
        old="LIMIT 1), %(start)s) = %(end)s\n",
        new="LIMIT 1), %(start)s) <> '' OR %(end)s = ''\n",
        caught_by=_POSTGRES + "test_an_append_is_refused_where_the_journal_lost_its_end",
    ),
    Mutant(
        name="rows_that_are_there_are_another_writers",
        file="runner/journal/postgres_log.py",
        old="        if not self._holds(links):\n",
        new="        if links:\n",
        caught_by=_POSTGRES + "test_a_lost_question_or_answer_doubles_and_loses_nothing",
    ),
    Mutant(
        name="rows_that_are_there_are_its_own",
        file="runner/journal/postgres_log.py",
        old="        if not self._holds(links):\n",
        new="        if not links:\n",
        caught_by=_POSTGRES + "test_another_writers_event_is_not_taken_for_one_whose_answer_was_lost",
    ),
)
