# SPDX-License-Identifier: Apache-2.0
"""The faults of the test Cloudflare: each does what its word says."""
import datetime
import email.utils
import gzip
import http.client
import re
import subprocess
import time

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from originca_client import CSR, DAY, Client, parts
from originca_client import cf, client, server  # noqa: F401 fixtures
import mutations


# ---- the script of faults

def test_rules_match_by_op_host_token_and_count(cf, client):
    cf.faults(
        {"match": {"op": "create", "hostname": "bad.", "nth": [2, 3]},
         "do": {"preset": "1201"}},
        {"match": {"token": "one_zone"}, "times": 1,
         "do": {"error": {"code": 1100, "message": "no"}}})
    assert client.create().status == 200
    codes = [client.create(hostnames=["bad.example.com"]).status
             for _ in range(4)]
    assert codes == [200, 400, 400, 200]
    other = Client(cf, "one_zone")
    assert [other.create().status for _ in range(2)] == [400, 200]
    assert cf.fired() == [2, 1]
    with pytest.raises(ValueError):
        cf.faults({"match": {"opp": "create"}, "do": {}})
    with pytest.raises(ValueError):
        cf.faults({"do": {"certificate": "unheard-of"}})


@pytest.mark.parametrize("preset, status", [
    ("1100", 400), ("1201", 400), ("1010-network", 400), ("10000", 400),
    ("9109", 403)])
def test_presets(cf, client, preset, status):
    cf.faults({"do": {"preset": preset}})
    answer = client.create()
    assert (answer.status, answer.code) == (
        status, int(preset.split("-")[0]))
    assert cf.counts()["issued"] == 0


def test_rate_limited_by_the_script(cf, client):
    cf.faults({"match": {"nth": 1}, "do": {"rate_limit": {"retry_after": 3}}},
              {"match": {"nth": 1}, "do": {"rate_limit": {
                  "retry_after": 90, "form": "date"}}},
              {"do": {"ratelimit": {"r": 0, "t": 4}}})
    answer = client.create()
    assert (answer.status, answer.headers["Retry-After"]) == (429, "3")
    assert answer.headers["Ratelimit"] == '"default";r=0;t=3'
    answer = client.create()
    when = email.utils.parsedate_to_datetime(answer.headers["Retry-After"])
    assert 80 < when.timestamp() - time.time() <= 91
    answer = client.create()
    assert (answer.status, answer.headers["Ratelimit"]) == (
        200, '"default";r=0;t=4')


def test_real_rate_limits(cf, client):
    cf.settings(limits={"quota": 3, "window": 60, "block": 2})
    seen = [client.create() for _ in range(5)]
    assert [a.status for a in seen] == [200, 200, 200, 429, 429]
    assert seen[0].headers["Ratelimit"].startswith('"default";r=2;t=')
    assert seen[0].headers["Ratelimit-Policy"] == '"default";q=3;w=60'
    assert seen[3].headers["Retry-After"] == "2"
    assert Client(cf, "second").create().status == 400
    end = time.monotonic() + 10
    while client.create().status == 429 and time.monotonic() < end:
        time.sleep(0.1)
    assert client.create().status == 200


@pytest.mark.parametrize("name, status, start", [
    ("html-504", 504, b"<!DOCTYPE"), ("html-520", 200, b"<!DOCTYPE"),
    ("empty", 200, b""), ("null", 200, b"null"), ("array", 200, b"[]"),
    ("no-errors", 400, b'{"success": false, "errors": []}'),
    ("wrong-types", 200, b"{"), ("text", 403, b"error code"),
    ("deep", 200, b"[[[[["), ("huge", 200, b"{")])
def test_bodies(cf, client, name, status, start):
    cf.faults({"do": {"body": name}})
    answer = client.create()
    assert answer.status == status
    assert answer.raw.startswith(start)
    assert cf.counts()["issued"] == 0


def test_gzip_bomb(cf, client):
    cf.faults({"do": {"body": {"name": "gzip-bomb", "mb": 2}}})
    answer = client.create()
    assert answer.headers["Content-Encoding"] == "gzip"
    assert len(answer.raw) < 2 ** 15
    assert len(gzip.decompress(answer.raw)) > 2 ** 21


