"""A state in an object store that loses answers, lies, denies, is away, or lost its end."""

import errno
import multiprocessing
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from runner.errors import ExitCode, LockedError, StateError, UsageError
from runner.http.objects import bucket, client
from runner.http.objects.bucket import read_bucket_address
from runner.journal.object_log import ObjectLog
from runner.journal.object_store import ObjectStore
from runner.journal.state_store import HeadMovedError
from tests.fakes.object_stores import SECRET, begun, set_credentials
from tests.fakes.unreliable_s3 import Fault, S3Server
from tests.unit.journal.journal_facts import draft, status

RUN, OTHER = "20260301T040506Z-1a2b3c", "20260301T040507Z-1a2b3d"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[S3Server]:
    set_credentials(monkeypatch)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(bucket, "_WAITS_S", (0.001,) * 5)
    with S3Server().serving() as running:
        yield running


@pytest.fixture
def forget_machine(tmp_path: Path) -> Callable[[], None]:
    """Return what makes this an empty machine."""
    return lambda: shutil.rmtree(tmp_path / "cache", ignore_errors=True)


def opened(state: ObjectStore) -> ObjectLog:
    log = state.open_log()
    for _ in log.read():
        pass
    return log


def filled(address: str, words: Iterable[str]) -> str:
    """Return the address of a state that was begun and has an event a word."""
    log = opened(begun(address))
    for word in words:
        log.append([draft(status(word))])
    log.close()
    return address


def events(address: str, *, afresh: bool = False) -> list[str]:
    log = ObjectStore(address).read_log(afresh=afresh)
    if log is None:
        return []
    try:
        return [str(getattr(link.event.fact, "status", "")) for link in log.read()]
    finally:
        log.close()


def on_appends(fault: Fault, every: int) -> Callable[[str, str, int], Fault | None]:
    """Return a fault of every n-th request that writes a commit."""
    seen = iter(range(10**6))

    def chosen(method: str, key: str, _number: int) -> Fault | None:
        return fault if method == "PUT" and "/journal/" in key and next(seen) % every == 0 else None

    return chosen


@pytest.mark.parametrize("fault", ["lost", "late_error", "unsent", "error", "exists"])
def test_every_third_answer_of_an_append_may_be_lost_or_wrong(server: S3Server, fault: Fault) -> None:
    log = opened(begun(server.address("prod")))
    server.fault = on_appends(fault, 3)
    words = [f"s{number}" for number in range(30)]
    for word in words:
        log.append([draft(status(word))])
    log.close()
    server.fault = lambda *_: None
    assert events(server.address("prod"), afresh=True) == words
    assert len(server.names("prod/p/0000/journal/")) == 30


def test_equal_events_of_another_writer_are_not_taken_for_its_own(server: S3Server) -> None:
    first = opened(begun(server.address("prod")))
    second = opened(ObjectStore(server.address("prod")))
    first.append([draft()])
    with pytest.raises(HeadMovedError):
        second.append([draft()])
    assert len(events(server.address("prod"), afresh=True)) == 1
    for log in (first, second):
        log.close()


def test_nobody_but_the_runner_sends_a_request_again(server: S3Server) -> None:
    state = begun(server.address("prod"))
    server.requests.clear()
    server.fault = lambda *_: "error"
    with pytest.raises(bucket.DoubtfulError):
        state.bucket.create("name", b"content")
    assert len(server.requests) == 1 + len(bucket._WAITS_S)


@pytest.mark.parametrize("fault", ["cut", "error", "lost"])
def test_a_reading_survives_cut_and_missing_answers(
    server: S3Server, fault: Fault, forget_machine: Callable[[], None]
) -> None:
    log = opened(begun(server.address("prod")))
    words = [f"s{number}" for number in range(20)]
    for word in words:
        log.append([draft(status(word))])
    log.close()
    forget_machine()
    server.fault = lambda method, _key, number: fault if method == "GET" and number % 3 == 0 else None
    assert events(server.address("prod")) == words


def test_an_append_that_stays_unclear_is_exit_7_and_what_arrived_is_read_next(server: S3Server) -> None:
    address = server.address("prod")
    log = opened(begun(address))
    log.append([draft(status("a"))])
    server.fault = lambda method, key, _: "late_error" if method in ("PUT", "GET") and "/journal/" in key else None
    with pytest.raises(StateError, match="unknown whether the next events were recorded") as caught:
        log.append([draft(status("b"))])
    assert caught.value.exit_code == ExitCode.STATE
    log.close()
    server.fault = lambda *_: None
    assert events(address) == ["a", "b"]


