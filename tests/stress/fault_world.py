"""One folder with many models, each with a fault of its own: the real app, client and executor over real sockets.

All models of a world run side by side, so that a thousand faults take no longer than their slowest.
"""

import json
import logging
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any
from unittest import mock

import runner.app.run.run
from runner.app import service as calls
from runner.app.audit.verify import verify
from runner.app.run.run import RunRequest, run
from runner.execute import retry
from runner.execute.progress_events import ProgressEvent
from runner.http.request import Deadlines
from runner.http.upload_body import SentFile, UploadWatch
from runner.lib.checksums import Checksum
from runner.lib.secrets import Secret
from runner.plan.model_plan import Choice
from runner.providers.base import (
    Classifier,
    Connection,
    Downloaded,
    Effect,
    FetchedApiKey,
    IssuedJob,
    ProviderEntry,
    ServiceOptions,
    Status,
)
from runner.providers.prediction_one.client import Client
from runner.providers.prediction_one.facts import FACTS
from runner.providers.registry import PROVIDERS
from tests.fakes.result_files import result
from tests.fakes.two_port_records import ScriptedModel
from tests.stress.fault_service import Fault, FaultService, Plan, Resolver, make_certificates

KEY_CANARY = "CANARYkey/9e+4b"
DEADLINES = Deadlines(connect=1.0, silence=2.0, call=3.0, longest=5.0)
URL_SECONDS = 5
LONGEST_ASKED_S = 5.0  # of all pauses a server asks for
QUARANTINE_S = 3  # within which a switch must leave too: hundreds of models share the threads
WAIT_S = 20  # of one run for a training
_THREADS = 48


