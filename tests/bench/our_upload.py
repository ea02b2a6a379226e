"""The upload stage alone: `python -m tests.bench.our_upload URL FILE SHA256 [CA]` prints the seconds of the upload."""

import sys
import time
from pathlib import Path

from runner.manifest.model import Statuses
from runner.secret import Redactor, Secret
from runner.service.client import Client
from runner.service.outcomes import Done

url, file, sha256, *authority = sys.argv[1:]
bundle = Path(authority[0]) if authority else None
client = Client(base_url=url, statuses=Statuses(), redactor=Redactor(), ca_bundle=bundle)
job = client.take_job(Secret("bench-key"), "train.csv")
began = time.monotonic()
effect = client.upload(job.upload_url, Path(file), size=Path(file).stat().st_size, sha256=sha256)
seconds = time.monotonic() - began
if not isinstance(effect, Done):
    sys.exit(f"the upload ended with {effect}")
print(seconds)  # noqa: T201 -- the figure
