# SPDX-License-Identifier: Apache-2.0
"""The test Cloudflare itself: as strict as the real one, and a client that
nobody here wrote works against it. Its faults: test_originca_faults.py."""
import concurrent.futures
import datetime
import email.utils
import fcntl
import http.client
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from originca_client import (CSR, DAY, PREFIX, TOP, Answer, Client, body,
                             make_csr, parts)
from originca_client import cf, client, server  # noqa: F401 fixtures
from control import OriginCA
from front import Http2Front


# ---- the leaf, the roots, the shapes of answers

@pytest.mark.parametrize("request_type, which, word", [
    ("origin-rsa", 0, "origin_ca"), ("origin-ecc", 1, "origin_ecc_ca")])
def test_leaf_has_the_real_shape(cf, client, request_type, which, word):
    key = ec.generate_private_key(ec.SECP256R1())
    days = 5475
    before = datetime.datetime.utcnow()
    answer = client.create(
        csr=make_csr(key), request_type=request_type,
        requested_validity=days,
        hostnames=["www.example.com", "*.example.org", "example.com"])
    cert, root = answer.cert, parts(cf, which)
    if which:
        root.public_key().verify(cert.signature, cert.tbs_certificate_bytes,
                                 ec.ECDSA(hashes.SHA256()))
    else:
        root.public_key().verify(cert.signature, cert.tbs_certificate_bytes,
                                 padding.PKCS1v15(), hashes.SHA256())
    assert cert.issuer == root.subject
    assert [a.value for a in cert.subject] == [
        "CloudFlare, Inc.", "CloudFlare Origin CA",
        "CloudFlare Origin Certificate"]
    assert cert.public_key().public_numbers() \
        == key.public_key().public_numbers()
    assert cert.not_valid_after - cert.not_valid_before == days * DAY
    assert cert.not_valid_before.second == 0
    assert DAY > before - cert.not_valid_before > datetime.timedelta(0)
    assert cert.serial_number.bit_length() > 152
    ext = [e.value for e in cert.extensions]
    assert [type(e).__name__ for e in ext] == [
        "KeyUsage", "ExtendedKeyUsage", "BasicConstraints",
        "SubjectKeyIdentifier", "AuthorityKeyIdentifier",
        "AuthorityInformationAccess", "SubjectAlternativeName",
        "CRLDistributionPoints"]
    assert ext[0].digital_signature and ext[0].key_encipherment
    assert list(ext[1]) == [ExtendedKeyUsageOID.CLIENT_AUTH,
                            ExtendedKeyUsageOID.SERVER_AUTH]
    assert ext[2].ca is False
    assert ext[5][0].access_location.value \
        == "http://ocsp.cloudflare.com/" + word
    assert ext[6].get_values_for_type(x509.DNSName) == [
        "*.example.org", "example.com", "www.example.com"]
    assert ext[7][0].full_name[0].value \
        == "http://crl.cloudflare.com/%s.crl" % word
    root_bc = root.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (root_bc.critical, root_bc.value.ca,
            root_bc.value.path_length) == (True, True, 2)


def test_create_answers_as_recorded(cf, client):
    answer = client.create(hostnames=["B.example.com", "bücher.example.com",
                                      "faß.example.com"])
    assert answer.status == 200
    assert set(answer.doc) == {"success", "result"}
    result = answer.result
    assert result["hostnames"] == [
        "b.example.com", "xn--bcher-kva.example.com",
        "xn--fa-hia.example.com"]
    assert result["id"] == str(answer.cert.serial_number)
    assert result["expires_on"] == answer.cert.not_valid_after.strftime(
        "%Y-%m-%d %H:%M:00 +0000 UTC")
    assert (result["csr"], result["request_type"],
            result["requested_validity"]) == (CSR, "origin-ecc", 90)
    assert result["certificate"].count("BEGIN") == 1
    head = answer.headers
    assert re.match(r"[0-9a-f]{16}-[A-Z]{3}$", head["CF-Ray"])
    assert head["Ratelimit"] == '"default";r=1199;t=1'
    assert head["Ratelimit-Policy"] == '"default";q=1200;w=300'
    assert head["Content-Type"] == "application/json"
    assert len(head.get_all("Set-Cookie")) == 3
    assert email.utils.parsedate_to_datetime(head["Date"])


