"""The training process: `python -m emulator.worker` reads one order a line and answers one line each.

It stays alive between trainings, because importing scikit-learn takes longer than most of them. It ends when its
standard input closes, also in the middle of a training, so that it never outlives its server.
"""

import importlib
import json
import os
import sys
import threading
import traceback
from pathlib import Path
from queue import SimpleQueue
from typing import Any, BinaryIO

from emulator.training.job_folder import JobFolder
from emulator.training.refusal import RefusedTrainingError

_TRAINER = "emulator.training.train"


def main() -> None:
    """Serve orders until standard input ends."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints must not look like an answer
    orders: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_read_orders, args=(sys.stdin.buffer, orders), daemon=True).start()
    importlib.import_module(_TRAINER)  # now, while the server waits for an upload, but watched by the thread
    while True:
        answers.write(json.dumps(_answer(json.loads(orders.get()))).encode() + b"\n")


def _read_orders(source: BinaryIO, orders: SimpleQueue[bytes]) -> None:
    for line in source:
        orders.put(line)
    os._exit(0)


def _answer(order: dict[str, Any]) -> dict[str, Any]:
    from emulator.training.train import Order, Recipe, train  # noqa: PLC0415 # imported by main, after its thread

    previous = order["previous"]
    try:
        metrics = train(
            Order(
                folder=JobFolder(path=Path(order["folder"])),
                recipe=Recipe(task=order["task"], target=order["target"]),
                previous=None if previous is None else JobFolder(path=Path(previous)),
            )
        )
    except RefusedTrainingError as error:
        return {"message": str(error)}
    except Exception as error:  # noqa: BLE001 # one bad training must not take the worker with it
        traceback.print_exc()
        return {"message": f"The training broke down ({type(error).__name__}); emulator.log has the details."}
    return {"metrics": dict(metrics)}


if __name__ == "__main__":
    main()
