"""The WSGI application: route, play faults, handle, log, answer."""

import ipaddress
import sqlite3
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Literal

from msgspec import Struct
from msgspec.structs import replace
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map
from werkzeug.routing import Rule as Route
from werkzeug.wrappers import Request, Response

from emulator.access import Access
from emulator.account_api import AccountApi
from emulator.admin import Admin, AdminError
from emulator.answer import Answer, json_answer
from emulator.contract import ContractError, ParameterError, refusal
from emulator.exchange import Exchange
from emulator.http_server import HangUpError, ResetError
from emulator.job import Job, stored_id
from emulator.keys import key_digest
from emulator.playing import Values, change, hold_back, instead_of, say, spoil
from emulator.profile import Profile, Rule
from emulator.request_log import Entry, RequestLog
from emulator.retrain_api import RetrainApi
from emulator.rules import Hit, Rules
from emulator.state import State
from emulator.store import Store, StoreError, xml_refusal

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_JOB = "/v1/external/retrain_jobs/<retrain_job_id>"
_MODEL = "/v1/emulator/models/<name>"
_ROUTES = Map(
    [
        Route("/v1/external/retrain_jobs/upload_url", endpoint="upload_url", methods=["GET"]),
        Route(_JOB, endpoint="status", methods=["GET"]),
        Route(f"{_JOB}/update_model", endpoint="switch", methods=["PUT"]),
        Route("/v1/external/api-key", endpoint="api_key", methods=["GET"]),
        Route("/v1/external/models", endpoint="models", methods=["GET"]),
        Route("/v1/external/models/<model_id>", endpoint="delete_model", methods=["DELETE"]),
        Route("/v1/external/classifiers", endpoint="classifiers", methods=["GET"]),
        Route("/store/uploads/<retrain_job_id>/<path:name>", endpoint="put"),
        Route("/store/hop/<hop>/uploads/<retrain_job_id>/<path:name>", endpoint="put"),
        Route("/store/results/<retrain_job_id>/<path:name>", endpoint="download"),
        Route("/store/hop/<hop>/results/<retrain_job_id>/<path:name>", endpoint="download"),
        Route(_MODEL, endpoint="show", methods=["GET"]),
        Route(_MODEL, endpoint="change", methods=["PUT"]),
        Route(f"{_MODEL}/predict", endpoint="predict", methods=["POST"]),
        Route("/v1/emulator/jobs/<retrain_job_id>", endpoint="delete_job", methods=["DELETE"]),
    ],
    strict_slashes=True,
    merge_slashes=False,
    redirect_defaults=False,
)

Handle = Callable[[Exchange], Answer]


class Parts(Struct, frozen=True, kw_only=True):
    """What the application is put together from."""

    state: State
    access: Access
    retrain: RetrainApi
    account: AccountApi
    store: Store
    admin: Admin
    profile: Profile
    rules: Rules
    log: RequestLog


