"""One or two realities of each kind, played as a person would; `make realities` plays them all."""

import pytest

from tests.acceptance.realities.__main__ import known_stuck, play
from tests.acceptance.realities.person import Ending
from tests.acceptance.realities.scene import realities

SAMPLE = ("D00", "E07", "K09", "R07", "R12", "R20", "S12b", "U20", "W01", "W13")


@pytest.mark.parametrize("reality", SAMPLE)
def test_a_reality_is_right_or_got_past_by_its_message_with_one_training(reality: str) -> None:
    played = play(reality)
    expected = (Ending.STUCK,) if reality in known_stuck() else (Ending.AT_ONCE, Ending.PAST)
    printed = "\n".join(f"$ retrain {said.command}\n{said.text}" for said in played.said)
    assert played.ending in expected, f"{played.ending}: {played.why}\n{printed}"


def test_the_list_of_known_stuck_realities_names_realities() -> None:
    assert known_stuck() <= set(realities())
