"""A sample of `suite_lines`: kills spread over the lines of every situation."""

import pytest

from tests.stress.line_worlds import SITUATIONS, Situation
from tests.stress.suite_lines import killed_at_every_line


@pytest.mark.parametrize("situation", SITUATIONS[::3], ids=lambda situation: situation.name)
def test_kill_9_at_a_line_of_the_executor_doubles_and_loses_nothing(situation: Situation) -> None:
    found = killed_at_every_line(situation, count=4)
    assert found.broken == ()
    assert found.histories >= 2
