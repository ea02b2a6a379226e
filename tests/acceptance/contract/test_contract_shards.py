"""Several machines that share one state with partitions. The judge is the service's log."""

import itertools
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from msgspec.structs import replace

from runner.app.state.open_state import open_state
from runner.journal.checkpoint import FILES
from runner.journal.partitions import home_by_name
from tests.acceptance.contract.contract_project import Finished, Project, finish, rows, wait_for_training
from tests.fakes.cut_journal import cut, events_of
from tests.fakes.object_stores import SECRET
from tests.fakes.postgres_server import PASSWORD, fresh_schema, one_server
from tests.fakes.run_ids import run_id
from tests.fakes.two_port_service import TwoPortService
from tests.fakes.unreliable_s3 import S3Server
from tests.unit.journal.journal_facts import RUN, draft, run_started

PARTITIONS = 8
LEASE = timedelta(seconds=15)  # after which one of ten seconds is old, by the store's clock
NAMES = [f"model_{number}" for number in range(9)]
DAMAGES = ("fewer", "one is gone", "one is a copy of another")
_MACHINES = itertools.count()


class Shards(Project):
    """A project each command of which is run on a machine of its own.

    `let_leases_end` lets the state's clock go on, and `damage` replaces partitions in a way of `DAMAGES`.
    """

    address: str
    let_leases_end: Callable[[], None]
    damage: Callable[[str], None]

    def words_of(self, arguments: Sequence[str]) -> list[str]:
        return list(arguments)

    def variables(self) -> dict[str, str]:
        home = self.folder / "home" / str(next(_MACHINES))
        home.mkdir()
        credentials = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": SECRET, "PGPASSWORD": PASSWORD}
        return {"HOME": str(home), "RETRAIN_STATE": self.address, **credentials, **self.environment}

    def effects(self) -> dict[str, tuple[int, int]]:
        """Return how often each model was uploaded and switched."""
        calls = self.service.calls
        return {name: (len(calls(name, "put")), len(calls(name, "switch"))) for name in self.manifest["models"]}

    def ended(self, *arguments: str, code: int = 0) -> Finished:
        done = self.retrain(*arguments)
        assert done.code == code, done.err + done.out
        return done


def _in_a_folder(shards: Shards, _: ExitStack) -> str:
    state = shards.folder / "state"

    def damage(what: str) -> None:
        first, second = (state / "partitions" / f"{number:04d}" for number in range(2))
        if what == "fewer":
            form = state / "format.json"
            form.write_bytes(_fewer(form.read_bytes()))
            return
        shutil.rmtree(first)
        if what == "one is a copy of another":
            shutil.copytree(second, first, symlinks=True)

    shards.let_leases_end, shards.damage = (lambda: None), damage
    return str(state)


def _fewer(form: bytes) -> bytes:
    changed = form.replace(f'"partitions":{PARTITIONS}'.encode(), b'"partitions":4')
    assert changed != form
    return changed


def _in_a_bucket(shards: Shards, stack: ExitStack) -> str:
    store = stack.enter_context(S3Server().serving())

    def let_leases_end() -> None:
        store.skew += LEASE

    def damage(what: str) -> None:
        first, second = (f"prod/partitions/{number:04d}/" for number in range(2))
        if what == "fewer":
            form = store.objects["prod/format.json"]
            store.objects["prod/format.json"] = replace(form, content=_fewer(form.content))
            return
        for name in [name for name in store.objects if name.startswith(first)]:
            del store.objects[name]
        if what == "one is a copy of another":
            copied = {name: store.objects[name] for name in store.objects if name.startswith(second)}
            store.objects |= {name.replace(second, first): content for name, content in copied.items()}

    shards.let_leases_end, shards.damage = let_leases_end, damage
    return store.address("prod", "&lease=10s")


