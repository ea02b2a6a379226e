"""Runs on machines that have nothing, whose state is in PostgreSQL, killed at each message to the server."""

import itertools
import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import psycopg

from tests.fakes.postgres_server import PASSWORD, Cut, CuttingProxy, PostgresServer, fresh_schema
from tests.fakes.preloaded import Preloaded
from tests.fakes.unreliable_s3 import S3Server
from tests.stress import promise
from tests.stress.canaries import Scanner
from tests.stress.empty_machines import CREDENTIALS, LEASE_S, Broken, Machines, end

_AGE = 'UPDATE "{schema}".lease SET renewed = renewed - life - life'
_TABLES = "SELECT table_name FROM information_schema.tables WHERE table_schema = '{schema}'"
_ROWS = 'SELECT t::text FROM "{schema}"."{table}" AS t'
_RUN = ("run", "models.yaml")


@contextmanager
def machines(quick: Preloaded, server: PostgresServer) -> Iterator[tuple[Machines, str]]:
    """Give such machines, with a state that was begun, and the name of its schema."""
    schema = fresh_schema()

    def let_leases_end() -> None:
        _asked(server, _AGE.format(schema=schema))

    with promise.project() as project:
        scene = Machines(
            project=project,
            quick=quick,
            address=server.address(schema, more=f"&lease={LEASE_S}s"),
            let_leases_end=let_leases_end,
            store=S3Server(),
        )
        begun = scene.retrain("state", "init")
        assert begun.code == 0, begun.err
        yield scene, schema


def messages_of_a_run(quick: Preloaded, server: PostgresServer) -> int:
    """Return how many messages an undisturbed run sends."""
    seen = list[bytes]()
    with machines(quick, server) as (scene, schema), _through(server, iter(()), seen) as proxy:
        address = server.address(schema, port=proxy.port, more=f"&lease={LEASE_S}s")
        ended = scene.watched(lambda _process: None, _RUN, RETRAIN_STATE=address)
        assert ended.code == 0, ended.err
        return len(seen)


def killed_at(quick: Preloaded, server: PostgresServer, number: int, cut: Cut) -> Broken:
    """Kill a run at its message of that number, before it arrives or before its answer does."""
    processes = list[int]()

    def plan() -> Iterator[Cut]:
        yield from itertools.repeat("", number - 1)
        end(processes[0])
        yield cut

    with machines(quick, server) as (scene, schema):
        with _through(server, plan(), []) as proxy:
            address = server.address(schema, port=proxy.port, more=f"&lease={LEASE_S}s")
            ended = scene.watched(processes.append, _RUN, RETRAIN_STATE=address)
        if ended.code not in (-signal.SIGKILL, 0):
            yield f"the run ended by itself with {ended.code}: {ended.err[-300:]}"
        scene.let_leases_end()
        yield from scene.settled()
        kept = _kept(server, schema)
        yield from (f"a credential leaked: {leak}" for leak in Scanner(CREDENTIALS).leaks({"the tables": kept}))


def _kept(server: PostgresServer, schema: str) -> bytes:
    """Return all rows of a schema as text."""
    tables = _asked(server, _TABLES.format(schema=schema))
    rows = [row for (table,) in tables for row in _asked(server, _ROWS.format(schema=schema, table=table))]
    assert rows
    return "\n".join(text for (text,) in rows).encode()


def _asked(server: PostgresServer, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(
        host="127.0.0.1", port=server.port, user="postgres", dbname="postgres", password=PASSWORD, autocommit=True
    ) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def _through(server: PostgresServer, plan: Iterator[Cut], seen: list[bytes]) -> AbstractContextManager[CuttingProxy]:
    """Give a proxy that counts whatever a client sends."""

    def chosen(question: bytes) -> bool:
        seen.append(question)
        return True

    return CuttingProxy(server.port, plan, chosen).running()
