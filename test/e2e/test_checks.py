# SPDX-License-Identifier: Apache-2.0
"""The named checks between the API and the store: whatever Full (strict)
would refuse is not installed, and only that vhost feels it."""

import json

import pytest

from conftest import MPMS

# the check's word, and the flaws of a certificate that it has to catch
FLAWS = [
    ("parse", "truncated-pem"), ("parse", "garbage"), ("parse", "two-pems"),
    ("parse", "not-pem"), ("parse", "ca-certificate"),
    ("parse", "ca-constraint"),
    ("parse", "trailing-junk"),
    ("key", "wrong-key"), ("names", "missing-san"), ("names", "no-san"),
    ("parse", "nul-san"), ("dates", "expired"), ("dates", "not-yet-valid"),
    ("lifetime", "wrong-lifetime"), ("issuer", "foreign-root"),
    ("issuer", "forged"), ("issuer", "self-issued"),
]


@pytest.mark.parametrize("check, flaw", FLAWS,
                         ids=[f"{c}-{f}" for c, f in FLAWS])
def test_a_flawed_certificate_is_refused_by_name(
        httpd, cloudflare, check, flaw):
    cloudflare.flaw("bad.example.com", flaw)
    httpd.managed("good.example.com")
    httpd.managed("bad.example.com", aliases=["www.bad.example.com"])
    httpd.expect(rf"cforigin:error.*bad\.example\.com.*check {check}: ")
    httpd.start()
    assert httpd.get("good.example.com").status == 200
    answer = httpd.get("bad.example.com", verify=False)
    assert answer.status == 503 and answer.is_fallback
    folder = httpd.folder("bad.example.com")
    assert not (folder / "current").exists()
    assert not list(folder.glob("[0-9]*"))


@pytest.mark.parametrize("mpm", MPMS)
def test_a_refused_certificate_replaces_no_working_one(httpd, cloudflare):
    httpd.managed("a.example.com")
    httpd.start()
    served = httpd.get("a.example.com").sha256
    httpd.stop()
    cloudflare.flaw("a.example.com", "wrong-key")
    httpd.forget_vhosts()
    httpd.managed("a.example.com", aliases=["www.example.com"])
    httpd.expect(r"cforigin:error.*check key: ")
    httpd.start()
    assert httpd.get("a.example.com").sha256 == served
    assert httpd.generation("a.example.com") == 1


@pytest.mark.parametrize("shape", ["extra-san", "other-subject",
                                   "upper-san", "crlf"])
def test_what_strict_would_take_is_taken(httpd, cloudflare, shape):
    cloudflare.flaw("a.example.com", shape)
    httpd.managed("a.example.com")
    httpd.start()
    assert httpd.get("a.example.com").status == 200


def test_a_refused_certificate_is_not_asked_for_again_at_once(
        httpd, cloudflare):
    """A check that fails is permanent: a day, not thirty seconds."""
    cloudflare.flaw("a.example.com", "wrong-key")
    httpd.managed("a.example.com")
    httpd.expect(r"check key: ")
    httpd.start()
    attempt = json.loads(
        (httpd.folder("a.example.com") / "attempt.json").read_text())
    assert attempt["failures"] == 1
    assert attempt["last_error"]["kind"] == "check"
    assert len(cloudflare.creates()) == 1