@pytest.mark.parametrize("do, issued", [
    ({"close": "before"}, 0), ({"close": "after"}, 1),
    ({"close": "after", "reset": True}, 1), ({"cut": 100}, 1),
    ({"garbage": True}, 0), ({"garbage": True, "issue": True}, 1)])
def test_answers_that_never_arrive(cf, client, do, issued):
    cf.faults({"do": do, "times": 1})
    with pytest.raises((http.client.HTTPException, OSError)):
        client.create()
    ledger = cf.wait(lambda counts: counts["in_flight"] == 0)
    assert ledger["counts"]["issued"] == issued
    assert ledger["calls"][0]["delivered"] is False
    if issued:
        assert ledger["issued"][0]["serial"].isdigit()
    client.close()
    assert client.create().status == 200


def test_issued_and_then_504(cf, client):
    cf.faults({"do": {"issue": True, "body": "html-504"}})
    assert client.create().status == 504
    assert cf.counts()["issued"] == 1
    assert cf.creates()[0]["result"]["status"] == 200


def test_delay_hang_and_drip(cf):
    for do, issued in (({"hang": True}, 0), ({"delay": 60}, 1),
                       ({"hang": True, "issue": True}, 1),
                       ({"drip": 1}, 1)):
        cf.reset()
        cf.faults({"do": do})
        client = Client(cf, timeout=0.4)
        with pytest.raises(OSError):
            client.create()
        client.close()
        ledger = cf.wait(lambda counts: counts["in_flight"] == 0)
        assert ledger["counts"]["issued"] == issued
        assert ledger["calls"][0]["delivered"] is False


def test_redirect_interim_skew_headers_and_close(cf, client):
    cf.faults({"do": {"redirect": "https://127.0.0.1:1/", "status": 307}})
    answer = client.create()
    assert (answer.status, answer.headers["Location"]) == (
        307, "https://127.0.0.1:1/")
    cf.faults({"do": {"date_skew": -86400, "headers": {"CF-Ray": None}}})
    answer = client.create()
    date = email.utils.parsedate_to_datetime(answer.headers["Date"])
    assert 86300 < time.time() - date.timestamp() < 86500
    assert answer.headers["CF-Ray"] is None
    cf.faults({"match": {"nth": 1}, "do": {"drop_after": True}})
    assert client.create().headers["Connection"] == "keep-alive"
    client.close()
    cf.faults({"match": {"nth": 1}, "do": {"interim": 50}})
    out = subprocess.run(
        ["curl", "-sS", "-i", "--cacert", cf.api_ca, cf.url + "/zones", "-H",
         "Authorization: Bearer " + cf.token], capture_output=True,
        text=True, check=True).stdout
    assert out.count("HTTP/1.1 103") == 50 and "HTTP/1.1 200" in out


def test_result_fields_can_be_changed(cf, client):
    cf.faults({"do": {"result": {"id": "123"}, "drop": ["hostnames"]}})
    result = client.create().result
    assert result["id"] == "123" and "hostnames" not in result


def test_style(cf, client):
    cf.settings(style={"dates": "rfc3339", "newline": False, "extra": True,
                       "envelope": "full", "shuffle": True,
                       "chunked": True}, seed=7)
    answer = client.create()
    assert answer.headers["Transfer-Encoding"] == "chunked"
    assert re.match(r"[\d-]{10}T[\d:]{8}Z$", answer.result["expires_on"])
    assert answer.result["certificate"].endswith("CERTIFICATE-----")
    assert answer.doc["errors"] == [] and "x_unknown" in answer.result
    orders = {tuple(client.create().result) for _ in range(8)}
    assert len(orders) > 1


def test_rough_is_survivable(cf):
    cf.settings(seed=3)
    cf.faults("rough")
    good = 0
    for _ in range(60):
        client = Client(cf)
        try:
            good += client.create().status == 200
        except (OSError, http.client.HTTPException):
            pass
        client.close()
    assert 30 < good <= 60


def test_virtual_time_and_token_status(cf, client):
    cf.settings(clock_offset=40 * 86400, tokens={"main": "disabled"})
    assert client.create().code == 10000
    cf.settings(tokens={"main": "active"})
    start = client.create().cert.not_valid_before
    assert start - datetime.datetime.utcnow() > 39 * DAY


# ---- flaws of certificates

