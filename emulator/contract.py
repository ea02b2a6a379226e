"""The error rows of the retrain API. The code does not tell the cases apart, the message does."""

import json
from enum import Enum
from html import escape
from typing import Any

from emulator.answer import Answer
from emulator.profile import ErrorForm

BAD_REQUEST = "PREDA_EXTERNAL_BAD_REQUEST"
INTERNAL = "PREDA_EXTERNAL_INTERNAL_SERVER_ERROR"
BAD_REQUEST_CODE = "4001000204"


class Row(Enum):
    """The documented messages; each member's value is `(code, error, message)`."""

    INVALID_KEY = (BAD_REQUEST_CODE, BAD_REQUEST, "invalid_api_key.")
    INACTIVE_CREDENTIAL = (BAD_REQUEST_CODE, BAD_REQUEST, "Inactive_credential.")
    CREDENTIAL_NOT_FOUND = (BAD_REQUEST_CODE, BAD_REQUEST, "Not_found_credential.")
    USER_DELETED = (BAD_REQUEST_CODE, BAD_REQUEST, "This user may be deleted.")
    MODEL_DELETED = (BAD_REQUEST_CODE, BAD_REQUEST, "This model may be deleted.")
    MODEL_ID_REQUIRED = (BAD_REQUEST_CODE, BAD_REQUEST, "Model id is required.")
    JOB_DELETED = (BAD_REQUEST_CODE, BAD_REQUEST, "This job may be deleted.")
    JOB_NOT_FOUND = (BAD_REQUEST_CODE, BAD_REQUEST, "Not found retrain job.")
    CLASSIFIER_NOT_FOUND = (BAD_REQUEST_CODE, BAD_REQUEST, "Not found classifier.")
    JOB_NOT_FINISHED = (BAD_REQUEST_CODE, BAD_REQUEST, "Retrain job is not finished.")
    CONFIGURATION_NOT_FOUND = ("5001000201", INTERNAL, "Not found configuration_file.")


class ContractError(Exception):
    """An API call is refused with a documented row."""

    def __init__(self, row: Row) -> None:
        super().__init__(row.value[2])
        self.row = row


class ParameterError(Exception):
    """An API call lacks a parameter or has a bad one. Assumption: answered like the documented bad requests."""


def error_answer(code: str, error: str, message: str, form: ErrorForm) -> Answer:
    """Return a refusal in a service's form of errors."""
    said = form.messages.get(message, message)
    said = said if form.full_stop else said.rstrip(".")
    body, content_type = _body(_code(code, form), error, said, form)
    return Answer(status=form.http or int(code[:3]), body=body.encode(), content_type=content_type)


def refusal(problem: ContractError | ParameterError, form: ErrorForm) -> Answer:
    """Return the answer for an API call that is refused."""
    if isinstance(problem, ContractError):
        return error_answer(*problem.row.value, form)
    return error_answer(BAD_REQUEST_CODE, BAD_REQUEST, str(problem), form)


def _code(code: str, form: ErrorForm) -> str | int:
    match form.code:
        case "text":
            return code
        case "number":
            return int(code)
        case "short":  # the manual writes some codes with nine digits
            return int(code[:6] + code[7:])


def _body(code: str | int, error: str, message: str, form: ErrorForm) -> tuple[str, str]:
    row = {"code": code, "error": error, "message": message}
    values: dict[str, Any] = {
        "flat": row,
        "nested": {"error": row},
        "list": {"errors": [row]},
        "array": [row],
        "message": {"message": message},
    }
    texts = {
        "line": (f"{code} {error} {message}", "text/plain; charset=utf-8"),
        "text": (message, "text/plain; charset=utf-8"),
        "html": (f"<html><body><h1>{error}</h1><p>{escape(message)}</p></body></html>", "text/html; charset=utf-8"),
        "xml": (f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>", "application/xml"),
    }
    if form.form in texts:
        return texts[form.form]
    return json.dumps(values[form.form], ensure_ascii=False), "application/json"
