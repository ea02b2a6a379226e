"""The page of limits has the figures of the code, and no other."""

import importlib
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from runner.manifest.model import Limits, Retrain, Wait
from tests.acceptance.docs.blocks import text_of

_KIB, _MIB, _GIB = 1 << 10, 1 << 20, 1 << 30
_ROW = re.compile(r"^\| (.+?) \| (.+?) \|", re.MULTILINE)


def size(value: int) -> str:
    for unit, name in ((_GIB, "GiB"), (_MIB, "MiB"), (_KIB, "KiB")):
        if value % unit == 0:
            return f"{value // unit} {name}"
    return f"{value} bytes"


def count(value: int) -> str:
    return f"{value:,}"


def levels(value: int) -> str:
    return f"{value} levels"


def characters(value: int) -> str:
    return f"{value:,} characters"


def plain_bytes(value: int) -> str:
    return f"{value:,} bytes"


def megabytes(value: int) -> str:
    return f"{value / 1e6:g} MB"


def times(value: int) -> str:
    return f"{value} times"


def time(seconds: float) -> str:
    for unit, name in ((3600, "h"), (60, "min")):
        if seconds >= unit:
            return f"{seconds / unit:g} {name}"
    return f"{seconds:g} s"


def days(value: timedelta) -> str:
    return f"{value.days} days"


def speed(bytes_a_second: float) -> str:
    return f"{size(int(bytes_a_second))} a second"


def between(bounds: tuple[int, int]) -> str:
    return f"{bounds[0]:,} to {bounds[1]:,}"


_INBOX = "runner.app.review.inbox_desk"
FACTS = "runner.providers.prediction_one.facts:FACTS"
LIMITS: Mapping[str, tuple[str, Callable[[Any], str]]] = {
    "size of one file": ("runner.manifest.text:MAX_BYTES", size),
    "values in one file": ("runner.manifest.yaml_parser:MAX_NODES", count),
    "keys of one mapping": ("runner.manifest.yaml_values:MAX_KEYS", count),
    "nesting": ("runner.manifest.yaml_parser:MAX_DEPTH", levels),
    "errors that are shown": ("runner.manifest.document:MOST_ERRORS", count),
    "warnings that are shown": ("runner.manifest.document:MOST_WARNINGS", count),
    "files and folders that one `glob` looks at": ("runner.datasets.local_source:MOST_ENTRIES", count),
    "folders within each other that one `glob` looks at": ("runner.datasets.local_source:_MOST_LEVELS", count),
    "annotations on GitHub in one step": ("runner.reports.problems:MOST_ANNOTATIONS", count),
    "length of a key": ("runner.credentials:_LONGEST_KEY", plain_bytes),
    "time of a command that prints a key": ("runner.credentials:COMMAND_SECONDS", time),
    "output of a command that prints a key": ("runner.credentials:_MOST_OUTPUT", size),
    "rows of a training file": (f"{FACTS}.limits.rows", between),
    "columns": (f"{FACTS}.limits.columns", between),
    "different labels of a target": (f"{FACTS}.limits.labels", count),
    "length of one row": ("runner.datasets.csv_scan:LONGEST_RECORD", size),
    "findings of one kind in one file that are shown": ("runner.datasets.findings:MOST_SHOWN", count),
    "size of remote data of an unknown length, of the output of a data command and of Parquet as CSV": (
        "runner.datasets.source:MOST_BYTES",
        size,
    ),
    "objects below the folder that a pattern begins with": ("runner.datasets.local_source:MOST_ENTRIES", count),
    "time of a command that prints data": ("runner.datasets.command_source:SECONDS", time),
    "time of a command that prints a version": ("runner.datasets.command_source:_VERSION_SECONDS", time),
    "output of a command that prints a version": ("runner.datasets.command_source:_MOST_VERSION", size),
    "wait for a byte of an object store": ("runner.datasets.object_source:WAITS.silence", time),
    "attempts of a read": ("runner.execute.retry:ATTEMPTS", count),
    "time of all attempts of a read": ("runner.execute.retry:LONGEST_S", time),
    "time that `Retry-After` can add to a read": ("runner.execute.retry:LONGEST_ASKED_S", time),
    "attempts of a download": ("runner.execute.evaluation:DOWNLOADS", count),
    "attempts of an upload or a switch, while not one byte has left": ("runner.execute.retry:SENDS", count),
    "status questions a second, of all models of a run": ("runner.execute.polling:ASKED_A_SECOND", count),
    "shortest pause between two status questions": ("runner.execute.polling:SHORTEST", time),
    "longest pause between two status questions": ("runner.execute.polling:LONGEST", time),
    "jobs that one run takes for a model whose uploads never arrived": ("runner.execute.workflow:STARTS", count),
    "switch requests for one decision": ("runner.execute.switch:INTENTS", count),
    "length of a signed URL": ("runner.http.responses:_LONGEST_URL", characters),
    "head of an answer": ("runner.http.sockets:_MOST_OF_HEAD", size),
    "body of an answer without a file": ("runner.http.responses:MOST_BYTES", size),
    "body of an error that is read": ("runner.providers.prediction_one.responses:MOST_ERROR_BYTES", size),
    "time of a call without a file": ("runner.http.request:DEFAULT_DEADLINES.call", time),
    "time without a byte from the other side": ("runner.http.request:DEFAULT_DEADLINES.silence", time),
    "slowest transfer of a file": ("runner.http.request:DEFAULT_DEADLINES.slowest", speed),
    "time of the transfer of a file": ("runner.http.request:DEFAULT_DEADLINES.longest", time),
    "idle time of an open connection": ("runner.http.sockets:_LONGEST_IDLE_S", time),
    "size of a result file": ("runner.execute.evaluation:RESULT_LIMIT", size),
    "members of a container and of all containers within it": ("runner.results.members:MOST_MEMBERS", count),
    "containers within containers": ("runner.results.containers:_DEEPEST", levels),
    "size of one member that is read": ("runner.results.members:LARGEST_MEMBER", size),
    "size of a member that a search looks into": ("runner.results.search:_LARGEST_SEARCHED", size),
    "size of all members that a search looks into": ("runner.results.containers:_MOST_READ", size),
    "compression of a member": ("runner.results.members:HIGHEST_RATIO", times),
    "size of an unpacked tar archive": ("runner.results.zip_and_tar:_MOST_READ", size),
    "cells of a table": ("runner.results.members:_MOST_CELLS", count),
    "columns of a table": ("runner.results.members:_MOST_COLUMNS", count),
    "cells of a sheet of a workbook": ("runner.results.xlsx:_MOST_CELLS", count),
    "sheets of a workbook": ("runner.results.xlsx:_MOST_SHEETS", count),
    "values of a JSON document": ("runner.results.json_document:_MOST_VALUES", count),
    "nesting of a JSON document": ("runner.results.json_document:_DEEPEST", levels),
    "values that `retrain inspect` shows": ("runner.results.inspection:_MOST_VALUES", count),
    "decisions that wait in the inbox": ("runner.app.review.inbox:MOST_LEFT", count),
    "time that a decision waits in the inbox": (f"{_INBOX}:_LASTS", days),
    "size of a decision in the inbox": ("runner.app.review.inbox:LARGEST", size),
    "time between two looks into the inbox of a folder": (f"{_INBOX}:_PACE_S", time),
    "time between two looks into another inbox": (f"{_INBOX}:_FAR_PACE_S", time),
    "size of a plan file": ("runner.app.planning.plan_document:MOST_BYTES", size),
    "size of a plan as Markdown": ("runner.reports.plan_text:MOST_BYTES", plain_bytes),
    "size of `report.html`": ("runner.reports.page:PAGE_BYTES", megabytes),
    "models of a run whose history is shown in full length": ("runner.reports.page:_MANY", count),
    "candidates in a history of `report.html`": ("runner.reports.page:_LONG.samples", count),
    "candidates in a history, in a larger run": ("runner.reports.page:_SHORT.samples", count),
    "rows of a replay as Markdown": ("runner.reports.replay:_MOST_ROWS", count),
    "length of a message": ("runner.notify:_LONGEST_BODY", characters),
    "time of the ping at the start of a run": ("runner.app.run.notifier:START_SECONDS", time),
    "time of all messages and pings at the end of a run": ("runner.app.run.notifier:END_SECONDS", time),
    "time of all messages and pings after a signal": ("runner.app.run.notifier:STOPPED_SECONDS", time),
}


