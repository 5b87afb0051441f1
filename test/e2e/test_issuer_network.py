# SPDX-License-Identifier: Apache-2.0
"""The real issuer program when the way to the API is no good: nobody there,
names that nobody finds, proxies, connections that hang."""
import re
import socket
import ssl
import sys
import time
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parent),
                str(Path(__file__).resolve().parents[1] / "originca")]

import clockwork  # noqa: E402
import hurry  # noqa: E402
from issuer_client import (Issuer, api, api_process,  # noqa: E402,F401
                           make_pair, wanted)
from sly import GOOD, Sly, reply  # noqa: E402


@pytest.fixture
def hurried():
    return hurry.environment()


def creates(issuer, count):
    return [issuer.put("create", **wanted("h%d.example.com" % n))
            for n in range(count)]


def test_an_api_that_cant_be_reached_is_told_to_all_at_once(tmp_path,
                                                            hurried):
    """After three tries of ten seconds, by whoever made them."""
    with hurry.nowhere() as url, Issuer(tmp_path, "token", env=hurried) as issuer:
        issuer.setup(url)
        began = time.monotonic()
        answers = issuer.answers(creates(issuer, 20)
                                 + [issuer.put("zone", hostname="a.b")])
        took = time.monotonic() - began
        later = issuer.ask("create", **wanted())
    for answer in [*answers, later]:
        assert answer["kind"] == "transient" and "lost" not in answer
        assert answer["message"] == answers[0]["message"]
    assert hurry.TIMED_OUT.search(answers[0]["message"])
    assert sum(a.get("calls", 0) for a in answers) == 3
    assert "calls" not in later
    assert took < 3  # a minute and a half


def test_a_way_that_opens_again_is_found(tmp_path, hurried):
    def serve(sly, connection):
        while sly.request(connection):
            connection.sendall(reply(GOOD))

    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    with Issuer(tmp_path, "token", env=hurried) as issuer:
        issuer.setup("http://127.0.0.1:%d/client/v4" % port)
        assert sum(a.get("calls", 0)
                   for a in issuer.answers(creates(issuer, 9))) == 3
        with Sly(serve, port):
            assert "calls" not in issuer.ask("get", serial="1")
            time.sleep(1.1)  # half a minute
            assert all(a["ok"]
                       for a in issuer.answers(creates(issuer, 9)))


def test_a_cold_start_waits_for_a_connection_and_no_answer(api, tmp_path):
    api.settings(latency=1000)
    with Issuer(tmp_path, api.token) as issuer:
        issuer.setup(api.url, api.api_ca)
        began = time.monotonic()
        assert all(a["ok"] for a in issuer.answers(creates(issuer, 16)))
        assert time.monotonic() - began < 1.9
    assert api.counts()["most_in_flight"] == 16


def test_a_call_that_hangs_tells_so_within_a_minute(api, tmp_path, hurried):
    """The keeper gives up after a minute in which nothing moved: two tries
    have 55 seconds."""
    api.faults({"do": {"hang": True}})
    with Issuer(tmp_path, api.token, env=hurried) as issuer:
        issuer.setup(api.url, api.api_ca)
        answer = issuer.ask("get", serial="1")
    assert answer["kind"] == "transient" and answer["calls"] == 2
    last = re.search(r"timed out after (\d+) mill", answer["message"])
    assert 10000 <= int(last[1]) < 25000, answer


def test_it_ends_with_its_stdin_while_a_name_is_looked_up(tmp_path):
    """Also when the look-up has been given up: its thread goes on."""
    library = clockwork.build(tmp_path, "slowdns")
    environment = {}
    clockwork.preload(environment, library)
    with Issuer(tmp_path, "token", env=environment) as issuer:
        issuer.setup("https://api.hangs.test/client/v4")
        issuer.put("zone", hostname="a.example.com")
        time.sleep(10.7)
        took, code = issuer.end()
    assert code == 0 and took < 0.3


def test_each_page_of_a_list_has_the_patience_of_a_request(api, tmp_path,
                                                           hurried):
    """A minute and a half is over when a page fails for a moment."""
    def serve(sly, connection):
        while line := sly.request(connection):
            time.sleep(0.7)
            page = int(line.split("page=")[1].split("&")[0])
            if page == 5 and len(sly.seen) == 5:
                connection.sendall(reply(b"busy", "502 Bad Gateway"))
                continue
            rows = [{"id": str(page), "certificate": "PEM"}]
            connection.sendall(reply({"success": True, "result":
                                      rows if page < 6 else []}))

    with Sly(serve) as sly, Issuer(tmp_path, "token", env=hurried) as issuer:
        answer = issuer.setup(sly.url).ask("list", zone_id="z")
    assert answer["ok"], answer
    assert [c["serial"] for c in answer["certificates"]] == list("12345")
    assert [line["page"] for line in issuer.pages] == [1, 2, 3, 4, 5]


def test_a_proxy_that_wants_a_password_is_told_as_one(api, tmp_path):
    def serve(sly, connection):
        sly.request(connection)
        connection.sendall(reply(b"", "407 Proxy Authentication Required",
                                 "Proxy-Authenticate: Basic realm=x\r\n"))

    with Sly(serve) as sly, Issuer(tmp_path, api.token) as issuer:
        issuer.setup(api.url, api.api_ca,
                     proxy="http://127.0.0.1:%d" % sly.port)
        answer = issuer.ask("create", **wanted())
    assert answer["kind"] == "transient" and answer["http"] == 407
    assert "lost" not in answer and "407" in answer["message"]
    assert api.counts()["calls"] == 0


def test_the_words_of_a_fault_are_clean(tmp_path):
    """A certificate's name as a stranger wrote it, in libcurl's own text."""
    pair = make_pair(tmp_path, "a\x1b[31m\nb", names=False)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair)

    def serve(_, connection):
        context.wrap_socket(connection, server_side=True).recv(1)

    with Sly(serve) as sly, Issuer(tmp_path, "token") as issuer:
        issuer.setup(sly.url.replace("http:", "https:"), pair)
        answer = issuer.ask("create", **wanted())
    assert "a?[31m?b" in answer["message"], answer
    assert answer["message"].isprintable()
