"""The WSGI application: route, play faults, handle, log, answer."""

import ipaddress
import sqlite3
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Literal

from msgspec import Struct
from msgspec.structs import replace
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from emulator.access import Access
from emulator.account_api import AccountApi
from emulator.admin import Admin, AdminError
from emulator.answer import Answer, json_answer
from emulator.contract import ContractError, ParameterError, refusal
from emulator.exchange import Exchange
from emulator.faults import Faults
from emulator.http_server import HangUpError, ResetError
from emulator.keys import key_digest
from emulator.misbehave import hold_back, instead_of, spoil
from emulator.request_log import Entry, RequestLog
from emulator.retrain_api import RetrainApi
from emulator.state import State
from emulator.store import Store, StoreError, xml_refusal

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_JOB = "/v1/external/retrain_jobs/<retrain_job_id>"
_MODEL = "/v1/emulator/models/<name>"
_ROUTES = Map(
    [
        Rule("/v1/external/retrain_jobs/upload_url", endpoint="upload_url", methods=["GET"]),
        Rule(_JOB, endpoint="status", methods=["GET"]),
        Rule(f"{_JOB}/update_model", endpoint="switch", methods=["PUT"]),
        Rule("/v1/external/api-key", endpoint="api_key", methods=["GET"]),
        Rule("/v1/external/models", endpoint="models", methods=["GET"]),
        Rule("/v1/external/classifiers", endpoint="classifiers", methods=["GET"]),
        Rule("/store/uploads/<retrain_job_id>/<path:name>", endpoint="put"),
        Rule("/store/results/<retrain_job_id>/<path:name>", endpoint="download"),
        Rule(_MODEL, endpoint="show", methods=["GET"]),
        Rule(_MODEL, endpoint="change", methods=["PUT"]),
        Rule(f"{_MODEL}/predict", endpoint="predict", methods=["POST"]),
        Rule("/v1/emulator/jobs/<retrain_job_id>", endpoint="delete_job", methods=["DELETE"]),
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
    faults: Faults
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
        call, arguments = _route(request)
        model = self._model(request, arguments)
        rule = self._parts.faults.next_for(call, model)
        exchange = Exchange(request=request, arguments=arguments, rule=rule)
        answer = spoil(rule, instead_of(rule) or self._handle(call, exchange))
        self._write_log(call, exchange, model, answer)
        hold_back(rule)
        return _deliver(answer, environ, start_response)

    def _handle(self, call: str, exchange: Exchange) -> Answer:
        if call not in self._handlers:
            return json_answer({"message": "Not Found"}, status=int(call))
        try:
            if _host(exchange.request) == "admin":
                _require_local(exchange.request)
            return self._handlers[call](exchange)
        except (ContractError, ParameterError) as problem:
            return replace(refusal(problem), retrain_job_id=exchange.arguments.get("retrain_job_id"))
        except StoreError as problem:
            return replace(xml_refusal(problem), retrain_job_id=exchange.arguments.get("retrain_job_id"))
        except AdminError as problem:
            return json_answer({"error": str(problem)}, status=problem.status)
        except Exception as error:  # noqa: BLE001 # the server must go on, and tell
            return _broken(error)

    def _model(self, request: Request, arguments: Mapping[str, str]) -> str | None:
        match _host(request):
            case "store":
                job = self._parts.state.job(arguments.get("retrain_job_id", ""))
                return job.model if job else None
            case "api":
                return self._parts.access.model_of(request.headers.get("x-api-key"))
            case "admin":
                return arguments.get("name")

    def _write_log(self, call: str, exchange: Exchange, model: str | None, answer: Answer) -> None:
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
                fault=exchange.rule.kind if exchange.rule else None,
            )
        )


def _broken(error: Exception) -> Answer:
    """Tell of an error on stderr, and return its answer; a data folder that went away or is full is no bug of ours."""
    if not isinstance(error, sqlite3.Error):
        traceback.print_exception(error, file=sys.stderr)
        return json_answer({"message": "Internal server error"}, status=500)
    text = f"The emulator's data folder cannot be used: {error}."
    sys.stderr.write(f"error: {text}\nhint: Stop the emulator, check the folder and its disk, and start it again.\n")
    return json_answer({"message": text}, status=500)


def _route(request: Request) -> tuple[str, Mapping[str, str]]:
    """Return the call and the named parts of the path; for an unknown one the HTTP status as text."""
    try:
        call, arguments = _ROUTES.bind_to_environ(request.environ).match()
    except HTTPException as error:
        return str(error.code), {}
    return call, arguments


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