class NamedClient(Client):
    """The real client; it tells the resolver which call it is about to make."""

    def __init__(self, *, world: "FaultWorld", **arguments: Any) -> None:
        super().__init__(deadlines=DEADLINES, options=ServiceOptions(ca_bundle=world.ca_bundle), **arguments)
        self._world = world

    def take_job(self, key: Secret, filename: str) -> IssuedJob:
        with self._world.resolver.calling(self._world.owner_of_key(key), "upload_url"):
            return super().take_job(key, filename)

    def status(self, key: Secret, retrain_job_id: str) -> Status:
        with self._world.resolver.calling(self._world.owner_of_key(key), "status"):
            return super().status(key, retrain_job_id)

    def upload(
        self, url: Secret, file: SentFile, *, content: Checksum | None, watch: UploadWatch | None = None
    ) -> Effect:
        with self._world.resolver.calling(self._world.owner_of_url(url), "put"):
            return super().upload(url, file, content=content, watch=watch)

    def download(self, url: Secret, target: Path, *, limit: int) -> Downloaded:
        with self._world.resolver.calling(self._world.owner_of_url(url), "download"):
            return super().download(url, target, limit=limit)

    def switch(self, key: Secret, retrain_job_id: str) -> Effect:
        with self._world.resolver.calling(self._world.owner_of_key(key), "switch"):
            return super().switch(key, retrain_job_id)

    def fetch_api_key(self, secret_key: Secret, model_id: int) -> FetchedApiKey:
        with self._world.resolver.calling(self._world.owner_of_key(secret_key), "api_key"):
            return super().fetch_api_key(secret_key, model_id)

    def classifiers(self, key: Secret) -> tuple[Classifier, ...]:
        with self._world.resolver.calling(self._world.owner_of_key(key), "classifiers"):
            return super().classifiers(key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How one run of a world ended: the report's models by name, and the seconds each model took."""

    exit_code: int
    seconds: float
    models: dict[str, dict[str, Any]]
    took: dict[str, float]
    calls_seen: dict[str, dict[str, int]]


@dataclass(slots=True, kw_only=True)
class FaultWorld:
    """A project of many models, one for each tuple of faults, named `m0`, `m1`, ... in their order."""

    folder: Path
    plans: Sequence[tuple[Fault, ...]]
    secure: bool = False
    one_pass: bool = False  # the data is checked while it is sent
    written: StringIO = field(default_factory=StringIO)  # what listeners and loggers were told
    service: FaultService = field(init=False)
    resolver: Resolver = field(init=False)
    ca_bundle: Path | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        certificates = make_certificates(self.folder / "certificates") if self.secure else None
        self.ca_bundle = certificates / "trusted.pem" if certificates else None
        self.service = FaultService(certificates=certificates)
        self.service.lists_classifiers = True
        self.resolver = Resolver(self.service)
        for number, (name, faults) in enumerate(zip(self.names, self.plans, strict=True), start=1):
            self.service.add(
                ScriptedModel(
                    name=name,
                    key=f"{KEY_CANARY}-{name}",
                    id=number,
                    results=[result(AUC="0.91")],
                    url_seconds=URL_SECONDS,
                )
            )
            self.service.account_keys[f"{KEY_CANARY}-of-{name}"] = name
            self.service.plans[name] = Plan(faults=faults)
        self._write_project()

    @property
    def names(self) -> list[str]:
        """Return the models' names, in the order of their plans."""
        return [f"m{number}" for number in range(len(self.plans))]

    @property
    def state(self) -> Path:
        """Return the state folder."""
        return self.folder / "state"

    def _connect(self, connection: Connection) -> NamedClient:
        return NamedClient(
            base_url=connection.base_url,
            statuses=connection.statuses,
            redactor=connection.redactor,
            trusted_hosts=connection.trusted_hosts,
            world=self,
        )

    def owner_of_key(self, key: Secret) -> str:
        """Return the model whose key it is."""
        return key.reveal().rpartition("-")[2]

    def owner_of_url(self, url: Secret) -> str:
        """Return the model whose job the signed URL is of, or no name."""
        job = self.service.jobs.get(url.reveal().split("/")[4] if url.reveal().count("/") > 4 else "")
        return "" if job is None else job.owner

    def heal(self) -> None:
        """From now on nothing goes wrong."""
        for plan in self.service.plans.values():
            plan.healthy = True

    def run(self) -> Ended:
        """Run `retrain run` once on all models."""
        seen_before, began, took = len(self.service.log), time.monotonic(), dict[str, float]()

        def listen(model: str | None, event: ProgressEvent) -> None:
            took[str(model)] = time.monotonic() - began
            self.written.write(f"{model}: {event.text}\n")

        with self._patched():
            finished = run(
                RunRequest(
                    choice=Choice(paths=[self.folder / "models.yaml"]),
                    state=str(self.state),
                    listener=listen,
                    warn=lambda text: print(text, file=self.written),
                    allow_held=True,
                )
            )
        if finished.internal_errors:
            raise finished.internal_errors[0]
        report = json.loads((finished.folder / "report.json").read_bytes())
        return Ended(
            exit_code=int(finished.exit_code),
            seconds=time.monotonic() - began,
            models={model["name"]: model for model in report["models"]},
            took=took,
            calls_seen=self._calls_since(seen_before),
        )

    def findings(self) -> list[str]:
        """Return what `retrain verify` finds."""
        return [f"{one.where}: {one.what}" for one in verify(str(self.state), None).findings]

    def _calls_since(self, start: int) -> dict[str, dict[str, int]]:
        counts: dict[str, dict[str, int]] = {name: {} for name in self.names}
        for call in self.service.log[start:]:
            if call.owner in counts:
                counts[call.owner][call.name] = counts[call.owner].get(call.name, 0) + 1
        return counts

    @contextmanager
    def _patched(self) -> Iterator[None]:
        handler = logging.StreamHandler(self.written)
        root = logging.getLogger()
        level = root.level
        keys = {f"KEY_{name}": f"{KEY_CANARY}-{name}" for name in self.names}
        keys |= {f"ACCOUNT_{name}": f"{KEY_CANARY}-of-{name}" for name in self.names}
        with ExitStack() as stack:
            stack.enter_context(
                mock.patch.dict(PROVIDERS, {FACTS.name: ProviderEntry(facts=FACTS, connect=self._connect)})
            )
            stack.enter_context(mock.patch.object(calls, "_CALLS", _THREADS))
            stack.enter_context(mock.patch.object(retry, "LONGEST_ASKED_S", LONGEST_ASKED_S))
            if self.one_pass:
                stack.enter_context(mock.patch.object(runner.app.run.run, "ONE_PASS_FROM", 1))
            stack.enter_context(mock.patch.dict(os.environ, keys))
            stack.enter_context(self.resolver.in_use())
            root.addHandler(handler)
            root.setLevel(logging.DEBUG)
            stack.callback(root.removeHandler, handler)
            stack.callback(root.setLevel, level)
            yield

    def _source(self, name: str) -> str:
        """Return what the manifest says of a model's key: it is fetched where that is to go wrong."""
        if all(fault.operation != "api_key" for fault in self.service.plans[name].faults):
            return f"{{env: KEY_{name}}}"
        return f"{{secret_key: {{env: ACCOUNT_{name}}}, model_id: {self.service.models[name].id}}}"

    def _write_project(self) -> None:
        count = 20_000 if self.one_pass else 120  # more than what waits for the end of the check
        rows = "".join(f"{number},{number % 7},{'a' if number % 2 else 'b'}\n" for number in range(count))
        (self.folder / "data.csv").write_text(f"id,value,label\n{rows}", encoding="utf-8")
        own = self.names if self.one_pass else ["d"]  # data of several models is read once for all of them
        data = "".join(f"  {name}: {{train: data.csv}}\n" for name in own)
        models = "".join(
            f"  {name}: {{api_key: {self._source(name)}, dataset: {name if self.one_pass else 'd'}, policy: p}}\n"
            for name in self.names
        )
        (self.folder / "models.yaml").write_text(
            "version: 1\n"
            f"service: {{url: '{self.service.url}', quarantine: {QUARANTINE_S}s}}\n"
            f"limits: {{parallel: {len(self.plans)}, uploads: {_THREADS}}}\n"
            f"defaults: {{wait: {{timeout: {WAIT_S}s, poll: 200ms}}}}\n"
            f"datasets:\n{data}"
            "policies: {p: {type: threshold, rules: [{metric: auc, min: 0.9}]}}\n"
            f"models:\n{models}",
            encoding="utf-8",
        )