def _in_a_database(shards: Shards, _: ExitStack) -> str:
    server, schema = one_server(), fresh_schema()
    parts = [f'"{schema}_p{number:04d}"' for number in range(PARTITIONS)]

    def execute(*statements: str) -> None:
        with psycopg.connect(
            host="127.0.0.1", port=server.port, user="postgres", dbname="postgres", password=PASSWORD, autocommit=True
        ) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def let_leases_end() -> None:
        execute(*(f"UPDATE {part}.lease SET renewed = renewed - life - life" for part in parts))  # noqa: S608 -- names of ours

    def damage(what: str) -> None:
        if what == "fewer":
            execute(f'UPDATE "{schema}".format SET partitions = 4')  # noqa: S608 -- a name of ours
        elif what == "one is gone":
            execute(f"DROP SCHEMA {parts[0]} CASCADE")
        else:  # a name is of one schema at a time
            aside = f'"{schema}_aside"'
            pairs = ((parts[0], aside), (parts[1], parts[0]), (aside, parts[1]))
            execute(*(f"ALTER SCHEMA {old} RENAME TO {new}" for old, new in pairs))

    shards.let_leases_end, shards.damage = let_leases_end, damage
    return server.address(schema, more="&lease=10s")


PLACES = {"folder": _in_a_folder, "bucket": _in_a_bucket, "database": _in_a_database}


@pytest.fixture(params=PLACES)
def shards(request: pytest.FixtureRequest, tmp_path: Path, service: TwoPortService) -> Iterator[Shards]:
    yield from _begun(request.param, tmp_path, service)


@pytest.fixture
def in_a_folder(tmp_path: Path, service: TwoPortService) -> Iterator[Shards]:
    yield from _begun("folder", tmp_path, service)


def _begun(place: str, tmp_path: Path, service: TwoPortService) -> Iterator[Shards]:
    with ExitStack() as stack:
        made = Shards(folder=tmp_path / "project", service=service)
        for name in NAMES:
            made.add(name)
        made.address = PLACES[place](made, stack)
        made.ended("state", "init", "--partitions", str(PARTITIONS))
        yield made


def at_once(shards: Shards, of: int, *more: str) -> list[Finished]:
    """Run all shards at the same time, each on a machine of its own."""
    processes = [shards.start("run", "models.yaml", "--shard", f"{number}/{of}", *more) for number in range(1, of + 1)]
    return [finish(process) for process in processes]


def test_three_shards_at_once_train_each_model_once_and_are_reported_as_one(shards: Shards) -> None:
    shards.environment["RETRAIN_GROUP"] = "night-1"
    done = at_once(shards, 3)
    assert [end.code for end in done] == [0, 0, 0], [end.err for end in done]
    assert shards.effects() == dict.fromkeys(NAMES, (1, 1))
    report = json.loads(shards.ended("report", "--group", "night-1", "--format", "json").out)
    assert sorted(model["name"] for model in report["models"]) == NAMES
    assert (report["summary"], report["exit_code"]) == ({"switched": len(NAMES)}, 0)
    assert "shard 2/3: " in done[1].err
    status = shards.ended("status").out
    assert all(name in status for name in NAMES)
    assert "NOT" not in shards.ended("verify").out
    shards.ended("plan", "models.yaml")
    shards.ended("history")
    shards.ended("show", NAMES[0])
    shards.ended("show", "latest")
    shards.ended("replay", "models.yaml")
    shards.ended("inspect", NAMES[0])
    shards.ended("site", "pages")
    shards.ended("state", "show")
    assert shards.ended("state", "doctor").out.count("ok: ") < PARTITIONS
    shards.ended("unlock")
    heads = shards.ended("audit", "head").out
    assert len(heads.splitlines()) == PARTITIONS
    (shards.folder / "heads").write_text(heads)
    shards.ended("run", "models.yaml")
    assert shards.effects() == dict.fromkeys(NAMES, (1, 1))
    assert "anchored up to event" in shards.ended("verify", "--head", "heads").out
    shards.ended("audit", "bundle", "--out", "evidence.zip")
    bundles = sorted(path.name for path in shards.folder.glob("evidence-*.zip"))
    assert len(bundles) == len({home_by_name(name, PARTITIONS) for name in NAMES})
    shards.ended("verify", bundles[0])


