# SPDX-License-Identifier: Apache-2.0
"""The real issuer program from outside, against the test Cloudflare and, for
what an API would never do, against sockets that misbehave on purpose."""
import base64
import contextlib
import errno
import fcntl
import hashlib
import json
import os
import select
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from cryptography import x509

sys.path[:0] = [str(Path(__file__).resolve().parent),
                str(Path(__file__).resolve().parents[1] / "originca")]

import issuer_client  # noqa: E402
import refused  # noqa: E402
from control import OriginCA  # noqa: E402
from issuer_client import (PROGRAM, Issuer, api, api_process,  # noqa: E402,F401
                           issuer, make_pair, wait_for_port, wanted)
from sly import GOOD, Sly, reply  # noqa: E402


# ---- what it asks and what it makes of the answers


def test_a_certificate_from_birth_to_revocation(api, issuer):
    made = issuer.ask("create", **wanted())
    leaf = x509.load_pem_x509_certificate(made["certificate"].encode())
    assert made["ok"] and made["calls"] == 1 and made["http"] == 200
    assert made["serial"] == str(leaf.serial_number)
    assert made["ray"].endswith("-FRA")
    assert made["date"].endswith("Z")
    assert issuer.ask("get", serial=made["serial"])["certificate"] \
        == made["certificate"]
    zone = issuer.ask("zone", hostname="*.deep.a.example.com")
    assert zone["zone"] == "example.com"
    assert zone["zone_id"] == api.zones["example.com"]
    revoked = issuer.ask("revoke", serial=made["serial"])
    assert revoked["ok"] and revoked["serial"] == made["serial"]
    again = issuer.ask("revoke", serial=made["serial"])
    assert again["ok"] and again["serial"] == made["serial"]
    listed = issuer.ask("list", zone_id=zone["zone_id"])["certificates"]
    assert {"page": 1, "serial": made["serial"], "revoked": True,
            "certificate": made["certificate"]} in listed
    assert list(api.creates()[0]["body"]) == [
        "csr", "hostnames", "request_type", "requested_validity"]


def test_a_name_without_an_active_zone_has_none(issuer):
    for name in ("x.nowhere.test", "a.pending.test", "nowhere"):
        answer = issuer.ask("zone", hostname=name)
        assert answer["ok"] and "zone_id" not in answer, answer


def test_what_goes_over_the_wire(tmp_path):
    def serve(sly, connection):
        while sly.request(connection):
            connection.sendall(reply(GOOD, extra="Set-Cookie: a=b\r\n"))

    with Sly(serve) as sly, Issuer(tmp_path, "  secret-token\r\n") as issuer:
        issuer.setup(sly.url, user_agent="mod_cforigin/9 (test)")
        assert issuer.ask("create", **wanted())["ok"]
        assert issuer.ask("revoke", serial="../1?2")["ok"]
        create, revoke = sly.seen
    assert create[0] == "POST /client/v4/certificates HTTP/1.1"
    assert set(create[1]) == {"host", "user-agent", "accept", "authorization",
                              "content-type", "content-length"}
    assert create[1]["authorization"] == "Bearer secret-token"
    assert create[1]["user-agent"] == "mod_cforigin/9 (test)"
    assert create[1]["content-type"] == "application/json"
    assert json.loads(create[2]) == wanted()
    assert revoke[0] == \
        "DELETE /client/v4/certificates/..%2F1%3F2 HTTP/1.1"
    assert set(revoke[1]) == {"host", "user-agent", "accept",
                              "authorization"}


def test_a_list_is_read_to_an_empty_page(api, issuer):
    ids = [issuer.put("create", **wanted("h%d.example.net" % n))
           for n in range(60)]
    made = {a["serial"] for a in issuer.answers(ids)}
    listed = issuer.ask("list", zone_id=api.zones["example.net"])
    assert {c["serial"] for c in listed["certificates"]} == made
    assert listed["calls"] == 3
    queries = [c["query"] for c in api.calls("list")]
    assert [q["page"] for q in queries] == ["1", "2", "3"]
    assert {q["per_page"] for q in queries} == {"50"}
    assert issuer.pages == [{"id": listed["id"], "page": n} for n in (1, 2)]
    assert [c["page"] for c in listed["certificates"]] == 50 * [1] + 10 * [2]


def test_a_list_that_knows_no_pages_ends(tmp_path):
    rows = [{"id": str(n), "certificate": "PEM"} for n in range(3)]

    def serve(sly, connection):
        while sly.request(connection):
            connection.sendall(reply({"success": True, "result": rows}))

    with Sly(serve) as sly, Issuer(tmp_path, "token") as issuer:
        answer = issuer.setup(sly.url).ask("list", zone_id="z")
    assert [c["serial"] for c in answer["certificates"]] == ["0", "1", "2"]
    assert answer["calls"] == 2


