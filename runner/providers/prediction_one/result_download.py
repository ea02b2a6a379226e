"""A result file on its way to disk: bounded, known to be whole, and durable before it has its name."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

from runner.errors import Kind
from runner.http.headers import retry_after
from runner.http.request import ResponseHead
from runner.lib.atomic_files import replacing
from runner.providers.base import Code, Downloaded, ServiceError
from runner.providers.prediction_one.responses import store_code

# A body within gzip is stored as it came: whether a store packed the file for the way or says what the file is, the
# bytes are the same, and who reads the file opens gzip.
_STORED_ENCODINGS = frozenset({"", "identity", "gzip", "x-gzip"})
_PASSING = frozenset({408, 425, 429})


def result_taker(target: Path, *, limit: int) -> Callable[[ResponseHead, Iterator[bytes]], Downloaded]:
    """Return what takes the answer to a download of at most `limit` bytes to the file `target`."""

    def take(head: ResponseHead, blocks: Iterator[bytes]) -> Downloaded:
        if head.status != 200:
            raise _refused(head, next(blocks, b""))
        flaw = _flaw(head, limit)
        if flaw is not None:
            raise _unusable(flaw)
        head.expect_file()
        try:
            return _write(target, blocks, limit)
        except OSError as error:
            trouble = error.strerror
        raise ServiceError(
            Kind.RESULT,
            f"The result file cannot be written to {target}: {trouble}.",
            hint="Make room or give write access there, then run again.",
            again=False,
        )

    return take


def _write(target: Path, blocks: Iterator[bytes], limit: int) -> Downloaded:
    digest = hashlib.sha256()
    size = 0
    with replacing(target) as file:
        for block in blocks:
            size += len(block)
            if size > limit:
                raise _unusable(_too_large(limit))
            digest.update(block)
            file.write(block)
    return Downloaded(sha256=digest.hexdigest(), bytes=size)


def _flaw(head: ResponseHead, limit: int) -> str | None:
    if head.headers.get("Content-Encoding", "identity").strip().lower() not in _STORED_ENCODINGS:
        return "came encoded, which was not asked for"
    if head.length is None and not head.chunked:
        return "came without its length, so that it cannot be known to be whole"
    if head.length is not None and head.length > limit:
        return _too_large(limit)
    return None


def _too_large(limit: int) -> str:
    return f"is larger than the {limit} bytes allowed"


def _unusable(flaw: str) -> ServiceError:
    return ServiceError(
        Kind.RESULT,
        f"The result file {flaw}.",
        hint="Run again; if it stays, download the result in the service's console and report it to its support.",
        again=False,
    )


def _refused(head: ResponseHead, body: bytes) -> ServiceError:
    code = store_code(body)
    told = f"{head.status} {code}" if code else str(head.status)
    if head.status == 403 or code == "ExpiredToken":
        return ServiceError(
            Kind.SERVICE,
            f"The store refused the download ({told}): its signed URL has expired or is not valid.",
            hint="The status of the retrain job brings a new URL; check this machine's clock if it happens often.",
            again=True,
            code=Code.EXPIRED_URL,
        )
    again = head.status in _PASSING or head.status >= 500
    return ServiceError(
        Kind.SERVICE if again else Kind.RESULT,
        f"The store answered the download with {told}.",
        hint="Run again later; if it stays, report it to the service's support with the retrain job's id.",
        again=again,
        after=retry_after(head.headers.get("Retry-After")) if again else None,
    )
