"""An object store on this machine: moto's S3, with a log of what it was asked, and words put into its mouth."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from botocore.config import Config
from botocore.session import get_session
from moto.server import ThreadedMotoServer
from werkzeug import Request, Response

CANARIES = {
    "AWS_ACCESS_KEY_ID": "AKIACANARYCANARY",
    "AWS_SECRET_ACCESS_KEY": "canary/secret+access/key0123456789abcdefg",
}
REGION = "eu-west-1"


class S3Server:
    """`log` has `METHOD /bucket/key` of each request; `instead` maps such a line to the answer that it gets."""

    def __init__(self, bucket: str) -> None:
        self.bucket = bucket
        self.log: list[str] = []
        self.instead: dict[str, Response] = {}
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._server.start()
        application: Any = self._server._server.app  # type: ignore[union-attr] # it has no other door
        self._server._server.app = self._logged(application)  # type: ignore[union-attr] # it has no other door
        host, port = self._server.get_host_and_port()
        self.endpoint = f"http://{host}:{port}"
        self.client: Any = get_session().create_client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id="a",
            aws_secret_access_key="b",
            config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 0}),
        )
        self.client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        self.log.clear()

    def _logged(self, application: Any) -> Any:
        def answer(environ: dict[str, Any], start: Any) -> Any:
            request = Request(environ)
            line = f"{request.method} {request.path}"
            self.log.append(line)
            instead = self.instead.get(line)
            return (instead or application)(environ, start)

        return answer

    def put(self, key: str, content: bytes) -> str:
        """Write an object, and return its version where the bucket has versions."""
        version = self.client.put_object(Bucket=self.bucket, Key=key, Body=content).get("VersionId", "")
        self.log.remove(f"PUT /{self.bucket}/{key}")
        return str(version)

    def address(self, key: str) -> str:
        return f"s3://{self.bucket}/{key}?region={REGION}&endpoint={self.endpoint}"

    def reads(self) -> list[str]:
        """Return the requests that asked for an object's content."""
        return [line for line in self.log if line.startswith(f"GET /{self.bucket}/")]

    def stop(self) -> None:
        self._server.stop()


@contextmanager
def s3_server(bucket: str) -> Iterator[S3Server]:
    """Run one; its clients have credentials that nothing may write down."""
    before = {name: os.environ.get(name) for name in CANARIES}
    os.environ.update(CANARIES)
    server = S3Server(bucket)
    try:
        yield server
    finally:
        server.stop()
        for name, text in before.items():
            os.environ.pop(name) if text is None else os.environ.update({name: text})