def test_rights_that_a_token_lacks(api, tmp_path):
    with Issuer(tmp_path, api.tokens["no_list"]) as issuer:
        issuer.setup(api.url, api.api_ca)
        assert issuer.ask("create", **wanted())["ok"]
        for op, what in (("zone", {"hostname": "example.com"}),
                         ("list", {"zone_id": api.zones["example.com"]})):
            answer = issuer.ask(op, **what)
            assert answer["kind"] == "auth" and answer["calls"] == 1
        assert issuer.ask("create", **wanted())["ok"]


# ---- faults that pass, and faults that don't

TRIES = [("1000", "transient", 3), ("1008", "transient", 3),
         ("1010", "permanent", 1), ("1010-network", "transient", 3),
         ("1014", "permanent", 1), ("1016", "auth", 1),
         ("1100", "transient", 3), ("1101", "transient", 3),
         ("1200", "transient", 3), ("1201", "transient", 3),
         ("6003", "auth", 1), ("7003", "permanent", 1), ("9109", "auth", 1),
         ("10000", "auth", 1)]


def test_how_often_each_code_is_tried(api, tmp_path):
    """All side by side: each program waits out its own pauses."""
    api.faults(*[{"match": {"op": "create", "hostname": "c%s." % code},
                  "do": {"preset": code}} for code, _, _ in TRIES])
    issuers = []
    try:
        for code, _, _ in TRIES:
            issuer = Issuer(tmp_path, api.token)
            issuers.append(issuer.setup(api.url, api.api_ca))
            issuer.put("create", **wanted("c%s.example.com" % code))
        for issuer, (code, kind, tries) in zip(issuers, TRIES):
            answer = issuer.answers([1])[0]
            assert (answer["code"], answer["kind"], answer["calls"]) \
                == (int(code.split("-")[0]), kind, tries)
            assert answer["message"] and "lost" not in answer
    finally:
        for issuer in issuers:
            issuer.__exit__()
    assert api.counts()["create"] == sum(t for _, _, t in TRIES)
    assert api.counts()["issued"] == 0


def test_a_failed_read_at_cloudflare_passes_whatever_its_status(api, issuer):
    """1101 with 404 is "no such certificate", but of a create."""
    api.faults({"match": {"op": "create"}, "times": 1,
                "do": {"error": {"code": 1101, "status": 404,
                                 "message": "Failed to read certificate"}}})
    answer = issuer.ask("create", **wanted())
    assert answer["ok"] and answer["calls"] == 2


def test_the_error_chain_is_told(api, issuer):
    api.faults({"do": {"error": {
        "status": 400, "code": 6003, "message": "Invalid request headers",
        "chain": [{"code": 6111, "message": "Invalid format for "
                   "Authorization header"}]}}})
    assert issuer.ask("get", serial="1")["message"] == \
        "Invalid request headers: Invalid format for Authorization header " \
        "(6111)"


def test_a_fault_that_passes_is_not_seen(api, issuer):
    api.faults({"match": {"op": "create", "nth": [1, 2]},
                "do": {"preset": "1100"}})
    answer = issuer.ask("create", **wanted())
    assert answer["ok"] and answer["calls"] == 3
    assert api.counts()["issued"] == 1


LOST = {"closed": {"close": "after"},
        "reset": {"close": "after", "reset": True},
        "cut": {"cut": 100, "issue": True},
        "garbage": {"garbage": True, "issue": True},
        "502": {"body": "html-502", "issue": True},
        "200": {"body": "html-520", "issue": True},
        "empty": {"body": "empty", "issue": True},
        "half": {"body": "half-json", "issue": True},
        "huge": {"body": "huge", "issue": True},
        "gzip": {"body": "gzip-bomb", "issue": True},
        "deep": {"body": "deep", "issue": True},
        "no certificate": {"body": "result-null", "issue": True},
        "wrong types": {"body": "wrong-types", "issue": True}}


@pytest.mark.parametrize("how", LOST)
def test_a_lost_answer_is_one_post(api, issuer, how):
    """Also on a connection that was kept alive, where libcurl by itself
    would send a POST again."""
    api.faults({"match": {"op": "create", "nth": 2}, "do": LOST[how]})
    assert issuer.ask("create", **wanted("kept.example.com"))["ok"]
    answer = issuer.ask("create", **wanted("lost.example.com"))
    assert answer["kind"] == "transient" and answer["lost"] == 1, answer
    assert answer["calls"] == 1
    posts = api.creates()
    assert len(posts) == 2 and api.counts()["issued"] == 2
    assert posts[0]["connection"] == posts[1]["connection"]
    assert issuer.ask("create", **wanted())["ok"]


def test_a_kept_alive_connection_that_dies_is_one_post(tmp_path):
    """The server reads the second request and closes without a byte."""
    def serve(sly, connection):
        sly.request(connection)
        connection.sendall(reply(GOOD))
        sly.request(connection)

    with Sly(serve) as sly, Issuer(tmp_path, "token") as issuer:
        issuer.setup(sly.url)
        assert issuer.ask("create", **wanted())["ok"]
        assert issuer.ask("create", **wanted())["lost"] == 1
        assert len(sly.seen) == 2
        # what changes nothing is simply asked again
        assert issuer.ask("get", serial="1")["ok"]
        assert issuer.ask("get", serial="1")["ok"]


