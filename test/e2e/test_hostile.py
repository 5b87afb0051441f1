# SPDX-License-Identifier: Apache-2.0
"""An API that answers with whatever it likes. Each time the round ends soon,
the right word is told, nothing is installed that should not be, and all heals
when the API does.

Many faults share a round, each with a hostname of its own, so that they also
have to keep out of each other's way."""

import contextlib
import json
import os
import shutil
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest

import cloudflare as originca
import keeper_client
import life
import waiting
from keeper_client import (Keeper, OriginCA, api, api_process, item, keeper)

import bodies  # of the test Cloudflare
import mutations

NOT_JSON = "the answer is not the API's JSON"
NO_CERTIFICATE = "the API says success but gives no certificate"
EMPTY = "the answer is empty, not the API's JSON"
UNTOLD = "the API refused and did not say why"
TOO_LARGE = "the answer is larger than"

# body: (kind, code, start of the message)
BODIES = {
    "empty": ("transient", None, "the answer is empty"),
    "text": ("transient", None, NOT_JSON),
    "html-403": ("transient", None, NOT_JSON),
    "no-errors": ("transient", None, UNTOLD),
    "errors-null": ("transient", None, UNTOLD),
    "errors-missing": ("transient", None, UNTOLD),
    "errors-strings": ("transient", None, UNTOLD),
    "code-string": ("transient", None, UNTOLD),
    "result-missing": ("transient", None, NO_CERTIFICATE),
    "result-null": ("transient", None, NO_CERTIFICATE),
    "result-array": ("transient", None, NO_CERTIFICATE),
    "result-string": ("transient", None, NO_CERTIFICATE),
    "wrong-types": ("transient", None, NO_CERTIFICATE),
    "controls": ("transient", 1100, "one??two?[31m <script>&amp;?"),
    "long-message": ("transient", 1100, "long long"),
    "many-errors": ("transient", 1100, "no. 0"),
    "huge": ("transient", None, "no whole answer from the API: " + TOO_LARGE),
}

# flaw: the check that finds it, None: Full (strict) takes such a one
FLAWS = {
    "extra-san": None, "crlf": None, "other-root": None,
    "other-subject": None, "upper-san": None,
    "wrong-key": "key", "missing-san": "names", "no-san": "names",
    "expired": "dates", "not-yet-valid": "dates", "one-minute": None,
    "wrong-lifetime": "lifetime", "foreign-root": "issuer",
    "forged": "issuer", "self-issued": "issuer", "bit-flip": None,
    "empty": NO_CERTIFICATE, "nul": NO_CERTIFICATE, "nul-end": NO_CERTIFICATE,
}
# any of these may be what is seen first
EITHER = {"one-minute": ("dates", "lifetime"), "bit-flip": ("parse", "issuer",
          "key", "names", "dates", "lifetime")}


# Nothing was issued: what is told.
REFUSED = {
    "redirect": ({"redirect": "https://127.0.0.1:1/x"}, EMPTY),
    "redirect-307": ({"redirect": "https://127.0.0.1:1/x", "status": 307},
                     EMPTY),
    "http-0.9": ({"garbage": True}, "no whole answer from the API: "
                 "Received HTTP/0.9 when not allowed"),
    "close": ({"close": "before"}, "no whole answer from the API: "),
    "status-999": ({"body": "null", "status": 999}, NOT_JSON),
}
# It was issued, and the answer is lost in this way: it has to be found.
SPOILT = {
    "storm": {"interim": 3000},
    "large-header": {"headers": {"X-A": "a" * 100000}},
    "many-headers": {"headers": {f"X-{n}": "a" * 500 for n in range(200)}},
    "reset": {"close": "after", "reset": True},
    "cut": {"cut": -1},
    "status-204": {"status": 204},
}
# It was issued, and arrives whatever stands around it.
HARMLESS = {
    "type": {"content_type": "image/gif"},
    "rays": {"headers": {"CF-RAY": "\x1b[31mx\x7f" * 50}},
    "dates": {"headers": {"Date": "Sat, 99 Foo 9999 99:99:99 GMT"}},
    "few": {"interim": 100},
    "quota": {"headers": {"Ratelimit": '"x";r=;t=,,;=;"' + "\\" * 99}},
}


