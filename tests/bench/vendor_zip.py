"""The peer: how the vendor's manual packs two files. `python -m tests.bench.vendor_zip TRAIN EVAL ZIP`."""

import sys
import time
import zipfile
from pathlib import Path

train, evaluation, target = (Path(word) for word in sys.argv[1:])
began = time.monotonic()
with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
    archive.write(train, f"train_src/{train.name}")
    archive.write(evaluation, f"eval_src/{evaluation.name}")
print(time.monotonic() - began)  # noqa: T201 -- the figure
