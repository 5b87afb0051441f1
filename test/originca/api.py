# SPDX-License-Identifier: Apache-2.0
"""Request in, answer out: what the API says to whom.

`answer` does the work or refuses it with the code, status and envelope of
the real API. No sockets, no faults, no clock of its own. Certificates are
kept by a Shelf (shelf.py).
"""
import base64
import binascii
import re

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

import accounts
import ca
import names
from calls import AUTHORIZATION, PREFIX, ROUTES, Refusal, Reply, gateway

VALIDITIES = (7, 30, 90, 365, 730, 1095, 5475)
REQUEST_TYPES = ("origin-rsa", "origin-ecc", "keyless-certificate")
MAX_HOSTNAMES = 200
CSR_PEM = re.compile(
    r"-----BEGIN ([A-Z0-9 ]+)-----\r?\n([A-Za-z0-9+/=\s]*?)"
    r"-----END \1-----")


class Api:
    def __init__(self, world, authority, shelf):
        self.world = world
        self.authority = authority
        self.shelf = shelf

    def answer(self, call, now, changes=()):
        """The reply to a call. `changes`: flaws for the certificate."""
        try:
            self._check_route(call)
            self._check_token(call)
            return getattr(self, "_" + call.op)(call, now, changes)
        except Refusal as refusal:
            return refusal.reply

    def _check_route(self, call):
        if call.op != "other":
            return
        rest = call.path[len(PREFIX):]
        if call.path.startswith(PREFIX + "/") and any(
                pattern.match(rest) for pattern, _ in ROUTES):
            raise gateway(405, 7001, "Method %s not available for that URI."
                           % call.method)
        raise gateway(404, 7003, "No route for the URI")

    def _check_token(self, call):
        service = call.path.startswith(PREFIX + "/certificates")
        given = call.headers.get("authorization")
        token = call.token
        if given is None:
            raise Refusal(403, 1001, "Request had no Authorization header",
                          whole=not service)
        if not AUTHORIZATION.match(given):
            raise gateway(400, 6003, "Invalid request headers",
                           (6111, "Invalid format for Authorization header"))
        if call.op == "verify":
            own = call.path.startswith(PREFIX + "/accounts/")
            if token is None or (token.kind == "account") != own or (
                    own and call.id != self.account(token)["id"]):
                raise gateway(401, 1000, "Invalid API Token")
            return
        if token is None or token.status != "active":
            raise self._not_you(service)
        if token.refusal == "ip_filtered":
            raise gateway(403, 9109, "Cannot use the access token from "
                           "location: 127.0.0.1")
        if call.op in ("create", "revoke") \
                and token.refusal == "not_authorized":
            raise Refusal(401, 1016,
                          "User is not authorized to perform this action")
        right = "zones" if call.op == "zone" else call.op
        if right not in token.may:
            if right == "zones":
                raise gateway(403, 0, "Actor 'com.cloudflare.api.token.%s' "
                               "requires permission 'com.cloudflare.api."
                               "account.zone.list' to list zones" % token.id)
            raise self._not_you(service)

    @staticmethod
    def _not_you(service):
        return gateway(400 if service else 403, 10000,
                        "Authentication error")

    # ---- certificates

    def _create(self, call, now, changes):
        data = self._create_body(call)
        public_key = self._key_of_csr(data.get("csr"))
        hostnames, doubled = self._hostnames(call.token,
                                             data.get("hostnames"))
        leaf = self.authority.sign(
            public_key, hostnames, data["request_type"],
            data["requested_validity"], now, changes)
        stored = self.shelf.put(leaf, hostnames, data, call.token, changes)
        result = {"certificate": leaf.pem, "csr": data["csr"],
                  "expires_on": stored["expires_on"],
                  "hostnames": hostnames, "id": stored["id"],
                  "request_type": data["request_type"],
                  "requested_validity": data["requested_validity"]}
        doc = {"success": True, "result": result}
        if doubled:
            doc["messages"] = [{
                "code": 1006, "message": "One or more hostnames were "
                "duplicated in the request and have been removed prior to "
                "certificate generation"}]
        return Reply(200, doc)

    def _create_body(self, call):
        data = call.data
        if not isinstance(data, dict):
            raise Refusal(400, 1004, "Failed to parse request JSON")
        data = dict(data)
        days = data.get("requested_validity")
        if days is None:
            # a name that is not known here is ignored: fifteen years
            days = 5475
        hostnames = data.get("hostnames") or []
        if isinstance(days, bool) or not isinstance(days, (int, float)) \
                or not isinstance(hostnames, list) \
                or not all(isinstance(h, str) for h in hostnames) \
                or not isinstance(data.get("csr") or "", str) \
                or not isinstance(data.get("request_type") or "", str):
            raise Refusal(400, 1004, "Failed to parse request JSON")
        if data.get("request_type") not in REQUEST_TYPES:
            raise Refusal(400, 1002, "Unsupported request_type")
        if days not in VALIDITIES:
            raise Refusal(400, 1009, "Permitted values for "
                          "requested_validity are 7, 30, 90, 365, 730, 1095, "
                          "5475 (default)")
        data["requested_validity"] = int(days)
        return data

    @staticmethod
    def _key_of_csr(text):
        match = CSR_PEM.search(text or "")
        if not match:
            raise Refusal(400, 1007, "CSR parsed as empty")
        try:
            if not match.group(1).endswith("CERTIFICATE REQUEST"):
                raise ValueError("another kind of PEM")
            der = base64.b64decode("".join(match.group(2).split()), b"+/",
                                   True)
            csr = x509.load_der_x509_csr(der)
            if not csr.is_signature_valid:
                raise ValueError("signature does not fit")
            return csr.public_key()
        except (ValueError, TypeError, binascii.Error,
                UnsupportedAlgorithm):
            raise Refusal(400, 1011, "Failed to parse CSR") from None

    def _hostnames(self, token, wanted):
        wanted = wanted or []
        if len(wanted) > MAX_HOSTNAMES:
            raise Refusal(400, 1005, "Too many hostnames requested - you may "
                          "only request up to %d per certificate"
                          % MAX_HOSTNAMES)
        if not wanted:
            raise self._bad_name("", "no hostnames were requested")
        found = set()
        for hostname in wanted:
            try:
                name = names.normalise(hostname)
            except ValueError as reason:
                raise self._bad_name(hostname, reason) from None
            if token.refusal == "no_api_access" \
                    or self._zone_of(token, name) is None:
                raise self._bad_name(hostname, names.NOT_YOURS)
            found.add(name)
        return sorted(found), len(found) < len(wanted)

    @staticmethod
    def _bad_name(hostname, reason):
        return Refusal(400, 1010, "Failed to validate SAN/requested hostname "
                       "%s: %s" % (hostname, reason))

    def _zone_of(self, token, name):
        for suffix in names.suffixes(name):
            zone = self.world.zones.get(suffix)
            if self.world.reaches(token, zone) and zone.status == "active":
                return zone
        return None

    def _list(self, call, now, changes):
        if not call.query.get("zone_id"):
            raise Refusal(400, 1012, "Please provide a zone id when "
                          "requesting a stored certificate, or fetch by "
                          "serial number")
        zone = self.world.zone_by_id(call.query["zone_id"])
        if not self.world.reaches(call.token, zone):
            raise self._not_you(True)
        rows = self.shelf.of_zone(zone.name)
        offset = self._number(call, "offset", 0, 0, 10 ** 9)
        limit = self._number(call, "limit", len(rows), 0, 10 ** 9)
        rows, info = self._page(call, rows[offset:offset + limit])
        return Reply(200, {
            "success": True, "errors": [], "messages": [],
            "result": [self._shown(row, changes) for row in rows],
            "result_info": info})

    def _get(self, call, now, changes):
        return Reply(200, {"success": True,
                           "result": self._shown(self._mine(call), changes),
                           "errors": [], "messages": []})

    def _revoke(self, call, now, changes):
        row = self._mine(call)
        if row["revoked_at"]:
            raise Refusal(400, 1014, "Certificate already revoked")
        self.shelf.revoke(row, now)
        return Reply(200, {"success": True, "result": {
            "id": row["id"], "revoked_at": row["revoked_at"]},
            "errors": [], "messages": []})

    def _mine(self, call):
        row, token = self.shelf.get(call.id), call.token
        if row is None or row["account"] != token.account or (
                token.zones and not all(self._zone_of(token, name)
                                        for name in row["hostnames"])):
            raise Refusal(404, 1101,
                          "Failed to read certificate from Database")
        return row

    def _shown(self, row, changes):
        """A stored certificate without csr and requested_validity."""
        pem = row["certificate"]
        if changes:
            pem = self.authority.sign(
                self._key_of_csr(row["csr"]), row["hostnames"],
                row["request_type"], row["requested_validity"],
                self.shelf.time_of(row), changes).pem
        shown = {"id": row["id"], "certificate": pem,
                 "expires_on": row["expires_on"],
                 "request_type": row["request_type"],
                 "hostnames": row["hostnames"]}
        if row["revoked_at"]:
            shown["revoked_at"] = row["revoked_at"]
        return shown

    # ---- zones and tokens

    def _zones(self, call, now, changes):
        wanted = call.query.get("name", "").lower()
        status = call.query.get("status")
        owner = call.query.get("account.id")
        rows = [zone for zone in self.world.zones.values()
                if self.world.reaches(call.token, zone)
                and wanted in ("", zone.name)
                and status in (None, zone.status)
                and owner in (None, self.account(call.token)["id"])]
        rows, info = self._page(call, rows)
        return Reply(200, {"result": [self._zone_doc(z) for z in rows],
                           "result_info": info, "success": True,
                           "errors": [], "messages": []})

    def _zone(self, call, now, changes):
        zone = self.world.zone_by_id(call.id)
        if not self.world.reaches(call.token, zone):
            raise self._not_you(False)
        return Reply(200, {"result": self._zone_doc(zone), "success": True,
                           "errors": [], "messages": []})

    def _zone_doc(self, zone):
        return {"id": zone.id, "name": zone.name, "status": zone.status,
                "paused": False, "type": "full", "development_mode": 0,
                "name_servers": ["bob.ns.cloudflare.com",
                                 "lola.ns.cloudflare.com"],
                "account": self.account(zone), "permissions": [],
                "created_on": "2020-01-01T05:20:00.12345Z",
                "modified_on": "2026-01-01T05:20:00.12345Z"}

    @staticmethod
    def account(owned):
        """The account of a zone or a token, as the API shows it."""
        return {"id": accounts.hex_id("account " + owned.account),
                "name": "Test account " + owned.account}

    def _verify(self, call, now, changes):
        token, messages = call.token, []
        if token.status == "active":
            messages = [{"code": 10000, "message":
                         "This API Token is valid and active",
                         "type": None}]
        return Reply(200, {"result": {"id": token.id,
                                      "status": token.status},
                           "success": True, "errors": [],
                           "messages": messages})

    # ---- pages

    def _page(self, call, rows):
        page = self._number(call, "page", 1, 1, 10 ** 9)
        size = self._number(call, "per_page", 20, 5, 50)
        part = rows[(page - 1) * size:page * size]
        return part, {"page": page, "per_page": size, "count": len(part),
                      "total_count": len(rows),
                      "total_pages": -(-len(rows) // size)}

    @staticmethod
    def _number(call, name, default, least, most):
        text = call.query.get(name)
        if text is None:
            return default
        if not re.fullmatch("[0-9]{1,12}", text) \
                or not least <= int(text) <= most:
            raise gateway(400, 6003, "Invalid request: %s must be a number "
                           "from %d to %d" % (name, least, most))
        return int(text)
