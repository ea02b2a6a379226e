"""A result file on its way to disk: bounded, known to be whole, and durable before it has its name."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

from msgspec.structs import replace

from runner.errors import Kind
from runner.http.request import Broken, RequestStage, ResponseHead
from runner.http.responses import Answer, take_answer
from runner.lib.atomic_files import replacing
from runner.providers.base import Code, Downloaded, ServiceError
from runner.providers.prediction_one.errors import PASSING, explain_broken
from runner.providers.prediction_one.responses import store_code, store_said

# A body within gzip is stored as it came: whether a store packed the file for the way or says what the file is, the
# bytes are the same, and who reads the file opens gzip.
_STORED_ENCODINGS = frozenset({"", "identity", "gzip", "x-gzip"})


def result_taker(
    target: Path, *, limit: int, before: Downloaded | None = None
) -> Callable[[ResponseHead, Iterator[bytes]], Downloaded | Answer]:
    """Return what takes the answer to a download of at most `limit` bytes to the file `target`; a refusal is given.

    A body that comes without its length may have been cut: it is stored only where it is the same as `before`.
    """

    def take(head: ResponseHead, blocks: Iterator[bytes]) -> Downloaded | Answer:
        if head.status != 200:
            return take_answer(head, blocks)
        flaw = _flaw(head, limit)
        if flaw is not None:
            raise _unusable(flaw)
        head.expect_file()
        try:
            whole = head.length is not None or head.chunked
            if not whole and before is None:
                return _digested(blocks, limit)
            return _write(target, blocks, limit, before)
        except OSError as error:
            trouble = error.strerror
        raise ServiceError(
            Kind.RESULT,
            f"The result file cannot be written to {target}: {trouble}.",
            hint="Make room or give write access there, then run again.",
            again=False,
        )

    return take


def _write(target: Path, blocks: Iterator[bytes], limit: int, before: Downloaded | None) -> Downloaded:
    with replacing(target) as file:
        taken = _digested(blocks, limit, file.write)
        if before is not None and taken != before:
            raise ServiceError(
                Kind.RESULT,
                "The store sends the result file without its length, and it came differently twice.",
                hint="Run again; if it stays, report it to the service's support.",
                again=True,
            )
    return replace(taken, whole=True)


def _digested(blocks: Iterator[bytes], limit: int, write: Callable[[bytes], object] = len) -> Downloaded:
    """Write the blocks, and return what they were; nobody knows whether they were all."""
    digest = hashlib.sha256()
    size = 0
    for block in blocks:
        size += len(block)
        if size > limit:
            raise _unusable(_too_large(limit))
        digest.update(block)
        write(block)
    return Downloaded(sha256=digest.hexdigest(), bytes=size, whole=False)


def _flaw(head: ResponseHead, limit: int) -> str | None:
    if head.headers.get("Content-Encoding", "identity").strip().lower() not in _STORED_ENCODINGS:
        return "came encoded, which was not asked for"
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


def refuse_download(answer: Answer | Broken) -> NoReturn:
    """Raise what happened to a download that brought no file."""
    if isinstance(answer, Broken):
        told = explain_broken(answer)
        again = answer.stage in (RequestStage.NEVER_SENT, RequestStage.UNCLEAR)
        raise ServiceError(told.kind, f"The download failed: {told.message}", hint=told.hint, again=again)
    code = store_code(answer.body)
    told_by_store = f"{answer.status} {store_said(answer.body)}".strip()
    if answer.status == 403 or code == "ExpiredToken":
        raise ServiceError(
            Kind.SERVICE,
            f"The store refused the download ({told_by_store}): its signed URL has expired or is not valid.",
            hint="The status of the retrain job brings a new URL; check this machine's clock if it happens often.",
            again=True,
            code=Code.EXPIRED_URL,
        )
    again = answer.status in PASSING or answer.status >= 500
    raise ServiceError(
        Kind.SERVICE if again else Kind.RESULT,
        f"The store answered the download with {told_by_store}.",
        hint="Run again later; if it stays, report it to the service's support with the retrain job's id.",
        again=again,
        after=answer.after if again else None,
        understood=False,
    )
