# SPDX-License-Identifier: Apache-2.0
"""/cforigin-status of a real httpd: its renderings, and what they tell."""

import http.client
import json
import shutil
import time
from pathlib import Path

import jsonschema
import pytest
from prometheus_client.openmetrics.parser import \
    text_string_to_metric_families

import browser
import httpd as harness
import pairs
import waiting

PAGE = "/cforigin-status"
SCHEMA = json.loads(
    (Path(__file__).parents[1] / "status.schema.json").read_text())
LOCATIONS = (f"<Location \"{PAGE}\">", "SetHandler cforigin-status",
             "</Location>", "<Location \"/server-status\">",
             "SetHandler server-status", "</Location>")
METHODS = ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND", "FOO"]


class Seen:
    def __init__(self, response):
        self.status = response.status
        self.headers = {k.lower(): v for k, v in response.getheaders()}
        self.body = response.read()
        self.text = self.body.decode("utf-8")


def look(httpd, path=PAGE, method="GET", body=None):
    conn = http.client.HTTPConnection("127.0.0.1", httpd.http_port,
                                      timeout=20)
    try:
        conn.request(method, path, body)
        return Seen(conn.getresponse())
    finally:
        conn.close()


def as_json(httpd, path=PAGE, query=""):
    seen = look(httpd, f"{path}?format=json{query}")
    assert seen.status == 200
    assert seen.headers["content-type"] == "application/json"
    doc = json.loads(seen.text)
    jsonschema.validate(doc, SCHEMA)
    return doc


def certificate(doc, name, request_type="origin-ecc"):
    (found,) = [c for c in doc["certificates"] if c["name"] == name and
                c["request_type"] == request_type]
    return found


def samples(httpd, path=PAGE):
    """(name, labels) -> value, as a real parser reads them."""
    seen = look(httpd, f"{path}?format=metrics")
    assert seen.headers["content-type"].startswith(
        "application/openmetrics-text; version=1.0.0")
    found = {}
    for family in text_string_to_metric_families(seen.text):
        for sample in family.samples:
            found[sample.name, tuple(sorted(sample.labels.items()))] = \
                sample.value
    return found


def sample(found, metric, /, **labels):
    return found[f"cforigin_{metric}", tuple(sorted(labels.items()))]


def lines(text):
    pairs = [line.split(": ", 1) for line in text.splitlines()
             if line.startswith("CFOrigin")]
    found = dict(pairs)
    assert len(found) == len(pairs), "a key stands there twice"
    return found


def seconds(text):
    import calendar
    return calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))


