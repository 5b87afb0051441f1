# SPDX-License-Identifier: Apache-2.0
"""The management endpoints: plain HTTP on a loopback port of its own, so
that no fault, limit or delay of the API ever stands in the way.

GET /ledger, /counts, /faults; POST /faults, /settings, /reset.
"""
import json

from faults import ROUGH, ROUGH_STYLE, BadRule
from http1 import Connection
from server import STYLE


class ManageConnection(Connection):
    def __init__(self, site):
        self.site = site

    async def serve(self, request):
        status, doc = 404, {"error": "no such endpoint"}
        endpoint = ENDPOINTS.get((request.method, request.path))
        if endpoint:
            try:
                data = json.loads(request.body or b"null")
                status, doc = 200, endpoint(self.site, data)
            except (BadRule, ValueError, TypeError, KeyError,
                    AttributeError) as fault:
                status, doc = 400, {"error": "%s: %s" % (
                    type(fault).__name__, fault)}
        await self.answer(status, [("Content-Type", "application/json")],
                          json.dumps(doc).encode(), request.keep_alive)
        return request.keep_alive


def _ledger(site, _data):
    return site.ledger.doc()


def _counts(site, _data):
    return site.ledger.counts()


def _faults(site, _data):
    return [rule.doc() for rule in site.script.rules]


def set_faults(site, data):
    """A list of rules, or the word "rough" (see README.md)."""
    if data == "rough":
        site.style.update(ROUGH_STYLE)
        data = ROUGH
    site.script.set(data)
    return _faults(site, None)


def set_settings(site, data):
    """latency (ms), clock_offset (s), limits, style, tokens, seed."""
    unknown = set(data) - {"latency", "clock_offset", "limits", "style",
                           "tokens", "seed"}
    if unknown:
        raise ValueError("unknown settings: %s" % ", ".join(sorted(unknown)))
    style = data.get("style") or {}
    if set(style) - set(STYLE):
        raise ValueError("style knows %s" % ", ".join(STYLE))
    tokens = data.get("tokens") or {}
    for name, status in tokens.items():
        if status not in ("active", "disabled", "expired"):
            raise ValueError("a token is active, disabled or expired")
        site.world.tokens[name].status = status
    site.style.update(style)
    if "latency" in data:
        site.latency = float(data["latency"]) / 1000
    if "clock_offset" in data:
        site.clock_offset = float(data["clock_offset"])
    if "limits" in data:
        site.limits.set(**(data["limits"] or {"quota": 0}))
    if "seed" in data:
        site.chance.seed(data["seed"])
        site.script.chance.seed(data["seed"])
    return {"latency": site.latency * 1000, "style": site.style,
            "clock_offset": site.clock_offset}


def _reset(site, _data):
    """An empty ledger, no faults, the settings of the command line."""
    site.reset()
    return set_settings(site, site.first)


ENDPOINTS = {
    ("GET", "/ledger"): _ledger,
    ("GET", "/counts"): _counts,
    ("GET", "/faults"): _faults,
    ("POST", "/faults"): set_faults,
    ("POST", "/settings"): set_settings,
    ("POST", "/reset"): _reset,
}