def test_missing_validity_means_fifteen_years(client):
    answer = client.create(requested_validity=None, validity=30)
    assert answer.result["requested_validity"] == 5475


def test_doubled_names_are_removed_with_a_message(client):
    answer = client.create(hostnames=["a.example.com", "A.example.com"])
    assert answer.result["hostnames"] == ["a.example.com"]
    assert answer.doc["messages"][0]["code"] == 1006


@pytest.mark.parametrize("key", [
    rsa.generate_private_key(65537, 2048),
    ec.generate_private_key(ec.SECP384R1())], ids=["rsa", "p384"])
def test_csr_key_need_not_match_request_type(client, key):
    answer = client.create(csr=make_csr(key), request_type="origin-ecc")
    assert answer.cert.public_key().public_numbers() \
        == key.public_key().public_numbers()


def test_two_hundred_names_and_a_chunked_body(client):
    names = ["n%d.example.com" % n for n in range(200)]
    data = json.dumps(body(hostnames=names)).encode()
    client.connection.request(
        "POST", PREFIX + "/certificates", iter([data[:100], data[100:]]),
        client.headers, encode_chunked=True)
    answer = Answer(client.connection.getresponse())
    assert answer.result["hostnames"] == sorted(names)


# ---- refusals of a create

REFUSED = {
    "request-type": (dict(request_type="origin-dsa"), 1002),
    "no-request-type": (dict(request_type=None), 1002),
    "names-as-text": (dict(hostnames="a.example.com"), 1004),
    "validity-as-text": (dict(requested_validity="90"), 1004),
    "201-names": (dict(hostnames=["n%d.example.com" % n
                                  for n in range(201)]), 1005),
    "no-csr": (dict(csr=None), 1007),
    "empty-csr": (dict(csr=""), 1007),
    "base64-csr": (dict(csr="".join(CSR.splitlines()[1:-1])), 1007),
    "escaped-csr": (dict(csr=CSR.replace("\n", "\\n")), 1007),
    "broken-csr": (dict(csr=CSR.replace("MII", "MIX", 1)
                        if "MII" in CSR else CSR[:60] + CSR[90:]), 1011),
    "half-csr": (dict(csr=CSR[:70] + "\n" + CSR.splitlines()[-1]), 1011),
    "tampered-csr": (dict(csr=make_csr(tamper=True)), 1011),
    "csr-is-a-cert": (dict(csr=CSR.replace("CERTIFICATE REQUEST",
                                           "CERTIFICATE")), 1011),
    "validity-7300": (dict(requested_validity=7300), 1009),
    "validity-0": (dict(requested_validity=0), 1009),
    "no-names": (dict(hostnames=[]), 1010),
    "not-ours": (dict(hostnames=["a.example.com", "not-ours.test"]), 1010),
    "other-account": (dict(hostnames=["second.test"]), 1010),
    "pending-zone": (dict(hostnames=["www.pending.test"]), 1010),
    "address": (dict(hostnames=["192.0.2.1"]), 1010),
    "address-6": (dict(hostnames=["2001:db8::1"]), 1010),
    "single-label": (dict(hostnames=["localhost"]), 1010),
    "star-com": (dict(hostnames=["*.com"]), 1010),
    "two-stars": (dict(hostnames=["*.*.example.com"]), 1010),
    "inner-star": (dict(hostnames=["foo.*.example.com"]), 1010),
    "half-star": (dict(hostnames=["w*.example.com"]), 1010),
    "underscore": (dict(hostnames=["a_b.example.com"]), 1010),
    "last-dot": (dict(hostnames=["example.com."]), 1010),
    "empty-label": (dict(hostnames=["a..example.com"]), 1010),
    "near-miss": (dict(hostnames=["badexample.com"]), 1010),
}


@pytest.mark.parametrize("case", REFUSED)
def test_create_refuses(cf, client, case):
    changes, code = REFUSED[case]
    answer = client.create(**changes)
    assert (answer.status, answer.code) == (400, code)
    assert set(answer.doc) == {"success", "errors"}
    assert answer.doc["success"] is False
    assert cf.counts()["issued"] == 0
    assert cf.creates()[0]["code"] == code