def hosts_of(words):
    """A host for each word; none is a part of another."""
    return {word: f"n{number:02d}-{word}.example.com"
            for number, word in enumerate(words)}


def faults(megabytes=64):
    """(name, what is done to a create, what is told) of each fault that is
    over within a round; told is None when the certificate arrives all the
    same, else kind, code and beginnings of the message."""
    for word in bodies.BODIES:
        large = word in ("huge", "gzip-bomb")
        kind, code, start = BODIES.get(word, ("transient", None, NOT_JSON))
        yield f"body-{word}", {"body": {"name": word, "mb": megabytes}
                               if large else word}, (kind, code, (start,))
    for word in mutations.WORDS:
        check = FLAWS.get(word, "parse")
        told = ("check", None, tuple(f"check {c}: " for c in
                                     EITHER.get(word, (check,))))
        if check == NO_CERTIFICATE:
            told = ("transient", None, (NO_CERTIFICATE,))
        elif check is None and word not in EITHER:
            told = None
        yield f"cert-{word}", {"certificate": word}, told
    for word, (do, start) in REFUSED.items():
        yield f"wire-{word}", do, ("transient", None, (start,))
    for word, do in {**SPOILT, **HARMLESS}.items():
        yield f"wire-{word}", do, None


def is_told(told, error, word):
    """The error is the one that was expected, and fit for a page."""
    kind, code, starts = told
    assert (error["kind"], error.get("code")) == (kind, code), (word, error)
    assert error["message"].startswith(starts), (word, error["message"])
    assert error["message"].isprintable(), word
    assert len(error["message"]) < 1000, word


def rule(host, do, **more):
    return {"match": {"op": "create", "hostname": host}, "do": do, **more}


def run_in_time(keeper, items, seconds):
    done = keeper.run(items)
    assert done.code == 0
    assert done.seconds < seconds * waiting.PATIENCE
    for text in done.logs():
        assert text.isprintable() and len(text) < 2000, text
    return done


def heals(keeper, api, items):
    api.faults()
    done = run_in_time(keeper, items, 15)
    assert done.of("failed") == []
    for line in items:
        keeper.live(line["name"])


# ---- bodies ----------------------------------------------------------------

def run_faults(keeper, api, group):
    """A round with a host for each fault of the group: all that it told."""
    cases = {f"{name}.example.com": (do, told) for name, do, told in faults()
             if name.startswith(group)}
    items = [item(host, "x." + host) for host in cases]
    api.faults(*(rule("x." + host, do) for host, (do, _) in cases.items()))
    done = run_in_time(keeper, [*items, item("good.example.com")], 20)
    for host, (_, told) in cases.items():
        if told is None:
            assert host in done.names("installed"), host
            continue
        is_told(told, done.failure(host), host)
        assert not keeper.has_generation(host)
    assert "good.example.com" in done.names("installed")
    return items, {host: told for host, (_, told) in cases.items()}


def test_bodies_that_no_api_should_send(keeper, api):
    items, told = run_faults(keeper, api, "body-")
    assert None not in told.values() and len(told) > 30
    assert api.counts()["issued"] == 1
    heals(keeper, api, items)


# ---- certificates ----------------------------------------------------------

def test_certificates_that_strict_would_refuse(keeper, api):
    assert set(FLAWS) <= set(mutations.WORDS)
    items, told = run_faults(keeper, api, "cert-")
    assert len(told) > 35
    heals(keeper, api, items)


# ---- on the wire -----------------------------------------------------------

