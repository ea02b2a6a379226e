"""A state in a real PostgreSQL under trouble: lost answers, races, killed writers and servers, refusals."""

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest

from runner.app.state.manage import init_state, show_state
from runner.app.state.partitions import partitions_of
from runner.errors import ExitCode, LockedError, RetrainError, StateError, UsageError
from runner.journal import postgres_database, postgres_tables
from runner.journal.postgres_store import PostgresStore
from runner.journal.state_store import EventLog, HeadMovedError
from tests.fakes.object_stores import fresh_address, set_credentials
from tests.fakes.postgres_server import (
    PASSWORD,
    CuttingProxy,
    PostgresServer,
    fresh_on_postgres,
    fresh_schema,
    one_server,
    set_password,
)
from tests.unit.journal.journal_facts import draft, status

RUN, OTHER_RUN = "20260301T040506Z-1a2b3c", "20260301T040507Z-1a2b3d"
WRITER = """
import sys
from runner.journal.postgres_store import PostgresStore
from runner.journal.state_store import HeadMovedError
from tests.unit.journal.journal_facts import draft, status
address, name, most = sys.argv[1:]
state, won = PostgresStore(address), 0
print("ready", flush=True)
sys.stdin.readline()
while won < int(most):
    log = state.open_log()
    for _ in log.read():
        pass
    while won < int(most):
        try:
            (link,) = log.append([draft(status(f"{name}-{won}"))])
        except HeadMovedError:
            break
        won += 1
        print(link.event.seq, flush=True)
"""


LOGS: list[EventLog] = []


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[None]:
    set_password(monkeypatch)
    set_credentials(monkeypatch)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    yield
    while LOGS:
        LOGS.pop().close()


@pytest.fixture
def server() -> PostgresServer:
    return one_server()


@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    """Give a server that the test may stop and kill."""
    server = PostgresServer()
    try:
        yield server
    finally:
        server.remove()


def begun(address: str) -> PostgresStore:
    PostgresStore(address).begin()
    return PostgresStore(address)


def opened(state: PostgresStore) -> EventLog:
    log = state.open_log()
    LOGS.append(log)
    for _ in log.read():
        pass
    return log


def words(state: PostgresStore) -> list[str]:
    """Return what the events say, each checked against the chain."""
    log = PostgresStore(state.address).open_log()
    try:
        return [link.event.fact.status for link in log.read()]  # type: ignore[union-attr] # all are statuses
    finally:
        log.close()


def sql(server: PostgresServer, *statements: str, **names: str) -> list[Any]:
    """Carry out statements as the owner of the server, with names in braces; return the rows of the last one."""
    rows: list[Any] = []
    with psycopg.connect(
        host="127.0.0.1", port=server.port, user="postgres", dbname="postgres", autocommit=True
    ) as connection:
        for statement in statements:
            cursor = connection.execute(statement.format(**names).encode())
            rows = cursor.fetchall() if cursor.description else []
    return rows


def schema_of(state: PostgresStore) -> str:
    return state._database.address.schema


