# SPDX-License-Identifier: Apache-2.0
"""For the tests of what happens by itself: a server that shows its status,
and words for what is seen there, in the store and in the ledger."""

import datetime
import http.client
import json

from cryptography.hazmat.primitives import serialization

import pairs
import waiting

STATUS = ['<Location "/cforigin-status">',
          "    SetHandler cforigin-status", "    Require local",
          "</Location>"]
QUIET = r"cforigin:(warn|error)"


def show_status(httpd):
    httpd.server(*STATUS)


def page(httpd, path):
    """A page without TLS, its text."""
    conn = http.client.HTTPConnection("127.0.0.1", httpd.http_port,
                                      timeout=10)
    try:
        conn.request("GET", path, headers={"Host": "localhost"})
        answer = conn.getresponse()
        text = answer.read().decode()
    finally:
        conn.close()
    assert answer.status == 200, (answer.status, text)
    return text


def status(httpd):
    """?format=json, as an object."""
    return json.loads(page(httpd, "/cforigin-status?format=json"))


def shown(httpd, name, request_type=None):
    """One certificate of the status."""
    found = [c for c in status(httpd)["certificates"] if c["name"] == name
             and request_type in (None, c["request_type"])]
    assert len(found) == 1, found
    return found[0]


def moment(text):
    return datetime.datetime.strptime(
        text, "%Y-%m-%dT%H:%M:%SZ").replace(
            tzinfo=datetime.timezone.utc).timestamp()


def served(httpd, name):
    """The certificate's hash, whatever a client thinks of its dates."""
    return httpd.get(name, verify=False).sha256


def stored(httpd, name, request_type="origin-ecc"):
    return pairs.sha256(httpd.live(name, request_type) / "cert.pem")


def public_key(httpd, name):
    return pairs.certificate(httpd.live(name) / "cert.pem").public_key(
        ).public_bytes(serialization.Encoding.DER,
                       serialization.PublicFormat.SubjectPublicKeyInfo)


def is_whole(httpd, name):
    """The live pair is one, and it is what is served."""
    live = httpd.live(name)
    return (pairs.belong_together(live / "cert.pem", live / "key.pem")
            and served(httpd, name) == pairs.sha256(live / "cert.pem"))


def attempt(httpd, name, request_type="origin-ecc"):
    path = httpd.folder(name, request_type) / "attempt.json"
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return None


def mark(httpd, *names):
    """Touch the renew marker."""
    for name in names:
        (httpd.folder(name) / "renew").touch()


def generation(httpd, name):
    """Of the live pair, 0 while there is none."""
    try:
        return httpd.generation(name)
    except FileNotFoundError:
        return 0


def await_generation(httpd, name, number, clock=None, seconds=20):
    look = clock.until if clock else waiting.until
    look(lambda: generation(httpd, name) >= number,
         lambda: httpd.story(f"generation {number} of {name}"), seconds)


def await_served(httpd, name, clock=None, seconds=20):
    """Until what is served is what the store has."""
    look = clock.until if clock else waiting.until
    look(lambda: served(httpd, name) == stored(httpd, name),
         lambda: httpd.story(f"the stored {name} served"), seconds)


def asked_for(cloudflare, name):
    """How often it was asked for."""
    return sum(name in call["body"]["hostnames"]
               for call in cloudflare.creates())