def test_http_that_is_none_or_too_much_of_it(keeper, api):
    items, told = run_faults(keeper, api, "wire-")
    # each that was issued was issued once, and no redirect was followed
    assert api.counts()["issued"] == 1 + len([host for host in told
                                              if told[host] is None])
    heals(keeper, api, items)


def test_an_answer_that_is_cut_anywhere(keeper, api):
    """Every 83rd byte, head and body; unit tests cut at each."""
    hosts = hosts_of([f"k{k}" for k in range(0, 1800, 83)])
    items = [item(host) for host in hosts.values()]
    api.faults(*(rule(host, {"cut": int(word[1:])}, times=1)
                 for word, host in hosts.items()))
    done = run_in_time(keeper, items, 20)
    assert done.names("installed") == sorted(hosts.values())
    assert keeper.journal_words().count("lost") >= len(hosts), "nothing was cut"
    assert api.counts()["issued"] == len(hosts)
    heals(keeper, api, items)


def test_an_answer_that_drips_and_one_that_never_comes(keeper, api):
    """A byte a second, half an hour's worth: the call is given up after 30
    seconds, others go on, and what was issued is found."""
    names = ["drip.example.com", "hang.example.com", "good.example.com"]
    items = [item(name) for name in names]
    api.faults(rule("drip", {"drip": 1}), rule("hang", {"hang": True},
                                               times=1))
    done = run_in_time(keeper, items, 45)
    assert done.names("installed") == sorted(names)
    assert done.seconds > 25
    assert api.counts()["issued"] == 3


@pytest.mark.parametrize("op", ["zones", "list"])
@pytest.mark.parametrize("body", ["html-520", "result-string", "deep"])
def test_a_lost_answer_and_a_list_that_lies(keeper, api, body, op):
    """It is neither found in such a list nor asked for again."""
    api.faults(rule("a.example.com", {"close": "after"}),
               {"match": {"op": op}, "do": {"body": body}})
    done = run_in_time(keeper, [item("a.example.com")], 20)
    assert done.failure()["kind"] == "transient"
    assert not keeper.has_generation("a.example.com")
    assert api.counts()["issued"] == 1
    heals(keeper, api, [item("a.example.com")])
    assert api.counts()["issued"] == 1


def test_a_wait_of_ages_is_not_obeyed_for_ages(keeper, api):
    api.faults(rule("a.example.com", {"rate_limit": {
        "retry_after": "9" * 40}}))
    done = run_in_time(keeper, [item("a.example.com")], 20)
    assert done.failure()["kind"] == "rate-limited"
    (account,) = (keeper.store / "accounts").glob("*.json")
    until = json.loads(account.read_text())["paused_until"]
    day = time.strftime("%Y-%m-%dT%H:%M:%SZ",
                        time.gmtime(time.time() + 2 * 86400))
    assert until < day


# ---- the token, quoted -----------------------------------------------------

def escaped(text, every=1):
    """As JSON may write it, with some letters as their numbers."""
    return "".join(f"\\u{ord(c):04x}" if n % every == 0 else c
                   for n, c in enumerate(text))