def writer(address: str, name: str, most: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, address, name, str(most)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_a_lost_question_or_answer_doubles_and_loses_nothing(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_database, "_WAIT_S", 0.001)
    address = server.address(fresh_schema())
    begun(address)
    plan = itertools.cycle(["", "before", "after", "after"])
    with CuttingProxy(server.port, plan).running() as proxy:  # type: ignore[arg-type] # of literals
        through = PostgresStore(address.replace(f":{server.port}", f":{proxy.port}"))
        log = opened(through)
        for number in range(25):
            log.append([draft(status(f"a{number}")), draft(status(f"b{number}"), guard=f"guard-{number}")])
        log.close()
    assert proxy.cuts >= 50
    assert words(PostgresStore(address)) == [f"{letter}{number}" for number in range(25) for letter in "ab"]


def test_an_append_whose_answers_are_all_lost_is_unknown_and_was_done_once(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_database, "_PATIENCE_S", 1.0)
    address = server.address(fresh_schema())
    begun(address)
    with CuttingProxy(server.port, itertools.repeat("after")).running() as proxy:
        log = opened(PostgresStore(address.replace(f":{server.port}", f":{proxy.port}")))
        with pytest.raises(StateError, match="It is unknown whether the next events were recorded") as caught:
            log.append([draft()])
    assert caught.value.exit_code is ExitCode.STATE
    assert words(PostgresStore(address)) == ["running"]


def test_another_writers_event_is_not_taken_for_one_whose_answer_was_lost(server: PostgresServer) -> None:
    address = server.address(fresh_schema())
    state = begun(address)
    with CuttingProxy(server.port, iter(["before"])).running() as proxy:
        log = opened(PostgresStore(address.replace(f":{server.port}", f":{proxy.port}")))
        opened(state).append([draft(status("theirs"))])
        with pytest.raises(HeadMovedError):
            log.append([draft(status("ours"))])
    assert words(state) == ["theirs"]


def test_an_append_is_refused_where_the_journal_lost_its_end(server: PostgresServer) -> None:
    state = begun(server.address(fresh_schema()))
    log = opened(state)
    for word in "ab":
        log.append([draft(status(word))])
    sql(server, 'DELETE FROM "{schema}".events WHERE seq = 2', schema=schema_of(state))
    with pytest.raises(HeadMovedError):
        log.append([draft()])
    with pytest.raises(StateError, match="lacks event 2"):  # this machine has read it
        words(state)
    afresh = state.read_log(afresh=True)
    assert afresh is not None
    with closing(afresh):
        assert [link.event.seq for link in afresh.read()] == [1]


def test_of_two_processes_that_write_at_once_each_event_has_one_winner(server: PostgresServer) -> None:
    address = server.address(fresh_schema())
    state = begun(address)
    processes = [writer(address, name, 100) for name in ("a", "b")]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    won = [[int(line) for line in process.communicate(timeout=60)[0].split()] for process in processes]
    assert [len(numbers) for numbers in won] == [100, 100]
    assert sorted(itertools.chain(*won)) == list(range(1, 201))
    assert sorted(words(state)) == sorted(f"{name}-{number}" for name in "ab" for number in range(100))


def test_what_a_killed_writer_was_told_is_there_and_nothing_is_half_there(server: PostgresServer) -> None:
    address = server.address(fresh_schema())
    state = begun(address)
    told = 0
    for _ in range(3):
        process = writer(address, "w", 10_000)
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("\n")
        process.stdin.flush()
        for _ in range(20):
            told = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        told = int((process.stdout.read().split() or [str(told)])[-1])
        process.communicate()
        assert len(words(state)) in (told, told + 1)


def test_a_killed_server_loses_nothing_it_confirmed_and_the_writer_goes_on(own_server: PostgresServer) -> None:
    sql(own_server, "ALTER ROLE postgres SET synchronous_commit = off")
    address = own_server.address()
    state = begun(address)
    log = opened(state)
    for number in range(2):
        log.append([draft(status(f"before-{number}"))])
        own_server.kill()
        back = threading.Timer(0.3, own_server.start)
        back.start()
        log.append([draft(status(f"after-{number}"))])
        back.join()
    log.close()
    assert words(PostgresStore(address)) == [f"{when}-{n}" for n in range(2) for when in ("before", "after")]


def refused(action: Callable[[], object]) -> RetrainError:
    """Return the error, in which the password is nowhere."""
    with pytest.raises(RetrainError) as caught:
        action()
    told = "".join(traceback.format_exception(caught.value)) + str(caught.value) + str(caught.value.hint)
    assert PASSWORD not in told
    assert "\n" not in str(caught.value)
    assert caught.value.hint
    return caught.value


def test_a_state_is_never_begun_by_itself(server: PostgresServer) -> None:
    state = PostgresStore(server.address(fresh_schema()))
    for action in (state.require_journal, state.open_log, state.read_log, lambda: state.lease(RUN, timeout=0)):
        error = refused(action)
        assert error.exit_code is ExitCode.STATE
        assert f"`retrain state init '{state.address}'`" in str(error.hint)
    state.begin()
    assert "already" in str(refused(state.begin))


def test_trouble_on_the_way_to_the_server_is_said(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    address = server.address(fresh_schema())
    monkeypatch.setattr(postgres_database, "_FIRST_PATIENCE_S", 0.2)
    away = refused(PostgresStore(address.replace(f":{server.port}", ":1")).require_journal)
    assert "cannot be reached" in str(away)
    assert away.exit_code is ExitCode.UNFINISHED
    database = refused(PostgresStore(address.replace("/postgres?", "/none?")).require_journal)
    assert "refuses the connection (" in str(database)
    assert 'database "none" does not exist' in str(database)
    encrypted = refused(PostgresStore(f"{address}&sslmode=require").require_journal)
    assert "SSL" in str(encrypted)
    monkeypatch.setenv("PGPASSWORD", f"wrong-{PASSWORD}")
    wrong = refused(PostgresStore(address).require_journal)
    assert "password authentication failed" in str(wrong)
    assert wrong.exit_code is ExitCode.STATE
    assert "PGPASSWORD" in str(wrong.hint)
    monkeypatch.delenv("PGPASSWORD")
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "passfile"))
    assert "no password" in str(refused(PostgresStore(address).require_journal))
    (tmp_path / "passfile").write_text(f"127.0.0.1:{server.port}:*:postgres:{PASSWORD}\n")
    (tmp_path / "passfile").chmod(0o600)
    begun(address).require_journal()


