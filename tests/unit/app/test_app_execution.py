"""What a run is put together with."""

from datetime import timedelta
from pathlib import Path

from runner.app.planning.scope import Scope
from runner.app.planning.service_access import EmulatorKeys
from runner.app.run.execution import ExecutionRequest, _context
from runner.app.service import call_threads, service_of
from runner.app.state.session import session
from runner.execute.model_run import Recorder
from runner.journal.events import ReportWritten, RunFinished
from runner.journal.progress import Progress
from runner.journal.store import open_store
from runner.lib.secrets import Redactor
from runner.plan.model_plan import Choice
from runner.providers.prediction_one.client import Client
from tests.fakes.run_ids import run_id
from tests.fakes.world import ONE_MODEL, World


def _end(world: World) -> None:
    """End the world's run, as the command does that drove it."""
    store = open_store(world.state)
    progress = Progress(store.read())
    recorder = Recorder(store=store, progress=progress, clock=world.clock, run_id=run_id(1))
    for fact in (RunFinished(exit_code=0), ReportWritten(files={})):
        recorder.run_fact(fact)
    store.close()


def test_a_run_begins_with_what_the_journal_knows_of_its_models_trainings(tmp_path: Path) -> None:
    world = World(tmp_path, ONE_MODEL)
    world.run()
    _end(world)
    manifest, redactor = world.manifest, Redactor()
    with session(str(world.state.root), lock_timeout=timedelta(0)) as opened:
        models = tuple(manifest.models.values())
        job = ExecutionRequest(
            scope=Scope(
                choice=Choice(), manifest=manifest, models=models, service=service_of(manifest, emulator=False)
            ),
            plans=world.plans(opened.progress),
            parallel=1,
            listener=lambda _model, _news: None,
        )
        client = Client(base_url="http://127.0.0.1:9", statuses=manifest.service.statuses, redactor=redactor)
        context = _context(opened, job, client, EmulatorKeys(), redactor)
        client.close()
    assert context.training_stats.usual == world.model().last_training_seconds() is not None


def test_threads_for_calls_follow_the_models_at_once_within_limits() -> None:
    assert [call_threads(models) for models in (0, 1, 8, 16, 100, 320, 10_000)] == [1, 1, 8, 16, 16, 40, 64]