def test_connections_that_close_between_calls_lose_nothing(api, issuer):
    api.faults({"do": {"drop_after": True}})
    for n in range(8):
        answer = issuer.ask("create", **wanted("h%d.example.com" % n))
        assert answer["ok"], answer
        wait_until_closed(api.port)
    assert api.counts()["create"] == 8


def wait_until_closed(port):
    """Until no client's connection to the port has nothing to read: a goodbye
    is there, or the end, or it is gone already."""
    end = time.monotonic() + 5
    while True:
        rows = [line.split() for line in
                Path("/proc/net/tcp").read_text().splitlines()[1:]]
        alive = [row for row in rows if row[2].endswith(":%04X" % port)
                 and row[3] == "01" and row[4].endswith(":00000000")]
        if not alive:
            return
        assert time.monotonic() < end, alive
        time.sleep(0.002)


NOT_LOST = {"redirect": ({"redirect": "https://127.0.0.1:1/x"}, "HTTP", 3),
            "403 text": ({"body": "text"}, "error code: 1010", 3),
            "404": ({"body": "html-502", "status": 404}, "Bad Gateway", 3),
            "no errors": ({"body": "no-errors"}, "did not say why", 3),
            "5xx JSON": ({"error": {"status": 500, "code": 4242,
                                    "message": "sick"}}, "sick", 3),
            "controls": ({"body": "controls"}, "one??two?[31m", 3)}


@pytest.mark.parametrize("how", NOT_LOST)
def test_what_was_turned_away_is_not_lost(api, issuer, how):
    fault, words, tries = NOT_LOST[how]
    api.faults({"match": {"op": "create"}, "do": fault})
    answer = issuer.ask("create", **wanted())
    assert answer["kind"] == "transient" and "lost" not in answer
    assert words in answer["message"] or answer["http"] == 302
    assert "\n" not in answer["message"]
    assert answer["calls"] == tries == api.counts()["create"]


@pytest.mark.parametrize("size", [70000, 110000])
def test_a_header_that_is_too_large_is_no_fault_of_this_machine(tmp_path,
                                                                size):
    """libcurl calls one that is more than it takes itself a lack of
    memory."""
    def serve(sly, connection):
        while sly.request(connection):
            connection.sendall(reply(GOOD, extra="X: " + size * "y" + "\r\n"))

    with Sly(serve) as sly, Issuer(tmp_path, "token") as issuer:
        issuer.setup(sly.url)
        made = issuer.ask("create", **wanted())
        got = issuer.ask("get", serial="1")
    assert (made["kind"], made["lost"]) == ("transient", 1)
    assert got["kind"] == "permanent"
    assert "larger than" in made["message"] == got["message"]


def test_an_api_that_is_not_there(api, tmp_path):
    silent = socket.create_server(("127.0.0.1", 0))
    port = silent.getsockname()[1]
    silent.close()
    cases = [("https://127.0.0.1:%d/client/v4" % port, None, "transient"),
             ("https://no.such.name.invalid/client/v4", None, "transient"),
             (api.url, None, "transient"),
             (api.url, "/nonexistent/ca.pem", "local"),
             ("ftp://127.0.0.1/", None, "local"),
             ("https://", None, "local")]
    for url, ca, kind in cases:
        with Issuer(tmp_path, api.token) as issuer:
            answer = issuer.setup(url, ca).ask("create", **wanted())
        assert answer["kind"] == kind, answer
        assert "lost" not in answer and answer["message"]
    assert api.counts()["calls"] == 0


def test_informational_answers_slow_ones_and_chunks(api, issuer):
    for what in ({"interim": 3}, {"chunked": True}, {"drip": 5000}):
        api.faults({"do": what})
        assert issuer.ask("create", **wanted())["ok"], what


# ---- pace


def in_flight(calls):
    """The largest number of calls that were open at one time."""
    edges = sorted([(c["time"], 1) for c in calls]
                   + [(c["time"] + c["seconds"], -1) for c in calls])
    most = now = 0
    for _, step in edges:
        now += step
        most = max(most, now)
    return most


def test_so_many_in_flight_and_no_more(api, tmp_path):
    api.settings(latency=100)
    with Issuer(tmp_path, api.token) as issuer:
        issuer.setup(api.url, api.api_ca, max_concurrent=8)
        ids = [issuer.put("create", **wanted("h%d.example.com" % n))
               for n in range(40)]
        assert all(a["ok"] for a in issuer.answers(ids))
    counts = api.counts()
    assert counts["most_in_flight"] == 8 and counts["connections"] <= 8
    assert in_flight(api.creates()) == 8