def test_renderings_agree_and_need_no_file(httpd, cloudflare):
    """Everything that can be seen of one healthy server; then the same with
    the store and the token file gone."""
    httpd.server(*LOCATIONS, "ServerTokens Full")
    httpd.managed("a.example.com")
    httpd.vhost("b.example.com", "CFOrigin on", "CFOriginValidity 365",
                "CFOriginRequestType origin-ecc origin-rsa",
                aliases=["www.b.example.com"])
    httpd.start()
    # The keeper's last words are read at the first look around.
    doc = waiting.until(
        lambda: (lambda d: None if d["keeper"]["running"] else d)(
            as_json(httpd)), "the keeper's end", 20, 0.2)
    assert doc["totals"] == {
        "certificates": 3, "ok": 3, "expiring": 0, "renewing": 0,
        "pending": 0, "error": 0, "degraded": 0, "expired": 0, "adopted": 0,
        "foreign": 0}
    assert doc["schema"] == 1 and doc["server"].startswith("Apache")
    assert (doc["reload_wanted"], doc["reload_wanted_reason"]) == (False, None)
    assert abs(seconds(doc["keeper"]["last_run"]) - time.time()) < 60
    assert doc["accounts"][0]["account"] == "token"
    assert doc["accounts"][0]["last_success"]

    served = httpd.get("a.example.com")
    a = certificate(doc, "a.example.com")
    assert a["sha256"] == served.sha256
    assert a["serial"] == str(served.certificate.serial_number)
    assert a["hostnames"] == ["a.example.com"]
    assert a["vhosts"] == [f"a.example.com:{httpd.port}"]
    assert (a["state"], a["reason"], a["key"], a["generation"]) == \
        ("ok", "valid", "EC P-256", 1)
    assert a["requested_validity"] == 5475
    assert (a["failures"], a["last_error"], a["next_try"]) == (0, None, None)
    assert abs(seconds(a["last_try"]) - time.time()) < 60
    assert seconds(a["renew_at"]) < seconds(a["not_after"])
    rsa = certificate(doc, "b.example.com", "origin-rsa")
    assert rsa["key"] == "RSA 2048" and rsa["requested_validity"] == 365
    assert rsa["hostnames"] == ["b.example.com", "www.b.example.com"]
    assert doc["soonest_not_after"] == min(
        c["not_after"] for c in doc["certificates"])

    found = samples(httpd)
    labels = {"name": "a.example.com", "request_type": "origin-ecc"}
    assert sample(found, "certificate_not_after_timestamp_seconds",
                  **labels) == seconds(a["not_after"])
    assert sample(found, "certificate_not_before_timestamp_seconds",
                  **labels) == seconds(a["not_before"])
    assert sample(found, "certificate_renewal_timestamp_seconds",
                  **labels) == seconds(a["renew_at"])
    assert sample(found, "certificate_state",
                  cforigin_certificate_state="ok", **labels) == 1
    assert sample(found, "certificate_state",
                  cforigin_certificate_state="error", **labels) == 0
    assert sample(found, "failures", **labels) == 0
    assert sample(found, "api_requests_total", op="create",
                  outcome="ok") == len(cloudflare.creates())
    assert sample(found, "account_paused_until_timestamp_seconds",
                  account="token") == 0
    assert sample(found, "keeper_last_run_timestamp_seconds") == \
        seconds(doc["keeper"]["last_run"])
    assert sample(found, "reloads_total") == 0
    assert [key for key in found if key[0] == "cforigin_build_info"]

    flat = look(httpd, f"{PAGE}?auto")
    assert flat.headers["content-type"] == "text/plain; charset=utf-8"
    keys = lines(flat.text)
    assert len(keys) == len(flat.text.splitlines())
    assert keys["CFOriginCertificatesTotal"] == "3"
    assert keys["CFOriginCertificate[0]Name"] == "a.example.com"
    assert keys["CFOriginCertificate[0]NotAfter"] == a["not_after"]

    check = look(httpd, f"{PAGE}?check")
    assert (check.status, check.text) == (200, "OK - 3 certificates\n")

    page = look(httpd)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "3 certificates, all fine; the next renewal is in" in page.text
    assert "Needs attention" not in page.text

    beside = look(httpd, "/server-status")
    assert "Origin certificates" in beside.text
    assert "a.example.com" in beside.text
    keys = lines(look(httpd, "/server-status?auto").text)
    assert keys["CFOriginCertificatesOK"] == "3"

    for path in (PAGE, PAGE + "?format=json", PAGE + "?format=metrics",
                 PAGE + "?auto", PAGE + "?check", PAGE + "/a.example.com",
                 "/server-status", "/server-status?auto"):
        text = look(httpd, path).text
        for secret in (str(httpd.root), cloudflare.token, "PRIVATE"):
            assert secret not in text, (path, secret)

    # As "Serves from memory" says: nothing is left to be read.
    shutil.rmtree(httpd.store)
    httpd.token_file.unlink()
    again = as_json(httpd)
    assert again["certificates"] == doc["certificates"]
    assert look(httpd).status == 200


def test_methods_names_and_filters(httpd):
    httpd.server(*LOCATIONS)
    httpd.managed("a.example.com", "b.example.com")
    httpd.vhost("w.w.example.com", "CFOrigin on",
                "CFOriginHostnames *.w.example.com")
    httpd.start()
    for method in METHODS:
        answer = look(httpd, method=method,
                      body=b"x" if method == "POST" else None)
        assert answer.status == 405, method
        assert answer.headers["allow"] == "GET, HEAD"
        assert answer.headers["cache-control"] == "no-store"
    for query in ("", "?format=json", "?format=metrics", "?auto", "?check"):
        get = look(httpd, PAGE + query)
        head = look(httpd, PAGE + query, "HEAD")
        assert (head.status, head.body) == (get.status, b"")
        assert head.headers["content-type"] == get.headers["content-type"]
        assert head.headers["cache-control"] == "no-store"
        one = look(httpd, f"{PAGE}/b.example.com{query}")
        assert one.status == 200 and "a.example.com" not in one.text
    assert "b.example.com" in look(httpd, PAGE + "/b.example.com").text

    for path, name in ((PAGE + "/b.example.com", "b.example.com"),
                       (PAGE + "/B.Example.COM", "b.example.com"),
                       (PAGE + "/*.w.example.com", "*.w.example.com"),
                       (PAGE + "/%2A.w.example.com", "*.w.example.com")):
        doc = as_json(httpd, path)
        assert [c["name"] for c in doc["certificates"]] == [name]
        assert doc["totals"]["certificates"] == 1
    assert as_json(httpd, PAGE + "/")["totals"]["certificates"] == 3
    for name in ("nobody.example.com", "a.example.co", "a.example.com/",
                 "%3Cscript%3E", "x" * 3000):
        for query in ("", "?format=json", "?check"):
            assert look(httpd, f"{PAGE}/{name}{query}").status == 404, name

    for query, names in (("&q=b.ex", ["b.example.com"]),
                         ("&q=W.EXAMPLE", ["*.w.example.com"]),
                         ("&q=%2A.w", ["*.w.example.com"]),
                         ("&q=nobody", []), ("&state=error", []),
                         ("&state=ok&q=a.example.com", ["a.example.com"])):
        doc = as_json(httpd, query=query)
        assert [c["name"] for c in doc["certificates"]] == names
        assert doc["totals"]["certificates"] == 3
    assert "1 of 3 certificates" in look(httpd, PAGE + "?q=b.ex").text
    injected = look(httpd, PAGE + "?q=%22%3E%3Cscript%3E").text
    assert "<script" not in injected
    for query in ("?format=xml", "?state=fine"):
        assert look(httpd, PAGE + query).status == 400