def test_the_connection_to_another_host_is_encrypted_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_database, "_FIRST_PATIENCE_S", 0.0)
    plain = refused(PostgresStore("postgresql://db.invalid/mlops?sslmode=disable").require_journal)
    assert isinstance(plain, UsageError)
    assert "would not be encrypted" in str(plain)
    monkeypatch.setenv("PGHOST", "db.invalid")
    monkeypatch.setenv("PGSSLMODE", "disable")
    assert "would not be encrypted" in str(refused(PostgresStore("postgresql:///mlops").require_journal))
    for mode in ("prefer", "allow"):
        monkeypatch.setenv("PGSSLMODE", mode)
        told = postgres_database.Database(PostgresStore("postgresql:///mlops")._database.address)._parameters()
        assert told["sslmode"] == "require"


def limited_role(server: PostgresServer, state: PostgresStore, *grants: str) -> PostgresStore:
    """Return the state as a role sees it that has these grants alone; `{s}` is the schema."""
    schema = schema_of(state)
    role = f"role_{schema}"
    sql(
        server, f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'", *(grant.format(s=schema, r=role) for grant in grants)
    )
    return PostgresStore(server.address(schema, user=role))


GRANTS = (
    "GRANT USAGE ON SCHEMA {s} TO {r}",
    "GRANT SELECT, INSERT ON {s}.events, {s}.format TO {r}",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON {s}.lease, {s}.inbox, {s}.files, {s}.pieces TO {r}",
)


def test_a_role_without_permission_is_told_and_nothing_is_written(server: PostgresServer) -> None:
    state = fresh_on_postgres()
    nobody = limited_role(server, state)
    for action in (nobody.require_journal, nobody.begin):
        assert "lacks a permission" in str(refused(action))
    assert words(state) == []


def test_a_role_that_cannot_change_the_journal_can_run(server: PostgresServer) -> None:
    state = limited_role(server, fresh_on_postgres(), *GRANTS)
    with state.lease(RUN, timeout=0) as lease:
        log = opened(state)
        log.append([draft(guard="g")])
        state.blobs.put("runs/a/report.md", [b"1"])
        state.blobs.put("runs/a/report.md", [b"2"])
        state.inbox.post("a.json", b"x")
        state.inbox.set_aside("a.json")
        assert lease.lasts()
    for statement in ("UPDATE {s}.events SET body = ''", "DELETE FROM {s}.events"):
        with pytest.raises(postgres_database.DatabaseError, match="lacks a permission"):
            state._database.run(statement)


