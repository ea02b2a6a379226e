"""Makes a state in a process of its own, so that the bench itself stays small.

`python -m tests.bench.make_state run FOLDER MODELS` makes FOLDER/state as one run of so many models leaves it, on the
data in FOLDER/data. `... history FOLDER MODELS NIGHTS` writes a journal and its checkpoint, `... year FOLDER MODELS
NIGHTS` the journal of one night on the data in FOLDER/data, with the checkpoint of so many. All print the number of
the journal's events.
"""

import sys
import tempfile
from pathlib import Path

from tests.bench.synthetic import make_pattern, write_history, write_run, write_year

kind, folder, models, *nights = sys.argv[1:]
with tempfile.TemporaryDirectory() as beside:
    pattern = make_pattern(Path(beside) / "pattern")
    state = Path(folder) / "state"
    if kind == "history":
        events = write_history(state, pattern, models=int(models), runs=int(nights[0]))
    elif kind == "year":
        events = write_year(state, pattern, Path(folder) / "data", models=int(models), nights=int(nights[0]))
    else:
        events = write_run(state, pattern, Path(folder) / "data", models=int(models))
print(events)  # noqa: T201 -- the answer