@pytest.mark.plays("Y1")
def test_a_store_that_overwrites_is_refused_at_the_beginning_and_at_each_hold(server: S3Server) -> None:
    server.overwrites = True
    with pytest.raises(StateError, match="overwrites objects although it is asked not to"):
        ObjectStore(server.address("liar")).begin()
    assert server.names("liar") == []
    server.overwrites = False
    state = begun(server.address("prod"))
    server.overwrites = True
    with pytest.raises(StateError, match="overwrites objects") as caught, state.lease(RUN, timeout=0):
        pass
    assert caught.value.exit_code == ExitCode.STATE


@pytest.mark.plays("Y1")
def test_a_state_that_everybody_can_read_is_refused(server: S3Server) -> None:
    server.public = True
    with pytest.raises(StateError, match="can be read by everybody"):
        ObjectStore(server.address("open")).begin()
    assert server.names("open") == []


@pytest.mark.plays("Y1")
def test_a_mistyped_prefix_begins_nothing(server: S3Server) -> None:
    begun(server.address("prod"))
    for act in (ObjectStore.require_journal, ObjectStore.open_log, ObjectStore.read_log):
        with pytest.raises(StateError, match=r"There is no state at s3://bucket/prdo\.") as caught:
            act(ObjectStore(server.address("prdo")))
        assert f"`retrain state init '{server.address('prdo')}'`" in caught.value.hint
    assert server.names("prdo") == []


@pytest.mark.plays("Y2")
def test_a_state_that_lost_its_end_is_refused_by_a_machine_that_knew_it(server: S3Server) -> None:
    address = filled(server.address("prod"), "abc")
    del server.objects["prod/p/0000/journal/00000000000000003"]
    for _ in range(2):
        with pytest.raises(StateError, match="has lost its end: it once held event 3"):
            events(address)


@pytest.mark.plays("Y2")
def test_another_state_under_the_address_is_refused_by_a_machine_that_knew_the_first(server: S3Server) -> None:
    address = filled(server.address("prod"), "a")
    server.objects.clear()
    with pytest.raises(StateError, match="is gone: this machine has read 1 events"):
        events(address)
    begun_anew = ObjectStore(address)
    begun_anew.begin()
    with pytest.raises(StateError, match="was replaced by another state: this machine has read 1 events"):
        events(address)


@pytest.mark.plays("Y2")
def test_a_commit_that_was_replaced_is_seen_though_its_own_machine_has_a_copy(server: S3Server) -> None:
    address, other = server.address("prod"), server.address("other")
    filled(address, "a")
    filled(other, "b")
    name = "p/0000/journal/00000000000000001"
    server.objects[f"prod/{name}"] = server.objects[f"other/{name}"]
    with pytest.raises(StateError, match="differs from what was read before"):
        events(address)


def test_a_damaged_copy_on_this_machine_is_removed_and_the_store_is_read(server: S3Server, tmp_path: Path) -> None:
    address = filled(server.address("prod"), "abc")
    [lines] = tmp_path.rglob("journal.jsonl")
    lines.write_bytes(lines.read_bytes().replace(b'"a"', b'"x"'))
    with pytest.raises(StateError, match=r"copy of the journal in .* was damaged, and is removed"):
        events(address)
    assert events(address) == ["a", "b", "c"]


def test_a_second_reading_fetches_only_what_is_new(server: S3Server) -> None:
    address = filled(server.address("prod"), map(str, range(30)))
    server.requests.clear()
    assert len(events(address)) == 30
    assert len([key for method, key in server.requests if method == "GET" and "/journal/" in key]) == 1


def test_a_listing_in_many_pages_is_read_whole(server: S3Server, forget_machine: Callable[[], None]) -> None:
    address = filled(server.address("prod"), map(str, range(23)))
    server.page = 4
    forget_machine()
    assert events(address) == [str(number) for number in range(23)]


def test_a_program_without_the_extra_says_which_one_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    client._made.cache_clear()
    with pytest.raises(UsageError, match="extra `objects`, which is not installed"):
        ObjectStore("s3://bucket/prod").require_journal()


