"""The data stage alone: `python -m tests.bench.our_data FOLDER`, for the one dataset of its `models.yaml`.

Prints the seconds of digest and checks, the seconds of packing, and the bytes of what would be uploaded.
"""

import sys
from pathlib import Path

from runner.datasets.file_cache import FileCache
from runner.datasets.prepare import check_data, pack
from runner.manifest.load import load
from runner.providers.prediction_one.facts import FACTS

folder = Path(sys.argv[1])
manifest = load([folder / "models.yaml"])
(dataset,) = manifest.datasets.values()
(model,) = manifest.models.values()
found = check_data(dataset, model.checks, reference=None, expected_sha256=None, readings=FileCache())
prepared = pack(found, folder / "spool", FACTS.archive)
print(prepared.check_s, prepared.package_s, prepared.upload.content.bytes)  # noqa: T201 -- the figures