@pytest.mark.parametrize("data", [
    "", "{", "[]", "null", "[" * 50000,
    json.dumps(body()).encode("utf-8-sig"),
    json.dumps(body()).encode("utf-16"),
    json.dumps(body(requested_validity=float("nan")))],
    ids=["empty", "half", "array", "null", "deep", "mark", "utf-16", "nan"])
def test_create_refuses_what_is_no_json_object(client, data):
    answer = client.call("POST", "/certificates", data)
    assert (answer.status, answer.code) == (400, 1004)


def test_message_of_1010_names_the_host(client):
    message = client.create(hostnames=["x.test.invalid"]
                            ).doc["errors"][0]["message"]
    assert message.startswith(
        "Failed to validate SAN/requested hostname x.test.invalid: This zone "
        "is either not part of your account, or you do not have access")


def test_large_body_is_refused(cf, client):
    answer = client.call("POST", "/certificates", "x" * (2 ** 20 + 1))
    assert (answer.status, answer.code) == (413, 1003)
    assert answer.headers["Connection"] == "close"
    assert cf.calls("other")[0]["status"] == 413


def test_expect_100_continue(cf):
    context = ssl.create_default_context(cafile=cf.api_ca)
    data = json.dumps(body()).encode()
    head = ("POST %s/certificates HTTP/1.1\r\nHost: x\r\nUser-Agent: x\r\n"
            "Authorization: Bearer %s\r\nContent-Length: %d\r\n"
            "Expect: 100-continue\r\n\r\n" % (PREFIX, cf.token, len(data)))
    with socket.create_connection(("127.0.0.1", cf.port), 5) as plain, \
            context.wrap_socket(plain, server_hostname="localhost") as sock:
        sock.sendall(head.encode())
        assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(data)
        assert sock.recv(100).startswith(b"HTTP/1.1 200 OK\r\n")


ODD = ["\ud800.example.com", "a\0.example.com", "x" * 70 + ".example.com",
       "é" * 300 + ".example.com", "²", "", "☃.example.com"]


@pytest.mark.parametrize("hostname", ODD, ids=range(len(ODD)))
def test_odd_hostnames_are_refused_too(client, hostname):
    assert client.create(hostnames=[hostname]).code == 1010


def test_malformed_requests_end_in_an_answer(cf):
    context = ssl.create_default_context(cafile=cf.api_ca)
    for text in (b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nx\r\n\r\n",
                 b"GET //[ HTTP/1.1\r\n\r\n",
                 b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
                 b"x" * 70000):
        with socket.create_connection(("127.0.0.1", cf.port), 5) as plain, \
                context.wrap_socket(plain,
                                    server_hostname="localhost") as sock:
            sock.sendall(text)
            assert sock.recv(100).startswith(b"HTTP/1.1 400 ")


# ---- tokens, headers, routes

@pytest.mark.parametrize("token, op, status, code", [
    ("none", "create", 400, 10000), ("none", "list", 400, 10000),
    ("none", "zones", 403, 0), ("no_zones", "zones", 403, 0),
    ("no_zones", "create", 200, None), ("no_list", "create", 200, None),
    ("no_list", "list", 400, 10000), ("read_only", "create", 400, 10000),
    ("read_only", "list", 200, None), ("not_authorized", "create", 401, 1016),
    ("no_api_access", "create", 400, 1010),
    ("ip_filtered", "create", 403, 9109), ("disabled", "create", 400, 10000),
    ("second", "create", 400, 1010), ("second", "list", 400, 10000),
    ("one_zone", "create", 200, None), ("legacy", "create", 200, None),
    ("account", "create", 200, None),
    ("cfut_" + "A" * 48, "create", 400, 10000),
    ("cfut_" + "A" * 48, "zones", 403, 10000),
    ("cfut_" + "A" * 48, "verify", 401, 1000),
    ("account", "verify", 401, 1000), ("none", "verify", 200, None),
    ("too short", "create", 400, 6003),
    ("v1.0-" + "0123456789abcdef" * 4, "create", 400, 6003),
])
def test_tokens_may_what_they_may(cf, token, op, status, code):
    client = Client(cf, token)
    zone = cf.zones["example.com"]
    answer = {
        "create": lambda: client.create(),
        "list": lambda: client.call("GET", "/certificates?zone_id=" + zone),
        "zones": lambda: client.call("GET", "/zones?name=example.com"),
        "verify": lambda: client.call("GET", "/user/tokens/verify"),
    }[op]()
    assert answer.status == status
    assert (answer.code if code is not None else None) == code
    assert answer.doc["success"] is (code is None)
    seen = cf.calls()[0]
    assert (seen["op"], seen["status"], seen["code"]) == (op, status, code)
    for text in cf.tokens.values():
        assert text not in open(cf.ledger_file, encoding="utf-8").read()
    client.close()