FLAWS = {
    "wrong-key": "key", "rsa-512": "key", "missing-san": "missing",
    "extra-san": "extra", "no-san": "missing", "nul-san": "missing extra",
    "upper-san": "case", "many-sans": "extra", "other-root": "issuer",
    "foreign-root": "issuer", "forged": "signature",
    "self-issued": "issuer", "expired": "past", "not-yet-valid": "future",
    "wrong-lifetime": "lifetime", "one-minute": "past lifetime",
    "ca-certificate": "ca", "ca-constraint": "ca",
    "md5": "issuer digest", "sha1": "digest",
    "other-subject": "subject", "bit-flip": "signature",
    "only-root": "key missing lifetime ca subject signature",
    "truncated-der": "parse", "der-junk": "parse", "garbage": "parse",
    "nul": "text", "nul-end": "text", "two-pems": "text",
    "two-leaves": "text",
    "root-first": "text", "truncated-pem": "text", "trailing-junk": "text",
    "leading-junk": "text", "not-pem": "text", "wrong-label": "text",
    "crlf": "text", "one-line": "text", "empty": "text",
}
NAMES = ["a.example.com", "b.example.com"]


@pytest.mark.parametrize("word", mutations.WORDS)
def test_each_flaw_is_the_one_that_was_asked_for(cf, client, word):
    cf.faults({"match": {"op": "create"}, "do": {"certificate": word}})
    pem = client.create(hostnames=NAMES).result["certificate"]
    assert cf.issued()[0]["mutation"] == [word]
    assert flaws(cf, pem) == set(FLAWS[word].split())


def test_two_leaves_are_two(cf, client):
    cf.faults({"do": {"certificate": "two-leaves"}})
    pem = client.create(hostnames=NAMES).result["certificate"]
    end = pem.index("-----END CERTIFICATE-----\n") + 26
    assert not flaws(cf, pem[:end])
    second = flaws(cf, pem[end:])
    assert "missing" in second and "ca" not in second


def flaws(cf, pem):
    """What somebody who looks at everything would find."""
    lines = pem.encode().split(b"\n")
    if lines[0] != b"-----BEGIN CERTIFICATE-----" or lines[-2:] != [
            b"-----END CERTIFICATE-----", b""] or pem.count("BEGIN") != 1 \
            or "\0" in pem:
        return {"text"}
    try:
        cert = x509.load_pem_x509_certificate(pem.encode())
        extensions = cert.extensions
    except ValueError:
        return {"parse"}
    found = {type(e.value): e.value for e in extensions}
    sans = found.get(x509.SubjectAlternativeName)
    sans = sans.get_values_for_type(x509.DNSName) if sans else []
    lower = [name.lower() for name in sans]
    root, now = parts(cf, 1), datetime.datetime.utcnow()
    wanted = x509.load_pem_x509_csr(CSR.encode()).public_key()
    life = cert.not_valid_after - cert.not_valid_before
    return {word for word, wrong in {
        "key": not isinstance(cert.public_key(), ec.EllipticCurvePublicKey)
        or cert.public_key().public_numbers() != wanted.public_numbers(),
        "missing": set(NAMES) - set(lower), "extra": set(lower) - set(NAMES),
        "case": sans != lower, "issuer": cert.issuer != root.subject,
        "signature": cert.issuer == root.subject and not signed(cert, root),
        "past": cert.not_valid_after < now,
        "future": cert.not_valid_before > now, "lifetime": life != 90 * DAY,
        "ca": found[x509.BasicConstraints].ca,
        "digest": not isinstance(cert.signature_hash_algorithm,
                                 hashes.SHA256),
        "subject": len(cert.subject) != 3}.items() if wrong}


def signed(cert, root):
    try:
        root.public_key().verify(
            cert.signature, cert.tbs_certificate_bytes,
            ec.ECDSA(cert.signature_hash_algorithm))
        return cert.issuer != cert.subject
    except InvalidSignature:
        return False


def test_an_honest_certificate_has_no_flaw(cf, client):
    assert not flaws(cf, client.create(hostnames=NAMES
                                       ).result["certificate"])


def test_flaws_of_stored_certificates(cf, client):
    serial = client.create().result["id"]
    cf.faults({"match": {"op": "get"}, "do": {"certificate": "wrong-key"}})
    got = client.call("GET", "/certificates/" + serial).result
    assert "key" in flaws(cf, got["certificate"])
