# SPDX-License-Identifier: Apache-2.0
"""The API on the wire: a call comes in, is counted, answered, spoilt, sent.

One asyncio loop for all connections; a delay holds up its own call alone.
Also the edge's habits: CF-Ray, Date, cookies, rate limits, the refusal of a
client without User-Agent.
"""
import datetime
import email.utils
import json
import random
import secrets
import time

import faults
from calls import Call, Reply, open_call
from http1 import Connection, head
from limits import Limits

STYLE = {"shuffle": False, "extra": False, "dates": "go", "newline": True,
         "chunked": False, "envelope": "recorded"}


class Site:
    """What all connections share. `settings` can change at any time."""

    def __init__(self, world, api, ledger, seed=None):
        self.world, self.api, self.ledger = world, api, ledger
        self.script = faults.Script(seed)
        self.chance = random.Random(seed)
        self.limits = Limits()
        self.style = dict(STYLE)
        self.latency = self.clock_offset = 0.0
        self.first = {}            # settings to go back to

    def now(self):
        return datetime.datetime.utcfromtimestamp(
            time.time() + self.clock_offset)

    def reset(self):
        self.ledger.clear()
        self.script.set([])
        self.limits = Limits()
        self.style = dict(STYLE)
        self.latency = self.clock_offset = 0.0
        for token in self.world.tokens.values():
            token.status = "expired" if token.name == "expired" else (
                "disabled" if token.name == "disabled" else "active")


class ApiConnection(Connection):
    def __init__(self, site):
        self.site = site

    def connection_made(self, transport):
        self.site.ledger.connections += 1
        self.number = self.site.ledger.connections
        self.caller = None
        super().connection_made(transport)

    async def refuse(self, fault):
        """The request could not be read at all."""
        ray, reply = new_ray(), Reply(fault.status, {
            "success": False, "errors": [{
                "code": 1003,
                "message": "Failed to read contents of HTTP request"}]})
        call = Call("", "", {}, {}, b"")
        entry = self.site.ledger.begin(call, ray, self.number)
        entry["status"], entry["code"] = reply.status, reply.code
        try:
            await self._send(reply, {}, ray, False)
            entry["delivered"] = True
        finally:
            self.site.ledger.end(entry)

    async def serve(self, request):
        site, ray = self.site, new_ray()
        call = open_call(site.world, request.method, request.target,
                         request.headers, request.body)
        entry = site.ledger.begin(call, ray, self.number)
        try:
            do, reply = self._decide(call, entry, request)
            # what the work took is a part of the latency, as it is elsewhere
            spent = time.monotonic() - request.arrived
            await self.pause(max(site.latency - spent, 0)
                             + do.get("delay", 0))
            if do.get("hang"):
                await self.pause(None)
            if do.get("reset"):
                self.reset_on_close()
            if do.get("close"):
                return False
            alive = await self._send(reply, do, ray, request.keep_alive,
                                     request.method == "HEAD")
            entry["delivered"] = not ({"cut", "garbage"} & set(do))
            return alive
        finally:
            site.ledger.end(entry)

    def _decide(self, call, entry, request):
        """(what the script wants, the reply)."""
        site, do = self.site, {}
        reply = self._edge(call, request)
        if reply is None:
            do = site.script.pick(call)
            if not faults.is_instead(do):
                reply = site.api.answer(call, site.now(),
                                        faults.changes(do))
                # what the work came to, whatever is said of it below
                entry["result"] = {"status": reply.status,
                                   "code": reply.code}
            if do:
                entry["fault"] = do
                reply = faults.apply(do, reply)
        entry["status"], entry["code"] = reply.status, reply.code
        if do.get("close") or do.get("hang") or do.get("garbage"):
            entry["status"] = None
        return do, reply

    def _edge(self, call, request):
        """Refusals that come before any API."""
        if not request.headers.get("user-agent"):
            return Reply(403, None, {}, b"error code: 1010",
                         "text/plain; charset=UTF-8")
        self.caller = call.token.name if call.token else None
        if not self.site.limits.take(self.caller):
            return faults.rate_limited(self.site.limits.quota,
                                       self.site.limits.window)
        return None

    async def _send(self, reply, do, ray, keep_alive, bodiless=False):
        keep_alive = keep_alive and do.get("keep_alive", True)
        for _ in range(do.get("interim") or 0):
            await self.write(b"HTTP/1.1 103 Early Hints\r\n"
                             b"Link: </x>; rel=preload\r\n\r\n")
        if do.get("garbage"):
            await self.write(b"\x16\x03\x01 this is not HTTP\r\n\r\n" * 8)
            return False
        style = {**self.site.style, **(do.get("style") or {})}
        body = render(reply, style, self.site.chance)
        headers = self._headers(reply, do, ray, keep_alive)
        chunked = do.get("chunked", self._may(style["chunked"]))
        if do.get("drip") or "cut" in do:
            chunked = False
        if chunked:
            headers.append(("Transfer-Encoding", "chunked"))
            body = b"".join(b"%x\r\n%s\r\n" % (len(part), part)
                            for part in pieces(body, 512)) + b"0\r\n\r\n"
        elif reply.status not in (204, 304):
            headers.append(("Content-Length", str(len(body))))
        top = head(reply.status, headers)
        if bodiless:
            body = b""
        if "cut" in do:
            await self.write(top + body[:do["cut"]])
            return False
        if do.get("drip"):
            await self.write(top)
            for part in pieces(body, 1):
                await self.write(part)
                await self.pause(1 / do["drip"])
        else:
            await self.write(top + body)
        return keep_alive and not do.get("drop_after")

    def _may(self, value):
        return self.site.chance.random() < 0.5 if value == "random" \
            else bool(value)

    def _headers(self, reply, do, ray, keep_alive):
        now = time.time() + self.site.clock_offset + do.get("date_skew", 0)
        limit = self.site.limits
        rest, reset = limit.state(self.caller)
        blocked = limit.blocked_for(self.caller)
        headers = {
            "Date": email.utils.formatdate(now, usegmt=True),
            "Content-Type": reply.content_type,
            "Connection": "keep-alive" if keep_alive else "close",
            "CF-Ray": ray, "Cf-Cache-Status": "DYNAMIC",
            "Server": "cloudflare", "Vary": "Accept-Encoding",
            "Ratelimit": '"default";r=%d;t=%d' % (rest, reset),
            "Ratelimit-Policy": '"default";q=%d;w=%d' % (limit.quota,
                                                         limit.window)}
        if reply.status == 429:
            headers["Ratelimit"] = '"default";r=0;t=%d' % blocked
            headers["Retry-After"] = str(blocked)
        told = do.get("rate_limit")
        if told is not None:
            wait = told.get("retry_after", 1)
            number = wait if isinstance(wait, (int, float)) else 0
            headers["Ratelimit"] = '"default";r=0;t=%d' % max(number, 1)
            if told.get("form") == "date":
                wait = email.utils.formatdate(now + number, usegmt=True)
            headers["Retry-After"] = wait
        if do.get("ratelimit"):
            headers["Ratelimit"] = '"default";r=%d;t=%d' % (
                do["ratelimit"].get("r", 0), do["ratelimit"].get("t", 1))
        headers.update(reply.headers)
        headers.update(do.get("headers") or {})
        # None takes a header away
        pairs = [(n, v) for n, v in headers.items() if v is not None]
        for cookie in ("__cflb", "__cfruid", "__cf_bm"):
            pairs.append(("Set-Cookie", "%s=%s; path=/; HttpOnly; Secure"
                          % (cookie, ray)))
        return pairs


