"""The application: versions, who may ask, which microversion, faults; then the resources."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable
from pathlib import Path

import flask
from keystonemiddleware.auth_token import AuthProtocol
from werkzeug.exceptions import HTTPException

from fakevm.errors import FakevmError, Unreachable

from . import asking, microversion
from .faults import Fault

_log = logging.getLogger(__name__)
# What oslo.middleware takes before Nova sees anything (max_request_body_size), in bytes.
LARGEST_BODY = 114_688
_WORDS = {
    404: "The resource could not be found.",
    405: "The method specified is not allowed for this resource.",
    413: "Request is too large.",
}


def guarded(app: flask.Flask, settings: Path) -> flask.Flask:
    """Have tokens validated before an application is asked; the file ``settings`` says how (keystonemiddleware)."""
    # Versions are for everybody: who asks for more without a token is refused behind it. The options are its own: the
    # broker's library has those of the process.
    told = {"oslo_config_project": "fakevm", "oslo_config_file": str(settings), "delay_auth_decision": True}
    app.wsgi_app = AuthProtocol(app.wsgi_app, told)  # type: ignore[method-assign]
    return app


def make(blueprints: Iterable[flask.Blueprint]) -> flask.Flask:
    """Make the application, which believes what keystonemiddleware says of who asks."""
    app = flask.Flask("fakevm.compute", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.url_map.strict_slashes = False
    app.before_request(_before)
    app.after_request(_after)
    app.register_error_handler(Fault, _fault)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(FakevmError, _ours)
    app.register_error_handler(Exception, _unexpected)
    for blueprint in blueprints:
        app.register_blueprint(blueprint)
    return app


def _before() -> None:
    flask.g.request_id = f"req-{uuid.uuid4()}"
    is_open = flask.request.endpoint is not None and flask.request.endpoint.startswith("versions.")
    found = asking.of(flask.request.environ)
    if found is None and not is_open:
        raise Fault(401, "The request you have made requires authentication.")
    flask.g.requester = found
    if flask.request.path.startswith("/compute"):
        flask.g.version = microversion.asked(lambda name: flask.request.headers.get(name, ""))


def _after(answer: flask.Response) -> flask.Response:
    request_id = flask.g.get("request_id", "")
    if flask.request.path.startswith("/image"):
        answer.headers["x-openstack-request-id"] = request_id
        return answer
    answer.headers["x-openstack-request-id"] = answer.headers["x-compute-request-id"] = request_id
    for name, value in microversion.answered(flask.g.get("version")).items():
        answer.headers[name] = value
    return answer


def _fault(fault: Fault) -> flask.Response:
    answer = flask.jsonify(fault.body)
    answer.status_code = fault.status
    if fault.status == 401:
        answer.headers["WWW-Authenticate"] = "Keystone"
    return answer


def _http(problem: HTTPException) -> flask.Response:
    status = problem.code or 500
    return _fault(Fault(status, _WORDS.get(status, str(problem.description))))


def _ours(problem: FakevmError) -> flask.Response:
    _log.warning("%s %s: %s", flask.request.method, flask.request.path, problem.what)
    return _fault(Fault(503 if isinstance(problem, Unreachable) else 500, problem.what))


def _unexpected(problem: Exception) -> flask.Response:
    _log.error("%s %s failed", flask.request.method, flask.request.path, exc_info=problem)
    words = "Unexpected API Error. The log of the lab's program 'compute-api' has it."
    return _fault(Fault(500, f"{words}\n{type(problem)}"))