def test_five_hundred_take_what_arithmetic_says(api, issuer):
    api.settings(latency=200)
    began = time.monotonic()
    ids = [issuer.put("create", **wanted("h%d.example.com" % n))
           for n in range(500)]
    assert all(a["ok"] for a in issuer.answers(ids, 60))
    took = time.monotonic() - began
    # 500 / 16 * 0.2 s is 6.4 s; the rest is for a busy machine
    assert took < 9, took
    assert api.counts()["most_in_flight"] == 16
    assert api.counts()["create"] == 500


def test_http2_shares_a_connection(tmp_path):
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/bin")
    with OriginCA(tmp_path / "cf", "--no-tls") as api:
        port = socket.create_server(("127.0.0.1", 0))
        number = port.getsockname()[1]
        port.close()
        pair = make_pair(tmp_path)
        (tmp_path / "nginx.conf").write_text("""
            daemon off; pid %(d)s/nginx.pid; error_log %(d)s/error.log;
            events {}
            http { log_format c "$connection $server_protocol";
              access_log %(d)s/access.log c;
              client_body_temp_path %(d)s/b; proxy_temp_path %(d)s/p;
              fastcgi_temp_path %(d)s/f; uwsgi_temp_path %(d)s/u;
              scgi_temp_path %(d)s/s;
              server { listen 127.0.0.1:%(port)d ssl http2;
                ssl_certificate %(pair)s; ssl_certificate_key %(pair)s;
                location / { proxy_pass http://127.0.0.1:%(api)d; } } }
            """ % {"d": tmp_path, "port": number, "pair": pair,
                   "api": api.port})
        server = subprocess.Popen([nginx, "-c", tmp_path / "nginx.conf"],
                                  stderr=subprocess.DEVNULL)
        try:
            wait_for_port(number)
            with Issuer(tmp_path, api.token) as issuer:
                issuer.setup("https://localhost:%d/client/v4" % number, pair)
                ids = [issuer.put("create", **wanted("h%d.example.com" % n))
                       for n in range(48)]
                assert all(a["ok"] for a in issuer.answers(ids))
        finally:
            server.terminate()
            server.wait(10)
        lines = (tmp_path / "access.log").read_text().splitlines()
        posts = [line for line in lines if line.endswith("HTTP/2.0")]
        assert len(posts) == 48 == api.counts()["create"]
        assert len(set(posts)) == 1


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_short_wait_is_sat_out_by_the_whole_account(api, tmp_path, form):
    api.faults({"match": {"op": "create", "nth": 1},
                "do": {"rate_limit": {"retry_after": 2, "form": form}}})
    with Issuer(tmp_path, api.token) as issuer:
        issuer.setup(api.url, api.api_ca, max_concurrent=1)
        ids = [issuer.put("create", **wanted("h%d.example.com" % n))
               for n in range(3)]
        answers = issuer.answers(ids)
    assert all(a["ok"] for a in answers)
    assert [a["calls"] for a in answers] == [2, 1, 1]
    first, second, *_ = api.creates()
    # a date has no fractions: up to a second is lost by rounding
    assert second["time"] - first["time"] >= (1.9 if form == "seconds"
                                              else 0.9)
    assert api.counts()["create"] == 4


def test_a_long_wait_answers_everything(api, tmp_path):
    api.settings(latency=100)
    api.faults({"match": {"op": "create", "nth": 1},
                "do": {"rate_limit": {"retry_after": 120}}})
    with Issuer(tmp_path, api.token) as issuer:
        issuer.setup(api.url, api.api_ca, max_concurrent=2)
        ids = [issuer.put("create", **wanted("h%d.example.com" % n))
               for n in range(10)]
        ids.append(issuer.put("zone", hostname="example.com"))
        limited, in_flight_then, *rest = issuer.answers(ids)
        later = issuer.ask("create", **wanted())
    assert limited["kind"] == "rate-limited" and limited["http"] == 429
    assert limited["retry_after"] == 120 and "lost" not in limited
    assert in_flight_then["ok"]
    for answer in [*rest, later]:
        assert answer["kind"] == "rate-limited" and "calls" not in answer
        assert 118 <= answer["retry_after"] <= 120
    assert api.counts()["calls"] == 2


def test_a_quota_that_is_used_up_is_not_overdrawn(api, tmp_path):
    """Ratelimit: r=0 on a good answer: wait before the API has to say no."""
    api.settings(limits={"quota": 3, "window": 2})
    with Issuer(tmp_path, api.token) as issuer:
        issuer.setup(api.url, api.api_ca, max_concurrent=1)
        ids = [issuer.put("create", **wanted("h%d.example.com" % n))
               for n in range(7)]
        assert all(a["ok"] and a["calls"] == 1 for a in issuer.answers(ids))
    assert {c["status"] for c in api.creates()} == {200}


def test_a_quota_is_not_overdrawn_by_what_is_in_flight(api, tmp_path):
    api.settings(latency=50, limits={"quota": 40, "window": 3, "block": 60})
    with Issuer(tmp_path, api.token) as issuer:
        issuer.setup(api.url, api.api_ca)
        ids = [issuer.put("create", **wanted("h%d.example.com" % n))
               for n in range(60)]
        answers = issuer.answers(ids)
    assert all(a["ok"] and a["calls"] == 1 for a in answers)
    assert {c["status"] for c in api.creates()} == {200}
    assert api.counts()["most_in_flight"] > 8


