"""The list of mutants cannot rot: each still fits the sources and names a test that exists. Two are tried."""

import pytest

from tests.stress.mutant import Change, Mutant
from tests.stress.mutants import EQUIVALENT, MUTANTS
from tests.stress.suite_mutants import ROOT, applied, caught, changed, run_tests, scratch_copy

TRIED = ("the_chain_is_not_followed", "a_held_candidate_is_switched_to")


@pytest.mark.parametrize("change", [*MUTANTS, *EQUIVALENT], ids=lambda change: change.name)
def test_a_mutants_old_text_stands_exactly_once_in_its_file_and_the_new_one_is_other(change: Change) -> None:
    text = (ROOT / change.file).read_text(encoding="utf-8")
    assert changed(text, change) != text
    if change.file.endswith(".py"):
        compile(changed(text, change), change.file, "exec")


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_names_a_test_that_exists(mutant: Mutant) -> None:
    file, *_, name = mutant.caught_by.split("::")
    assert f"def {name.partition('[')[0]}(" in (ROOT / file).read_text(encoding="utf-8")


def test_there_are_enough_mutants_each_with_a_name_of_its_own() -> None:
    assert len(MUTANTS) >= 20
    assert len({one.name for one in [*MUTANTS, *EQUIVALENT]}) == len(MUTANTS) + len(EQUIVALENT)
    assert all(len(one.reason) > 40 for one in EQUIVALENT)


def test_two_mutants_are_caught_and_a_sound_copy_is_green() -> None:
    chosen = [mutant for mutant in MUTANTS if mutant.name in TRIED]
    with scratch_copy() as copy:
        assert run_tests(copy, [one.caught_by for one in chosen]).code == 0
        assert [one.name for one in chosen if caught(copy, one)] == [one.name for one in chosen]


def test_a_change_that_breaks_nothing_is_not_taken_for_caught() -> None:
    harmless = Mutant(
        name="harmless",
        file="runner/journal/chain.py",
        old='GENESIS = "0" * 64',
        new='GENESIS = "00" * 32',
        caught_by=next(mutant.caught_by for mutant in MUTANTS if mutant.name == TRIED[0]),
    )
    with scratch_copy() as copy, applied(copy, harmless):
        assert run_tests(copy, [harmless.caught_by]).code == 0