def _started(shards: Shards, number: int, of: int, waits_for: str) -> subprocess.Popen[bytes]:
    process = shards.start("run", "models.yaml", "--shard", f"{number}/{of}")
    wait_for_training(shards, waits_for)
    return process


def test_a_killed_shard_is_continued_by_more_machines_and_nothing_is_doubled(shards: Shards) -> None:
    name = NAMES[0]
    number = home_by_name(name, PARTITIONS) % 2 + 1
    shards.service.models[name].training = True
    killed = _started(shards, number, 2, name)
    other = finish(shards.start("run", "models.yaml", "--shard", f"{3 - number}/2"))
    assert other.code == 0, other.err  # nobody waits for the other shard
    killed.kill()
    killed.communicate()
    shards.service.models[name].training = False
    shards.let_leases_end()
    assert [end.code for end in at_once(shards, 8)] == [0] * 8
    assert shards.effects() == dict.fromkeys(NAMES, (1, 1))
    assert "NOT" not in shards.ended("verify").out


def test_decisions_are_taken_where_the_model_is_also_while_its_shard_works(shards: Shards) -> None:
    first, other = (
        NAMES[0],
        next(name for name in NAMES if home_by_name(name, PARTITIONS) % 2 != home_by_name(NAMES[0], PARTITIONS) % 2),
    )
    for name in (first, other):
        shards.manifest["policies"][name] = {"type": "manual"}
    shards.save()
    slow = next(
        name
        for name in NAMES[1:]
        if name != other and home_by_name(name, PARTITIONS) % 2 == home_by_name(first, PARTITIONS) % 2
    )
    shards.service.models[slow].training = True
    number = home_by_name(first, PARTITIONS) % 2 + 1
    shards.ended("run", "models.yaml", "--select", first, "--select", other)
    running = _started(shards, number, 2, slow)
    try:
        shards.ended("approve", other, "--reason", "seen", "--yes")  # its partition is free
        shards.ended("approve", first, "--reason", "seen", "--yes")  # the run takes it up
        assert running.poll() is None
    finally:
        shards.service.models[slow].training = False
        assert finish(running).code == 0
    assert (shards.effects()[first], shards.effects()[other]) == ((1, 1), (1, 1))
    shards.ended("rollback", first, "--reason", "x", "--yes", code=2)
    assert "NOT" not in shards.ended("verify").out


def test_a_renamed_model_keeps_its_history_in_the_partition_where_it_began(in_a_folder: Shards) -> None:
    shards = in_a_folder
    old, new = NAMES[0], "renamed_model"
    assert home_by_name(old, PARTITIONS) != home_by_name(new, PARTITIONS)
    assert all(end.code == 0 for end in at_once(shards, 2))
    for part in ("datasets", "policies", "models"):
        shards.manifest[part][new] = shards.manifest[part].pop(old)
    shards.manifest["models"][new] |= {"dataset": new, "policy": new}
    shards.save()
    forgotten = shards.retrain("run", "models.yaml")
    assert (forgotten.code, f"`- {{from: {old}, to: {new}}}`" in forgotten.out + forgotten.err) == (1, True)
    shards.manifest["moved"] = [{"from": old, "to": new}]
    shards.save()
    shards.ended("plan", "models.yaml", "--out", "plan.json")
    assert [end.code for end in at_once(shards, 4, "--plan", "plan.json")] == [0] * 4
    del shards.manifest["moved"]
    shards.save()
    assert [end.code for end in at_once(shards, 3)] == [0] * 3
    assert [len(shards.service.calls(name, "put")) for name in NAMES] == [1] * len(NAMES)
    assert "NOT" not in shards.ended("verify").out
    shards.ended("history", new)


def test_histories_in_two_partitions_do_not_change_names(in_a_folder: Shards) -> None:
    shards = in_a_folder
    one, other = (
        NAMES[0],
        next(name for name in NAMES if home_by_name(name, PARTITIONS) != home_by_name(NAMES[0], PARTITIONS)),
    )
    shards.ended("run", "models.yaml")
    shards.manifest["moved"] = [{"from": one, "to": other}, {"from": other, "to": one}]
    shards.save()
    refused = shards.ended("run", "models.yaml", code=2)
    assert "in different partitions" in refused.err
    assert shards.effects() == dict.fromkeys(NAMES, (1, 1))


