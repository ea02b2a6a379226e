"""The emulator's command without the command line: it takes the options that `running_emulator` gives."""

import argparse
from pathlib import Path

from emulator.command import serve_manifest
from runner.errors import RetrainError
from runner.manifest.load import load


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("paths", nargs="+", type=Path)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--faults", type=Path)
    parser.add_argument("--profile", default="documented")
    parser.add_argument("--own-keys", action="store_true")
    parser.add_argument("--until-stdin-closes", action="store_true")
    options = vars(parser.parse_args())
    try:
        serve_manifest(load(options.pop("paths")), **options, say=lambda line: print(line, flush=True))  # noqa: T201
    except RetrainError as error:
        raise SystemExit(str(error)) from None


main()
