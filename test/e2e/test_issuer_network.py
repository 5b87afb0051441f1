# SPDX-License-Identifier: Apache-2.0
"""The real issuer program when the way to the API is no good: nobody there,
names that nobody finds, proxies, connections that hang."""
import glob
import ssl
import sys
import time
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parent),
                str(Path(__file__).resolve().parents[1] / "originca")]

import clockwork  # noqa: E402
from issuer_client import (Issuer, api, api_process,  # noqa: E402,F401
                           make_pair, wanted)
from sly import GOOD, Sly, reply  # noqa: E402


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


@pytest.fixture
def hurried():
    """The environment of an issuer to which half a minute is a second."""
    library, = glob.glob("/usr/lib/*/faketime/libfaketime.so.1")
    environment = {"FAKETIME": "+0 x30", "NO_FAKE_STAT": "1",
                   "ASAN_OPTIONS": "verify_asan_link_order=0"}
    clockwork.preload(environment, library)
    return environment


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
