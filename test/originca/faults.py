# SPDX-License-Identifier: Apache-2.0
"""The script of faults: which call meets which trouble.

A rule is {"match": {...}, "times": n, "do": {...}}; the first rule that
matches a call is the one that acts. This room picks rules, checks their
words and turns an honest reply into a faulty one. What concerns bytes on
the wire (delay, drip, cut, close …) is carried out by server.py.
"""
import json
import random

import mutations
from bodies import BODIES
from calls import OPS, Reply

MATCH = {"op", "hostname", "token", "nth", "probability", "serial"}
DO = {"error", "preset", "rate_limit", "body", "status", "content_type",
      "issue", "delay", "hang", "drip", "cut", "close", "reset", "redirect",
      "interim", "garbage", "date_skew", "headers", "ratelimit",
      "certificate", "result", "drop", "style", "chunked", "keep_alive",
      "drop_after"}
# these take the place of the answer, so that nothing is issued without
# "issue": true
INSTEAD = {"error", "preset", "rate_limit", "body", "hang", "redirect",
           "garbage"}

PRESETS = {
    "1000": (400, 1000, "API errors encountered"),
    "1001": (403, 1001, "Request had no Authorization header"),
    "1008": (400, 1008, "Error creating request to CA"),
    "1010": (400, 1010, "Failed to validate SAN/requested hostname "
             "example.com: This zone is either not part of your account, or "
             "you do not have access to it. Please contact support if using "
             "a multi-user organization."),
    "1010-network": (400, 1010, "Failed to validate SAN/requested hostname "
                     "example.com: Get \"https://i.api.cloudflare.com/v4/"
                     "zones?name=example.com&page=1&per_page=100&"
                     "status=active\": read tcp 10.0.0.1:50000->10.0.0.2:"
                     "443: read: connection reset by peer"),
    "1012": (400, 1012, "Please provide a zone id when requesting a stored "
             "certificate, or fetch by serial number"),
    "1014": (400, 1014, "Certificate already revoked"),
    "1016": (401, 1016, "User is not authorized to perform this action"),
    "1100": (400, 1100, "Failed to write certificate to Database"),
    "1101": (400, 1101, "Failed to read certificate from Database"),
    "1200": (400, 1200, "API Error: Failed to generate CA request"),
    "1201": (400, 1201, "CA signing failure. Could not parse returned "
             "certificate"),
    "6003": (400, 6003, "Invalid request headers"),
    "7003": (404, 7003, "No route for the URI"),
    "9109": (403, 9109, "Cannot use the access token from location: "
             "127.0.0.1"),
    "10000": (400, 10000, "Authentication error"),
}

# what a client that is any good lives with, all at once
ROUGH = [
    {"match": {"op": "create", "probability": 0.05},
     "do": {"preset": "1100"}},
    {"match": {"probability": 0.015}, "do": {"rate_limit": {
        "retry_after": 1}}},
    {"match": {"probability": 0.015}, "do": {"rate_limit": {
        "retry_after": 2, "form": "date"}}},
    {"match": {"op": "create", "probability": 0.02},
     "do": {"close": "after"}},
    {"match": {"probability": 0.02}, "do": {"drop_after": True}},
    {"match": {"probability": 0.02}, "do": {"delay": 1}},
]
ROUGH_STYLE = {"shuffle": True, "extra": True, "dates": "random",
               "newline": "random", "chunked": "random"}


class BadRule(ValueError):
    pass


