"""The peer: a file read by the csv module. `python -m tests.bench.csv_module FILE ENCODING` prints seconds."""

import csv
import sys
import time
from collections import deque
from pathlib import Path

began = time.monotonic()
with Path(sys.argv[1]).open(encoding=sys.argv[2], newline="") as file:
    deque(csv.reader(file, strict=True), maxlen=0)
print(time.monotonic() - began)  # noqa: T201 -- the figure
