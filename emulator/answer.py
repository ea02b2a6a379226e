"""What a handler answers, before it becomes bytes on a socket."""

import json
from typing import Any, Literal

from msgspec import Struct

Effect = Literal["issued", "started", "switched", "switched_again", "key_issued"]
"""What a request changed, for the request log."""

Delivery = Literal["whole", "half", "hang_up", "reset"]
"""How the answer leaves: faults cut it, close without it, or reset the connection."""


class Answer(Struct, frozen=True, kw_only=True):
    """One HTTP answer; `received` counts the bytes of the request's body that were taken."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    effect: Effect | None = None
    retrain_job_id: str | None = None
    received: int = 0
    delivery: Delivery = "whole"


def json_answer(
    value: Any, *, status: int = 200, effect: Effect | None = None, retrain_job_id: str | None = None
) -> Answer:
    """Return an answer whose body is the JSON of `value` in UTF-8."""
    body = json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace")
    return Answer(status=status, body=body, effect=effect, retrain_job_id=retrain_job_id)
