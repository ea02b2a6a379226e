"""Tampering shows: a changed, moved, missing or added event is named by its number."""

import hashlib
from typing import Any

import msgspec
import pytest

from runner.errors import StateError
from runner.journal.chain import Link, Row, link, read_chain
from runner.journal.events import Draft, StatusChanged, TrainingFailed
from runner.lib.canonical_json import canonical_bytes
from tests.unit.journal.journal_facts import RUN, chained, draft, example, run_started, status


def rows(count: int = 6) -> list[Row]:
    """Return a sound chain as a store gives it back."""
    return [as_row(one) for one in chained(draft(status(f"word {n}"), guard=f"g{n}") for n in range(count))]


def as_row(one: Link) -> Row:
    return Row(seq=one.event.seq, body=one.body, sha256=one.sha256, guard=one.event.guard)


def changed(row: Row, body: bytes, *, rehashed: bool = False) -> Row:
    sha256 = hashlib.sha256(body).hexdigest() if rehashed else row.sha256
    return Row(seq=row.seq, body=body, sha256=sha256, guard=row.guard)


def broken_at(chain: list[Row]) -> int:
    with pytest.raises(StateError) as caught:
        list(read_chain(chain))
    return int(caught.value.message.split("event ")[1].split(":")[0])


def test_a_sound_chain_is_read_whole() -> None:
    assert [one.event.seq for one in read_chain(rows())] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("place", range(6))
def test_a_flipped_bit_in_any_byte_of_any_event_names_that_event(place: int) -> None:
    chain = rows()
    for position in range(len(chain[place].body)):
        body = bytearray(chain[place].body)
        body[position] ^= 1 << (position % 8)
        assert broken_at([*chain[:place], changed(chain[place], bytes(body)), *chain[place + 1 :]]) == place + 1


@pytest.mark.parametrize("place", range(5))
def test_an_event_changed_together_with_its_digest_breaks_at_the_next_one(place: int) -> None:
    chain = rows()
    body = chain[place].body.replace(b'"word ', b'"Word ')
    chain[place] = changed(chain[place], body, rehashed=True)
    assert broken_at(chain) == place + 2


@pytest.mark.parametrize("place", range(5))
def test_a_removed_event_is_noticed_at_its_place(place: int) -> None:
    chain = rows()
    del chain[place]
    assert broken_at(chain) == place + 1


@pytest.mark.parametrize("place", range(5))
def test_swapped_events_are_noticed_at_the_first_of_them(place: int) -> None:
    chain = rows()
    chain[place], chain[place + 1] = chain[place + 1], chain[place]
    assert broken_at(chain) == place + 1


@pytest.mark.parametrize("place", range(6))
def test_an_inserted_event_is_noticed_at_its_place_or_the_next(place: int) -> None:
    chain = rows()
    prev = chain[place - 1].sha256 if place else "0" * 64
    forged = as_row(link(draft(status("forged")), seq=place + 1, prev=prev))
    chain.insert(place, forged)
    assert broken_at(chain) == place + 2
    chain[place] = rows(1)[0] if place else as_row(link(draft(), seq=9, prev=prev))
    assert broken_at(chain) == place + 1


def test_a_changed_guard_or_row_number_beside_the_event_is_noticed() -> None:
    chain = rows()
    row = chain[2]
    assert broken_at([*chain[:2], Row(seq=3, body=row.body, sha256=row.sha256, guard="other"), *chain[3:]]) == 3
    assert broken_at([*chain[:2], Row(seq=3, body=row.body, sha256=row.sha256, guard=None), *chain[3:]]) == 3
    assert broken_at([*chain[:2], Row(seq=4, body=row.body, sha256=row.sha256, guard=row.guard), *chain[3:]]) == 3


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"{}",
        b"[" * 100_000,
        b"\xff\xfe",
        b'{"seq":1}',
        None,
        "text",
        7,
    ],
)
def test_what_is_not_an_event_is_an_error_of_ours(body: object) -> None:
    digest = hashlib.sha256(body).hexdigest() if isinstance(body, bytes) else "0" * 64
    row = msgspec.structs.replace(rows(1)[0], body=body, sha256=digest)  # a damaged store may give any type
    assert broken_at([row]) == 1


def test_an_unknown_kind_or_field_is_refused_not_ignored() -> None:
    [one] = chained([draft()])
    for body in (
        one.body.replace(b'"status_changed"', b'"status_felt"'),
        one.body.replace(b'"status":', b'"extra":1,"status":'),
        one.body.replace(b'{"at":', b'{"aa":1,"at":'),
    ):
        row = Row(seq=1, body=body, sha256=hashlib.sha256(body).hexdigest(), guard=None)
        assert broken_at([row]) == 1


def test_an_event_read_back_is_the_one_that_was_written() -> None:
    links = chained([draft(guard="g"), draft(model=None)])
    assert [one.event for one in read_chain(as_row(one) for one in links)] == [one.event for one in links]


def test_text_that_has_no_utf8_form_is_written_as_its_escapes() -> None:
    fact = TrainingFailed(retrain_job_id="j\udcff", status="w", message="bad \ud800 text, 日本語")
    one = link(Draft(at="2026-03-01T04:05:06.000007Z", run_id=RUN, model="m", fact=fact), seq=1, prev="0" * 64)
    assert one.event.fact == TrainingFailed(retrain_job_id="j\\udcff", status="w", message="bad \\ud800 text, 日本語")
    assert [back.event for back in read_chain([as_row(one)])] == [one.event]