def quoting(token):
    """Answers that quote the Authorization header, by word: where each tells
    it, and what is done to a call for that."""
    said = f"Invalid header: Authorization: Bearer {token}"

    def error(message, **more):
        return {"error": {"status": 400, "code": 1100, "message": message,
                          **more}}

    def raw(message):
        return {"status": 400, "body": '{"success":false,"errors":[{"code":'
                f'1100,"message":"{message}"}}]}}'}

    def page(text):
        return {"status": 502, "body": f"<html>{text}</html>",
                "content_type": "text/html"}

    refused = error("Failed")
    quotes = {
        "message": error(said), "page": page(said), "twice": error(said * 2),
        "chain": error("Failed", chain=[{"code": 6111, "message": said}]),
        "half": error(said[:-16] + "..."), "rear": error("..." + token[12:]),
        "escapes": raw("Bearer " + escaped(token)),
        "some": raw("Bearer " + escaped(token, 6)),
        "folded": raw("Bearer " + "\\r\\n ".join(
            token[n:n + 10] for n in range(0, len(token), 10))),
        "type": {**page("x"), "content_type": f"text/html; x={token}"},
        "ray": {**refused, "headers": {"CF-RAY": token}},
        "rays": {**refused, "headers": {"CF-RAY": "r" * 180 + token}},
        "header": {"rate_limit": {"retry_after": f"Bearer {token}"},
                   "headers": {"Date": token, "Ratelimit": token}},
        "certificate": {"result": {"certificate":
                                   "-----BEGIN CERTIFICATE-----\n" + token}},
    }
    # cut by us, at 600 bytes of a message and at 200 of a page
    for n in range(8, len(token), 9):
        quotes[f"cut{n}"] = error("-" * (597 - n) + token)
        quotes[f"cut{n}-e"] = raw("-" * (597 - n) + escaped(token, 6))
        quotes[f"cut{n}-p"] = page("-" * (191 - n) + token)
    return quotes


def test_an_answer_that_quotes_the_token(keeper, api):
    """No eight bytes of it are in an event, nor in the store, whole or where
    a text was cut."""
    token = api.tokens["main"]
    quotes = quoting(token)
    limited = quotes.pop("header")
    hosts = hosts_of(quotes)
    items = [item(host) for host in hosts.values()]
    api.faults(*(rule(hosts[word], do) for word, do in quotes.items()))
    done = run_in_time(keeper, items, 20)
    for word, host in hosts.items():
        error = done.failure(host)
        place = "ray" if word.startswith("ray") else "message"
        if word == "certificate":
            assert error["message"].startswith("check parse"), error
        elif word == "rear":
            assert error["message"].startswith("...*****"), error
        else:
            assert "*****" in error[place], (word, error)
    api.faults(rule("lost", {"close": "after"}), rule("limited", limited),
               rule("id", {"result": {"id": token}}),
               {"match": {"op": "zones"}, "do": {"result": {"id": token}}})
    after = [run_in_time(keeper, [item(f"{word}.example.com")], 20)
             for word in ("lost", "id", "limited")]
    assert after[0].failure() and after[2].failure()
    assert after[1].names("installed") == ["id.example.com"]
    texts = {path: path.read_bytes() for path in keeper.store.rglob("*")
             if path.is_file()}
    assert any(b"*****" in text for text in texts.values())
    texts.update({round_: (round_.stdout + round_.stderr).encode()
                  for round_ in [done, *after]})
    for n in range(len(token) - 7):
        piece = token[n:n + 8].encode()
        for where, text in texts.items():
            assert piece not in text, (where, piece)
    api.faults()
    (keeper.store / "accounts").rename(keeper.store / "old")
    heals(keeper, api, items[:3] + [item("lost.example.com")])


# ---- TLS -------------------------------------------------------------------

TLS = {
    "expired": "certificate has expired",
    "wrong-name": "no alternative certificate subject name matches",
    "untrusted": "certificate",
    "tls1.0": "SSL_connect",  # what libcurl makes of the alert varies
}


def test_an_api_whose_tls_is_no_good(tmp_path):
    """Nothing is sent to it, least of all the token."""
    rounds = {}
    try:
        for word in TLS:
            folder = tmp_path / word
            folder.mkdir()
            api = keeper_client.start_api("--tls-fault", word)
            keeper = Keeper(folder, api)
            rounds[word] = (api, keeper,
                            keeper.start([item("a.example.com")]))
        for word, (api, keeper, under_way) in rounds.items():
            error = under_way.wait().failure()
            assert error["kind"] == "transient", word
            assert TLS[word] in error["message"], error["message"]
            assert under_way.seconds < 20 * waiting.PATIENCE
            assert not keeper.has_generation("a.example.com")
            assert api.calls() == [], word
        for word, (api, keeper, _) in rounds.items():
            port = str(api.port)
            api.stop()
            cured = OriginCA(api.folder, "--port", port).start()
            rounds[word] = (cured, keeper, None)
            os.chmod(cured.api_ca, 0o644)
            heals(keeper, cured, [item("a.example.com")])
    finally:
        for api, keeper, _ in rounds.values():
            keeper.stop()
            api.stop()
            shutil.rmtree(api.folder, ignore_errors=True)