def test_what_no_shard_may_be_is_refused(in_a_folder: Shards) -> None:
    shards = in_a_folder
    for words, told in (
        (["--shard", "0/3"], "counted from 1"),
        (["--shard", "4/3"], "does not name a shard"),
        (["--shard", ""], "does not name a shard"),
        (["--shard", "9/9"], "1 of 9 machines would have nothing to do"),
        (["--shard", "1/2", "--group", "bad name"], "not the name of a group"),
    ):
        assert told in shards.ended("run", "models.yaml", *words, code=2).err
    part = f"{shards.address}/partitions/0001/../0000"
    for command in ("run", "plan"):
        assert "for the whole state" in shards.ended(command, "models.yaml", "--state", part, code=2).err
    for move in (("migrate", part, "elsewhere"), ("pull", part, "copy"), ("push", part, shards.address)):
        assert "for the whole state" in shards.ended("state", *move, code=2).err
    shards.ended("state", "init", "--partitions", "2", code=7)
    shards.ended("plan", "models.yaml", "--out", "plan.json")
    shards.ended("run", "--plan", "plan.json")
    assert shards.effects() == dict.fromkeys(NAMES, (1, 1))
    stale = shards.ended("run", "--plan", "plan.json", code=7)
    assert f"partition {home_by_name(NAMES[0], PARTITIONS):04d}: the state changed by" in stale.err


def test_a_plan_is_carried_out_by_shards_each_its_share(in_a_folder: Shards) -> None:
    shards = in_a_folder
    shards.ended("plan", "models.yaml", "--out", "plan.json")
    for number in (1, 2, 3):  # one after the other, so that the first ones have changed the state
        shards.ended("run", "--plan", "plan.json", "--shard", f"{number}/3")
    assert shards.effects() == dict.fromkeys(NAMES, (1, 1))
    stale = shards.ended("run", "--plan", "plan.json", "--shard", "1/3", code=7)
    changed = {int(number) % 3 for number in re.findall(r"partition (\d{4}): the state changed by", stale.err)}
    assert changed == {0}


def test_a_plan_of_a_share_is_of_its_models_and_for_its_shard(in_a_folder: Shards) -> None:
    shards = in_a_folder
    first, second = ([name for name in NAMES if home_by_name(name, PARTITIONS) % 2 == number] for number in range(2))
    planned = shards.ended("plan", "models.yaml", "--shard", "1/2", "--format", "json", "--out", "plan.json")
    assert [model["name"] for model in json.loads(planned.out)["models"]] == first
    assert f"shard 1/2: {len(first)} models in " in planned.err
    refused = shards.ended("run", "--plan", "plan.json", "--shard", "2/2", code=2)
    assert "the plan was made for shard 1/2" in refused.err
    shards.environment["RETRAIN_SHARD"] = "2/2"
    assert "RETRAIN_SHARD is 2/2" in shards.ended("run", "--plan", "plan.json", code=2).err
    shown = [shards.ended(*words, "models.yaml").out for words in (("plan",), ("run", "--dry-run"))]
    assert all((first[0] in out, second[0] in out) == (False, True) for out in shown)
    del shards.environment["RETRAIN_SHARD"]
    shards.ended("run", "--plan", "plan.json")
    assert shards.effects() == {name: (1, 1) if name in first else (0, 0) for name in NAMES}


def test_one_partition_has_no_shards_and_a_pipelines_variables_make_none(in_a_folder: Shards) -> None:
    shards = in_a_folder
    shards.address = str(shards.folder / "undivided")
    refused = shards.ended("run", "models.yaml", "--shard", "1/2", code=2)
    assert "--partitions" in refused.err
    shards.environment |= {"CI_NODE_INDEX": "1", "CI_NODE_TOTAL": "2"}
    shards.ended("run", "models.yaml")
    assert shards.effects() == dict.fromkeys(NAMES, (1, 1))


