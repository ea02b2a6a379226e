"""A sample of `suite_hostile`: each attack once or twice."""

import pytest

from tests.stress.hostile.attacks import ATTACKS
from tests.stress.suite_hostile import play

SEEDS = 2


@pytest.mark.parametrize("name", [one.name for one in ATTACKS])
def test_an_attack_gets_no_further_than_the_trust_model_says(name: str) -> None:
    attack = next(one for one in ATTACKS if one.name == name)
    assert [found for seed in range(SEEDS) for found in play(attack, seed)] == []