# ---- through httpd ---------------------------------------------------------

HANDFUL = {
    "page": ({"body": "html-520"}, "transient", NOT_JSON),
    "key": ({"certificate": "wrong-key"}, "check", "check key: "),
    "names": ({"certificate": "missing-san"}, "check", "check names: "),
    "text": ({"error": {"status": 400, "code": 1010, "message":
                        "<b>\x1b[31m\r\n" + "x" * 9000}}, "permanent", "<b>"),
    "hang": ({"hang": True}, None, None),
}


def states(httpd):
    url = f"http://127.0.0.1:{httpd.http_port}/cforigin-status?format=json"
    with urllib.request.urlopen(url, timeout=10) as answer:
        return {c["name"].split(".")[0]: c
                for c in json.load(answer)["certificates"]}


def test_httpd_starts_in_time_and_says_what_is_wrong(httpd, cloudflare):
    wait = int(4 * waiting.PATIENCE)
    show_status(httpd, f"CFOriginStartupWait {wait}s")
    httpd.managed("good.example.com",
                  *(f"{word}.example.com" for word in HANDFUL))
    httpd.tolerate(*(rf"{word}\.example\.com" for word in HANDFUL),
                   r"keeper", r"the wait")
    for word, (do, _, _) in HANDFUL.items():
        cloudflare.fault({"op": "create", "hostname": f"{word}.example.com"},
                         do)
    began = time.monotonic()
    httpd.start()
    assert time.monotonic() - began < wait + 4 * waiting.PATIENCE
    assert httpd.get("good.example.com").status == 200
    told = states(httpd)
    assert told["good"]["state"] == "ok"
    for word, (_, kind, start) in HANDFUL.items():
        answer = httpd.get(f"{word}.example.com", verify=False)
        assert answer.status == 503 and answer.is_fallback, word
        if kind is None:
            assert told[word]["state"] in ("pending", "renewing")
            continue
        assert told[word]["state"] == "error", word
        error = told[word]["last_error"]
        assert error["kind"] == kind, word
        assert error["message"].startswith(start), word
        assert error["message"].isprintable()
        assert len(error["message"]) < 1000, word
        assert not (httpd.folder(f"{word}.example.com") / "current").exists()
    cloudflare.release()
    httpd.stop()
    for attempt in httpd.store.rglob("attempt.json"):
        attempt.unlink()  # as if the minute of the first pause were over
    httpd.start()
    for word in HANDFUL:
        assert httpd.await_certificate(f"{word}.example.com")
        assert states(httpd)[word]["state"] == "ok", word


def show_status(httpd, *lines):
    httpd.server(*lines, "<Location /cforigin-status>",
                 "SetHandler cforigin-status", "</Location>")


def by_name(httpd):
    return {c["name"]: c for c in life.status(httpd)["certificates"]}


def tls_servers(make_httpd, stack, pool):
    """{word: (server, API)} of a server each whose API's TLS is no good."""
    servers = {}
    for word, api in zip(TLS, pool.map(lambda word: stack.enter_context(
            originca.running("--tls-fault", word)), TLS)):
        server = make_httpd()
        servers[word] = server, api
        server.cloudflare = api
        server.directives.update(CFOriginAPI=api.url, CFOriginCARootFile=
                                 api.roots, CFOriginAPICAFile=api.api_ca)
        server.write_token("token", api.token)
        show_status(server, "CFOriginStartupWait 20s")
        server.managed("a.example.com")
        server.tolerate("a.example.com")
    return servers


