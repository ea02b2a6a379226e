"""Mutants that let prune remove too much, and full disks and memory go untold."""

from tests.stress.mutant import Mutant

_HOSTILE = "tests/stress/test_hostile.py::test_an_attack_gets_no_further_than_the_trust_model_says"

_PRUNE = "tests/unit/app/test_app_prune.py::"

MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        name="a_stored_result_may_be_anywhere",
        file="runner/journal/chain.py",
        old="if isinstance(fact, ResultDownloaded) and not is_result_path(fact.path, event.run_id, event.model):",
        new="if isinstance(fact, ResultDownloaded) and is_result_path is None:",
        caught_by="tests/unit/journal/test_journal_chain.py::"
        "test_a_result_that_is_not_where_its_run_stores_it_is_refused",
    ),
    Mutant(
        name="prune_goes_through_linked_files",
        file="runner/app/state/prune.py",
        old="flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK",
        new="flags = os.O_RDONLY | os.O_NONBLOCK",
        caught_by=_HOSTILE + "[prune_follows_a_link]",
    ),
    Mutant(
        name="prune_goes_through_linked_folders",
        file="runner/app/state/prune.py",
        old="os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=handle)",
        new="os.O_RDONLY | os.O_DIRECTORY, dir_fd=handle)",
        caught_by=_HOSTILE + "[prune_follows_a_link]",
    ),
    Mutant(
        name="prune_removes_a_file_with_other_bytes",
        file="runner/app/state/prune.py",
        old='hexdigest() == file.sha256 else "other"',
        new='hexdigest() else "other"',
        caught_by=_PRUNE + "test_a_file_that_is_gone_or_another_is_neither_recorded_nor_removed",
    ),
    Mutant(
        name="prune_records_a_file_that_is_gone",
        file="runner/app/state/prune.py",
        old='"none": "is gone", "other": "is not the file that the journal recorded"}[found]',
        new='"none": None, "other": None}[found]',
        caught_by=_HOSTILE + "[prune_hides_a_loss]",
    ),
    Mutant(
        name="prune_removes_before_it_records",
        file="runner/app/state/prune.py",
        old="    _record(recorder, files, why)\n    going = (*left_over, *files)\n"
        "    refused += filter(None, map_in_threads(lambda file: _removed(results, file), going, results.threads))\n",
        new="    going = (*left_over, *files)\n"
        "    refused += filter(None, map_in_threads(lambda file: _removed(results, file), going, results.threads))\n"
        "    _record(recorder, files, why)\n",
        caught_by=_PRUNE + "test_nothing_goes_before_the_journal_has_it",
    ),
    Mutant(
        name="prune_forgets_what_an_earlier_one_left",
        file="runner/app/state/prune.py",
        old="        left_over = _left_over(results, recorder.progress)\n",
        new="        left_over = tuple[PrunedFile, ...]()\n",
        caught_by=_HOSTILE + "[prune_is_killed]",
    ),
    Mutant(
        name="prune_removes_an_object_with_other_bytes",
        file="runner/app/state/prune.py",
        old="blob_sha256(self.blobs, file.path) == file.sha256 else",
        new="blob_sha256(self.blobs, file.path) else",
        caught_by="tests/acceptance/contract/test_contract_object_state.py::"
        "test_results_that_nothing_needs_are_removed_from_the_store",
    ),
    Mutant(
        name="prune_takes_what_serves",
        file="runner/plan/eligibility.py",
        old="(job.result.path for job in _needed_jobs(model) if job.result is not None)",
        new="()",
        caught_by=_HOSTILE + "[prune_takes_what_is_needed]",
    ),
    Mutant(
        name="prune_takes_what_a_rollback_leads_to",
        file="runner/plan/eligibility.py",
        old="_ROLLBACK_REACH = 2",
        new="_ROLLBACK_REACH = 1",
        caught_by="tests/unit/plan/test_plan_retention.py::test_what_serves_and_what_a_rollback_leads_to_stay",
    ),
    Mutant(
        name="a_removal_of_other_bytes_counts",
        file="runner/journal/folder.py",
        old="if found is not None and found.file.sha256 == result.sha256 else None",
        new="if found is not None else None",
        caught_by=_PRUNE + "test_a_record_about_other_bytes_hides_no_loss",
    ),
    Mutant(
        name="a_record_after_the_anchor_is_not_told",
        file="runner/app/audit/foreign_files.py",
        old="if 0 < held < seq else",
        new="if held < 0 else",
        caught_by=_HOSTILE + "[a_forged_record_hides_a_loss]",
    ),
    Mutant(
        name="memory_that_ends_a_model_is_a_bug",
        file="runner/execute/workflow.py",
        old="except (MemoryError, OSError) as error:",
        new="except ArithmeticError as error:",
        caught_by="tests/unit/execute/test_execute_shortage.py::"
        "test_memory_that_does_not_suffice_for_a_result_fails_the_model",
    ),
    Mutant(
        name="memory_that_ends_a_command_is_a_bug",
        file="runner/cli/errors.py",
        old="case _ if is_out_of_memory(error):",
        new="case ArithmeticError():",
        caught_by="tests/unit/cli/test_cli_shortage.py::test_memory_that_does_not_suffice_is_not_a_bug",
    ),
    Mutant(
        name="a_journal_that_was_begun_on_a_full_disk_stays_beside_its_place",
        file="runner/journal/store.py",
        old="        except BaseException:\n            beside.unlink(missing_ok=True)\n            raise",
        new="        except ArithmeticError:\n            raise",
        caught_by=_HOSTILE + "[a_disk_is_full]",
    ),
)