def test_a_pipelines_variables_choose_the_shard_of_a_state_with_partitions(in_a_folder: Shards) -> None:
    shards = in_a_folder
    for number in (1, 2):
        shards.environment |= {"CI_NODE_INDEX": str(number), "CI_NODE_TOTAL": "3", "CI_PIPELINE_ID": "4711"}
        assert f"shard {number}/3 by CI_NODE_INDEX/CI_NODE_TOTAL" in shards.ended("run", "models.yaml").err
    for name in ("CI_NODE_INDEX", "CI_NODE_TOTAL"):
        del shards.environment[name]
    shards.environment |= {"JOB_COMPLETION_INDEX": "2", "JOB_COMPLETIONS": "3"}
    shards.ended("run", "models.yaml")
    assert shards.effects() == dict.fromkeys(NAMES, (1, 1))
    report = json.loads(shards.ended("report", "--group", "--format", "json").out)
    assert report["summary"] == {"switched": len(NAMES)}


def test_a_state_moves_with_its_partitions_and_the_old_one_stays_closed(shards: Shards) -> None:
    shards.ended("run", "models.yaml", "--select", NAMES[0], "--select", NAMES[1])
    old, new = shards.address, str(shards.folder / "moved")
    shards.ended("state", "pull", old, "copy")
    shards.ended("verify", "--state", "copy")
    shards.ended("run", "models.yaml", "--select", NAMES[2])
    shards.ended("state", "pull", old, "copy")
    copied = shards.ended("run", "models.yaml", "--state", "copy", code=7)
    assert "is a copy of " in copied.err
    assert "/partitions/*/copy-of" in copied.err
    moved = shards.ended("state", "migrate", old, new)
    assert f"retrain status --state {new}" in moved.out
    shards.ended("state", "migrate", old, new)
    refused = shards.ended("run", "models.yaml", code=7)
    assert f"has moved to {new}." in refused.err
    shards.address = new
    assert [end.code for end in at_once(shards, 4)] == [0] * 4
    assert shards.effects() == dict.fromkeys(NAMES, (1, 1))
    assert "NOT" not in shards.ended("verify").out


def test_what_is_put_beside_partitions_or_changed_in_one_of_them_is_found(in_a_folder: Shards) -> None:
    shards = in_a_folder
    shards.ended("run", "models.yaml")
    state = Path(shards.address)
    (state / "partitions" / "0099").mkdir()
    (state / "notes.txt").write_text("x")
    found = shards.ended("verify", code=7).out
    assert "partitions/0099: was never recorded" in found
    assert "notes.txt: was never recorded" in found
    (state / "partitions" / "0099").rmdir()
    (state / "notes.txt").unlink()
    shards.ended("verify")
    number = (state / "format.json").read_bytes()
    (state / "format.json").unlink()
    assert "which says how many, is gone" in shards.ended("run", "models.yaml", code=7).err
    (state / "format.json").write_bytes(number)
    result = next(state.glob("partitions/*/runs/*/results/*/*")).resolve()
    result.write_bytes(result.read_bytes() + b"x")
    assert str(result) in shards.ended("verify", code=7).out


@pytest.mark.parametrize("what", DAMAGES)
def test_a_state_whose_partitions_were_replaced_is_refused_and_nothing_is_trained_again(
    shards: Shards, what: str
) -> None:
    shards.ended("run", "models.yaml")
    shards.let_leases_end()
    shards.damage(what)
    for words in (("run", "models.yaml"), ("run", "models.yaml", "--shard", "1/2"), ("status",), ("verify",)):
        assert "are not those that it began with" in shards.ended(*words, code=7).err
    assert shards.effects() == dict.fromkeys(NAMES, (1, 1))