def test_after_a_pause_it_begins_with_one_call(api, tmp_path):
    """Many servers whose wait ends at the same moment would else spend the
    next quota on calls in vain."""
    api.settings(latency=150)
    with Issuer(tmp_path, api.token) as issuer:
        issuer.setup(api.url, api.api_ca, after_pause=1)
        ids = [issuer.put("create", **wanted("h%d.example.com" % n))
               for n in range(14)]
        assert all(a["ok"] for a in issuer.answers(ids))
    began = sorted(c["time"] for c in api.creates())
    for turn, most in ((1, 1), (2, 3), (3, 7)):
        assert sum(at - began[0] < 0.145 * turn for at in began) <= most, began


def test_a_refused_one_is_followed_by_one(api, tmp_path):
    """In the middle of a run, too: what was in flight is answered, then one."""
    api.settings(latency=100)
    api.faults({"match": {"op": "create"}, "do": {"rate_limit":
                                                  {"retry_after": 1}},
                "times": 16})
    with Issuer(tmp_path, api.token) as issuer:
        issuer.setup(api.url, api.api_ca)
        ids = [issuer.put("create", **wanted("h%d.example.com" % n))
               for n in range(20)]
        answers = issuer.answers(ids, 30)
    good = sorted(c["time"] for c in api.creates() if c["status"] == 200)
    assert len(good) == len([a for a in answers if a["ok"]]) > 2
    assert good[1] - good[0] > 0.09


def test_ratelimit_on_several_lines(tmp_path):
    def serve(sly, connection):
        while sly.request(connection):
            connection.sendall(reply(GOOD, extra=(
                'Ratelimit: "a";r=0;t=900\r\nRatelimit: "b";r=50;t=1\r\n')))

    with Sly(serve) as sly, Issuer(tmp_path, "token") as issuer:
        issuer.setup(sly.url)
        assert issuer.ask("create", **wanted())["ok"]
        answer = issuer.ask("create", **wanted())
    assert answer["kind"] == "rate-limited" and answer["retry_after"] >= 899
    assert len(sly.seen) == 1


def test_retry_after_of_a_sick_server_holds_the_account(api, tmp_path):
    api.faults({"match": {"op": "get", "nth": 1},
                "do": {"body": "html-503", "headers": {"Retry-After": "60"}}})
    with Issuer(tmp_path, api.token) as issuer:
        issuer.setup(api.url, api.api_ca, max_concurrent=1)
        sick, queued = issuer.answers([issuer.put("get", serial="1"),
                                       issuer.put("create", **wanted())])
    assert sick["kind"] == "transient" and sick["retry_after"] == 60
    assert queued["kind"] == "rate-limited" and queued["retry_after"] == 60
    assert api.counts()["calls"] == 1


# ---- tokens


def test_a_bad_token_is_not_hammered_with(api, tmp_path):
    with Issuer(tmp_path, api.tokens["disabled"]) as issuer:
        issuer.setup(api.url, api.api_ca, max_concurrent=4)
        ids = [issuer.put("create", **wanted("h%d.example.com" % n))
               for n in range(30)]
        answers = issuer.answers(ids)
    assert {(a["kind"], a["code"]) for a in answers} == {("auth", 10000)}
    assert api.counts()["create"] == 8


def test_one_refusal_is_no_proof_where_one_call_is_made_at_a_time(api,
                                                                  tmp_path):
    api.faults({"match": {"op": "create", "hostname": "example.net"},
                "do": {"preset": "10000"}})
    with Issuer(tmp_path, api.token) as issuer:
        issuer.setup(api.url, api.api_ca, max_concurrent=1)
        ids = [issuer.put("create", **wanted(name))
               for name in ("a.example.net", "a.example.com")]
        assert [a["ok"] for a in issuer.answers(ids)] == [False, True]


def test_one_zone_that_is_not_the_tokens_stops_no_other(api, tmp_path):
    api.faults({"match": {"op": "create", "hostname": "example.net"},
                "do": {"preset": "10000"}})
    with Issuer(tmp_path, api.token) as issuer:
        issuer.setup(api.url, api.api_ca, max_concurrent=4)
        names = ["a.example.net", "a.example.com"] \
            + ["h%d.example.net" % n for n in range(8)] \
            + ["h%d.example.com" % n for n in range(8)]
        ids = [issuer.put("create", **wanted(name)) for name in names]
        answers = issuer.answers(ids)
    for name, answer in zip(names, answers):
        assert answer["ok"] == name.endswith("com"), answer


BAD_TOKENS = {"v1.0-0123456789abcdef": "2026-09-30", "": "no token",
              " \n\t\n": "no token", "cfut_a b": "white space",
              "cfut_a\nb\n": "white space", "cfut_\x01": "control",
              "cfut_\x00": "control", "tök": "control",
              "x" * 5000: "larger"}