def test_one_zone_token_sees_and_reaches_one_zone(cf):
    client = Client(cf, "one_zone")
    assert client.create(hostnames=["example.com", "example.net"]
                         ).code == 1010
    zones = client.call("GET", "/zones").result
    assert [zone["name"] for zone in zones] == ["example.com"]
    path = "/certificates/" + Client(cf).create(
        hostnames=["example.com", "example.net"]).result["id"]
    for method in ("GET", "DELETE"):
        answer = client.call(method, path)
        assert (answer.status, answer.code) == (404, 1101)
    path = "/certificates/" + Client(cf).create().result["id"]
    assert client.call("DELETE", path).status == 200


def test_authorization_header(cf, client):
    answer = client.call("GET", "/zones", Authorization=None)
    assert (answer.status, answer.code) == (403, 1001)
    answer = client.call("GET", "/zones", Authorization="Bearer  x")
    assert (answer.status, answer.code) == (400, 6003)
    assert answer.doc["errors"][0]["error_chain"] == [
        {"code": 6111, "message": "Invalid format for Authorization header"}]
    assert (answer.doc["messages"], answer.doc["result"]) == ([], None)


def test_verify_says_10000_in_messages(cf, client):
    answer = client.call("GET", "/user/tokens/verify")
    assert answer.result["status"] == "active"
    assert answer.doc["errors"] == []
    assert answer.doc["messages"] == [{
        "code": 10000, "message": "This API Token is valid and active",
        "type": None}]
    answer = Client(cf, "expired").call("GET", "/user/tokens/verify")
    assert (answer.result["status"], answer.doc["messages"]) \
        == ("expired", [])
    owner = client.call("GET", "/zones?name=example.com"
                        ).result[0]["account"]["id"]
    path = "/accounts/%s/tokens/verify" % owner
    answer = Client(cf, "account").call("GET", path)
    assert answer.result["status"] == "active"
    assert client.call("GET", path).status == 401


def test_no_user_agent_meets_the_edge(cf):
    client = Client(cf)
    del client.headers["User-Agent"]
    answer = client.create()
    assert (answer.status, answer.raw) == (403, b"error code: 1010")
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert answer.headers["CF-Ray"]
    assert cf.counts()["issued"] == 0


@pytest.mark.parametrize("method, path, status, code", [
    ("PUT", "/certificates", 405, 7001), ("POST", "/zones", 405, 7001),
    ("GET", "/certificate", 404, 7003),
    ("GET", "/zones/x/origin_tls_client_auth", 404, 7003)])
def test_routes(client, method, path, status, code):
    answer = client.call(method, path)
    assert (answer.status, answer.code) == (status, code)


def test_an_answer_to_head_has_no_body(cf):
    """Or the next one on the connection would begin with it."""
    context = ssl.create_default_context(cafile=cf.api_ca)
    ask = ("%%s %s/zones HTTP/1.1\r\nHost: x\r\nUser-Agent: x\r\n"
           "Authorization: Bearer %s\r\n\r\n" % (PREFIX, cf.token))
    with socket.create_connection(("127.0.0.1", cf.port), 5) as plain, \
            context.wrap_socket(plain, server_hostname="localhost") as sock:
        sock.sendall((ask % "HEAD" + ask % "GET").encode())
        said = b""
        while not said.endswith(b"}"):
            said += sock.recv(65536)
    first, rest = said.split(b"\r\n\r\n", 1)
    assert first.startswith(b"HTTP/1.1 405 ")
    assert rest.startswith(b"HTTP/1.1 200 ")