def test_an_error_is_told_in_full_and_never_as_markup(httpd, cloudflare):
    """Cloudflare's text reaches every rendering, and is text there. A fault
    of this machine's is told without the path that it is about."""
    nasty = ("</td><script>document.title='owned'</script>"
             "<img src=x onerror=\"document.title='owned'\"> \"quoted\" "
             "\u2028 ]]> \\ &amp; \u00e4\u4e2d")
    cloudflare.refuse("bad.example.com", 400, 1010, nasty)
    missing = httpd.root / "secret place" / "token of mine"
    httpd.server(*LOCATIONS)
    httpd.managed("good.example.com", "bad.example.com")
    httpd.vhost("local.example.com", "CFOrigin on",
                f"CFOriginTokenFile \"{missing}\"")
    httpd.expect(r"bad.example.com \(origin-ecc\): 1010",
                 r"local.example.com \(origin-ecc\): ")
    httpd.tolerate("token of mine")
    httpd.server("LogLevel cforigin:debug")
    httpd.start()
    for line in (r"good.example.com \(origin-ecc\): keep because valid; "
                 r"generation 1 ends 20\d\d-",
                 r"bad.example.com \(origin-ecc\): issue because missing",
                 r"bad.example.com \(origin-ecc\): error \(missing\); last "
                 r"error: 1010 .*; next try .*; until it is there",
                 r"2 of 3 certificates need attention: 2 error"):
        assert httpd.log.matching(line), line
    assert not httpd.log.matching(r"notice.*good.example.com .*: ok")
    doc = as_json(httpd)
    assert doc["totals"]["error"] == 2 and doc["totals"]["ok"] == 1
    bad = certificate(doc, "bad.example.com")
    error = bad["last_error"]
    assert (bad["state"], bad["reason"], bad["failures"]) == \
        ("error", "missing", 1)
    assert (error["kind"], error["code"], error["http"]) == \
        ("permanent", 1010, 400)
    assert error["message"] == nasty.replace("\u2028", error["message"][
        nasty.index("\u2028")])
    assert error["ray"] and "zone is active" in error["advice"]
    assert seconds(bad["next_try"]) - seconds(bad["last_try"]) > 60000
    local = certificate(doc, "local.example.com")["last_error"]
    assert local["kind"] == "local" and "token of mine" in local["message"]
    assert doc["keeper"]["next_run"]

    check = look(httpd, PAGE + "?check")
    assert check.status == 503
    assert check.text.startswith("CRITICAL - 2 of 3 certificates: ")
    assert look(httpd, PAGE + "/good.example.com?check").status == 200
    assert look(httpd, PAGE + "?check", "HEAD").status == 503

    found = samples(httpd)
    labels = {"name": "bad.example.com", "request_type": "origin-ecc"}
    assert sample(found, "failures", **labels) == 1
    assert sample(found, "certificate_state",
                  cforigin_certificate_state="error", **labels) == 1
    assert sample(found, "api_requests_total", op="create",
                  outcome="permanent") == 1
    keys = lines(look(httpd, PAGE + "?auto").text)
    (index,) = [key[:-4] for key, value in keys.items()
                if key.endswith("]Name") and value == "bad.example.com"]
    assert keys[index + "ErrorCode"] == "1010"
    assert keys[index + "ErrorRay"] == error["ray"]

    for path in (PAGE, PAGE + "/bad.example.com", "/server-status"):
        text = look(httpd, path).text
        assert "<script" not in text and "<img" not in text, path
        assert str(httpd.root) not in text
        assert "secret place" not in text
        assert error["ray"] in text and "zone is active" in text
        assert "Next try" in text or "Next try" in text.title()
    url = f"http://127.0.0.1:{httpd.http_port}{PAGE}"
    seen = browser.dump(url)
    assert seen.title == "(2) Origin certificates"
    assert not seen.tags & {"script", "img", "svg"}
    assert not {name for name in seen.attributes if name.startswith("on")}
    assert "2 of 3 certificates need attention: 2 error" in seen.text
    assert "<script>document.title='owned'</script>" in seen.text
    assert "What to do: Check that the hostname's zone is active" in seen.text
    assert error["ray"] in seen.text
    assert seen.rows == 4