def test_packs_serve_a_cold_reader_and_may_be_lost(server: S3Server, forget_machine: Callable[[], None]) -> None:
    address = filled(server.address("prod"), map(str, range(60)))
    [pack] = server.names("prod/p/0000/packs/")
    forget_machine()
    server.requests.clear()
    assert len(events(address)) == 60
    assert len(server.requests) < 8
    forget_machine()
    server.objects[pack] = server.objects["prod/format.json"]
    with pytest.raises(StateError, match="is damaged"):
        events(address)
    del server.objects[pack]
    assert len(events(address)) == 60


def test_a_lease_keeps_others_out_until_it_is_old_by_the_stores_clock(
    server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.skew = timedelta(days=-1)  # or this machine's clock is wrong by a day
    address = server.address("prod", "&lease=10s")
    state = begun(address)
    with state.lease(RUN, timeout=0) as lease:
        with pytest.raises(LockedError, match=f"Run {RUN} "), ObjectStore(address).lease(OTHER, timeout=0):
            pass
        assert lease.lasts()
        assert ObjectStore(address).holder() is not None
        server.skew += timedelta(seconds=13)  # it was not renewed meanwhile
        with ObjectStore(address).lease(OTHER, timeout=0) as after:
            assert after.has_ended(RUN)
            assert after.lasts()
            began = time.monotonic()
            monkeypatch.setattr("runner.journal.object_lease.seconds", lambda: began + 3600)
            assert not lease.lasts()
            assert not after.lasts()
    assert server.names("prod/p/0000/leases/2") == []


def test_a_run_whose_lease_is_young_has_not_ended_though_its_term_is_gone(server: S3Server) -> None:
    address = server.address("prod", "&lease=10s")
    with begun(address).lease(RUN, timeout=0):
        for name in server.names("prod/p/0000/leases/term-"):
            del server.objects[name]
        with ObjectStore(address).lease(OTHER, timeout=0) as lease:
            assert not lease.has_ended(RUN)
            server.skew += timedelta(seconds=13)
        with ObjectStore(address).lease(f"{OTHER}-later", timeout=0) as lease:
            assert lease.has_ended(RUN)


def test_a_lease_that_ended_is_never_renewed(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    with begun(server.address("prod", "&lease=10s")).lease(RUN, timeout=0) as lease:
        slept = time.monotonic() + 60
        monkeypatch.setattr("runner.journal.object_lease.seconds", lambda: slept)
        lease.renew()
        assert not lease.lasts()


def test_a_run_that_slept_while_it_took_the_lease_looks_again_who_holds_it(
    server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = server.address("prod", "&lease=10s")
    begun(address)
    create, later = bucket.Bucket.create, ExitStack()

    def slept_after_it(store: bucket.Bucket, name: str, content: bytes) -> bool:
        made, woken = create(store, name, content), time.monotonic() + 60
        monkeypatch.setattr(bucket.Bucket, "create", create)
        monkeypatch.setattr("runner.journal.object_lease.seconds", lambda: woken)
        server.skew += timedelta(seconds=60)
        later.enter_context(ObjectStore(address).lease(OTHER, timeout=0))
        return made

    monkeypatch.setattr(bucket.Bucket, "create", slept_after_it)
    refused = pytest.raises(LockedError, match=f"Run {OTHER} ")
    with later, refused, ObjectStore(address).lease(RUN, timeout=0):
        pass


def test_a_lease_that_lapsed_tells_of_no_run_that_it_has_ended(
    server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with begun(server.address("prod", "&lease=10s")).lease(RUN, timeout=0) as lease:
        assert lease.has_ended(OTHER)
        slept = time.monotonic() + 60
        monkeypatch.setattr("runner.journal.object_lease.seconds", lambda: slept)
        assert not lease.has_ended(OTHER)


def test_a_reader_lists_the_commits_once_and_fetches_each_once(
    server: S3Server, forget_machine: Callable[[], None]
) -> None:
    address = filled(server.address("prod"), map(str, range(20)))
    log = opened(ObjectStore(address))
    mark = (15, log.digest(15) or "")
    log.close()
    forget_machine()
    server.requests.clear()
    cold = ObjectStore(address).read_log()
    assert cold is not None
    assert cold.digest(15) == mark[1]
    assert [link.event.seq for link in cold.read(mark)] == [16, 17, 18, 19, 20]
    cold.close()
    fetched = [key for _, key in server.requests]
    assert fetched.count("") == 1  # the listing
    assert len(fetched) == len(set(fetched)) == 1 + 1 + 6  # and format.json


@pytest.mark.parametrize(
    ("fault", "code", "words"),
    [
        ("denied", ExitCode.STATE, "refuses the request (403 AccessDenied)"),
        ("expired", ExitCode.STATE, "the credentials have expired (400 ExpiredToken)"),
        ("skewed", ExitCode.STATE, "this machine's clock differs too much"),
        ("error", ExitCode.UNFINISHED, "cannot be reached: the store answered 503 SlowDown"),
        ("unsent", ExitCode.UNFINISHED, "cannot be reached"),
    ],
)
def test_a_store_that_does_not_serve_is_said_with_its_exit_code(
    server: S3Server, fault: Fault, code: ExitCode, words: str
) -> None:
    address = filled(server.address("prod"), "a")
    server.fault = lambda *_: fault
    with pytest.raises(StateError, match=re.escape(words)) as caught:
        events(address)
    assert caught.value.exit_code == code
    assert SECRET not in str(caught.value)
    assert "canary-access-key" not in str(caught.value)


def test_credentials_that_expire_within_a_run_stop_it_before_anything_else(server: S3Server) -> None:
    log = opened(begun(server.address("prod")))
    server.fault = lambda *_: "expired"
    with pytest.raises(StateError, match=r"unknown whether .* were recorded: the credentials have expired"):
        log.append([draft()])
    log.close()


def test_a_missing_bucket_is_not_taken_for_a_missing_state(server: S3Server) -> None:
    with pytest.raises(StateError, match="the bucket does not exist"):
        ObjectStore(server.address("prod").replace("s3://bucket/", "s3://backet/")).require_journal()


@pytest.mark.plays("Y3")
@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("s3://key:hunter2hunter2@bucket/prod", "carries a user name, a password or a port"),
        (
            "s3://bucket/prod?secret_access_key=hunter2hunter2",
            "has a parameter secret_access_key",
        ),
        ("s3://bucket/prod?X-Amz-Signature=hunter2hunter2", "has a parameter that no address may have"),
        ("az://acct/box/prod?sig=hunter2hunter2", "has a parameter sig that"),
        ("s3://bucket/prod?endpoint=http://store.example.com", "is not encrypted"),
        ("s3://bucket/prod?endpoint=https://a:hunter2hunter2@store.example.com", "is not an address such as"),
        ("gs://bucket/prod?endpoint=https://store.example.com", "takes no endpoint"),
        ("s3://bucket/prod?lease=5s", "not between 10s and 1h"),
        ("s3://bucket/a/../b", "a prefix of letters"),
        ("s3://", "an address of the form"),
        ("az://acct", "an address of the form"),
        ("s3://bucket/prod?region=Nowhere!", "region"),
    ],
)
def test_an_address_with_a_secret_or_without_sense_is_refused_without_repeating_it(address: str, words: str) -> None:
    with pytest.raises(UsageError, match=re.escape(words)) as caught:
        ObjectStore(address)
    assert "hunter2" not in str(caught.value)


def test_addresses_of_each_store_are_read() -> None:
    assert read_bucket_address("gs://bucket/a/b").place == "gs://bucket/a/b"
    found = read_bucket_address("az://acct/box/a?region=x")
    assert (found.bucket, found.key) == ("acct/box", "a")


def _race(address: str, name: str, tries: int, cache: str, won: "multiprocessing.Queue[tuple[str, int]]") -> None:
    import os  # noqa: PLC0415 -- in another process

    os.environ["XDG_CACHE_HOME"] = cache
    count = 0
    log = opened(ObjectStore(address))
    while log.head[0] < tries:
        try:
            log.append([draft(status(name))])
            count += 1
        except HeadMovedError:
            log.close()
            log = opened(ObjectStore(address))
    won.put((name, count))


def test_of_two_processes_that_append_one_wins_each_event(server: S3Server, tmp_path: Path) -> None:
    address, context = server.address("prod"), multiprocessing.get_context("spawn")
    begun(address)
    won: multiprocessing.Queue[tuple[str, int]] = context.Queue()
    racers = [
        context.Process(target=_race, args=(address, name, 40, str(tmp_path / name), won)) for name in ("left", "right")
    ]
    for racer in racers:
        racer.start()
    counts = dict(won.get(timeout=60) for _ in racers)
    for racer in racers:
        racer.join()
    found = events(address, afresh=True)
    assert {name: found.count(name) for name in counts} == counts
    assert len(found) == sum(counts.values())


def test_a_blob_that_cannot_be_stored_says_why(server: S3Server) -> None:
    state = begun(server.address("prod"))
    server.fault = lambda *_: "denied"
    with pytest.raises(OSError, match="refuses the request") as caught:
        state.blobs.put("runs/x/report.json", [b"x"])
    assert caught.value.errno == errno.EACCES


def test_a_machine_that_begins_at_a_mark_keeps_what_follows_and_reads_older_events_from_the_store(
    server: S3Server, forget_machine: Callable[[], None]
) -> None:
    address = filled(server.address("prod"), map(str, range(20)))
    log = opened(ObjectStore(address))
    mark = (15, log.digest(15) or "")
    log.close()
    forget_machine()

    def since_the_mark() -> int:
        server.requests.clear()
        log = ObjectStore(address).read_log()
        assert log is not None
        found = [link.event.seq for link in log.read(mark)]
        assert log.digest(18) is not None
        log.close()
        assert found == [16, 17, 18, 19, 20]
        return len(server.requests)

    assert since_the_mark() > since_the_mark() <= 4
    assert len(events(address)) == 20
    del server.objects["prod/p/0000/journal/00000000000000020"]
    with pytest.raises(StateError, match="has lost its end"):
        events(address)


def test_readers_of_one_snapshot_ask_for_nothing_twice(server: S3Server, forget_machine: Callable[[], None]) -> None:
    address = server.address("prod")
    state = begun(address)
    log = opened(state)
    for word in map(str, range(20)):
        log.append([draft(status(word))])
    log.close()
    state.blobs.put("checkpoint/latest", [b"mark"])
    forget_machine()
    reader = ObjectStore(address)
    with reader.snapshot():
        server.requests.clear()
        for _ in range(3):
            again = reader.read_log()
            assert again is not None
            assert len(list(again.read())) == 20
            again.close()
            with reader.blobs.open("checkpoint/latest") as file:
                assert file.read() == b"mark"
        keys = [key for _, key in server.requests]
        assert len(keys) == len(set(keys))
        opened_anew = opened(ObjectStore(address))
        opened_anew.append([draft(status("later"))])
        opened_anew.close()
    assert len(events(address)) == 21


def test_doctor_warns_of_a_rule_by_which_the_journal_expires_and_tells_of_versions_and_locks(server: S3Server) -> None:
    address = filled(server.address("prod"), "a")

    def seen() -> list[tuple[str, str]]:
        return [(check.verdict, check.seen) for check in ObjectStore(address).checks()]

    assert ("ok", "The store names no lifecycle rule by which the journal expires.") in seen()
    assert ("note", "The bucket keeps no older versions of objects: what is removed cannot be restored.") in seen()
    server.described = {
        "x-amz-expiration": 'expiry-date="Fri, 01 Jan 2027 00:00:00 GMT", rule-id="all"',
        "x-amz-version-id": "3sL4kqtJlcpXroDTDmJ",
        "x-amz-object-lock-mode": "COMPLIANCE",
    }
    told = [words for _, words in seen()]
    assert [words for verdict, words in seen() if verdict == "warning"] == [
        "A lifecycle rule of the bucket lets the journal expire; a journal that lost events stops every run."
    ]
    assert "The bucket keeps older versions of objects, which can be restored." in told
    assert "Objects of the journal are locked when they are written (Object Lock)." in told
    assert not [
        key for method, key in server.requests if method == "HEAD" and not key.startswith("prod/p/0000/journal/")
    ]


def test_a_store_that_does_not_describe_an_object_is_checked_all_the_same(server: S3Server) -> None:
    address = filled(server.address("prod"), "a")
    server.fault = lambda method, _key, _number: "denied" if method == "HEAD" else None
    told = [check.seen for check in ObjectStore(address).checks()]
    assert any(words.startswith("Lifecycle rules, versioning and locks cannot be asked for") for words in told)