def starts_in_time(httpd, wait):
    began = time.monotonic()
    httpd.start(wait + 20)
    assert time.monotonic() - began < wait + 4 * waiting.PATIENCE


def has_nothing(httpd, name):
    """No generation in the store, and the answer that says so."""
    assert not [path for path in httpd.folder(name).iterdir()
                if path.name.isdigit() or path.name == "current"], name
    answer = httpd.get(name, verify=False)
    assert answer.status == 503 and answer.is_fallback, name


def are_well(httpd, clock, names):
    """After the administrator's reload, a minute later."""
    httpd.graceful()
    clock.until(lambda: {c["state"] for c in by_name(httpd).values()}
                == {"ok"}, lambda: str({name: c for name, c in
                                        by_name(httpd).items()
                                        if c["state"] != "ok"}), 30)
    for name in names:
        assert httpd.await_certificate(name)


def test_every_fault_through_httpd(httpd, make_httpd, cloudflare, clock):
    """One start with a virtual host for each, beside it others whose API has
    bad TLS, or is slow beyond all patience."""
    told = {}
    for name, do, expected in faults(megabytes=4):
        host = f"{name}.example.com"
        told[host] = expected
        httpd.vhost(host, "CFOrigin on", aliases=(f"x.{host}",))
        cloudflare.rules.append(rule(f"x.{host}", do))
    show_status(httpd, "CFOriginStartupWait 20s")
    httpd.managed("good.example.com")
    httpd.tolerate(r"(body|cert|wire)-[-.0-9a-z]*\.example\.com", "keeper",
                   r"\d+ more like this")
    slow = make_httpd()
    show_status(slow, "CFOriginStartupWait 2s")
    slow.managed("hang.example.net", "drip.example.net", "good.example.net")
    slow.tolerate("the wait", "example.net", "keeper")
    cloudflare.fault({"op": "create", "hostname": "hang."}, {"hang": True})
    cloudflare.fault({"op": "create", "hostname": "drip."}, {"drip": 1})
    with contextlib.ExitStack() as stack, ThreadPoolExecutor() as pool:
        broken = tls_servers(make_httpd, stack, pool)
        servers = [server for server, _ in broken.values()]
        for server in servers:
            clock.drive(server)
        list(pool.map(starts_in_time, (httpd, slow, *servers),
                      (20, 2, 20, 20, 20, 20)))
        shown = by_name(httpd)
        assert set(shown) == {*told, "good.example.com"} and len(told) > 85
        for host, expected in told.items():
            if expected is None:
                assert shown[host]["state"] == "ok", shown[host]
                assert httpd.get(host).status == 200
                continue
            assert shown[host]["state"] == "error", shown[host]
            is_told(expected, shown[host]["last_error"], host)
            has_nothing(httpd, host)
        assert httpd.get("good.example.com").status == 200
        for host in ("hang.example.net", "drip.example.net"):
            assert by_name(slow)[host]["state"] == "pending"
            has_nothing(slow, host)
        assert slow.get("good.example.net").status == 200
        for word, (server, api) in broken.items():
            one = by_name(server)["a.example.com"]
            assert one["state"] == "error", (word, one)
            assert one["last_error"]["kind"] == "transient", one
            assert TLS[word] in one["last_error"]["message"], one
            has_nothing(server, "a.example.com")
            assert api.calls() == []
        cloudflare.release()
        slow.stop()
        slow.start()
        for host in ("hang.example.net", "drip.example.net"):
            assert slow.get(host).status == 200
        list(pool.map(originca.Cloudflare.cure,
                      (api for _, api in broken.values())))
        clock.forward(seconds=61)
        are_well(httpd, clock, told)
        for server in servers:
            are_well(server, clock, ["a.example.com"])
