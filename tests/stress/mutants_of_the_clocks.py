"""Mutants that take a defence against wrong clocks away; an attack of `hostile/on_clocks.py` must get through each."""

from tests.stress.mutant import Mutant

_HOSTILE = "tests/stress/test_hostile.py::test_an_attack_gets_no_further_than_the_trust_model_says"
_CLOCKS = "tests/unit/execute/test_execute_clocks.py::"
_DATES = "tests/unit/http/test_http_headers.py::"
_PLANNER = "tests/unit/plan/test_planner.py::"
_SIMULATOR = "tests/stress/test_simulator.py::"
_FILE = "runner/execute/upload_evidence.py"

MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        name="an_upload_ends_by_this_machines_clock",
        file=_FILE,
        old="return self.latest + max(clock.now() - self.wall, slept) >= self.expires",
        new="return clock.now() >= self.expires",
        caught_by=_CLOCKS + "test_an_upload_begins_before_its_url_ends_by_the_services_clock_and_not_after",
    ),
    Mutant(
        name="a_lost_upload_is_dead_by_this_machines_clock",
        file=_FILE,
        old="return reading.date >= over and reading.ahead >= -tolerance(run)",
        new="return reading.before >= over",
        caught_by=_HOSTILE + "[second-machine-settles]",
    ),
    Mutant(
        name="a_sleep_shows_by_the_wall_clock_only",
        file=_FILE,
        old="max(clock.now() - self.wall, slept)",
        new="(clock.now() - self.wall)",
        caught_by=_CLOCKS + "test_a_sleep_shows_by_either_clock",
    ),
    Mutant(
        name="a_sleep_shows_by_the_monotonic_clock_only",
        file=_FILE,
        old="max(clock.now() - self.wall, slept)",
        new="slept",
        caught_by=_CLOCKS + "test_a_sleep_shows_by_either_clock",
    ),
    Mutant(
        name="any_date_is_believed",
        file=_FILE,
        old=" and reading.ahead >= -tolerance(run)",
        new="",
        caught_by=_HOSTILE + "[date-that-lies]",
    ),
    Mutant(
        name="clocks_may_differ_by_anything",
        file=_FILE,
        old="if abs(reading.ahead) <= tolerance(run):",
        new="if True:",
        caught_by=_HOSTILE + "[clock-off-by-hours]",
    ),
    Mutant(
        name="clocks_are_compared_without_a_word",
        file=_FILE,
        old="if abs(reading.ahead) < NOTICED:",
        new="if abs(reading.ahead) <= tolerance(run):",
        caught_by=_CLOCKS + "test_a_clock_ahead_of_a_urls_life_does_not_keep_the_data_from_being_sent",
    ),
    Mutant(
        name="a_slow_answer_is_taken_for_another_clock",
        file=_FILE,
        old="ahead, behind = self.before - self.date - _TICK, self.after - self.date",
        new="ahead = behind = self.after - self.date",
        caught_by=_CLOCKS + "test_a_difference_of_clocks_is_what_the_round_trip_leaves_no_doubt_of",
    ),
    Mutant(
        name="without_a_date_there_is_no_margin",
        file=_FILE,
        old="return reading.before >= over + tolerance(run)",
        new="return reading.before >= over",
        caught_by=_CLOCKS
        + "test_without_a_date_the_own_clock_counts_and_a_lost_upload_waits_for_the_quarantine_once_more",
    ),
    Mutant(
        name="a_url_that_came_expired_is_tried",
        file=_FILE,
        old="if end.latest < end.expires:",
        new="if end.expires:",
        caught_by=_CLOCKS + "test_a_clock_ahead_of_a_urls_life_is_named_where_the_service_tells_no_time",
    ),
    Mutant(
        name="a_url_that_tells_no_end_ends_by_this_machines_clock",
        file=_FILE,
        old="reading.latest + lifetime",
        new="reading.after + lifetime",
        caught_by=_CLOCKS + "test_where_the_url_does_not_tell_its_end_the_services_time_is_recorded",
    ),
    Mutant(
        name="any_text_is_a_date",
        file="runner/http/headers.py",
        old="if _FORM.fullmatch(text) is None:",
        new="if not text:",
        caught_by=_DATES + "test_what_is_not_a_date_of_today_tells_no_time",
    ),
    Mutant(
        name="any_year_is_a_date",
        file="runner/http/headers.py",
        old="return date if date.year in YEARS else None",
        new="return date",
        caught_by=_DATES + "test_what_is_not_a_date_of_today_tells_no_time",
    ),
    Mutant(
        name="a_job_of_the_future_is_young_for_ever",
        file="runner/lib/timestamps.py",
        old="return now - at if now - at >= -_LARGEST_SKEW else None",
        new="return now - at",
        caught_by=_HOSTILE + "[journal-of-the-future]",
    ),
    Mutant(
        name="a_job_of_the_future_never_grows_old",
        file="runner/plan/planner.py",
        old="    if old is None:\n",
        new="    if old is None and trained_at is None:\n",
        caught_by=_PLANNER + "test_a_job_dated_far_in_the_future_keeps_nothing_from_being_trained",
    ),
    Mutant(
        name="a_journal_of_the_future_is_not_warned_of",
        file="runner/app/state/read_state.py",
        old="if last is None or moment(last) - now <= NOTICED:",
        new="if last:",
        caught_by=_HOSTILE + "[journal-of-the-future]",
    ),
    Mutant(
        name="two_machines_judge_by_their_own_clocks",
        file="runner/execute/settle_upload.py",
        old="over = waited >= steady and is_over(run, job.url_expires_at, reading)",
        new="over = waited >= steady and reading.before >= job.url_expires_at + run.quarantine",
        caught_by=_SIMULATOR + "test_the_bench_sees_runners_that_judge_an_uploads_end_by_their_own_clocks",
    ),
)
