"""``POST /-/reload``.

Owns: who may ask for a reload of the config over HTTP, and the words and statuses of the answer.
Must not know: what a reload does, who does it.

The path and its opt-in are Prometheus' (``--web.enable-lifecycle``, docs/management_api.md). A page of another site
must not be able to ask through somebody's browser, which may even send a password along: browsers say where a request
comes from (Fetch Metadata, and Origin of RFC 6454), and other clients do not.
"""

from __future__ import annotations

from http import HTTPStatus

from aiohttp import web
from yarl import URL

from timepoint.reload import Answer, AskingEnd
from timepoint.server.connection import HEADERS

PATH = "/-/reload"
WITHIN = 50.0
"""Seconds in which an answer must come; clients and proxies seldom wait for more than a minute."""

_METHODS = ("POST", "PUT")
_OWN_SITE = ("same-origin", "none")


async def answer(request: web.BaseRequest, end: AskingEnd | None) -> web.Response:
    """Asks for a reload at ``end`` and waits for what comes of it. None: it is not allowed over HTTP."""
    if request.method not in _METHODS:
        return _text(HTTPStatus.METHOD_NOT_ALLOWED, "A reload is asked for by POST.", {"Allow": ", ".join(_METHODS)})
    if request.body_exists:
        return _text(HTTPStatus.BAD_REQUEST, "A request for a reload has no body.")
    if end is None or _is_foreign(request):
        off = "Reload over HTTP is off: --web.enable-lifecycle turns it on. SIGHUP reloads in any case."
        return _text(HTTPStatus.FORBIDDEN, off if end is None else "A page of another site cannot ask for a reload.")
    return _told(await end.reload(WITHIN))


def _told(came: Answer | None) -> web.Response:
    if came is None:
        sentence = "No answer yet: timepoint_config_last_reload_successful and the log will tell how the reload ended."
        return _text(HTTPStatus.SERVICE_UNAVAILABLE, sentence)
    if not came.good:
        sentence = "The config was not reloaded; the one before stays in force."
        return _text(HTTPStatus.INTERNAL_SERVER_ERROR, f"{sentence}\n{came.text}")
    return _text(HTTPStatus.OK, f"The config was reloaded. {came.text}.")


def _is_foreign(request: web.BaseRequest) -> bool:
    if request.headers.get("Sec-Fetch-Site", "none") not in _OWN_SITE:
        return True
    origin = request.headers.get("Origin")
    try:
        return origin is not None and URL(origin).authority != URL(f"{request.scheme}://{request.host}").authority
    except ValueError:
        return True


def _text(status: HTTPStatus, text: str, headers: dict[str, str] | None = None) -> web.Response:
    plain = {"Content-Type": "text/plain; charset=utf-8"}
    return web.Response(status=status, body=f"{text}\n".encode(), headers={**HEADERS, **plain, **(headers or {})})