def test_a_success_is_known_while_others_are_waited_for(httpd, cloudflare):
    cloudflare.fault({"op": "create", "hostname": "slow.example.com"},
                     {"hang": True})
    httpd.server(*LOCATIONS, "CFOriginStartupWait 2s")
    httpd.managed("a.example.com", "slow.example.com")
    httpd.start()
    doc = as_json(httpd)
    assert doc["keeper"]["running"]
    assert abs(seconds(doc["accounts"][0]["last_success"])
               - time.time()) < 60
    assert certificate(doc, "slow.example.com")["last_try"] is None


def test_a_next_try_is_the_same_second_wherever_it_is_told(
        httpd, cloudflare):
    names = [f"n{i}.example.com" for i in range(8)]
    cloudflare.fault({"op": "create"}, {"error": {"status": 400, "code": 1100,
                                                  "message": "later"}})
    httpd.server(*LOCATIONS)
    httpd.managed(*names)
    httpd.expect("cforigin:error.*1100")
    httpd.start()
    doc = as_json(httpd)
    for name in names:
        at = certificate(doc, name)["next_try"]
        kept = json.loads((httpd.folder(name) / "attempt.json").read_text())
        assert kept["next_try"] == at
        told = httpd.log.matching(rf"{name} \(origin-ecc\):.*next try")
        assert told and all(at in line for line in told), (at, told)


def test_what_is_installed_is_told_apart_from_what_is_served(httpd,
                                                             cloudflare):
    """With CFOriginReload off a certificate waits, the page says so, and a
    reload resets no count."""
    cloudflare.delay(2)
    httpd.server(*LOCATIONS, "CFOriginStartupWait 0", "CFOriginReload off")
    httpd.managed("a.example.com")
    httpd.start()
    doc = as_json(httpd)
    assert certificate(doc, "a.example.com")["state"] == "pending"
    assert doc["keeper"]["running"] and not doc["reload_wanted"]
    assert look(httpd, PAGE + "?check").status == 200
    assert "under way: 1 pending" in look(httpd).text
    doc = waiting.until(
        lambda: (lambda d: d if d["reload_wanted_reason"] and
                 "is off" in d["reload_wanted_reason"] else None)(
                     as_json(httpd)),
        lambda: httpd.story("reload_wanted"), 40)
    assert doc["reload_wanted"] is True
    assert certificate(doc, "a.example.com")["state"] == "pending"
    page = look(httpd).text
    assert "waits for a reload" in page and "CFOriginReload is off" in page
    assert sample(samples(httpd), "reload_wanted") == 1
    httpd.graceful()
    doc = waiting.until(
        lambda: (lambda d: d if d["totals"]["ok"] == 1 else None)(
            as_json(httpd)), "the new generation's word", 10)
    assert doc["reload_wanted"] is False
    assert doc["keeper"]["running"] is False and doc["keeper"]["last_run"]
    assert sample(samples(httpd), "api_requests_total", op="create",
                  outcome="ok") == 1


def test_a_foreign_certificate_is_listed_with_what_its_file_says(
        httpd):
    pairs.self_signed(httpd.root / "f.pem", httpd.root / "f.key",
                      ["f.example.com"])
    httpd.server(*LOCATIONS)
    httpd.tolerate("AH01909: g.example.com")
    for name in ("f.example.com", "g.example.com"):
        httpd.vhost(name, "CFOrigin on", "ServerAlias f.example.com",
                    f"SSLCertificateFile {httpd.root}/f.pem",
                    f"SSLCertificateKeyFile {httpd.root}/f.key")
    httpd.start()
    doc = as_json(httpd)
    assert {c["state"] for c in doc["certificates"]} == {"foreign"}
    assert doc["certificates"][0]["hostnames"] == ["f.example.com"]
    assert doc["certificates"][0]["requested_validity"] is None
    assert samples(httpd)
    assert "not by this module" in look(httpd).text


@pytest.mark.parametrize("mpm", ["worker", "prefork"])
def test_other_mpms_and_no_mod_status(httpd, monkeypatch):
    """No certificate at all; and mod_status is nothing the module needs."""
    monkeypatch.setattr(harness, "MODULES",
                        [m for m in harness.MODULES if m != "status"])
    httpd.server(*LOCATIONS[:3])
    httpd.start()
    doc = as_json(httpd)
    assert doc["certificates"] == [] and doc["soonest_not_after"] is None
    assert "No certificate is managed" in look(httpd).text
    assert look(httpd, PAGE + "?check").text == "OK - 0 certificates\n"
    assert samples(httpd)
