# SPDX-License-Identifier: Apache-2.0
"""Bodies that no API should send, by name.

Each gives (status, content type, bytes, further headers). The status is
what such a body comes with in the wild; a rule may say another.
"""
import gzip
import json

JSON = "application/json"
HTML = "text/html; charset=UTF-8"


def _html(status, title):
    text = ("<!DOCTYPE html>\n<html><head><title>%s</title></head>\n"
            "<body><center><h1>%s</h1></center><hr>"
            "<center>cloudflare</center></body></html>\n" % (title, title))
    return text.encode()


def _page(status, title, shown=None):
    return lambda: (shown or status, HTML, _html(status, title), {})


def _json(doc, status=200):
    return lambda: (status, JSON, json.dumps(doc).encode(), {})


def _text(data, status=200, content_type=JSON):
    return lambda: (status, content_type, data, {})


def _huge(mb=8):
    pad = b"x" * (1024 * 1024)
    return (200, JSON, b'{"success":true,"result":{"certificate":"'
            + pad * mb + b'"}}', {})


def _deep(depth=100000):
    return 200, JSON, b"[" * depth + b"]" * depth, {}


def _gzip_bomb(mb=64):
    data = gzip.compress(b'{"success":true,"result":"'
                         + b"0" * (mb * 1024 * 1024) + b'"}', 9)
    return 200, JSON, data, {"Content-Encoding": "gzip"}


BODIES = {
    "empty": _text(b""),
    "null": _text(b"null"),
    "array": _text(b"[]"),
    "string": _text(b'"ok"'),
    "number": _text(b"1"),
    "text": _text(b"error code: 1010", 403, "text/plain; charset=UTF-8"),
    "html-403": _page(403, "Attention Required! | Cloudflare"),
    "html-500": _page(500, "500 Internal Server Error"),
    "html-502": _page(502, "502 Bad Gateway"),
    "html-503": _page(503, "503 Service Temporarily Unavailable"),
    "html-504": _page(504, "504 Gateway Time-out"),
    "html-520": _page(520, "520: Web server is returning an unknown error",
                      200),
    "no-errors": _json({"success": False, "errors": []}, 400),
    "errors-null": _json({"success": False, "errors": None}, 400),
    "errors-missing": _json({"success": False}, 400),
    "errors-strings": _json({"success": False, "errors": ["broken"]}, 400),
    "code-string": _json({"success": False, "errors": [
        {"code": "1100", "message": 7}]}, 400),
    "success-missing": _json({"result": {}}),
    "success-string": _json({"success": "true", "result": {}}),
    "result-missing": _json({"success": True}),
    "result-null": _json({"success": True, "result": None}),
    "result-array": _json({"success": True, "result": []}),
    "result-string": _json({"success": True, "result": "certificate"}),
    "wrong-types": _json({"success": True, "result": {
        "certificate": 42, "id": {}, "hostnames": "a", "expires_on": [],
        "request_type": None, "requested_validity": "7"}}),
    "half-json": _text(b'{"success":true,"result":{"certifi'),
    "two-docs": _text(b'{"success":true}{"success":false}'),
    "not-utf8": _text(b'{"success":false,"errors":[{"code":1100,'
                      b'"message":"\xff\xfe\x80"}]}', 400),
    "nul": _text(b'{"success":false,\0"errors":[]}'),
    "controls": _json({"success": False, "errors": [{
        "code": 1100, "message": "one\r\ntwo\x1b[31m <script>&amp;\x00"}]},
        400),
    "long-message": _json({"success": False, "errors": [{
        "code": 1100, "message": "long " * 20000}]}, 400),
    "many-errors": _json({"success": False, "errors": [
        {"code": 1100, "message": "no. %d" % n} for n in range(1000)]}, 400),
    "big-number": _text(b'{"success":false,"errors":[{"code":'
                        + b"9" * 400 + b',"message":"x"}]}', 400),
    "huge": _huge,
    "deep": _deep,
    "gzip-bomb": _gzip_bomb,
}
