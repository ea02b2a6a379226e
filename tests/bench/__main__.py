"""`make bench`: every figure beside its peer, measured in the same run. Quote ratios; seconds move with the machine."""

import argparse
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from runner.execute.polling import next_pause
from runner.schema import schema_path
from tests.bench.measure import cost_of, paired

PYTHON = sys.executable
TOOL = Path(PYTHON).parent
MANIFEST = """
version: 1
service: {{url: "{url}"}}
datasets: {{d: {{train: train.csv}}}}
policies: {{p: {{type: threshold, rules: [{{metric: auc, min: 0.9}}]}}}}
models:
  m: {{api_key: {{env: BENCH_KEY}}, dataset: d, policy: p, checks: {{rows: {{max: 100000000}}}}}}
"""


def main() -> None:
    """Measure what is asked for, all by default."""
    lines: dict[str, Callable[[Path, int], str]] = {
        "start": start,
        "validate": validate,
        "run": whole_run,
        "polling": polling,
    }
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("line", nargs="*", choices=[*lines, []], help="one or more of the lines")
    parser.add_argument("--mebibytes", type=int, default=256, help="size of the data file")
    arguments = parser.parse_args()
    for name in arguments.line or lines:
        with tempfile.TemporaryDirectory() as folder:
            print(f"{name:9} {lines[name](Path(folder), arguments.mebibytes)}", flush=True)  # noqa: T201 -- the result


def start(_folder: Path, _size: int) -> str:
    """`retrain --version` against the import of click alone."""
    ours, peer = paired([str(TOOL / "retrain"), "--version"], [PYTHON, "-c", "import click"], runs=15)
    return f"--version {ours.seconds / peer.seconds:.2f}x `python -c 'import click'` ({ours.seconds * 1000:.0f} ms)"


def validate(folder: Path, _size: int) -> str:
    """`retrain validate` against check-jsonschema on the same file and schema."""
    file = folder / "models.yaml"
    count = 2000
    models = "".join(
        f"  m{number}:\n    api_key: {{env: KEY_{number}}}\n    dataset: d\n    policy: p\n"
        f"    retrain: {{when: changed, min_interval: 1d}}\n    wait: {{timeout: 6h}}\n    tags: [a, b]\n"
        for number in range(count)
    )
    head = MANIFEST.format(url="https://service.test").split("models:")[0]
    file.write_text(f"{head}models:\n{models}", encoding="utf-8")
    peer_command = [str(TOOL / "check-jsonschema"), "--schemafile", str(schema_path("manifest")), str(file)]
    ours, peer = paired([str(TOOL / "retrain"), "validate", str(file)], peer_command, runs=2)
    return (
        f"{count} models: {peer.seconds / ours.seconds:.1f}x faster than check-jsonschema "
        f"({ours.seconds:.2f} s against {peer.seconds:.2f} s)"
    )


def whole_run(folder: Path, size: int) -> str:
    """`retrain run` for one file with a service that answers at once, against the vendor's sample script."""
    with sink() as url:
        (folder / "models.yaml").write_text(MANIFEST.format(url=url), encoding="utf-8")
        write_csv(folder / "train.csv", size)
        command = [str(TOOL / "retrain"), "run", str(folder / "models.yaml"), "--state", str(folder / "state"), "-q"]
        key = {"BENCH_KEY": "bench-key"}
        ours = cost_of([*command, "--force"], key)
        script = str(Path(__file__).parent / "vendor_sample.py")
        peer = cost_of([PYTHON, script, url, "bench-key", str(folder / "train.csv")])
    return (
        f"{size} MiB: {ours.seconds / peer.seconds:.2f}x the time of the vendor's sample "
        f"({ours.seconds:.1f} s against {peer.seconds:.1f} s; ours checks every row), "
        f"peak {ours.mebibytes:.0f} MiB against {peer.mebibytes:.0f} MiB"
    )


def polling(_folder: Path, _size: int) -> str:
    """Status calls and lag of simulated trainings, against one call every 30 seconds; the guess is off by 20 %."""
    told = []
    for median_s in (180, 1200, 7200):
        ours, fixed = simulate(median_s, adaptive=True), simulate(median_s, adaptive=False)
        told.append(
            f"{median_s // 60} min: {ours[0]:.0f} calls, {ours[1]:.1f} % lag "
            f"(every 30 s: {fixed[0]:.0f}, {fixed[1]:.1f} %)"
        )
    return "; ".join(told)


def simulate(median_s: float, *, adaptive: bool) -> tuple[float, float]:
    """Return mean calls and mean lag in percent over 400 trainings."""
    chance = random.Random(1)  # noqa: S311 -- repeatable
    calls, lag, count = 0, 0.0, 400
    for _ in range(count):
        length = median_s * chance.lognormvariate(0, 0.5)
        guess, now = length * chance.lognormvariate(0, 0.2), 0.0
        while now < length:
            now += next_pause(now, guess, None) if adaptive else 30.0
            calls += 1
        lag += (now - length) / length
    return calls / count, 100 * lag / count


def write_csv(path: Path, mebibytes: int) -> None:
    """Write a quote-free CSV of about that size."""
    block = "".join(f"{number},{number * 7 % 1000},{number % 97}.25,{'ab'[number % 2]}\n" for number in range(40000))
    with path.open("w", encoding="utf-8") as file:
        file.write("id,visits,rate,label\n")
        for _ in range(max(mebibytes * (1 << 20) // len(block), 1)):
            file.write(block)


@contextmanager
def sink() -> Iterator[str]:
    """Start the service that answers at once."""
    with subprocess.Popen([PYTHON, "-m", "tests.bench.sink"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


if __name__ == "__main__":
    main()
