"""The queue of trainings and the worker processes that do them, a few at a time."""

import json
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from emulator.hosting import HostedModel
from emulator.job import Job, Phase
from emulator.profile import Training
from emulator.state import State
from emulator.training.job_folder import JobFolder
from runner.lib.programs import python_environment

_GRACE_SECONDS = 5.0
_TRIES = 2  # a worker can be killed from outside, but data that kills it twice is to blame


class WorkerEndedError(Exception):
    """The worker process ended before it answered."""


class Worker:
    """One training process, started when it is first needed."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process when there is none."""
        if self._process is not None:
            return
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "emulator.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**python_environment(), "OMP_NUM_THREADS": "1"},  # as many workers as cores, one core each
            start_new_session=True,  # Ctrl-C is the server's to handle
        )

    def ask(self, order: dict[str, Any]) -> dict[str, Any]:
        """Return the worker's answer to an order.

        Raises:
            WorkerEndedError: the process ended; the next order starts a new one.
        """
        self.start()
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise WorkerEndedError
        with suppress(BrokenPipeError):
            process.stdin.write(json.dumps(order).encode() + b"\n")
            process.stdin.flush()
        line = process.stdout.readline()
        if not line.endswith(b"\n"):
            self.stop()
            raise WorkerEndedError
        answer: dict[str, Any] = json.loads(line)
        return answer

    def interrupt(self) -> None:
        """Make the process end, from whatever thread; who waits in `ask` learns it there."""
        process = self._process
        if process is not None and process.stdin is not None:
            with suppress(BrokenPipeError):
                process.stdin.close()

    def stop(self) -> None:
        """End the process and wait for its end; for the thread that asks."""
        self.interrupt()
        process, self._process = self._process, None
        if process is None:
            return
        try:
            process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


class Trainings:
    """Trains jobs in the order of their uploads, at most `slots` at once; an interrupted job keeps its place."""

    def __init__(
        self, state: State, models: Mapping[str, HostedModel], jobs: Path, *, slots: int, terms: Training
    ) -> None:
        self._terms = terms
        self._state = state
        self._models = models
        self._jobs = jobs
        self._queue: SimpleQueue[str | None] = SimpleQueue()
        self._workers = [Worker() for _ in range(slots)]
        self._threads = [threading.Thread(target=self._work, args=(worker,), daemon=True) for worker in self._workers]
        self._closing = False

    def start(self) -> None:
        """Take up the trainings that an earlier server left, and wait for more."""
        if any(self._scripted(name) is None for name in self._models):
            self._workers[0].start()  # imports while the first upload is on its way
        for job in self._state.in_training():
            self.submit(job.retrain_job_id)
        for thread in self._threads:
            thread.start()

    def submit(self, retrain_job_id: str) -> None:
        """Queue a job whose upload is complete; one whose end the profile knows ends at once."""
        job = self._state.job(retrain_job_id)
        scripted = None if job is None else self._scripted(job.model)
        if self._terms.fails is not None:
            self._state.fail(retrain_job_id, self._terms.fails)
        elif scripted is not None:
            self._state.finish(retrain_job_id, scripted)
        else:
            self._queue.put(retrain_job_id)

    def _scripted(self, model: str) -> Mapping[str, float] | None:
        """Return the metrics that a model gets without a training."""
        return self._terms.metrics.get(model, self._terms.metrics.get("any"))

    def close(self) -> None:
        """Stop all workers; unfinished jobs continue when a server starts on the same folder again."""
        self._closing = True
        for worker in self._workers:
            self._queue.put(None)
            worker.interrupt()
        for thread, worker in zip(self._threads, self._workers, strict=True):
            if thread.is_alive():
                thread.join()
            worker.stop()

    def folder(self, retrain_job_id: str) -> JobFolder:
        """Return the folder of a job."""
        return JobFolder(path=self._jobs / retrain_job_id)

    def _work(self, worker: Worker) -> None:
        while (retrain_job_id := self._queue.get()) is not None and not self._closing:
            try:
                self._train(worker, retrain_job_id)
            except Exception:  # noqa: BLE001 # a full disk must not end the queue; the next start takes the job up again
                traceback.print_exc(file=sys.stderr)

    def _train(self, worker: Worker, retrain_job_id: str) -> None:
        job = self._state.job(retrain_job_id)
        model = None if job is None else self._models.get(job.model)
        if job is None or model is None or job.deleted:
            return
        answer = self._ask(worker, self._order(job, model))
        if "metrics" in answer:
            self._state.finish(retrain_job_id, answer["metrics"])
        elif not self._closing:
            self._state.fail(retrain_job_id, answer["message"])

    def _ask(self, worker: Worker, order: dict[str, Any]) -> dict[str, Any]:
        for _ in range(_TRIES):
            try:
                return worker.ask(order)
            except WorkerEndedError:
                if self._closing:
                    break
        return {"message": "The training process ended before the training did."}

    def _order(self, job: Job, model: HostedModel) -> dict[str, Any]:
        previous = self._previous(job)
        return {
            "folder": str(self.folder(job.retrain_job_id).path),
            "task": model.task,
            "target": model.target,
            "previous": None if previous is None else str(self.folder(previous).path),
        }

    def _previous(self, job: Job) -> str | None:
        """Return the job to compare with: the one in service, else the last that finished."""
        serving = self._state.account(job.model).serving_job
        if serving is not None:
            return serving
        finished = [earlier for earlier in self._state.jobs_of(job.model) if earlier.phase is Phase.FINISHED]
        return finished[-1].retrain_job_id if finished else None
