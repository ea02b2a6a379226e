"""Result files as the service may send them: archives, tables and JSON, in the encodings of its two languages."""

import io
import json
import zipfile
from collections.abc import Mapping


def table(metrics: Mapping[str, object], *, header: str = "metric,value", encoding: str = "utf-8-sig") -> bytes:
    """Return a table of two columns with CRLF lines."""
    lines = ([header] if header else []) + [f"{name},{value}" for name, value in metrics.items()]
    return "".join(f"{line}\r\n" for line in lines).encode(encoding)


def archive(members: Mapping[str, bytes]) -> bytes:
    """Return a zip with these members."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return stream.getvalue()


def result(**metrics: object) -> bytes:
    """Return a result as the service most likely sends it: an archive with nested folders and `metrics.csv`."""
    return archive(
        {
            "result/analysis/analysis_summary.csv": b"item,value\r\nrows,120\r\n",
            "result/evaluation/metrics.csv": table(metrics),
            "result/evaluation/confusion_matrix.csv": b",a,b\r\na,10,1\r\nb,2,9\r\n",
        }
    )


def as_json(value: object) -> bytes:
    """Return a JSON text."""
    return json.dumps(value).encode()
