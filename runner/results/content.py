"""The content of one file, member or sheet: its form by its first bytes, its encoding, its table or JSON document."""

import codecs
import re
from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from runner.manifest.model import MetricDefinition
from runner.results.column_roles import decorated_name, evaluated_name
from runner.results.entries import Entry, refusal
from runner.results.json_document import metrics_in, parse_document
from runner.results.metrics import Metric, built_in_name, folded, in_unit, unusable_metric, within_range
from runner.results.table import Row, read_table, rows_of

Form = Literal[
    "zip", "gzip", "tar", "xls", "pdf", "png", "jpeg", "7z", "bzip2", "xz", "parquet", "pickle", "markup", "text"
]

HEAD = 512  # bytes that are enough for every form
_TAR_AT, _TAR = 257, b"ustar"
_MAGIC: tuple[tuple[bytes, Form], ...] = (
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"\x1f\x8b\x08", "gzip"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "xls"),
    (b"%PDF-", "pdf"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"PAR1", "parquet"),
    (b"\x80\x04\x95", "pickle"),
    (b"\x80\x05\x95", "pickle"),
)
# Each in a sentence that begins with what the file is called; only those that are never read.
UNREAD_FORMS: dict[Form, str] = {
    "xls": "is a workbook or document of the old Office format; save it as .xlsx or CSV",
    "pdf": "is a PDF",
    "png": "is a PNG image",
    "jpeg": "is a JPEG image",
    "7z": "is a 7z archive",
    "bzip2": "is compressed with bzip2",
    "xz": "is compressed with xz",
    "parquet": "is a Parquet file",
    "pickle": "is a Python pickle, which is never loaded",
    "markup": "is XML or HTML: neither a zip archive, a JSON object nor a table of metrics",
}
_BOM = b"\xef\xbb\xbf"


def form_of(head: bytes) -> Form:
    """Return the form of a file by its first 512 bytes; `text` is all that has no mark of its own."""
    for magic, form in _MAGIC:
        if head.startswith(magic):
            return form
    if head[_TAR_AT : _TAR_AT + len(_TAR)] == _TAR:
        return "tar"
    return "markup" if head.removeprefix(_BOM).lstrip().startswith(b"<") else "text"


