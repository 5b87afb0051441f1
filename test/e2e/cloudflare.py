# SPDX-License-Identifier: Apache-2.0
"""The test Cloudflare as the tests here speak of it: what it is told to do,
and what it was asked."""

import contextlib
import json
import shutil
import ssl
import sys
import tempfile
import urllib.request
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa

import pairs

sys.path.append(str(Path(__file__).resolve().parents[1] / "originca"))

from control import OriginCA  # noqa: E402
from ports import free_port  # noqa: E402


class Cloudflare:
    """url, token, other_token, api_ca and roots; a ledger and faults."""

    def __init__(self, *options):
        self.folder = tempfile.mkdtemp(prefix="cforigin-api-")
        Path(self.folder).chmod(0o755)
        self.server = OriginCA(self.folder, "--port", free_port(),
                               *options).start()
        self.url = self.server.url
        self.api_ca = self.server.api_ca
        self.roots = self.server.roots
        self.token = self.server.tokens["main"]
        self.other_token = self.server.tokens["account"]
        self.rules = []

    def stop(self):
        self.server.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def reset(self):
        self.rules = []
        self.server.reset()

    def cure(self):
        """Start again at the same address, without what was wrong with its
        TLS."""
        self.server.stop()
        self.server = OriginCA(self.folder, "--port",
                               self.server.port).start()
        Path(self.api_ca).chmod(0o644)

    # -- looking ------------------------------------------------------------

    def calls(self):
        return self.server.calls()

    def creates(self):
        """Each POST /certificates: body, token (its name), time, status."""
        return self.server.creates()

    def issued(self):
        """How many certificates it has issued."""
        return self.server.counts()["issued"]

    def tag(self, token):
        """The name the ledger has for a token's text."""
        return {text: name
                for name, text in self.server.tokens.items()}[token]

    def most_at_once(self):
        return self.server.counts()["most_in_flight"]

    def connections(self):
        return {call["connection"] for call in self.calls()}

    # -- steering -----------------------------------------------------------

    def fault(self, match, do, times=None):
        rule = {"match": match, "do": do}
        if times is not None:
            rule["times"] = times
        self.rules.append(rule)
        self.server.faults(*self.rules)

    def hang(self):
        """No call is answered any more."""
        self.fault({"op": "any"}, {"hang": True})

    def release(self):
        """No faults for what is asked from now on."""
        self.rules = []
        self.server.faults()

    def delay(self, seconds):
        self.fault({"op": "create"}, {"delay": seconds})

    def refuse(self, hostname, http, code, message):
        self.fault({"op": "create", "hostname": hostname},
                   {"error": {"status": http, "code": code,
                              "message": message}})

    def flaw(self, hostname, word):
        """Certificates for it are issued, but with this flaw."""
        self.fault({"op": "create", "hostname": hostname},
                   {"certificate": word})

    # -- by hand ------------------------------------------------------------

    def issue_by_hand(self, cert_path, key_path, names, validity=5475,
                      key=None):
        """A certificate as the dashboard gives it: asked for by a person,
        stored in two files."""
        key = key or pairs.new_key()
        of_type = ("origin-rsa" if isinstance(key, rsa.RSAPrivateKey)
                   else "origin-ecc")
        body = {"csr": pairs.request_text(key, names), "hostnames": names,
                "request_type": of_type, "requested_validity": validity}
        request = urllib.request.Request(
            f"{self.url}/certificates", json.dumps(body).encode(),
            {"Authorization": f"Bearer {self.token}", "User-Agent": "hand",
             "Content-Type": "application/json"})
        trust = ssl.create_default_context(cafile=self.api_ca)
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}),
            urllib.request.HTTPSHandler(context=trust))
        with opener.open(request, timeout=10) as answer:
            pem = json.load(answer)["result"]["certificate"]
        pairs.put(cert_path, pem.encode(), 0o644)
        pairs.put(key_path, pairs.key_text(key), 0o600)


@contextlib.contextmanager
def running(*options):
    server = Cloudflare(*options)
    try:
        yield server
    finally:
        server.stop()
