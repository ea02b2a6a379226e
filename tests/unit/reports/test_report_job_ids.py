"""Job ids in tables: eight characters, or as many as tell one from another; never in a command."""

import pytest

from runner.reports.next_step import short_ids, with_short_ids

UUID, ALIKE = "1a2b3c4d-0000-4000-8000-000000000000", "1a2b3c4d-0001-4000-8000-000000000000"


@pytest.mark.parametrize(
    ("ids", "shown"),
    [
        ([UUID], ["1a2b3c4d"]),
        ([UUID, ALIKE], ["1a2b3c4d-0000", "1a2b3c4d-0001"]),
        (["job-1", "job-2"], ["job-1", "job-2"]),
        (["12345678901"], ["12345678901"]),
        (["123456789012"], ["12345678"]),
        (["0" * 20, "0" * 30], ["0" * 20, "0" * 21]),
        ([UUID, UUID], ["1a2b3c4d", "1a2b3c4d"]),
        ([], []),
    ],
)
def test_an_id_is_cut_to_what_tells_it_from_the_others(ids: list[str], shown: list[str]) -> None:
    short = short_ids(ids)
    assert [short[name] for name in ids] == shown
    assert len(set(short.values())) == len(set(ids))


def test_a_sentence_has_short_ids_but_its_commands_have_them_whole() -> None:
    sentence = f"Job {UUID} is held. `retrain approve m --job {UUID}` switches to it."
    assert with_short_ids(sentence, short_ids([UUID])) == (
        f"Job 1a2b3c4d is held. `retrain approve m --job {UUID}` switches to it."
    )
