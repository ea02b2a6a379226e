"""Ways to break how a result file is read, each with the test that must go red."""

from tests.stress.mutant import Mutant

_PLACES = "tests/unit/results/test_results_named_places.py::"
_WORKBOOK = "tests/unit/results/test_results_workbook.py::"
_TAR = "tests/unit/results/test_results_tarball.py::"
_EXECUTE = "tests/unit/execute/test_execute_places.py::"

MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        name="the_first_of_several_places_is_taken",
        file="runner/results/search.py",
        old="    if len(usable) > 1:\n",
        new="    if len(usable) > 9:\n",
        caught_by=_PLACES + "test_two_places_give_no_value_and_are_both_named",
    ),
    Mutant(
        name="another_place_than_last_time_is_trusted",
        file="runner/results/result_file.py",
        old="    if not main.searched or before is None or main.place == before:\n",
        new="    if not main.searched or before is None or main.place:\n",
        caught_by=_EXECUTE + "test_another_place_than_last_time_switches_nothing_until_it_is_pinned",
    ),
    Mutant(
        name="the_place_before_is_forgotten",
        file="runner/plan/approvals.py",
        old="        place_before=place_before(progress, job),\n",
        new="        place_before=None,\n",
        caught_by=_EXECUTE + "test_after_a_change_that_was_not_accepted_the_older_place_still_counts",
    ),
    Mutant(
        name="a_search_takes_the_model_before",
        file="runner/results/result_file.py",
        old="        if look.content is None or look.left_out:\n",
        new="        if look.content is None:\n",
        caught_by=_PLACES + "test_the_one_place_that_has_metrics_is_found_and_recorded",
    ),
    Mutant(
        name="a_key_of_json_that_says_previous_is_gone_into",
        file="runner/results/search.py",
        old="            if not mentions(key, _ANOTHERS):\n",
        new="            if key:\n",
        caught_by=_PLACES + "test_the_one_place_that_has_metrics_is_found_and_recorded",
    ),
    Mutant(
        name="a_documented_file_in_percent_is_passed_over",
        file="runner/results/result_file.py",
        old="        return bool(self.metrics) and not (unsure and all(",
        new="        return bool(self.metrics) and not (all(",
        caught_by=_PLACES + "test_a_documented_file_whose_values_are_not_usable_is_not_passed_over_for_another",
    ),
    Mutant(
        name="a_place_in_the_manifest_knows_no_range",
        file="runner/results/search.py",
        old="    return within_range(metric, definition.unit)\n",
        new="    return metric\n",
        caught_by=_PLACES + "TestNamedPlaces::test_a_place_without_a_usable_value_says_why",
    ),
    Mutant(
        name="a_workbook_may_declare_entities",
        file="runner/results/xlsx.py",
        old="    parser.StartDoctypeDeclHandler = _refuse_document_type\n",
        new="",
        caught_by=_WORKBOOK + "test_a_document_type_is_refused_in_every_part",
    ),
    Mutant(
        name="a_cell_in_percent_is_a_bare_number",
        file="runner/results/xlsx.py",
        old="percent=cell.style in percent)",
        new="percent=False)",
        caught_by=_WORKBOOK + "test_a_percent_cell_under_a_percent_head_is_divided_once",
    ),
    Mutant(
        name="a_tar_archive_is_believed_before_its_end",
        file="runner/results/zip_and_tar.py",
        old="        source.read_to_end()\n",
        new="",
        caught_by=_TAR + "test_a_cut_archive_is_refused_wherever_it_is_cut",
    ),
    Mutant(
        name="gzip_may_be_of_any_ratio",
        file="runner/results/zip_and_tar.py",
        old="self._given > HIGHEST_RATIO * self._packed.tell()",
        new="self._given > _MOST_READ",
        caught_by=_TAR + "test_a_bomb_is_refused_by_its_ratio_before_it_is_whole",
    ),
    Mutant(
        name="a_tar_header_may_state_gigabytes",
        file="runner/results/zip_and_tar.py",
        old="        if info.type in _EXTENSIONS and info.size > _LARGEST_HEADER:\n",
        new="        if info.type in _EXTENSIONS and info.size < 0:\n",
        caught_by=_TAR + "test_an_extended_header_that_states_gigabytes_is_refused_unread",
    ),
    Mutant(
        name="a_look_through_a_result_has_no_end",
        file="runner/results/containers.py",
        old="        self.bytes -= size\n",
        new="",
        caught_by=_PLACES + "test_a_result_of_many_predictions_is_looked_through_within_its_bounds",
    ),
    Mutant(
        name="a_comma_that_means_two_things_is_read",
        file="runner/results/number.py",
        old="(?:[0-9]{1,2}|[0-9]{4,})",
        new="[0-9]+",
        caught_by="tests/unit/results/test_results_number.py::test_what_is_not_a_number_says_why",
    ),
)
