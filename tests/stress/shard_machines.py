"""Shards on machines that have nothing, killed while others work; then another number of machines goes on.

The judge is the service's log: no bytes are trained twice for a model, no job is switched twice, and in the end every
model serves what was trained from its newest data.
"""

import random
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Literal

import psycopg
import pytest

from tests.acceptance.contract.contract_project import Finished, rows
from tests.fakes.postgres_server import PASSWORD, fresh_schema, one_server
from tests.fakes.preloaded import Preloaded
from tests.fakes.unreliable_s3 import S3Server
from tests.stress import promise
from tests.stress.empty_machines import LEASE_S, Broken, Machines, end

Place = Literal["folder", "bucket", "database"]
PARTITIONS = 8
NAMES = (promise.MODEL, *(f"model_{number}" for number in range(5)))
_NUMBERS = (1, 2, 3, 5, 8)  # of machines
_LONGEST_S = 1.5  # until a kill
_SETTLING = 6  # rounds after which everything is done
_EXPECTED = (0, 5, 6, 7)  # of a shard beside others: done, unfinished, held by another, overtaken by another


def places() -> list[Place]:
    """Return where a state can be here; PostgreSQL cannot be had everywhere."""
    found: list[Place] = ["folder", "bucket"]
    with suppress(pytest.skip.Exception):
        one_server()
        found.append("database")
    return found


@contextmanager
def machines(quick: Preloaded, place: Place) -> Iterator[Machines]:
    """Give such machines, with a state of eight partitions and six models."""
    with promise.project() as project, S3Server().serving() as store:
        for name in NAMES[1:]:
            project.add(name).url_seconds = promise.URL_S
        scene = Machines(project=project, quick=quick, address="", let_leases_end=lambda: None, store=store)
        if place == "folder":
            scene.address = str(project.folder / "state")
        elif place == "bucket":
            scene.address = store.address("prod", f"&lease={LEASE_S}s")

            def skip_a_lease() -> None:
                store.skew += timedelta(seconds=LEASE_S + 5)

            scene.let_leases_end = skip_a_lease
        else:
            server, schema = one_server(), fresh_schema()
            scene.address = server.address(schema, more=f"&lease={LEASE_S}s")

            def let_leases_end() -> None:
                with psycopg.connect(
                    host="127.0.0.1",
                    port=server.port,
                    user="postgres",
                    dbname="postgres",
                    password=PASSWORD,
                    autocommit=True,
                ) as connection:
                    for number in range(PARTITIONS):
                        table = f'"{schema}_p{number:04d}".lease'
                        connection.execute(f"UPDATE {table} SET renewed = renewed - life - life".encode())  # noqa: S608

            scene.let_leases_end = let_leases_end
        begun = scene.retrain("state", "init", "--partitions", str(PARTITIONS))
        assert begun.code == 0, begun.err
        yield scene


def killed_and_sharded_anew(quick: Preloaded, seed: int, place: Place) -> Broken:
    """Run shards, kill some of them at moments or requests that are drawn, and go on with other numbers of shards.

    Some rounds begin while shards of the round before work, or while the leases of killed ones are young; the data
    changes in between.
    """
    rng = random.Random(seed)  # noqa: S311 -- moments that repeat
    with machines(quick, place) as scene, ThreadPoolExecutor(4 * PARTITIONS) as pool:
        running = list[Future[Finished]]()
        for _ in range(rng.randint(2, 4)):
            running += _round(scene, pool, rng)
            if rng.random() < 0.6:
                yield from _judged(running)
                running.clear()
            if rng.random() < 0.3:
                scene.project.write_data(rng.choice(NAMES), rows(seed=rng.randint(1, 999)))
            if rng.random() < 0.5:
                scene.let_leases_end()
        yield from _judged(running)
        yield from _settled(scene, pool, rng.choice(_NUMBERS))


def _round(scene: Machines, pool: ThreadPoolExecutor, rng: random.Random) -> list[Future[Finished]]:
    """Start all shards of a number that is drawn; kill some of them."""
    of, started = rng.choice(_NUMBERS), list[Future[Finished]]()
    for number in range(1, of + 1):
        words = ("run", "models.yaml", "--shard", f"{number}/{of}")
        after = rng.uniform(0, _LONGEST_S) if rng.random() < 0.4 else None
        at = rng.randint(1, 40 * of) if after is not None and rng.random() < 0.5 else None
        started.append(pool.submit(_run, scene, words, after, at))
    return started


def _run(scene: Machines, words: tuple[str, ...], after: float | None, at: int | None) -> Finished:
    """Run a command; kill it after a time, or at a request that the store gets by then, whoever sends it."""
    over = threading.Event()

    def meet(process: int) -> None:
        def wait() -> None:
            until = len(scene.store.requests) + at if at is not None else 0
            for _ in range(round((after or 0) / 0.005)):
                if over.wait(0.005) or (at is not None and len(scene.store.requests) >= until):
                    break
            if not over.is_set():
                end(process)

        if after is not None:
            threading.Thread(target=wait, daemon=True).start()

    try:
        return scene.watched(meet, words)
    finally:
        over.set()


def _judged(running: list[Future[Finished]]) -> Broken:
    for future in running:
        ended = future.result()
        if ended.code == -signal.SIGKILL:
            continue
        if ended.code not in _EXPECTED:
            yield f"a shard ended with {ended.code}: {ended.err[-300:]}"
        if "older copy" in ended.err:
            yield f"a shard took a partition for an older copy: {ended.err[-300:]}"
        yield from promise.sentence(ended)


def _settled(scene: Machines, pool: ThreadPoolExecutor, of: int) -> Broken:
    """Run shards without kills until all is done, and yield every promise that is broken then."""
    codes = list[int]()
    for _ in range(_SETTLING):
        scene.let_leases_end()
        words = [("run", "models.yaml", "--shard", f"{number}/{of}") for number in range(1, of + 1)]
        codes = [ended.code for ended in pool.map(lambda shard: scene.retrain(*shard), words)]
        if codes == [0] * of:
            break
    else:
        yield f"not settled by {of} shards after {_SETTLING} rounds: {codes}"
    service = scene.project.service
    for name in NAMES:
        bodies, switches = service.accepted(name), service.switches(name)
        if len(set(bodies)) != len(bodies):
            yield f"{name}: {len(bodies)} trainings of {len(set(bodies))} contents"
        if len(set(switches)) != len(switches):
            yield f"{name}: switched {switches}"
        newest = [job.id for job in service.jobs.values() if job.owner == name and job.uploads][-1:]
        if switches[-1:] != newest or not newest:
            yield f"{name}: {switches[-1:]} serves, and {newest} was trained last"
    yield from scene.verified()
