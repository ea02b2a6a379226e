"""A recording of a real service as a profile: each call is answered as it was, at the same time after the upload."""

import json
from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import Any, Literal

from msgspec import UNSET
from msgspec.structs import replace

from emulator.profile import Call, ErrorForm, Lists, Member, Profile, Reply, Result, Rule, Training, Urls, UrlTerms
from runner.lib.cassette import Cassette, Exchange

_LONGEST_TRAINING_S = 20.0
"""A longer training is played in this time, its statuses in proportion."""

_REDIRECTS = (301, 302, 303, 307, 308)


def cassette_profile(cassette: Cassette) -> Profile:
    """Return the profile that plays a recording.

    What a call was answered once is said again each further time. A switch that succeeded is applied; nothing is
    trained where the recording has a result, and the result is the recorded one.
    """
    player = _Player(cassette)
    return Profile(
        title=f"recorded by {cassette.head.made_by} at {cassette.head.recorded_at}",
        errors=player.errors(),
        urls=player.urls(),
        lists=player.lists(),
        rules=tuple(player.rules()),
        **player.result(),
    )


class _Player:
    def __init__(self, cassette: Cassette) -> None:
        self._cassette = cassette

    def rules(self) -> Iterator[Rule]:
        """Yield what is played, in the order of the calls."""
        for call in (Call.UPLOAD_URL, Call.PUT, Call.DOWNLOAD, Call.SWITCH):
            yield from self._in_turn(call)
        yield from self._statuses()
        for exchange in self._of(Call.API_KEY)[-1:]:
            document = self._json(exchange)
            if isinstance(document, dict) and "end_date" in document:
                yield Rule(call=Call.API_KEY, set={"end_date": document["end_date"]})
        for call in (Call.MODELS, Call.CLASSIFIERS):
            for exchange in self._of(call)[-1:]:
                if exchange.status >= 300:
                    yield Rule(call=call, answer=self._reply(exchange))

    def errors(self) -> ErrorForm:
        """Return how the service refuses, as far as its answer about an unknown job shows it."""
        found = self._of("unknown_job")
        if not found:
            return ErrorForm()
        document = self._json(found[-1])
        return ErrorForm(form=_form(document), http=found[-1].status if found[-1].status >= 200 else None)

    def urls(self) -> Urls:
        """Return how often the store sent a request on."""
        return Urls(upload=self._redirects("put"), download=self._redirects("download"))

    def lists(self) -> Lists:
        """Return who may read the lists: whoever could when it was recorded."""
        readable = {call: any(e.status < 300 for e in self._of(call)) for call in (Call.MODELS, Call.CLASSIFIERS)}
        return Lists(
            models="key" if readable[Call.MODELS] else "account",
            classifiers="key" if readable[Call.CLASSIFIERS] else "account",
        )

    def result(self) -> dict[str, Any]:
        """Return the recorded result, if any."""
        found = [exchange for exchange in self._of(Call.DOWNLOAD) if exchange.status == 200 and self._body(exchange)]
        if not found:
            return {}
        member = Member(path="result", base64=self._body(found[-1]))
        content_type = found[-1].headers.get("content-type", "application/octet-stream")
        return {
            "result": Result(container="bare", members=(member,), content_type=content_type),
            "training": Training(metrics={"any": {}}),
        }

    def _in_turn(self, call: Call) -> Iterator[Rule]:
        """Yield what a call was answered each time; the last answer is the service's own where that says the same."""
        exchanges = [exchange for exchange in self._of(call) if exchange.status not in _REDIRECTS]
        last = len(exchanges)
        for number, exchange in enumerate(exchanges, start=1):
            turn: dict[str, Any] = {"nth": (number,)} if number < last else {"after": last - 1}
            scope: Literal["model", "job"] = "model" if call is Call.UPLOAD_URL else "job"
            succeeded = 200 <= exchange.status < 300
            if call is Call.DOWNLOAD and succeeded:
                continue
            effect = 0.0 if succeeded else None
            yield Rule(call=call, per=scope, answer=self._reply(exchange), effect_after=effect, **turn)

    def _statuses(self) -> Iterator[Rule]:
        """Yield the statuses by their time after the upload; a faster service cannot be asked for what it skipped."""
        uploads = [exchange.at for exchange in self._of(Call.PUT) if 200 <= exchange.status < 300]
        uploaded = uploads[-1] if uploads else 0.0
        told = _changes(self._of(Call.STATUS))
        scale = min(1.0, _LONGEST_TRAINING_S / max(1e-9, told[-1].at - uploaded)) if told else 1.0
        before = [exchange for exchange in told if exchange.at < uploaded]
        after = [exchange for exchange in told if exchange.at >= uploaded]
        if before:
            yield Rule(call=Call.STATUS, since="uploaded", until=0.0, answer=self._reply(before[-1]))
        begins = [0.0, *(round((exchange.at - uploaded) * scale, 3) for exchange in after[1:])]
        for exchange, begin, end in zip(after, begins, [*begins[1:], None], strict=False):
            answer = self._reply(exchange)
            yield Rule(call=Call.STATUS, since="uploaded", since_seconds=begin, until=end, answer=answer)

    def _redirects(self, call: str) -> UrlTerms:
        hops = [*takewhile(lambda status: status in _REDIRECTS, (exchange.status for exchange in self._of(call)))]
        plain = UrlTerms()
        return replace(plain, redirects=len(hops), redirect_status=hops[0]) if hops else plain

    def _reply(self, exchange: Exchange) -> Reply:
        document = self._json(exchange)
        headers = {name: value for name, value in exchange.headers.items() if name == "retry-after"}
        content_type = exchange.headers.get("content-type")
        if document is not UNSET:
            return Reply(status=exchange.status, json=document, content_type=content_type, headers=headers)
        text = self._body(exchange).decode("utf-8", "replace")
        return Reply(status=exchange.status, text=text, content_type=content_type, headers=headers)

    def _json(self, exchange: Exchange) -> Any:
        try:
            return json.loads(self._body(exchange))
        except (ValueError, RecursionError):
            return UNSET

    def _body(self, exchange: Exchange) -> bytes:
        if exchange.file is not None:
            return self._cassette.bodies[exchange.file]
        return (exchange.text or "").encode()

    def _of(self, call: str) -> list[Exchange]:
        """Return the answers to a call; a call that got none says nothing of the service."""
        return [exchange for exchange in self._cassette.exchanges if exchange.call == call and exchange.status]


def _changes(exchanges: Sequence[Exchange]) -> list[Exchange]:
    """Return the answers that are not what was answered before."""
    said = [(exchange.status, exchange.text, exchange.file) for exchange in exchanges]
    return [exchange for place, exchange in enumerate(exchanges) if place == 0 or said[place] != said[place - 1]]


def _form(document: Any) -> Literal["flat", "nested", "list", "array", "text", "message"]:
    """Return the form of errors that a refusal has."""
    if isinstance(document, list):
        return "array"
    if not isinstance(document, dict):
        return "text"
    if isinstance(document.get("error"), dict):
        return "nested"
    if isinstance(document.get("errors"), list):
        return "list"
    return "message" if document.keys() == {"message"} else "flat"