# ---- get, list, revoke, zones

def test_get_has_neither_csr_nor_validity(client):
    made = client.create().result
    got = client.call("GET", "/certificates/" + made["id"])
    assert set(got.doc) == {"success", "result", "errors", "messages"}
    assert set(got.result) == {"id", "certificate", "expires_on",
                               "request_type", "hostnames"}
    assert got.result["certificate"] == made["certificate"]


def test_revoke_once(cf, client):
    serial = client.create().result["id"]
    answer = client.call("DELETE", "/certificates/" + serial)
    assert answer.result["id"] == serial
    assert re.match(r"\d{4}-\d\d-\d\dT[\d:.]+Z$",
                    answer.result["revoked_at"])
    again = client.call("DELETE", "/certificates/" + serial)
    assert (again.status, again.code) == (400, 1014)
    got = client.call("GET", "/certificates/" + serial)
    assert got.result["revoked_at"] == answer.result["revoked_at"]
    assert [entry["serial"] for entry in cf.revoked()] == [serial]


def test_unknown_and_foreign_ids(cf, client):
    serial = Client(cf, "second").create(
        hostnames=["www.second.test"]).result["id"]
    for path in ("/certificates/123", "/certificates/" + serial):
        answer = client.call("GET", path)
        assert (answer.status, answer.code) == (404, 1101)
    assert client.call("DELETE", "/certificates/" + serial).code == 1101


def test_list_needs_a_zone(client):
    answer = client.call("GET", "/certificates")
    assert (answer.status, answer.code) == (400, 1012)


def test_list_by_page_until_an_empty_one(cf):
    client = Client(cf, "second")
    made = [client.create(hostnames=["zone07.test", "n%d.second.test" % n]
                          ).result["id"] for n in range(23)]
    path = "/certificates?zone_id=" + cf.zones["zone07.test"]
    first = client.call("GET", path)
    assert len(first.result) == 20
    assert first.doc["result_info"] == {
        "page": 1, "per_page": 20, "count": 20, "total_count": 23,
        "total_pages": 2}
    assert "csr" not in first.result[0]
    second = client.call("GET", path + "&page=2").result
    assert [row["id"] for row in first.result + second] == made[::-1]
    third = client.call("GET", path + "&page=3")
    assert (third.status, third.result) == (200, [])
    some = client.call("GET", path + "&limit=3&offset=21").result
    assert len(some) == 2
    for size in ("4", "51", "x"):
        assert client.call("GET", path + "&per_page=" + size).status == 400
    other = "/certificates?zone_id=" + cf.zones["zone08.test"]
    assert client.call("GET", other).result == []


def test_zones_by_name_and_by_page(cf, client):
    answer = client.call("GET", "/zones?name=example.org&status=active")
    assert [z["name"] for z in answer.result] == ["example.org"]
    assert answer.result[0]["id"] == cf.zones["example.org"]
    assert client.call("GET", "/zones?name=www.example.org").result == []
    assert client.call("GET", "/zones?name=pending.test&status=active"
                       ).result == []
    assert client.call("GET", "/zones?name=pending.test"
                       ).result[0]["status"] == "pending"
    assert client.call("GET", "/zones?name=second.test").result == []
    second = Client(cf, "second")
    assert len(second.call("GET", "/zones").result) == 20
    assert len(second.call("GET", "/zones?page=2").result) == 6


# ---- the ledger

def test_ledger_tells_what_was_received(cf, client):
    sent = {**body(), "unheard_of": 1}
    answer = client.call("POST", "/certificates", sent)
    ledger = cf.ledger()
    call, = ledger["calls"]
    assert call["body"] == sent
    assert (call["op"], call["method"], call["path"], call["token"]) == (
        "create", "POST", PREFIX + "/certificates", "main")
    assert (call["status"], call["code"], call["ray"]) == (
        200, None, answer.headers["CF-Ray"])
    assert call["delivered"] is True
    issued, = ledger["issued"]
    spki = x509.load_pem_x509_csr(CSR.encode()).public_key().public_bytes(
        serialization.Encoding.DER,
        serialization.PublicFormat.SubjectPublicKeyInfo)
    digest = hashes.Hash(hashes.SHA256())
    digest.update(spki)
    assert issued["spki_sha256"] == digest.finalize().hex()
    assert issued["serial"] == answer.result["id"]
    with open(cf.ledger_file, encoding="utf-8") as f:
        kinds = [json.loads(line)["kind"] for line in f]
    assert kinds == ["issued", "call"]
    cf.reset()
    assert cf.counts()["calls"] == 0