def new_ray():
    return secrets.token_hex(8) + "-FRA"


def pieces(data, size):
    return [data[n:n + size] for n in range(0, len(data), size)]


def render(reply, style, chance):
    """The bytes of a reply's body, in the style that is wanted."""
    if reply.body is not None:
        return reply.body
    doc = json.loads(json.dumps(reply.doc))
    if style["envelope"] == "full" and isinstance(doc, dict):
        doc = {"errors": [], "messages": [], "result": None, **doc}
    elif style["envelope"] == "bare" and isinstance(doc, dict):
        doc = {name: value for name, value in doc.items()
               if value not in ([], None)}
    result = doc.get("result") if isinstance(doc, dict) else None
    for row in result if isinstance(result, list) else [result]:
        if isinstance(row, dict):
            _restyle(row, style, chance)
    if style["extra"]:
        doc["x_unknown"] = {"later": [1, None, "añadido"]}
    if style["shuffle"]:
        doc = shuffled(doc, chance)
    return json.dumps(doc, separators=(",", ":")).encode()


def _restyle(row, style, chance):
    if "expires_on" in row:
        form = style["dates"]
        if form == "random":
            form = chance.choice(("go", "rfc3339"))
        if form == "rfc3339" and isinstance(row["expires_on"], str):
            row["expires_on"] = row["expires_on"].replace(
                " ", "T", 1).replace(" +0000 UTC", "Z")
    if isinstance(row.get("certificate"), str):
        newline = style["newline"]
        if newline is False or (newline == "random"
                                and chance.random() < 0.5):
            row["certificate"] = row["certificate"].rstrip("\n")
    if style["extra"]:
        row["x_unknown"] = True


def shuffled(value, chance):
    if isinstance(value, list):
        return [shuffled(item, chance) for item in value]
    if not isinstance(value, dict):
        return value
    names = list(value)
    chance.shuffle(names)
    return {name: shuffled(value[name], chance) for name in names}