def test_a_server_that_takes_no_writes_is_refused_before_anything_is_done(server: PostgresServer) -> None:
    state = limited_role(server, fresh_on_postgres(), *GRANTS, "ALTER ROLE {r} SET default_transaction_read_only = on")
    error = refused(lambda: state.lease(RUN, timeout=0))
    assert "takes no writes; it may be a standby" in str(error)
    assert "target_session_attrs=read-write" in str(error.hint)
    assert opened(state).head == (0, "0" * 64)  # whoever only reads may use it
    refusal = refused(lambda: opened(state).append([draft()]))
    assert "takes no writes" in str(refusal)


def test_a_blocked_table_or_a_full_disk_ends_with_a_sentence(
    server: PostgresServer,
) -> None:
    owner = fresh_on_postgres()
    schema = schema_of(owner)
    state = limited_role(server, owner, *GRANTS, "ALTER ROLE {r} SET statement_timeout = '100ms'")
    log = opened(state)
    with psycopg.connect(host="127.0.0.1", port=server.port, user="postgres", dbname="postgres") as blocking:
        blocking.execute(f"LOCK TABLE {schema}.events IN SHARE MODE".encode())
        error = refused(lambda: log.append([draft()]))
        assert "ended a statement because it took too long" in str(error)
    sql(
        server,
        f"CREATE FUNCTION {schema}.no_room() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN RAISE EXCEPTION USING ERRCODE = 'disk_full'; END$$",
        f"CREATE TRIGGER no_room BEFORE INSERT ON {schema}.events FOR EACH ROW EXECUTE FUNCTION {schema}.no_room()",
    )
    assert "the disk of the database is full" in str(refused(lambda: log.append([draft()])))
    sql(server, "DROP TRIGGER no_room ON {s}.events", s=schema)
    assert [link.event.seq for link in log.append([draft()])] == [1]