def test_the_bytes_are_canonical_whatever_the_order_of_keys() -> None:
    fact = StatusChanged(retrain_job_id="j", status="é")
    body = link(draft(fact), seq=1, prev="0" * 64).body
    assert body.startswith(b'{"at":"2026-03-01T04:05:06.000007Z","fact":{"kind":"status_changed","retrain_job_id":"j"')
    assert msgspec.json.decode(body)["fact"]["status"] == "é"
    assert " " not in body.decode()


LEADING_OUT = ["", ".", "..", "../../../victim", "/abs", "a/b", "a\\b", "a\0b", "x\n"]
OUTSIDE = [*LEADING_OUT, "latest", "\uff120260301T040506Z-1a2b3c", "x" * 300]


def forged(**changes: Any) -> Row:
    """Return an event with a sound digest in which something was replaced."""
    value = {**msgspec.json.decode(as_row(chained([draft()])[0]).body), **changes}
    body = canonical_bytes(value)
    return Row(seq=1, body=body, sha256=hashlib.sha256(body).hexdigest(), guard=None)


@pytest.mark.parametrize("name", [*OUTSIDE, f"{RUN}\n", RUN.upper(), f"{RUN}/", f"../{RUN}", f"{RUN}.zip"])
def test_a_run_id_that_is_none_is_refused_at_its_event(name: str) -> None:
    assert broken_at([forged(run_id=name)]) == 1


@pytest.mark.parametrize("name", [*LEADING_OUT, ".x", "-x", "x" * 101])
def test_a_model_s_name_that_no_manifest_allows_is_refused_at_its_event(name: str) -> None:
    assert broken_at([forged(model=name)]) == 1
    moves = {"kind": "models_moved", "moves": [{"old": "m", "new": name}]}
    assert broken_at([forged(model=None, fact=moves)]) == 1


@pytest.mark.parametrize("path", [*OUTSIDE, f"runs/{RUN}/results/other/result.zip", f"runs/{RUN}/results/churn/x.zip"])
def test_a_result_that_is_not_where_its_run_stores_it_is_refused(path: str) -> None:
    fact = {"kind": "result_downloaded", "retrain_job_id": "j", "path": path, "sha256": "0" * 64, "bytes": 1}
    assert broken_at([forged(fact=fact)]) == 1
    good = {**fact, "path": f"runs/{RUN}/results/churn/result.json"}
    assert len(list(read_chain([forged(fact=good)]))) == 1


@pytest.mark.parametrize(
    "files", [*({one: "0" * 64} for one in OUTSIDE[:-3]), {"report.json": "0" * 63}, {"report.json": "x"}]
)
def test_a_file_of_a_run_that_no_run_writes_is_refused(files: dict[str, str]) -> None:
    assert broken_at([forged(model=None, fact={"kind": "report_written", "files": files})]) == 1


@pytest.mark.parametrize("at", ["", "yesterday", "2026-03-01", "2026-03-01T04:05:06Z", "2026-03-01T04:05:06.000007Z\n"])
def test_a_time_of_another_form_is_refused(at: str) -> None:
    assert broken_at([forged(at=at)]) == 1


def test_what_would_be_refused_when_it_is_read_is_not_written() -> None:
    for changes in ({"run_id": "../x"}, {"model": "a/b"}, {"at": "now"}, {"fact": status(job="")}):
        with pytest.raises(StateError, match="cannot be recorded"):
            link(msgspec.structs.replace(draft(), **changes), seq=1, prev="0" * 64)


def test_a_part_of_another_form_breaks_a_sound_chain() -> None:
    fact = msgspec.to_builtins(example("candidate_evaluated"))
    assert len(list(read_chain([forged(fact=fact)]))) == 1
    policy = {**fact["inputs"]["policy"], "type": "x"}
    strange: tuple[dict[str, Any], ...] = ({"eval_sha256": "x"}, {"baseline": []}, {"policy": policy})
    for changes in strange:
        with pytest.raises(StateError, match="at event 1: its part 'inputs' has"):
            list(read_chain([forged(fact={**fact, "inputs": {**fact["inputs"], **changes}})]))


def test_options_that_no_run_has_break_a_sound_chain() -> None:
    fact = msgspec.to_builtins(run_started())
    strange: tuple[dict[str, Any], ...] = (
        {"options": {"plan_sha256": "x"}},
        {"options": {"command": []}},
        {"options": {"x": 1}},
    )
    assert len(list(read_chain([forged(model=None, fact=fact)]))) == 1
    for changes in strange:
        with pytest.raises(StateError, match="at event 1: it is not an event this version can read"):
            list(read_chain([forged(model=None, fact={**fact, **changes})]))


def test_a_guard_that_is_taken_twice_breaks_a_sound_chain() -> None:
    twice = [as_row(one) for one in chained([draft(guard="g"), draft(), draft(guard="g")])]
    with pytest.raises(StateError, match="at event 3: what it says may happen once is said by an event before it"):
        list(read_chain(twice))