def test_kept_alive_and_parallel(cf):
    cf.settings(latency=300)

    def three(_):
        client = Client(cf)
        return [client.create().status for _ in range(3)]

    start = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert set(sum(pool.map(three, range(16)), [])) == {200}
    # one after the other would take 14 s
    assert time.monotonic() - start < 7
    counts = cf.counts()
    assert counts["connections"] == 16
    assert 8 < counts["most_in_flight"] <= 16


def test_restart_keeps_roots_tokens_and_certificates(tmp_path):
    with OriginCA(tmp_path) as cf:
        serial = Client(cf).create().result["id"]
        Client(cf).call("DELETE", "/certificates/" + serial)
        before, pid = (open(cf.roots).read(), cf.token), cf.pid
    with OriginCA(tmp_path) as cf:
        assert (open(cf.roots).read(), cf.token) == before
        assert cf.pid != pid
        got = Client(cf).call("GET", "/certificates/" + serial)
        assert got.result["revoked_at"]
    with open(tmp_path / "certificates.jsonl", "a") as f:
        f.write('{"id": "half a li')
    for _ in range(2):
        with OriginCA(tmp_path) as cf:
            path = "/certificates/" + serial
            assert Client(cf).call("GET", path).status == 200
            Client(cf).create()


# ---- the server's own TLS and life

@pytest.mark.parametrize("fault, said", [
    ("expired", "expired"), ("wrong-name", "IP address mismatch"),
    ("untrusted", "certificate verify failed"), ("tls1.0", "SSL")])
def test_faults_of_the_apis_own_tls(tmp_path, fault, said):
    with OriginCA(tmp_path, "--tls-fault", fault) as cf:
        with pytest.raises(ssl.SSLError) as error:
            Client(cf).create()
        assert said in str(error.value)


def test_tls_1_0_is_really_spoken(tmp_path):
    with OriginCA(tmp_path, "--tls-fault", "tls1.0") as cf:
        client = Client(cf)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cf.api_ca)
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        client.connection = http.client.HTTPSConnection(
            "127.0.0.1", cf.port, timeout=5, context=context)
        assert client.create().status == 200
        assert client.connection.sock.version() == "TLSv1"


def test_api_certificate_is_good_for_localhost_too(cf):
    context = ssl.create_default_context(cafile=cf.api_ca)
    connection = http.client.HTTPSConnection("localhost", cf.port, timeout=5,
                                             context=context)
    connection.request("GET", PREFIX + "/zones")
    assert connection.getresponse().status == 403


def test_no_tls_and_a_script_from_a_file(tmp_path):
    script = tmp_path / "faults.json"
    script.write_text('[{"do": {"preset": "1100"}}]')
    with OriginCA(tmp_path, "--no-tls", "--faults", script, "--zone",
                  "more.test", "--limits", "5/60") as cf:
        assert cf.url.startswith("http://") and "more.test" in cf.zones
        connection = http.client.HTTPConnection("127.0.0.1", cf.port)
        connection.request("POST", PREFIX + "/certificates",
                           json.dumps(body()), {
                               "User-Agent": "x",
                               "Authorization": "Bearer " + cf.token})
        answer = Answer(connection.getresponse())
        assert answer.code == 1100
        assert answer.headers["Ratelimit-Policy"] == '"default";q=5;w=60'


def test_http_2_with_nginx_in_front(tmp_path):
    with OriginCA(tmp_path, "--no-tls") as cf, Http2Front(cf) as front:
        done = subprocess.run(
            ["curl", "-sS", "--http2", "--cacert", cf.api_ca, "-w",
             "\n%{http_version} %{response_code}", "-H",
             "Authorization: Bearer " + cf.token, "--data",
             json.dumps(body()), front.url + "/certificates"],
            capture_output=True, text=True, check=True)
        answer, end = done.stdout.rsplit("\n", 1)
        assert end == "2 200"
        assert json.loads(answer)["result"]["id"] \
            == cf.issued()[0]["serial"]


