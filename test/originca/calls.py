# SPDX-License-Identifier: Apache-2.0
"""A call and a reply: what server, script of faults and API hand around.

`open_call` finds route and token of a request; it never refuses.
"""
import json
import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

PREFIX = "/client/v4"
AUTHORIZATION = re.compile(r"Bearer ([A-Za-z0-9_-]{20,200})\Z")

ROUTES = (
    # (path, {method: op}); one group at most, the id
    (re.compile(r"/certificates\Z"), {"POST": "create", "GET": "list"}),
    (re.compile(r"/certificates/([^/]+)\Z"),
     {"GET": "get", "DELETE": "revoke"}),
    (re.compile(r"/zones\Z"), {"GET": "zones"}),
    (re.compile(r"/zones/([0-9a-f]{32})\Z"), {"GET": "zone"}),
    (re.compile(r"/user/tokens/verify\Z"), {"GET": "verify"}),
    (re.compile(r"/accounts/([0-9a-f]{32})/tokens/verify\Z"),
     {"GET": "verify"}),
)
OPS = ("create", "list", "get", "revoke", "zones", "zone", "verify", "other")


@dataclass
class Call:
    """One request, as far as it is understood before it is answered."""
    method: str
    path: str
    query: dict
    headers: dict
    body: bytes
    op: str = "other"
    id: str = None
    token: object = None
    data: object = None
    hostnames: list = field(default_factory=list)


@dataclass
class Reply:
    """`doc` is rendered as JSON unless a fault puts a `body` in its place."""
    status: int
    doc: object = None
    headers: dict = field(default_factory=dict)
    body: bytes = None
    content_type: str = "application/json"

    @property
    def code(self):
        if isinstance(self.doc, dict):
            for error in self.doc.get("errors") or ():
                return error.get("code")
        return None


class Refusal(Exception):
    """`whole`: with the empty fields that the gateway adds and the Origin
    CA service leaves out."""

    def __init__(self, status, code, message, chain=None, whole=False):
        super().__init__(message)
        error = {"code": code, "message": message}
        if chain:
            error["error_chain"] = [{"code": chain[0], "message": chain[1]}]
        doc = {"success": False, "errors": [error]}
        if whole:
            doc.update(messages=[], result=None)
        self.reply = Reply(status, doc)


def gateway(status, code, message, chain=None):
    return Refusal(status, code, message, chain, whole=True)


def open_call(world, method, target, headers, body):
    """Never refuses: what is not understood is op "other" or no token."""
    parts = urlsplit(target)
    call = Call(method, parts.path, dict(parse_qsl(
        parts.query, keep_blank_values=True)), headers, body)
    if parts.path.startswith(PREFIX + "/"):
        for pattern, ops in ROUTES:
            match = pattern.match(parts.path[len(PREFIX):])
            if match and method in ops:
                call.op = ops[method]
                call.id = unquote(match.group(1)) if match.groups() else None
    match = AUTHORIZATION.match(headers.get("authorization", ""))
    if match:
        call.token = world.by_text.get(match.group(1))
    if call.op == "create":
        _read_body(call)
    return call


def _no_number(text):
    raise ValueError(text)


def _read_body(call):
    """UTF-8 without a mark, as JSON has to be; json.loads takes more."""
    try:
        call.data = json.loads(call.body.decode("utf-8"),
                               parse_constant=_no_number)
        wanted = call.data.get("hostnames")
        call.hostnames = [h for h in wanted if isinstance(h, str)]
    except (ValueError, AttributeError, TypeError, RecursionError):
        pass
