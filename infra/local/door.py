"""Decides which requests the emulator accepts: those whose sender knows the stack's secret, and none that a page in a
browser on this machine could have sent.

The emulator itself answers every page, because it allows all origins and all headers. It accepts a caller that names
the root's key as the root, without verification, and a caller that names no key too. This door runs before the
emulator, and rejects three kinds of requests: those that a browser sends for a page; those that name another host, as a
page does whose own host name resolves to this machine (DNS rebinding); and those that are not signed. Routes that are
not AWS's take the secret in a header. No answer allows any origin.
"""

import hmac
import json
import re
from urllib.parse import parse_qs

SHOWN = "x-goldsmith-local"  # the header with the secret; behind the door, its value is "1"
# The largest bodies are a function's zip, for which Lambda allows 250 MB unpacked, and a build's objects.
LARGEST_BODY = 256 * 1024 * 1024
LARGEST_OF_EC2 = 1024 * 1024
SIGNED = re.compile(rb"AWS4-HMAC-SHA256 Credential=[^/,\s]+/")
# The emulator's own routes, under all their names.
OWN_ROUTES = re.compile(r"/+(_ministack|_localstack|health|_aws)(/|$)")
# Beginning of the paths that everyone may read: packages of the SSM agent, as in AWS's buckets.
OF_ANYBODY = "/amazon-ssm-"


def refusal(headers, port):
    """Returns why a request is rejected; `None` if it is accepted. `headers` are pairs of bytes, with names in lower
    case."""
    hosts = [value.decode("latin-1").lower() for name, value in headers if name == b"host"]
    if len(hosts) != 1 or hosts[0] not in (f"127.0.0.1:{port}", f"localhost:{port}"):
        return f"The request must name 127.0.0.1:{port} or localhost:{port} as its host."
    # This server serves no pages, so no page can send a request to its own origin.
    if any(name == b"origin" or name == b"sec-fetch-site" and value in (b"cross-site", b"same-site") for name, value in headers):
        return "Requests that a browser sends for a page are refused."
    return None


def shows_nothing(scope, headers, secret):
    """Returns why a request is rejected that neither shows the secret nor is signed; otherwise `None`. The emulator
    verifies the signature."""
    shown = [value for name, value in headers if name == SHOWN.encode()]
    if shown:
        return None if len(shown) == 1 and hmac.compare_digest(shown[0], secret.encode()) else f"{SHOWN} shows another secret."
    if OWN_ROUTES.match(scope["path"]):
        return f"The header {SHOWN} has to show the stack's secret."
    signatures = [value for name, value in headers if name == b"authorization"]
    query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
    if len(signatures) == 1 and SIGNED.match(signatures[0]):
        return None
    if not signatures and query.get("X-Amz-Algorithm") == ["AWS4-HMAC-SHA256"] and query.get("X-Amz-Credential", [""])[0].split("/")[0]:
        return None
    if not signatures and scope["type"] == "http" and scope["method"] in ("GET", "HEAD") and scope["path"].startswith(OF_ANYBODY):
        return None
    return "The request is not signed: `goldsmith local status` says with which keys."


def largest(headers):
    """Returns the maximum size of a request's body in bytes, by the service for which the request is signed."""
    signed = next((value for name, value in headers if name == b"authorization"), b"")
    return LARGEST_OF_EC2 if b"/ec2/aws4_request" in signed else LARGEST_BODY


class TooLarge(Exception):
    """A body is larger than its service accepts."""


def guarded(app, port, secret):
    """Returns the application behind the door."""

    async def answer(send, status, code, message):
        body = json.dumps({"__type": code, "message": message}).encode()
        headers = [(b"content-type", b"application/x-amz-json-1.1"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def door(scope, receive, send):
        if scope["type"] not in ("http", "websocket"):
            return await app(scope, receive, send)
        headers = [(name.lower(), value) for name, value in scope["headers"]]
        reason = refusal(headers, port) or shows_nothing(scope, headers, secret)
        if reason and scope["type"] == "websocket":
            await receive()
            return await send({"type": "websocket.close", "code": 1008})
        if reason:
            return await answer(send, 403, "AccessDeniedException", reason)
        inside = {**scope, "headers": [(name, b"1" if name == SHOWN.encode() else value) for name, value in headers]}
        most, taken, started = largest(headers), 0, False

        async def bounded():
            nonlocal taken
            message = await receive()
            taken += len(message.get("body") or b"")
            if taken > most and not started:
                raise TooLarge
            return message

        async def without_origins(message):
            nonlocal started
            if "headers" in message:
                started = True
                kept = [(name, value) for name, value in message["headers"] if not name.lower().startswith(b"access-control-")]
                message = {**message, "headers": kept}
            await send(message)

        try:
            await app(inside, bounded, without_origins)
        except TooLarge:
            await answer(send, 413, "RequestEntityTooLargeException", f"A request's body has {most} bytes at most here.")

    return door


def close(app, check_pin, port, secret):
    """Puts the door before the emulator, and makes the emulator verify the root's signatures like all others."""
    from ministack.core import iam_evaluator

    check_pin(app, {"app": ["scope", "receive", "send"]})
    check_pin(iam_evaluator, {
        "_is_root_key": ["access_key_id"],
        "is_root_access_key": ["access_key_id"],
    })
    app.app = guarded(app.app, port, secret)
    # `_is_root_key` decides whose signature is not verified; `is_root_access_key` decides who is the root.
    iam_evaluator._is_root_key = lambda _key: False
