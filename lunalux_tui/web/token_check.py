"""Who may use the app in the browser: only the person who has the token, only on this computer.

The address that is opened carries the token once; it becomes a cookie and leaves the address bar. Pages of
other sites can reach a loopback port too, so the Host header (DNS rebinding) and the Origin of the
websocket (which no browser withholds and no page can forge) must be our own.
"""

from __future__ import annotations

import hmac

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

NAMES = ("127.0.0.1", "localhost", "[::1]")
POLICY = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:;"
    " frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)


def guard(token: str, port: int) -> Middleware:
    """An aiohttp middleware that lets only holders of `token` in.

    Answers 303 to `/` with the cookie where the address brings the token, 403 with a sentence otherwise.
    """
    cookie = f"lunalux-web-{port}"  # cookies know no ports: two servers must not throw each other out
    hosts = {f"{name}:{port}" for name in NAMES}

    def knows(value: str | None) -> bool:
        return value is not None and hmac.compare_digest(value.encode(), token.encode())

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.host not in hosts:
            return _closed("This address is not the one that was printed.")
        origin = request.headers.get("Origin")
        # Requests for a page come without one; a websocket always has it.
        if origin is not None and origin.partition("://")[2] not in hosts:
            return _closed("Another site asked for this page.")
        if request.path == "/" and knows(request.query.get("token")):
            answer: web.StreamResponse = web.Response(status=303, headers={"Location": "/"})
            answer.set_cookie(cookie, token, httponly=True, samesite="Strict", path="/")
            return _sealed(answer)
        if not knows(request.cookies.get(cookie)):
            return _closed("Open the whole address that `lunalux web` printed, token included.")
        answer = await handler(request)
        return answer if answer.prepared else _sealed(answer)

    return middleware


def _closed(sentence: str) -> web.Response:
    response = web.Response(status=403, text=f"Lunalux: {sentence}\n")
    _sealed(response)
    return response


def _sealed(response: web.StreamResponse) -> web.StreamResponse:
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cache-Control"] = "no-store"
    return response
