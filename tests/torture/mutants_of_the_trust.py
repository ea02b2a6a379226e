"""Mutants that take a defence of docs/explanation/trust.md away; an attack of `hostile/` must get through each."""

from tests.torture.mutant import Mutant

_HOSTILE = "tests/torture/test_hostile.py::test_an_attack_gets_no_further_than_the_trust_model_says"

MUTANTS: tuple[Mutant, ...] = ()