class Application:
    """Answers every request; an exception of ours becomes a 500 and a traceback in the server's log,
    and a data folder that cannot be used any more a 500 and a sentence.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._handlers: Mapping[str, Handle] = {
            "upload_url": parts.retrain.upload_url,
            "status": parts.retrain.status,
            "switch": parts.retrain.switch,
            "api_key": parts.account.api_key,
            "models": parts.account.models,
            "delete_model": parts.account.delete_model,
            "classifiers": parts.account.classifiers,
            "put": parts.store.put,
            "download": parts.store.get,
            "show": parts.admin.show,
            "change": parts.admin.change,
            "predict": parts.admin.predict,
            "delete_job": parts.admin.delete_job,
        }

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer one request.

        Raises:
            HangUpError: the connection is to be closed without an answer.
            ResetError: the connection is to be reset.
        """
        request = Request(environ)
        call, arguments = self._route(request)
        job = self._parts.state.job(arguments.get("retrain_job_id", ""))
        model = self._model(request, arguments, job)
        hit = self._parts.rules.next_for(call, model, job)
        exchange = Exchange(request=request, arguments=arguments, rule=hit.rule)
        answer = spoil(hit.rule, self._answer(call, exchange, hit))
        self._note(call, exchange, model, answer)
        hold_back(hit.rule)
        return _deliver(answer, environ, start_response)

    def _answer(self, call: str, exchange: Exchange, hit: Hit) -> Answer:
        rule = hit.rule
        if rule is not None and rule.answer is not None:
            answer = self._said(call, exchange, rule)
        else:
            answer = instead_of(rule) or self._handle(call, exchange)
        for changing in hit.changes:
            answer = change(changing, answer, self._values(exchange, answer))
        return answer

    def _said(self, call: str, exchange: Exchange, rule: Rule) -> Answer:
        """Return a rule's own answer; the request has its effect before, later, or never."""
        done = Answer(status=200, retrain_job_id=exchange.arguments.get("retrain_job_id"))
        if rule.effect_after == 0:
            done = self._handle(call, exchange)
        elif rule.effect_after is not None:
            timer = threading.Timer(rule.effect_after, self._take_effect, (call, exchange))
            timer.daemon = True  # the server may end before
            timer.start()
        if rule.answer is None or done.status >= 300:  # refused, or sent on to another host
            return done
        answer = say(rule.answer, self._values(exchange, done), self._parts.profile.errors)
        return replace(answer, effect=done.effect, retrain_job_id=done.retrain_job_id, received=done.received)

    def _take_effect(self, call: str, exchange: Exchange) -> None:
        answer = self._handle(call, exchange)
        self._note(call, exchange, self._parts.access.model_of(exchange.key), replace(answer, status=0))

    def _values(self, exchange: Exchange, answer: Answer) -> Values:
        job = self._parts.state.job(answer.retrain_job_id or exchange.arguments.get("retrain_job_id", ""))
        return self._parts.retrain.values(exchange, job)

    def _handle(self, call: str, exchange: Exchange) -> Answer:
        if call not in self._handlers:
            return json_answer({"message": "Not Found"}, status=int(call))
        try:
            if _host(exchange.request) == "admin":
                _require_local(exchange.request)
            return self._handlers[call](exchange)
        except (ContractError, ParameterError) as problem:
            form = self._parts.profile.errors
            return replace(refusal(problem, form), retrain_job_id=exchange.arguments.get("retrain_job_id"))
        except StoreError as problem:
            return replace(xml_refusal(problem), retrain_job_id=exchange.arguments.get("retrain_job_id"))
        except AdminError as problem:
            return json_answer({"error": str(problem)}, status=problem.status)
        except Exception as error:  # noqa: BLE001 # the server must continue, and tell
            return _broken(error)

    def _route(self, request: Request) -> tuple[str, Mapping[str, str]]:
        """Return the call and the named parts of the path; for an unknown one the HTTP status as text."""
        try:
            call, arguments = _ROUTES.bind_to_environ(request.environ).match()
        except HTTPException as error:
            return str(error.code), {}
        if _host(request) == "api" and "retrain_job_id" in arguments:
            shown = arguments["retrain_job_id"]
            return call, {**arguments, "retrain_job_id": stored_id(shown, self._parts.profile.ids)}
        return call, arguments

    def _model(self, request: Request, arguments: Mapping[str, str], job: Job | None) -> str | None:
        match _host(request):
            case "store":
                return job.model if job else None
            case "api":
                return self._parts.access.model_of(request.headers.get("x-api-key"))
            case "admin":
                return arguments.get("name")

    def _note(self, call: str, exchange: Exchange, model: str | None, answer: Answer) -> None:
        if answer.effect == "switched" and answer.retrain_job_id is not None:
            self._parts.rules.note_switch(answer.retrain_job_id)
        request, key = exchange.request, exchange.key
        self._parts.log.write(
            Entry(
                method=request.method,
                path=request.path,
                host=_host(request),
                call=call,
                headers=exchange.header_names,
                key=key_digest(key)[:12] if key is not None else None,
                model=model,
                retrain_job_id=answer.retrain_job_id,
                status=answer.status,
                bytes=answer.received,
                effect=answer.effect,
                fault=(exchange.rule.kind or "answer") if exchange.rule else None,
            )
        )


def _broken(error: Exception) -> Answer:
    """Report an error on stderr, and return its answer; a data folder that is gone or full is not a bug."""
    if not isinstance(error, sqlite3.Error):
        traceback.print_exception(error, file=sys.stderr)
        return json_answer({"message": "Internal server error"}, status=500)
    text = f"The emulator's data folder cannot be used: {error}."
    sys.stderr.write(f"error: {text}\nhint: Stop the emulator, check the folder and its disk, and start it again.\n")
    return json_answer({"message": text}, status=500)


def _host(request: Request) -> Literal["api", "store", "admin"]:
    if request.path.startswith("/store/"):
        return "store"
    return "admin" if request.path.startswith("/v1/emulator/") else "api"


def _require_local(request: Request) -> None:
    if request.remote_addr is None or not ipaddress.ip_address(request.remote_addr).is_loopback:
        raise AdminError(403, "Only clients on this machine may do that.")


def _deliver(answer: Answer, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    if answer.delivery == "reset":
        raise ResetError
    if answer.delivery == "hang_up":
        raise HangUpError
    headers = [("Content-Type", answer.content_type), *answer.headers]
    response = Response(answer.body, status=answer.status, headers=headers)
    whole = response(environ, start_response)
    return _half(answer.body) if answer.delivery == "half" else whole


def _half(body: bytes) -> Iterator[bytes]:
    yield body[: len(body) // 2]
    raise HangUpError