def test_a_partition_that_is_an_older_copy_of_itself_is_refused_until_the_loss_is_accepted(
    in_a_folder: Shards,
) -> None:
    shards = in_a_folder
    number = home_by_name(NAMES[0], PARTITIONS)
    part, kept = Path(shards.address) / "partitions" / f"{number:04d}", shards.folder / "kept"
    shards.ended("run", "models.yaml", "--select", NAMES[0])
    shutil.copytree(part, kept, symlinks=True)
    shards.write_data(NAMES[0], rows(seed=7))
    shards.ended("run", "models.yaml")
    shards.ended("run", "models.yaml", "--select", next(n for n in NAMES if home_by_name(n, PARTITIONS) != number))
    shutil.rmtree(part)
    shutil.copytree(kept, part, symlinks=True)
    adopts = ("adopt", NAMES[0], "--metric", "AUC=0.5", "--reason", "x", "--yes", "--manifest", "models.yaml")
    moves = ("state", "migrate", shards.address, "new")
    for words in (("run", "models.yaml"), ("status",), ("verify",), adopts, moves):
        assert "it was cut, or replaced by an older copy" in shards.ended(*words, code=7).err, words
    assert shards.effects()[NAMES[0]] == (2, 2)
    shards.ended("state", "accept-loss", "--reason", "the disk failed")
    told = shards.ended("run", "models.yaml", code=1).out
    assert f"{NAMES[0]} may have been trained already" in told
    shards.ended("verify")
    assert shards.effects()[NAMES[0]] == (2, 2)
    others = [name for name in NAMES if home_by_name(name, PARTITIONS) != number]
    assert [shards.effects()[name] for name in others] == [(1, 1)] * len(others)


def test_what_a_kill_left_in_a_partition_without_a_model_is_closed_by_the_next_run(in_a_folder: Shards) -> None:
    shards = in_a_folder
    homes = {home_by_name(name, PARTITIONS) for name in NAMES}
    part = open_state(open_state(shards.address).part(next(iter(set(range(PARTITIONS)) - homes))))
    log = part.open_log()
    assert list(log.read()) == []
    log.append([draft(run_started(), model=None)])
    log.settle()
    log.close()
    part.blobs.put(FILES[0], [b"a checkpoint that the killed run had no time to record"])
    shards.ended("run", "models.yaml", "--select", NAMES[0])
    assert "is running or was cut off" not in shards.ended("verify").out
    assert "stopped by `lost`" in shards.ended("report", RUN, "--format", "markdown").out


def test_the_report_of_all_partitions_is_rendered_when_it_is_asked_for(in_a_folder: Shards) -> None:
    shards = in_a_folder
    said = shards.ended("run", "models.yaml").out
    command = next(line for line in said.splitlines() if line.startswith("report: ")).removeprefix("report: ")
    assert command.startswith("retrain report ")
    page = shards.ended(*command.split()[1:3]).out
    assert all(name in page for name in NAMES)


def test_the_report_of_a_group_says_which_shards_are_missing_and_that_work_is_left(in_a_folder: Shards) -> None:
    shards = in_a_folder
    shards.environment["RETRAIN_GROUP"] = "night-1"
    shards.ended("run", "models.yaml", "--shard", "2/3")
    done = shards.ended("report", "--group", "--format", "json")
    assert "no run of shards 1/3, 3/3 has ended in this group" in done.err
    assert json.loads(done.out)["exit_code"] == 5
    for number in (1, 3):
        shards.ended("run", "models.yaml", "--shard", f"{number}/3")
    done = shards.ended("report", "--group", "--format", "json")
    assert ("note: " in done.err, json.loads(done.out)["exit_code"]) == (False, 0)


def test_the_limits_of_a_run_are_divided_and_it_is_said(in_a_folder: Shards) -> None:
    shards = in_a_folder
    shards.manifest["limits"] |= {"switches_per_run": 4, "stop_after_failures": 1}
    shards.save()
    done = at_once(shards, 2)
    limits = (
        "its limits: switches_per_run 2 of 4, stop_after_failures 1 of 1 (at least 1 in each shard, so up to 2 in all)"
    )
    assert limits in done[0].err
    assert sum(switched for _, switched in shards.effects().values()) == 4


