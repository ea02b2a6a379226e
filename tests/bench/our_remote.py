"""Remote data: `python -m tests.bench.our_remote read|send|plan STORE SINK N` prints the seconds of one of them.

`read` reads the table of the store and does nothing with it; `send` sends it to the sink as the upload stage does, its
sum having been computed before; `plan` looks at N tables whose contents are recorded, as a plan of unchanged data does.
"""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from runner.app.planning.data_checks import digests
from runner.datasets.file_cache import FileCache
from runner.datasets.packing import package
from runner.datasets.resolve import resolve
from runner.datasets.source import DataAccess
from runner.lib.checksums import Checksum
from runner.lib.secrets import Redactor, Secret
from runner.manifest.model import Dataset, Place, Source
from runner.providers.base import Done
from runner.providers.prediction_one.client import Client
from runner.providers.prediction_one.facts import FACTS
from tests.fakes.prediction_one import STATUSES

_BLOCK = 1 << 20


def address(store: str, name: str) -> str:
    """Return the address of a table of the store."""
    return f"s3://bench/{name}/train.csv?region=eu-west-1&endpoint={store}"


def dataset(store: str, name: str = "one") -> Dataset:
    """Return a dataset of one table."""
    place = Place(file="bench", line=1, column=1)
    train = Source(pattern=address(store, name), folder=Path(), pick=None, place=place)
    return Dataset(name=name, train=train, eval=None, train_sha256=None, eval_sha256=None, place=place)


def read(store: str) -> Callable[[], object]:
    """Return what reads the table."""
    part = resolve(dataset(store)).train.parts[0]

    def read_all() -> None:
        with part.open() as file:
            while file.read(_BLOCK):
                pass

    return read_all


def send(store: str, sink: str) -> Callable[[], object]:
    """Return what sends the table; nothing of it may be written to a disk."""
    access = DataAccess(spool=lambda: sys.exit("a copy was made"))
    resolved = resolve(dataset(store), access)
    upload = package(resolved, FileCache(access).metadata(resolved.train), None, Path("no/spool"), FACTS.archive)
    client = Client(base_url=sink, statuses=STATUSES, redactor=Redactor())
    job = client.take_job(Secret("bench-key"), "train.csv")

    def send_all() -> None:
        effect = client.upload(job.upload_url, upload.file, content=upload.content)
        if not isinstance(effect, Done):
            sys.exit(f"the upload ended with {effect}")

    return send_all


def plan(store: str, number: int) -> Callable[[], object]:
    """Return what looks at that many tables."""
    readings, datasets = FileCache(), [dataset(store, str(index)) for index in range(number)]
    for entry in datasets:
        known = resolve(entry, readings.access).train.content_id
        readings.know({known or "": Checksum(sha256="0" * 64, bytes=1)})
    manifest: Any = SimpleNamespace(datasets={entry.name: entry for entry in datasets})  # all that is asked of it
    models: Any = [SimpleNamespace(dataset=entry.name) for entry in datasets]
    return lambda: digests(manifest, models, readings)


def main() -> None:
    """Measure one of them."""
    os.environ.update(AWS_ACCESS_KEY_ID="bench", AWS_SECRET_ACCESS_KEY="bench")
    what, store, sink, number = sys.argv[1:]
    made = {
        "read": lambda: read(store),
        "send": lambda: send(store, sink),
        "plan": lambda: plan(store, int(number)),
    }[what]()
    began = time.monotonic()
    made()
    print(time.monotonic() - began)  # noqa: T201 -- the figure


if __name__ == "__main__":
    main()