class Rule:
    def __init__(self, doc):
        if not isinstance(doc, dict) or set(doc) - {"match", "times", "do"}:
            raise BadRule("a rule has match, times and do: %r" % (doc,))
        self.match = doc.get("match") or {}
        self.do = doc.get("do") or {}
        self.times = doc.get("times")
        self.seen = self.fired = 0
        for given, known in ((self.match, MATCH), (self.do, DO)):
            if set(given) - known:
                raise BadRule("unknown words: %s"
                              % ", ".join(sorted(set(given) - known)))
        self._check()

    def _check(self):
        op = self.match.get("op", "any")
        if op not in (*OPS, "any"):
            raise BadRule("unknown op %r" % op)
        preset = self.do.get("preset")
        if preset is not None and str(preset) not in PRESETS:
            raise BadRule("unknown preset %r" % preset)
        body = self.do.get("body")
        if isinstance(body, dict) and body.get("name") not in BODIES:
            raise BadRule("unknown body %r" % body.get("name"))
        for word in changes(self.do):
            if word not in mutations.WORDS:
                raise BadRule("unknown certificate flaw %r" % word)
        if self.do.get("close") not in (None, "before", "after"):
            raise BadRule("close is before or after")

    def fits(self, call, chance):
        want = self.match
        if want.get("op", "any") not in (call.op, "any"):
            return False
        if "hostname" in want and not any(want["hostname"] in name
                                          for name in call.hostnames):
            return False
        if "serial" in want and want["serial"] != call.id:
            return False
        if "token" in want and want["token"] != (
                call.token.name if call.token else None):
            return False
        self.seen += 1
        if "nth" in want and not self._is_nth(want["nth"]):
            return False
        if self.times is not None and self.fired >= self.times:
            return False
        return chance.random() < want.get("probability", 1)

    def _is_nth(self, nth):
        if isinstance(nth, list):
            first, last = nth
            return self.seen >= first and (last is None or self.seen <= last)
        return self.seen == nth

    def doc(self):
        return {"match": self.match, "times": self.times, "do": self.do,
                "seen": self.seen, "fired": self.fired}


class Script:
    def __init__(self, seed=None):
        self.rules = []
        self.chance = random.Random(seed)

    def set(self, docs):
        """All the rules or, when one is bad, none of them."""
        if not isinstance(docs, list):
            raise BadRule("a script is a list of rules")
        self.rules = [Rule(doc) for doc in docs]

    def pick(self, call):
        """What to do to this call: {} is nothing."""
        for rule in self.rules:
            if rule.fits(call, self.chance):
                rule.fired += 1
                return rule.do
        return {}


def changes(do):
    """The flaws that a certificate is to have."""
    words = do.get("certificate") or ()
    return (words,) if isinstance(words, str) else tuple(words)


def is_instead(do):
    """Is the call to be left undone?"""
    if do.get("issue"):
        return False
    return bool(INSTEAD & set(do)) or do.get("close") == "before"


def apply(do, reply):
    """The reply as the rule wants it; `reply` is None for a call that was
    left undone."""
    if "error" in do:
        reply = _error(**do["error"])
    elif "preset" in do:
        status, code, message = PRESETS[str(do["preset"])]
        reply = _error(code, message, status)
    elif "rate_limit" in do:
        reply = rate_limited()
    elif "body" in do:
        reply = _body(do)
    elif "redirect" in do:
        reply = Reply(do.get("status", 302), None,
                      {"Location": do["redirect"]}, b"", "text/html")
    elif reply is None:
        reply = Reply(200, None, {}, b"")
    if isinstance(reply.doc, dict) and "result" in reply.doc:
        _change_result(do, reply)
    if "status" in do:
        reply.status = do["status"]
    if "content_type" in do:
        reply.content_type = do["content_type"]
    return reply


def _error(code, message, status=400, chain=None):
    error = {"code": code, "message": message}
    if chain:
        error["error_chain"] = chain
    return Reply(status, {"success": False, "errors": [error]})


def rate_limited(quota=1200, window=300):
    return Reply(429, {"success": False, "errors": [{
        "code": 971, "message": "More than %d requests per %d seconds "
        "reached. Please wait and consider throttling your request speed"
        % (quota, window)}], "messages": [], "result": None})


def _body(do):
    """A body by name (with options in a dict), or as it is written."""
    body = do["body"]
    name = body.get("name") if isinstance(body, dict) else body
    if name in BODIES:
        options = dict(body) if isinstance(body, dict) else {}
        options.pop("name", None)
        status, content_type, data, headers = BODIES[name](**options)
        return Reply(status, None, dict(headers), data, content_type)
    if not isinstance(body, str):
        body = json.dumps(body)
    return Reply(200, None, {}, body.encode("utf-8", "surrogateescape"))


def _change_result(do, reply):
    result = reply.doc["result"]
    rows = result if isinstance(result, list) else [result]
    for row in rows:
        if isinstance(row, dict):
            row.update(do.get("result") or {})
            for name in do.get("drop") or ():
                row.pop(name, None)