@pytest.mark.parametrize("number", range(len(BAD_TOKENS)))
def test_what_is_no_token_is_told_without_a_call(api, tmp_path, number):
    text, words = list(BAD_TOKENS.items())[number]
    with Issuer(tmp_path, text) as issuer:
        issuer.setup(api.url, api.api_ca)
        for op, fields in (("create", wanted()), ("get", {"serial": "1"}),
                           ("zone", {"hostname": "example.com"})):
            answer = issuer.ask(op, **fields)
            assert answer["kind"] == "auth" and words in answer["message"]
            assert text.strip() == "" or text not in answer["message"]
        assert issuer.ask("served", address="127.0.0.1", port=api.port,
                          sni="localhost")["ok"]
    assert api.counts()["calls"] == 0


# ---- locked in


def status_of(pid):
    with open("/proc/%d/status" % pid, encoding="ascii") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file
                    if ":\t" in line)


@pytest.fixture
def readable():
    """A folder that every user can read: the issuer is not root."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


def test_privileges_and_what_is_left_of_them(api, tmp_path, readable):
    shutil.copy(api.api_ca, readable / "ca.pem")
    os.chmod(readable / "ca.pem", 0o644)
    as_root = os.geteuid() == 0
    uid, gid = (65534, 65534) if as_root else (os.getuid(), os.getgid())
    with Issuer(tmp_path, api.token, ["--uid", uid, "--gid", gid],
                {"https_proxy": "http://127.0.0.1:1", "LD_X": "y",
                 "SSL_CERT_FILE": "/nonexistent"}) as issuer:
        # a request that is answered without a setup: it is past its start
        assert issuer.ask("get", serial="1")["kind"] == "local"
        status = status_of(issuer.pid)
        assert status["Uid"].split() == [str(uid)] * 4
        assert status["Gid"].split() == [str(gid)] * 4
        assert not as_root or status["Groups"].split() == [str(gid)]
        assert status["NoNewPrivs"] == "1"
        assert status["SigBlk"].strip("0") == ""
        # 32 and 33 are ignored in what posix_spawn starts, as make does
        assert int(status["SigIgn"], 16) & (1 << 31) - 1 \
            == 1 << (signal.SIGPIPE - 1)
        with open("/proc/%d/cmdline" % issuer.pid, "rb") as file:
            assert api.token.encode() not in file.read()
        if as_root:
            assert set(os.listdir("/proc/%d/fd" % issuer.pid)) \
                == {"0", "1", "2"}
            with open("/proc/%d/limits" % issuer.pid, "rb") as file:
                core = [line.split()[4:6] for line in file
                        if line.startswith(b"Max core")]
            assert core == [[b"0", b"0"]]
            assert os.stat("/proc/%d/fd" % issuer.pid).st_uid == 0
        else:
            with pytest.raises(PermissionError):
                os.listdir("/proc/%d/fd" % issuer.pid)
        issuer.setup(api.url, str(readable / "ca.pem"))
        answer = issuer.ask("create", **wanted())
        assert answer["ok"], answer


def test_inherited_descriptors_are_closed(tmp_path):
    """Below the token's and above it: nobody but the test holds the pipe."""
    end, low = os.pipe()
    with Issuer(tmp_path, "token") as plain:
        high = fcntl.fcntl(low, fcntl.F_DUPFD, plain.fd + 50)
    with Issuer(tmp_path, "token", fds=[low, high]) as issuer:
        assert low < issuer.fd < high
        # answered, so that it is past its start
        assert issuer.ask("get", serial="1")["kind"] == "local"
        os.close(low)
        os.close(high)
        ready, _, _ = select.select([end], [], [], 2)
        assert ready, "the issuer holds a stranger's pipe"
        assert os.read(end, 1) == b""
    os.close(end)


@pytest.mark.parametrize("argv", [
    [], ["--token-fd"], ["--token-fd", "x"], ["--token-fd", "1"],
    ["--token-fd", "-3"], ["--token-fd", "9", "--uid", "5"],
    ["--token-fd", "9", "--token", "secret"]])
def test_wrong_arguments_end_it(argv):
    done = subprocess.run([PROGRAM, *argv], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          check=False)
    assert done.returncode == 1 and done.stdout == b""
    assert b"--token-fd N" in done.stderr


@pytest.mark.parametrize("how", ["hang", "frozen", "silent", "idle"])
def test_it_ends_with_its_stdin(api, issuer, tmp_path, how):
    if how == "hang":
        api.faults({"do": {"hang": True}})
        issuer.put("create", **wanted())
        api.wait(lambda counts: counts["in_flight"] == 1)
    elif how == "frozen":
        assert issuer.ask("create", **wanted())["ok"]
        api.freeze()
        issuer.put("create", **wanted())
        issuer.put("create", **wanted())
    elif how == "silent":
        issuer.put("served", address="192.0.2.1", port=443, sni="a.test")
        issuer.put("get", serial="1")
    took, code = issuer.end()
    api.thaw()
    assert code == 0 and took < 0.2