def test_new_data_is_trained_by_the_one_shard_that_has_the_model(shards: Shards) -> None:
    assert all(end.code == 0 for end in at_once(shards, 2))
    shards.write_data(NAMES[3], rows(seed=7))
    assert all(end.code == 0 for end in at_once(shards, 5))
    assert shards.effects() == {**dict.fromkeys(NAMES, (1, 1)), NAMES[3]: (2, 2)}
    shards.write_data(NAMES[3], rows(seed=8))
    shards.ended("run", "models.yaml")  # the first result neither serves nor did before
    found = json.loads(shards.ended("prune", "--results", "--keep", "0", "--yes", "--format", "json").out)
    [removed] = found["files"]
    part = open_state(shards.address).part(home_by_name(NAMES[3], PARTITIONS))
    assert (removed["partition"], f"/{NAMES[3]}/" in removed["path"]) == (part, True)
    shards.ended("verify")


def _apart(shards: Shards, count: int) -> tuple[list[str], list[Path]]:
    """Return so many models in partitions of their own, and these, in order."""
    found = {home_by_name(name, PARTITIONS): name for name in NAMES}
    numbers = sorted(found)[:count]
    parts = [Path(shards.address) / "partitions" / f"{number:04d}" for number in numbers]
    return [f"--select={found[number]}" for number in numbers], parts


def test_a_loss_in_several_partitions_is_accepted_at_once(in_a_folder: Shards) -> None:
    shards, accept = in_a_folder, ("state", "accept-loss", "--reason", "an old copy")
    selected, (first, second, other) = _apart(shards, 3)
    shards.ended("run", "models.yaml", *selected)
    shards.ended(*accept, code=2)
    for part in (first, second):
        cut(part, events_of(part) - 3)
    left = [events_of(part) for part in (first, second, other)]
    refused = shards.ended("run", "models.yaml", code=7)
    assert f'accept-loss --reason "..." --state {shards.address}`' in refused.err
    with open_state(str(second)).lease(run_id(1), timeout=0):
        shards.ended(*accept, code=6)
    assert [events_of(part) for part in (first, second, other)] == left
    with open_state(str(other)).lease(run_id(1), timeout=0):  # which has lost nothing
        accepted = shards.ended(*accept)
    assert "recorded in 2 partitions." in accepted.out
    assert all(f"{part}/journal.sqlite3 lacks" in accepted.err for part in (first, second))
    assert [events_of(part) > events for part, events in zip((first, second, other), left, strict=True)] == [1, 1, 0]
    assert "NOT" not in shards.ended("verify").out
    before = shards.effects()
    shards.ended("run", "models.yaml", *selected)
    assert shards.effects() == before


def test_results_of_all_partitions_are_removed_or_of_none(in_a_folder: Shards) -> None:
    shards, prune = in_a_folder, ("prune", "--results", "--keep", "0")
    selected, parts = _apart(shards, 3)
    for seed in range(3):
        for name in NAMES:
            shards.write_data(name, rows(seed=seed))
        shards.ended("run", "models.yaml", *selected)
    results = sorted(Path(shards.address).glob("partitions/*/runs/*/results/*/*"))
    shown = shards.ended(*prune, "--dry-run").out
    assert [line for line in shown.splitlines() if line.startswith("partition ")] == [
        f"partition {part}:" for part in parts
    ]
    with open_state(str(parts[-1])).lease(run_id(1), timeout=0):
        shards.ended(*prune, "--yes", code=6)
    assert sorted(Path(shards.address).glob("partitions/*/runs/*/results/*/*")) == results
    assert "1 result file removed" in shards.ended(*prune, "--yes", "--state", str(parts[0])).out
    assert "2 result files removed" in shards.ended(*prune, "--yes").out
    assert "NOT" not in shards.ended("verify").out


def test_states_with_and_without_partitions_are_not_copied_into_each_other(in_a_folder: Shards) -> None:
    shards = in_a_folder
    for state in (shards.address, "single"):
        shards.ended("run", "models.yaml", "--select", NAMES[0], "--state", state)
    for words in (("pull", "single", "state"), ("pull", "state", "single"), ("migrate", "single", "state")):
        assert "There is a state at " in shards.ended("state", *words, code=7).err
