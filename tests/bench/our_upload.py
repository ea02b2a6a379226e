"""The upload stage alone: `python -m tests.bench.our_upload URL FILE [CA]` prints the seconds of the upload.

The file's sum is computed before, as the check stage of a run does it.
"""

import sys
import time
from pathlib import Path

from runner.datasets.joined_stream import blocks
from runner.lib.checksums import sum_of
from runner.lib.secrets import Redactor, Secret
from runner.providers.base import Done, ServiceOptions
from runner.providers.prediction_one.client import Client
from tests.fakes.local_files import local
from tests.fakes.prediction_one import STATUSES

url, file, *authority = sys.argv[1:]
bundle = Path(authority[0]) if authority else None
client = Client(base_url=url, statuses=STATUSES, redactor=Redactor(), options=ServiceOptions(ca_bundle=bundle))
job = client.take_job(Secret("bench-key"), "train.csv")
content = sum_of(blocks(local(Path(file))), fast=True)
began = time.monotonic()
effect = client.upload(job.upload_url, local(Path(file)), content=content)
seconds = time.monotonic() - began
if not isinstance(effect, Done):
    sys.exit(f"the upload ended with {effect}")
print(seconds)  # noqa: T201 -- the figure