def test_it_ends_when_its_parent_dies(tmp_path):
    """Its stdin stays open meanwhile: the test itself holds the other end."""
    (tmp_path / "token").write_text("token")
    ours_in, its_out = os.pipe()
    its_in, ours_out = os.pipe()
    script = """if 1:
        import os, subprocess, time
        fd = os.open(%r, os.O_RDONLY)
        child = subprocess.Popen([%r, "--token-fd", str(fd)], pass_fds=[fd])
        print(child.pid, file=open(%r, "w"), flush=True)
        time.sleep(60)
        """ % (str(tmp_path / "token"), str(PROGRAM), str(tmp_path / "pid"))
    parent = subprocess.Popen(["/usr/bin/python3", "-c", script],
                              stdin=its_in, stdout=its_out)
    os.close(its_out)
    os.close(its_in)
    os.write(ours_out, b'{"id":1,"op":"get","serial":"1"}\n')
    assert b"set up" in os.read(ours_in, 10000)
    parent.kill()
    parent.wait()
    ready, _, _ = select.select([ours_in], [], [], 2)
    assert ready and os.read(ours_in, 1) == b""
    os.close(ours_in)
    os.close(ours_out)


# ---- lines


def test_lines_that_are_no_request(api, issuer):
    issuer.send('{"id":7,"op":"create","csr":"x"}\n')
    answer = issuer.answers([7])[0]
    assert answer["kind"] == "local" and "hostnames" in answer["message"]
    issuer.send("rubbish\n[]\n\n" + '{"id":8,"op":"list","zone_id":"'
                + "z" * 2000000 + '"}\n')
    assert issuer.ask("create", **wanted())["ok"]


def test_more_answers_than_a_pipe_holds(api, issuer):
    """Nobody reads while they are made: the issuer keeps them."""
    ids = [issuer.put("create", **wanted("h%d.example.com" % n))
           for n in range(100)]
    api.wait(lambda counts: counts["issued"] == 100)
    assert all(a["ok"] for a in issuer.answers(ids))


# ---- served


def test_served_tells_the_leaf_by_sni(api, issuer):
    pem = ssl.get_server_certificate(("127.0.0.1", api.port))
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()
    for sni in ("localhost", "whatever.example"):
        answer = issuer.ask("served", address="127.0.0.1", port=api.port,
                            sni=sni)
        assert answer == {"id": answer["id"], "ok": True, "sha256": digest}
    assert api.counts()["calls"] == 0


def test_served_without_a_listener(tmp_path):
    def serve(sly, connection):
        connection.recv(65536)
        connection.sendall(b"HTTP/1.0 400 this is not TLS\r\n\r\n")

    with Sly(serve) as sly, Issuer(tmp_path, "token") as issuer:
        issuer.setup(sly.url)
        for address, port in (("127.0.0.1", sly.port), ("127.0.0.1", 1),
                              ("::1", 1), ("no address", 1)):
            answer = issuer.ask("served", address=address, port=port,
                                sni="a.example.com")
            assert answer["kind"] == "transient", answer
            assert "a.example.com" in answer["message"]


# ---- proxy


def test_only_the_proxy_of_the_setup(api, tmp_path):
    def serve(sly, connection):
        sly.request(connection)
        connection.sendall(reply(b"", "503 Busy"))

    with Sly(serve) as sly, Issuer(tmp_path, api.token) as issuer:
        issuer.setup(api.url, api.api_ca,
                     proxy="http://127.0.0.1:%d" % sly.port)
        answer = issuer.ask("create", **wanted())
        assert answer["kind"] == "transient" and "lost" not in answer
        assert sly.seen[0][0].startswith("CONNECT 127.0.0.1:%d" % api.port)
        assert "authorization" not in sly.seen[0][1]
    assert api.counts()["calls"] == 0


def test_the_proxys_password_is_told_to_nobody_else(api, tmp_path):
    """libcurl quotes a proxy's URL that it can't read."""
    def serve(sly, connection):
        sly.request(connection)
        connection.sendall(reply(b"", "407 Who are you?"))

    with Sly(serve) as sly, contextlib.ExitStack() as stack:
        places = (f"127.0.0.1:{sly.port}", "127.0.0.1:99999", "[::1", "",
                  "no.such.name.invalid:1", "127.0.0.1:1")
        issuers = [stack.enter_context(Issuer(tmp_path, api.token))
                   for _ in places]
        for issuer, place in zip(issuers, places):
            issuer.setup(api.url, api.api_ca,
                         proxy="http://us%3aer:p%25x/#@secret@" + place)
            issuer.put("create", **wanted())
        for issuer in issuers:
            (answer,) = issuer.answers([1])
            issuer.end()
            said = json.dumps(answer) + issuer.process.stderr.read().decode()
            assert not answer["ok"] and answer["message"]
            for word in ("us%3", "us:er", "p%25", "p%x", "secret"):
                assert word not in said, said
        told = sly.seen[0][1]["proxy-authorization"]
    assert base64.b64decode(told.split()[1]) == b"us:er:p%x/#@secret"
    assert api.counts()["calls"] == 0


