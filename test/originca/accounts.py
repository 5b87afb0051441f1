# SPDX-License-Identifier: Apache-2.0
"""The world that the test Cloudflare knows: accounts, zones and tokens.

Zones and accounts have ids that follow from their names; the tokens' texts
are random, made once for a folder and kept there (mode 0600), so that a
restart takes the same ones.
"""
import hashlib
import json
import os
import secrets
import string
from dataclasses import dataclass, field

ALPHABET = string.ascii_letters + string.digits
ALL = frozenset(("create", "revoke", "list", "get", "zones"))


def hex_id(text):
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass
class Zone:
    name: str
    account: str
    status: str = "active"

    @property
    def id(self):
        return hex_id("zone " + self.name)


@dataclass
class Token:
    """`refusal`: None, or the kind of refusal that meets every call."""
    name: str
    account: str = "main"
    kind: str = "user"
    may: frozenset = ALL
    zones: tuple = ()          # () is all of the account's
    status: str = "active"
    refusal: str = None
    text: str = field(default="", repr=False)

    @property
    def id(self):
        return hex_id("token " + self.name)


def default_zones():
    zones = [Zone("example.com", "main"), Zone("example.net", "main"),
             Zone("example.org", "main"),
             Zone("pending.test", "main", "pending"),
             Zone("second.test", "second")]
    # enough for more than one page of zones
    return zones + [Zone("zone%02d.test" % n, "second")
                    for n in range(1, 26)]


def default_tokens():
    return [
        Token("main"),
        Token("account", kind="account"),
        Token("second", account="second"),
        Token("one_zone", zones=("example.com",)),
        Token("no_zones", may=ALL - {"zones"}),
        Token("no_list", may=ALL - {"zones", "list", "get"}),
        Token("read_only", may=ALL - {"create", "revoke"}),
        Token("none", may=frozenset()),
        Token("not_authorized", refusal="not_authorized"),
        Token("no_api_access", refusal="no_api_access"),
        Token("ip_filtered", refusal="ip_filtered"),
        Token("disabled", status="disabled"),
        Token("expired", status="expired"),
        Token("legacy"),
    ]


class World:
    def __init__(self, folder, extra_zones=()):
        self.zones = {zone.name: zone for zone in default_zones()}
        for text in extra_zones:
            name, _, account = text.partition(":")
            self.zones[name] = Zone(name, account or "main")
        self.tokens = {token.name: token for token in default_tokens()}
        self._give_texts(os.path.join(folder, "tokens.json"))
        self.by_text = {t.text: t for t in self.tokens.values()}

    def zone_by_id(self, zone_id):
        for zone in self.zones.values():
            if zone.id == zone_id:
                return zone
        return None

    def reaches(self, token, zone):
        return zone is not None and zone.account == token.account and (
            not token.zones or zone.name in token.zones)

    def _give_texts(self, path):
        texts = {}
        if os.path.exists(path):
            with open(path, encoding="ascii") as f:
                texts = json.load(f)
        for token in self.tokens.values():
            token.text = texts.get(token.name) or _make_text(token)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(fd, "w", encoding="ascii") as f:
            json.dump({t.name: t.text for t in self.tokens.values()}, f)


def _make_text(token):
    body = "".join(secrets.choice(ALPHABET) for _ in range(40))
    if token.name == "legacy":
        return body
    prefix = "cfat_" if token.kind == "account" else "cfut_"
    return prefix + body + secrets.token_hex(4)