def test_a_serialization_failure_is_not_a_failure(server: PostgresServer) -> None:
    state = limited_role(
        server, fresh_on_postgres(), *GRANTS, "ALTER ROLE {r} SET default_transaction_isolation = serializable"
    )
    logs = [opened(state) for _ in range(4)]
    outcomes: list[str] = []

    def write(log: EventLog, name: str) -> None:
        try:
            log.append([draft(status(name))])
            outcomes.append("won")
        except HeadMovedError:
            outcomes.append("moved")

    threads = [threading.Thread(target=write, args=(log, f"w{number}")) for number, log in enumerate(logs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["moved", "moved", "moved", "won"]


def test_doctor_says_what_server_and_role_do_for_the_journal(own_server: PostgresServer) -> None:
    state = begun(own_server.address())
    assert [check.verdict for check in state.checks()] == ["ok", "ok", "note", "ok"]
    limited = limited_role(own_server, state, *GRANTS)
    assert [check.verdict for check in limited.checks()] == ["ok", "ok", "ok", "ok"]
    own_server.restart("fsync=off")
    assert "fsync=off" in str([check.seen for check in state.checks() if check.verdict == "warning"])


def test_a_database_of_another_encoding_is_refused(server: PostgresServer) -> None:
    sql(server, "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    error = refused(PostgresStore(server.address(fresh_schema()).replace("/postgres?", "/latin?")).begin)
    assert "has the encoding LATIN1" in str(error)


def test_a_schema_with_tables_of_another_program_is_left_alone(server: PostgresServer) -> None:
    schema = fresh_schema()
    sql(server, "CREATE SCHEMA {s}", "CREATE TABLE {s}.events (id int)", s=schema)
    error = refused(PostgresStore(server.address(schema)).begin)
    assert "holds tables that are not a state's, such as events" in str(error)
    assert sql(server, "SELECT * FROM {s}.events", s=schema) == []


def test_a_table_that_takes_a_key_twice_is_refused(server: PostgresServer) -> None:
    state = fresh_on_postgres()
    sql(server, "ALTER TABLE {s}.format DROP CONSTRAINT format_id", s=schema_of(state))
    assert "takes the same key twice" in str(refused(lambda: state.lease(RUN, timeout=0)))


def test_a_state_of_a_later_version_is_not_read(server: PostgresServer) -> None:
    state = fresh_on_postgres()
    sql(server, "UPDATE {s}.format SET format = 2", s=schema_of(state))
    assert "a form that this version of retrain does not read" in str(refused(state.open_log))


def test_tables_that_are_gone_are_not_taken_for_an_empty_state(server: PostgresServer) -> None:
    state = fresh_on_postgres()
    log = opened(state)
    sql(server, "DROP TABLE {s}.events", s=schema_of(state))
    assert "are gone" in str(refused(lambda: log.append([draft()])))


def test_a_changed_event_is_found(server: PostgresServer) -> None:
    state = fresh_on_postgres()
    opened(state).append([draft(), draft()])
    schema = schema_of(state)
    sql(
        server,
        "UPDATE {s}.events SET body = replace(convert_from(body, 'UTF8'), 'j1', 'j2')::bytea WHERE seq = 2",
        s=schema,
    )

    def afresh() -> None:
        log = state.read_log(afresh=True)
        assert log is not None
        list(log.read())

    assert "changed or damaged at event 2" in str(refused(afresh))
    sql(server, "DELETE FROM {s}.events WHERE seq = 1", s=schema)
    assert "changed or damaged at event 1" in str(refused(afresh))


def test_an_event_of_any_size_is_neither_believed_nor_held_in_memory(server: PostgresServer) -> None:
    state = fresh_on_postgres()
    opened(state).append([draft(status(f"w{number}")) for number in range(2500)])
    assert len(words(state)) == 2500
    sql(server, "UPDATE {s}.events SET body = repeat('x', 40000000)::bytea WHERE seq = 2400", s=schema_of(state))
    log = state.read_log(afresh=True)
    assert log is not None
    tracemalloc.start()
    try:
        assert "changed or damaged at event 2400" in str(refused(lambda: sum(1 for _ in log.read())))
        assert tracemalloc.get_traced_memory()[1] < 30_000_000
    finally:
        tracemalloc.stop()


def test_a_database_that_was_set_back_is_refused_by_a_machine_that_saw_more(server: PostgresServer) -> None:
    state = fresh_on_postgres()
    opened(state).append([draft(), draft()])
    sql(server, "DELETE FROM {s}.events WHERE seq = 2", s=schema_of(state))
    error = refused(lambda: opened(state))
    assert "lacks event 2" in str(error)
    assert error.exit_code is ExitCode.STATE
    sql(server, "UPDATE {s}.format SET lineage = 'another'", s=schema_of(state))
    told = str(refused(PostgresStore(state.address).open_log))
    assert "was replaced by another state: this machine has read 2 events" in told


def test_a_damaged_copy_on_this_machine_is_dropped() -> None:
    state = fresh_on_postgres()
    opened(state).append([draft(), draft()])
    (lines,) = state._machine.glob("journal.jsonl")
    lines.write_bytes(lines.read_bytes().replace(b"j1", b"j2", 1))
    assert "This machine's copy of the journal" in str(refused(lambda: opened(state)))
    assert opened(state).head[0] == 2


def test_the_files_are_where_the_state_was_begun_with_them(server: PostgresServer) -> None:
    blobs = fresh_address()
    state = fresh_on_postgres(f"&blobs={quote(blobs)}")
    state.blobs.put("runs/a/report.md", [b"x"])
    assert state.blobs.shown("runs/a/report.md") == f"{blobs.partition('?')[0]}/runs/a/report.md"
    error = refused(PostgresStore(server.address(schema_of(state))).open_log)
    assert f"are in {blobs.partition('?')[0]}, and the address says that they are in the database" in str(error)
    other = PostgresStore(server.address(fresh_schema(), more=f"&blobs={quote(blobs)}"))
    assert "files of another state" in str(refused(other.begin))


def test_a_lease_is_taken_over_when_it_is_older_than_its_life_by_the_servers_clock(server: PostgresServer) -> None:
    state = begun(server.address(fresh_schema(), more="&lease=10s"))
    schema = schema_of(state)
    with state.lease(RUN, timeout=0) as first:
        assert state.holder() is not None
        locked = refused(lambda: state.lease(OTHER_RUN, timeout=0).__enter__())
        assert isinstance(locked, LockedError)
        assert f"Run {RUN}" in str(locked)
        sql(server, "UPDATE {s}.lease SET renewed = renewed - interval '11 seconds'", s=schema)
        assert state.holder() is None
        with state.lease(OTHER_RUN, timeout=0) as second:
            assert second.lasts()
            assert second.has_ended(RUN)
            first._ended.wait(0)
            until = time.monotonic() + 10
            while first.lasts() and time.monotonic() < until:
                time.sleep(0.05)
            assert not first.lasts()
            assert not first.has_ended(OTHER_RUN)
            assert second.lasts()
    assert state.holder() is None


def test_a_lease_is_renewed_while_its_run_lives(server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_tables, "RENEWALS", 100)
    state = begun(server.address(fresh_schema(), more="&lease=10s"))
    schema = schema_of(state)
    with state.lease(RUN, timeout=0) as lease:
        before = sql(server, "SELECT renewed FROM {s}.lease", s=schema)
        time.sleep(0.4)
        assert sql(server, "SELECT renewed FROM {s}.lease", s=schema) > before
        assert lease.lasts()


def test_a_run_does_not_wait_for_a_server_that_is_gone_to_give_the_lease_back(own_server: PostgresServer) -> None:
    state = begun(own_server.address())
    with state.lease(RUN, timeout=0):
        own_server.kill()
        began = time.monotonic()
    assert time.monotonic() - began < 2


def test_files_are_stored_in_pieces_and_checked(server: PostgresServer) -> None:
    state = fresh_on_postgres()
    schema, blobs = schema_of(state), state.blobs
    content = os.urandom(2_500_000)
    blobs.put("runs/a/result.zip", (content[at : at + 70_000] for at in range(0, len(content), 70_000)))
    lengths = sql(server, "SELECT length(content) FROM {s}.pieces ORDER BY number", s=schema)
    assert [length for (length,) in lengths] == [1 << 20, 1 << 20, 2_500_000 - (2 << 20)]
    with blobs.open("runs/a/result.zip") as stream:
        assert stream.read() == content
    sql(server, "UPDATE {s}.pieces SET content = substring(content FROM 2) WHERE number = 1", s=schema)
    with pytest.raises(OSError, match="not what was stored"):
        blobs.open("runs/a/result.zip")
    sql(server, "INSERT INTO {s}.pieces VALUES ('new', 0, 'x')", s=schema)
    sql(server, "INSERT INTO {s}.pieces VALUES ('left', 0, 'x', now() - interval '2 days')", s=schema)
    with state.lease(RUN, timeout=0):
        pass
    blobs.put("runs/a/result.zip", [b"short"])
    assert sql(server, "SELECT count(*) FROM {s}.pieces", s=schema) == [(2,)]  # the file's, and that of a living writer
    assert list(blobs.names("runs")) == ["runs/a/result.zip"]
    blobs.remove("runs/a/result.zip")
    assert not blobs.holds("runs/a/result.zip")


def test_nothing_is_kept_in_a_session(server: PostgresServer) -> None:
    """A pooler may give each statement another session, so each must find a session as a new one is."""
    address = server.address(fresh_schema(), more="&application_name=watched")
    state = begun(address)
    with state.lease(RUN, timeout=0):
        log = opened(state)
        log.append([draft()])
        state.blobs.put("runs/a", [b"x"])
        for connection in state._database._pool.idle:
            rows = connection.execute(
                "SELECT (SELECT count(*) FROM pg_prepared_statements), current_setting('synchronous_commit'),"
                " (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'), pg_my_temp_schema()::int,"
                " (SELECT count(*) FROM pg_listening_channels())"
            ).fetchall()
            assert rows == [(0, "on", 0, 0, 0)]
            connection.execute("SET synchronous_commit = off")
        log.append([draft()])
        (connection, *_) = state._database._pool.idle
        assert connection.execute("SHOW synchronous_commit").fetchall() == [("off",)]


def test_the_partitions_of_a_state_share_connections(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    set_password(monkeypatch)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    address = one_server().address(fresh_schema())
    init_state(address, 12)
    for _ in range(2):
        assert show_state(address).events == 0
    pools = [PostgresStore(part)._database._pool for part in partitions_of(address)]
    assert all(pool is pools[0] for pool in pools)
