"""Reads objects as they were found: what was replaced meanwhile is not read, and no part of one is taken for all."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from runner.http.objects.address import ObjectAddress
from runner.http.objects.client import Cause, RefusedError, Waits, open_client, understood

WAITS = Waits(connect=10, silence=20, request=300, retries=3, retrying=60)
_STRONG = re.compile(r'"[^"]+"|[^"\s/]+')  # obstore hands an ETag on as it came; some stores leave its quotes out


class ObjectStoreError(Exception):
    """A store did not do what it was asked: `reason` ends a sentence about the object, `hint` is one of its own."""

    def __init__(self, cause: Cause, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.cause = cause
        self.reason = reason
        self.hint = hint


class ObjectInfo(Struct, frozen=True, kw_only=True):
    """What a store says of an object. `etag` is None where it names no strong one, `version` where it tells none.

    `modified` is in ns since the epoch, by the store's clock, in whole seconds or finer.
    """

    key: str
    size: int
    etag: str | None
    version: str | None
    modified: int


class ObjectReader:
    """One bucket. Every method raises ObjectStoreError, and is safe to use from many threads."""

    def __init__(self, address: ObjectAddress, waits: Waits = WAITS) -> None:
        """Prepare without a request.

        Raises:
            ObjectStoreError: the extra is missing, or the environment's configuration cannot be used.
        """
        self._place = address
        with understood(self._told):
            self._client = open_client(address, waits)

    def look(self, key: str, version: str | None = None) -> ObjectInfo:
        """Return what the store says of an object, by one HEAD."""
        library, store = self._client.library, self._client.store
        with understood(self._told):
            if version is None:
                return _info(library.head(store, key))
            return _info(library.get(store, key, options={"version": version, "head": True}).meta)

    def list(self, folder: str, *, deep: bool = True) -> Iterator[ObjectInfo]:
        """Yield the objects below a folder of keys, in the store's order; not those of folders in it unless `deep`."""
        prefix = folder.rstrip("/") or None
        library, store = self._client.library, self._client.store
        with understood(self._told):
            if deep:
                for chunk in library.list(store, prefix):
                    yield from map(_info, chunk)
            else:
                yield from map(_info, library.list_with_delimiter(store, prefix)["objects"])

    def read(self, info: ObjectInfo, start: int, end: int, *, version: str | None = None) -> bytes:
        """Return bytes of exactly this object: one that was replaced meanwhile is not read.

        Fewer bytes than asked for are never returned. `version` reads an older version by its id.
        """
        options: dict[str, Any] = {"version": version} if version is not None else {"if_match": info.etag}
        if (start, end) != (0, info.size):  # some stores answer a question for a part of it with all of it
            options["range"] = (start, end)
        given = {name: value for name, value in options.items() if value is not None}
        with understood(self._told):
            answer = self._client.library.get(self._client.store, info.key, options=given)
            found, encoding = _info(answer.meta), answer.attributes.get("Content-Encoding", "identity")
            if (found.size, found.etag) != (info.size, info.etag):
                raise RefusedError("replaced")
            content = bytes(answer.bytes())
        if encoding not in ("", "identity"):
            raise ObjectStoreError(
                "answer", f"is stored with the Content-Encoding {_word(encoding)}", "Store it as plain CSV."
            )
        if len(content) != end - start:
            raise ObjectStoreError("cut", "was sent cut off by its store", "Run again.")
        return content

    def _told(self, error: RefusedError) -> ObjectStoreError:
        scheme, (reason, hint) = self._place.scheme, _SENTENCES[error.cause]
        bucket, sign = f"{scheme}://{self._place.bucket}", _HOW_TO_SIGN[scheme]
        reason = reason.format(scheme=scheme, bucket=bucket, status=error.status)
        return ObjectStoreError(error.cause, reason, hint.format(bucket=bucket, sign=sign))


def _info(found: Any) -> ObjectInfo:
    etag, modified = found["e_tag"], found["last_modified"]
    return ObjectInfo(
        key=found["path"],
        size=found["size"],
        etag=etag if etag and _STRONG.fullmatch(etag) else None,
        version=found["version"] or None,
        modified=int(modified.timestamp() * 1_000_000) * 1000,
    )


_HOW_TO_SIGN = {
    "s3": "Give AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a web identity or a role of the machine.",
    "gs": "Give GOOGLE_APPLICATION_CREDENTIALS, or a service account of the machine.",
    "az": "Give AZURE_CLIENT_ID with a federated token, AZURE_STORAGE_ACCOUNT_KEY, or a managed identity.",
}
_AGAIN = "Run again, or check the address and the network."
_SENTENCES: Mapping[Cause, tuple[str, str]] = {  # the end of a sentence about the object, and what to do
    "no-extra": (
        "needs the package obstore to be read, which is not installed ({scheme}://)",
        "Install the extra `objects`: `pip install '.[objects]'` in a checkout of retrain-runner.",
    ),
    "settings": ("cannot be read: the environment's settings for its store cannot be used", "{sign}"),
    "replaced": ("was replaced while it was read", "Run again."),
    "exists": ("is there already", "Choose another name."),
    "no-credentials": ("cannot be read: there are no valid credentials for its store", "{sign}"),
    "signature": ("cannot be read: its store does not accept the credentials", "{sign}"),
    "denied": (
        "cannot be read: its store denies access (403), or does not tell that it is absent",
        "Allow the identity of this machine to read and list {bucket}, and check the address.",
    ),
    "region": (
        "cannot be read: its bucket is in another region",
        "Add `?region=NAME` to the address, or set AWS_REGION.",
    ),
    "no-bucket": ("does not exist: there is no bucket {bucket}", "Correct the address."),
    "absent": ("does not exist", "Provide the object or correct the address."),
    "answer": ("cannot be read: its store answered {status}", _AGAIN),
    "unencrypted": (
        "cannot be read: its endpoint is not https",
        "Use https; for a store of your own network set AWS_ALLOW_HTTP=true.",
    ),
    "cut": ("cannot be read: its store broke the answer off", _AGAIN),
    "silent": ("cannot be read: its store cannot be reached, or did not answer in time", _AGAIN),
    "unclear": ("cannot be read: its store did not answer as one", _AGAIN),
}


def _word(text: str) -> str:
    return text if re.fullmatch(r"[A-Za-z0-9,. _-]{1,40}", text) else "that is unknown"