def constant(place: str) -> Any:
    """Return the value at `module:name.attribute`."""
    module, names = place.split(":")
    first, *rest = names.split(".")
    value = vars(importlib.import_module(module))[first]
    for name in rest:
        value = getattr(value, name)
    return value


def shown() -> dict[str, str]:
    """Return what the page says, by the first cell of each row."""
    rows = [row for row in _ROW.findall(text_of("reference/limits.md")) if row[0] not in ("limit", "key", "---")]
    assert len(dict(rows)) == len(rows), "two rows begin alike"
    return dict(rows)


def test_the_page_has_the_limits_of_the_code() -> None:
    figures = {name: say(constant(place)) for name, (place, say) in LIMITS.items()}
    assert {name: value for name, value in shown().items() if not name.startswith("`")} == figures


def test_the_page_has_the_defaults_of_the_code() -> None:
    def duration(value: timedelta) -> str:
        minutes = int(value.total_seconds()) // 60
        return f"{minutes // 60}h" if minutes % 60 == 0 else f"{minutes}m"

    facts, limits = constant(FACTS), Limits()
    assert {name: value for name, value in shown().items() if name.startswith("`")} == {
        "`limits.parallel`": str(limits.parallel),
        "`limits.uploads`": str(limits.uploads),
        "`retrain.attempts`": str(Retrain().attempts),
        "`wait.timeout`": duration(Wait().timeout),
        "`service.quarantine`": duration(constant("runner.manifest.model:Service.__struct_defaults__")[0]),
        "`service.url_lifetime`": duration(facts.url_lifetime),
    }