# ---- all of it at once


def test_a_rough_day(api, tmp_path):
    """Every request is answered once; what is said to be made is made; what
    is in the ledger beyond that was said to be lost."""
    api.faults("rough")
    api.settings(seed=7)
    with Issuer(tmp_path, api.token) as issuer:
        issuer.setup(api.url, api.api_ca)
        ids = [issuer.put("create", **wanted("h%d.example.com" % n))
               for n in range(200)]
        answers = issuer.answers(ids, 90)
    good = [a for a in answers if a["ok"]]
    lost = [a for a in answers if a.get("lost")]
    issued = {row["serial"] for row in api.issued()}
    assert {a["serial"] for a in good} <= issued
    assert len(good) <= len(issued) <= len(good) + len(lost)
    calls = sum(a.get("calls", 0) for a in answers)
    assert 0 <= calls - api.counts()["create"] <= len(lost)
    assert len(good) >= 150


# -- a machine that lacks what the sandbox is made of ---------------------------

# In the child, before the issuer: landlock_create_ruleset has no number, and
# no further filter is taken. Inherited through the execution.
WITHOUT = """
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
def code(op, yes, no, k):
    return struct.pack("HBBI", op, yes, no, k)
# nr 444, or prctl (its number in argv) of PR_SET_SECCOMP: ENOSYS
program = (code(0x20, 0, 0, 0) + code(0x15, 4, 0, 444)
           + code(0x15, 0, 2, int(sys.argv[1])) + code(0x20, 0, 0, 16)
           + code(0x15, 1, 0, 22) + code(0x06, 0, 0, 0x7fff0000)
           + code(0x06, 0, 0, 0x00050000 + 38))
buffer = ctypes.create_string_buffer(program)
class Filter(ctypes.Structure):
    _fields_ = [("n", ctypes.c_ushort), ("code", ctypes.c_void_p)]
filter = Filter(len(program) // 8, ctypes.addressof(buffer))
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, ctypes.byref(filter)) == 0
os.execv(sys.argv[2], sys.argv[2:])
"""
PRCTL = {"x86_64": "157"}.get(os.uname().machine, "167")


def on_such_a_machine(script, program):
    """A script that runs the program there."""
    script.write_text(f"#!/bin/sh\nexec /usr/bin/python3 -c '{WITHOUT}' "
                      f"{PRCTL} {program} \"$@\"\n")
    script.chmod(0o755)
    return script


def test_a_kernel_without_landlock_and_seccomp_is_told_of_at_debug(
        api, tmp_path, monkeypatch):
    monkeypatch.setattr(issuer_client, "PROGRAM", on_such_a_machine(
        tmp_path / "issuer", issuer_client.PROGRAM))
    with Issuer(tmp_path, api.tokens["main"]) as issuer:
        issuer.setup(api.url, api.api_ca)
        assert issuer.ask("zone", hostname="a.example.com")["ok"]
        assert "Seccomp_filters:\t1\n" in Path(
            f"/proc/{issuer.pid}/status").read_text()
        issuer.end()
        said = issuer.process.stderr.read().decode().splitlines()
    assert len(said) == 2 and all(line.startswith("debug: ")
                                  for line in said), said
    assert "Landlock" in said[0] and "seccomp" in said[1]


def test_the_error_log_tells_of_it_at_debug(httpd):
    httpd.server("LogLevel info cforigin:debug")
    program = httpd.root / "libexec/cforigin-issuer"
    real = program.rename(httpd.root / "libexec/real-issuer")
    on_such_a_machine(program, real)
    httpd.managed("a.example.com")
    httpd.start()
    assert httpd.get("a.example.com").status == 200
    for word in ("Landlock", "seccomp"):
        (line,) = httpd.log.matching(rf"this kernel has no {word}")
        assert "[cforigin:debug]" in line


@pytest.mark.parametrize("error", [errno.ENOSYS, errno.EPERM])
def test_inherited_descriptors_are_closed_without_close_range(
        api, tmp_path, monkeypatch, error):
    """Before Linux 5.9, and where an older container's list forbids it."""
    monkeypatch.setattr(issuer_client, "PROGRAM", refused.program(
        tmp_path / "issuer", issuer_client.PROGRAM, refused.CLOSE_RANGE,
        error))
    with Issuer(tmp_path, api.tokens["main"]) as issuer:
        assert issuer.ask("get", serial="1")["kind"] == "local"
        if os.geteuid() == 0:
            assert set(os.listdir("/proc/%d/fd" % issuer.pid)) \
                == {"0", "1", "2"}
        issuer.setup(api.url, api.api_ca)
        assert issuer.ask("zone", hostname="a.example.com")["ok"]