# Of UTF-32 first: its mark begins with that of UTF-16.
_MARKS = (
    *((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32")),
    *((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16")),
)
_HALF_WIDTH_KANA = re.compile("[\uff61-\uff9f]")
_SAMPLE = 1024  # bytes, in which UTF-16 without a mark shows itself by its zeros


def decode(content: bytes) -> str:
    """Return the text of UTF-8, UTF-16, UTF-32 with its mark, Shift_JIS or EUC-JP.

    Raises:
        ModelError: of kind result, when the bytes are none of them or hold a NUL.
    """
    for encoding in (_marked(content) or _unmarked_utf16(content), "utf-8"):
        text = _decoded(content, encoding)
        if text is not None:
            return text
    text = _japanese(content)
    if text is None:
        raise refusal(
            "The result is neither text (UTF-8, UTF-16, Shift_JIS, EUC-JP) nor of any other form that is known."
        )
    return text


def _decoded(content: bytes, encoding: str | None) -> str | None:
    if encoding is None:
        return None
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def _marked(content: bytes) -> str | None:
    return next((encoding for mark, encoding in _MARKS if content.startswith(mark)), None)


def _unmarked_utf16(content: bytes) -> str | None:
    """Return the byte order in which nearly every second byte is a zero, as in Latin letters and digits."""
    sample = content[:_SAMPLE]
    half = len(sample) // 2
    for encoding, high, low in (("utf-16-le", sample[1::2], sample[::2]), ("utf-16-be", sample[::2], sample[1::2])):
        if half > 1 and high.count(0) * 2 > half and not low.count(0):
            return encoding
    return None


def _japanese(content: bytes) -> str | None:
    """Return the text of Shift_JIS; of EUC-JP, where Shift_JIS would make half-width kana of what is none there."""
    shift_jis, euc_jp = (_decoded(content, encoding) for encoding in ("cp932", "euc_jp"))
    if shift_jis is None or euc_jp is None or not _HALF_WIDTH_KANA.search(shift_jis):
        return euc_jp if shift_jis is None else shift_jis
    return shift_jis if _HALF_WIDTH_KANA.search(euc_jp) else euc_jp


_MOST_METRICS = 10_000
_DECORATED = "is unclear: another name of it, such as of a candidate or a test, has another value"

Definitions = Mapping[str, MetricDefinition]
Known = Callable[[str], bool]


class Content(Struct, frozen=True, kw_only=True):
    """What one file or member holds: `rows` of a table, or a JSON `document`, whose null is no result.

    `current` are the metrics that it names, `previous` those of the model before; in a `provisional` table nothing says
    beyond doubt which of the two models is which.
    """

    current: tuple[Metric, ...] = ()
    previous: tuple[Metric, ...] = ()
    provisional: bool = False
    document: Any | None = None
    rows: tuple[Row, ...] = ()


def known_names(definitions: Definitions) -> Known:
    """Return what tells the names of metrics: those built in, and the rows that the manifest selects."""
    rows = {folded(definition.select) for definition in definitions.values() if definition.select is not None}
    return lambda cell: built_in_name(cell) is not None or folded(cell) in rows


def parse(entry: Entry, known: Known, *, comparison: bool = False) -> Content:
    """Return the content of an entry; `comparison` tells that a table is the service's own of two models.

    Raises:
        ModelError: of kind result, where it is no table and no JSON, or too large for one of metrics.
    """
    if entry.rows is not None:
        return _table(entry.rows(), known, comparison=comparison)
    packed = entry.read()
    form = form_of(packed[:HEAD])
    if form in UNREAD_FORMS:
        raise refusal(f"The result {UNREAD_FORMS[form]}.")
    text = decode(packed)
    start = text.lstrip()[:1]
    if not start:
        raise refusal("The result is empty.")
    if start == "<":
        raise refusal(f"The result {UNREAD_FORMS['markup']}.")
    if start in "{[":
        document = parse_document(text)
        return _limited(Content(current=tuple(metrics_in(document)), document=document))
    return _table(rows_of(text), known, comparison=comparison)


def _table(rows: list[Row], known: Known, *, comparison: bool) -> Content:
    table = read_table(rows, known=known, comparison=comparison)
    return _limited(
        Content(current=table.current, previous=table.previous, provisional=table.provisional, rows=tuple(rows))
    )


def _limited(content: Content) -> Content:
    """Refuse what would take seconds to look through, once for each custom metric."""
    if len(content.current) > _MOST_METRICS:
        raise refusal(f"The result holds more than {_MOST_METRICS:,} named values, too many for one of metrics.")
    return content


def by_name(
    metrics: tuple[Metric, ...], name_of: Callable[[str], str | None], definitions: Definitions
) -> dict[str, Metric]:
    """Return the metrics under the names that their written ones mean, each in the unit of its definition."""
    groups: dict[str, list[Metric]] = {}
    for metric in metrics:
        name = name_of(metric.name)
        if name is not None:
            unit = definitions[name].unit if name in definitions else None
            groups.setdefault(name, []).append(replace(in_unit(metric, unit), name=name))
    return {name: reduce(agreed, group) for name, group in groups.items()}


def agreed(one: Metric, other: Metric) -> Metric:
    """Return the metric of two places that give it the same value, else one without a value."""
    return one if one.value == other.value else unusable_metric(one.name, "occurs twice with different values")


def built_in(metrics: tuple[Metric, ...], definitions: Definitions) -> dict[str, Metric]:
    """Return the built-in metrics, without the values that they cannot have or that a decorated name leaves open.

    Where a metric has no plain name, one that says it is the evaluation's or the candidate's counts.
    """
    decorated = by_name(metrics, decorated_name, definitions)
    plain = by_name(metrics, built_in_name, definitions)
    evaluated = by_name(metrics, evaluated_name, definitions)
    found = {}
    for name, metric in {**evaluated, **plain}.items():
        unit = definitions[name].unit if name in definitions else None
        ranged = within_range(metric, unit)
        other = decorated.get(name, metric)
        found[name] = ranged if other.value == metric.value else unusable_metric(name, _DECORATED, text=metric.text)
    return found


def identity(written: str) -> str:
    """Return what tells that two written names mean the same metric."""
    return built_in_name(written) or folded(written)
