"""Mutants that let the loss of events from a journal go unseen, or let it be trained over."""

from tests.stress.mutant import Mutant

_HOSTILE = "tests/stress/test_hostile.py::test_an_attack_gets_no_further_than_the_trust_model_says"
_HEADS = "tests/unit/journal/test_journal_end_marks.py::"
_APP_LOSS = "tests/unit/app/test_app_loss.py::"
_LOSS = "runner/app/state/loss.py"


MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        name="a_journal_with_a_loss_is_gone_on_with",
        file="runner/app/state/session.py",
        old="        refuse(open_state(state), opened.missing)\n",
        new="",
        caught_by=_HOSTILE + "[cut_and_covered]",
    ),
    Mutant(
        name="a_note_beyond_the_journal_is_taken",
        file=_LOSS,
        old="    elif found is None:\n",
        new="    elif found is None and not where:\n",
        caught_by=_HOSTILE + "[cut_anywhere]",
    ),
    Mutant(
        name="a_report_beyond_the_journal_is_taken",
        file=_LOSS,
        old="    if store.digest(end.events) != end.head_sha256:",
        new="    if not report:",
        caught_by=_HOSTILE + "[cut_and_covered]",
    ),
    Mutant(
        name="folders_of_unknown_runs_are_taken",
        file=_LOSS,
        old="return (*noted_losses(folder, store), *entries,",
        new="return (*noted_losses(folder, store),",
        caught_by=_HOSTILE + "[older_copy]",
    ),
    Mutant(
        name="a_journal_that_went_another_way_is_taken",
        file=_LOSS,
        old="    elif found != noted.sha256:",
        new="    elif not found:",
        caught_by=_APP_LOSS + "test_two_copies_that_went_different_ways_are_told_apart",
    ),
    Mutant(
        name="a_journal_without_its_note_is_taken",
        file=_LOSS,
        old="        if events:\n",
        new="        if not lineage:\n",
        caught_by=_HOSTILE + "[note_spoilt]",
    ),
    Mutant(
        name="a_note_that_cannot_be_read_is_no_note",
        file=_LOSS,
        old='        yield Finding(where=str(folder.head), what=f"does not say where the journal ended: {why}")\n',
        new="",
        caught_by=_APP_LOSS + "test_a_note_that_is_none_is_refused",
    ),
    Mutant(
        name="a_note_is_written_through_a_link",
        file="runner/journal/end_marks.py",
        old="os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK",
        new="os.O_RDWR | os.O_CREAT | os.O_NONBLOCK",
        caught_by=_HEADS + "test_a_note_is_written_into_a_file_of_its_own_only",
    ),
    Mutant(
        name="a_note_is_written_into_a_file_with_two_names",
        file="runner/journal/end_marks.py",
        old=" or status.st_nlink > 1",
        new="",
        caught_by=_HEADS + "test_a_note_is_written_into_a_file_of_its_own_only",
    ),
    Mutant(
        name="nothing_outside_of_the_state_is_asked",
        file=_LOSS,
        old="    if kept is not None and kept != beside:",
        new="    if kept is not None and not lineage:",
        caught_by=_HOSTILE + "[older_state]",
    ),
    Mutant(
        name="nothing_is_noted_outside_of_the_state",
        file="runner/journal/end_marks.py",
        old="        if not self._emulator:\n",
        new="        if not head:\n",
        caught_by=_HOSTILE + "[older_state]",
    ),
    Mutant(
        name="a_rehearsal_makes_the_state_the_older_one",
        file="runner/journal/end_marks.py",
        old="self._emulator = fact.service == EMULATOR",
        new="self._emulator = False",
        caught_by=_HEADS + "test_what_only_the_emulator_did_is_not_noted_outside_of_the_state",
    ),
    Mutant(
        name="a_place_that_cannot_be_written_ends_the_command",
        file="runner/journal/end_marks.py",
        old="        with suppress(OSError):\n            self._outside.write(head)",
        new="        self._outside.write(head)",
        caught_by=_HEADS + "test_where_nothing_can_be_written_outside_nothing_fails",
    ),
    Mutant(
        name="the_note_is_written_before_the_commit",
        file="runner/journal/store.py",
        old="        self._write(links)\n        self._head = (seq, prev)",
        new="        self._note(links)\n        self._write(links)\n        self._head = (seq, prev)",
        caught_by=_HEADS + "test_a_commit_that_fails_is_not_noted",
    ),
    Mutant(
        name="the_first_commit_is_made_without_a_note",
        file="runner/app/state/session.py",
        old="        opened.store.settle()\n",
        new="",
        caught_by=_APP_LOSS + "test_the_note_is_there_before_the_first_commit",
    ),
    Mutant(
        name="a_lost_training_is_trained_again",
        file="runner/plan/planner.py",
        old="    if progress.loss is None or PlanStage.UPLOAD not in plan.stages:",
        new="    if model:",
        caught_by=_APP_LOSS + "test_after_a_loss_a_training_waits_for_a_person",
    ),
    Mutant(
        name="a_lost_switch_is_switched_over",
        file="runner/plan/eligibility.py",
        old="    if progress.loss is not None:",
        new="    if not job:",
        caught_by=_APP_LOSS + "test_after_a_loss_a_candidate_is_held",
    ),
    Mutant(
        name="a_model_unknown_before_a_loss_is_trained",
        file="runner/journal/progress.py",
        old="ModelProgress(loss=self.loss)",
        new="ModelProgress()",
        caught_by=_APP_LOSS + "test_after_a_loss_an_unknown_model_waits_for_a_person",
    ),
)