def test_it_dies_with_its_parent(tmp_path):
    serve = os.path.join(TOP, "test", "originca", "serve")
    parent = subprocess.Popen(
        [sys.executable, "-c",
         "import subprocess, sys, time\n"
         "subprocess.Popen(sys.argv[1:])\ntime.sleep(60)", serve, "--dir",
         str(tmp_path), "--die-with-parent"], stdout=subprocess.PIPE)
    pid = json.loads(parent.stdout.readline())["pid"]
    parent.kill()
    parent.wait()
    end = time.monotonic() + 5
    while os.path.exists("/proc/%d" % pid) and time.monotonic() < end:
        with open("/proc/%d/stat" % pid) as f:
            if f.read().split()[2] == "Z":
                break
        time.sleep(0.02)
    assert time.monotonic() < end
    parent.stdout.close()


# ---- Cloudflare's own client

def ts_client():
    """Cloudflare's client as the registry has it, below build/."""
    source = os.path.join(TOP, "test", "e2e", "ts_client")
    place = os.path.join(TOP, "build", "ts_client")
    os.makedirs(place, exist_ok=True)
    with open(os.path.join(place, "lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name in ("package.json", "run.mjs"):
            shutil.copy(os.path.join(source, name), place)
        with open(os.path.join(source, "package.json")) as f:
            wanted = json.load(f)["dependencies"]["cloudflare"]
        manifest = os.path.join(place, "node_modules", "cloudflare",
                                "package.json")
        there = None
        if os.path.exists(manifest):
            with open(manifest) as f:
                there = json.load(f)["version"]
        if there != wanted:
            subprocess.run(
                ["npm", "install", "--no-package-lock", "--no-audit",
                 "--no-fund", "--ignore-scripts", "--loglevel=error",
                 "--cache", os.path.join(TOP, "build", "npm-cache")],
                cwd=place, check=True, timeout=240)
    return place


@pytest.mark.timeout(300)
def test_the_official_client_works_unchanged(cf):
    place = ts_client()
    # the client repeats what is worth repeating by itself
    cf.faults({"match": {"op": "create", "nth": 2},
               "do": {"rate_limit": {"retry_after": 1}}})
    given = {"url": cf.url, "token": cf.tokens["second"], "csr": CSR,
             "zone": "zone11.test", "count": 12}
    done = subprocess.run(
        ["node", "run.mjs"], cwd=place, input=json.dumps(given).encode(),
        stdout=subprocess.PIPE, timeout=60,
        env={**os.environ, "NODE_EXTRA_CA_CERTS": cf.api_ca})
    assert done.returncode == 0
    seen = json.loads(done.stdout)
    assert seen["verify"]["status"] == "active"
    assert len(seen["zones"]) == 26
    ids = [made["id"] for made in seen["created"]]
    assert len(set(ids)) == 12
    assert seen["created"][3]["hostnames"] == ["ts3.zone11.test",
                                               "zone11.test"]
    assert sorted(seen["listed"]) == sorted(ids)
    assert seen["got"]["certificate"] == seen["created"][0]["certificate"]
    assert "csr" not in seen["got"]
    assert seen["revoked"]["id"] == ids[0]
    assert seen["gotRevoked"]["revoked_at"] == seen["revoked"]["revoked_at"]
    assert seen["refusals"] == {
        "again": {"kind": "BadRequestError", "status": 400, "code": 1014},
        "foreignName": {"kind": "BadRequestError", "status": 400,
                        "code": 1010},
        "noZone": {"kind": "BadRequestError", "status": 400, "code": 1012},
        "unknown": {"kind": "NotFoundError", "status": 404, "code": 1101},
        "badToken": {"kind": "PermissionDeniedError", "status": 403,
                     "code": 10000}}
    counts = cf.counts()
    assert (counts["create"], counts["issued"]) == (14, 12)
    pages = [c for c in cf.calls("list") if c["query"].get("zone_id")]
    assert len(pages) == 4  # the last one is empty
