# SPDX-License-Identifier: Apache-2.0
"""Edits of httpd.conf that move a virtual host to another certificate, while
the API fails: what was served is served, whatever the edit."""

import pytest

import life

FAILS = {"error": {"status": 500, "code": 1000, "message": "not now"}}


def all_in_one(httpd, names):
    httpd.server("CFOriginPack on")
    httpd.managed(*names)


def each_its_own(httpd, names):
    httpd.managed(*names)


def under_a_wildcard(httpd, names):
    httpd.server("CFOriginCertificate sites *.example.com")
    httpd.managed(*names)


def shorter(httpd, names):
    httpd.vhost(names[0], "CFOrigin on", "CFOriginValidity 365")
    httpd.managed(*names[1:])


def with_an_alias(httpd, names):
    httpd.managed(names[0], aliases=["www." + names[0]])
    httpd.managed(*names[1:])


def with_names_of_its_own(httpd, names):
    httpd.vhost(names[0], "CFOrigin on",
                f"CFOriginHostnames {names[0]} *.{names[0]}")
    httpd.managed(*names[1:])


def with_another_first_name(httpd, names):
    httpd.managed("new.example.com", aliases=names[:1])
    httpd.managed(*names[1:])


@pytest.mark.parametrize("before, after, number", [
    (all_in_one, shorter, 200),
    (all_in_one, with_an_alias, 200),
    (all_in_one, with_names_of_its_own, 3),
    (all_in_one, under_a_wildcard, 3),
    (all_in_one, each_its_own, 3),
    (each_its_own, all_in_one, 3),
    (each_its_own, under_a_wildcard, 3),
    (under_a_wildcard, each_its_own, 3),
    (under_a_wildcard, all_in_one, 3),
    (each_its_own, with_another_first_name, 3),
], ids=lambda value: getattr(value, "__name__", str(value)))
def test_whoever_moves_keeps_what_it_has(httpd, cloudflare, before, after,
                                         number):
    names = [f"n{i}.example.com" for i in range(number)]
    seen = [*names[:3], names[-1]]
    before(httpd, names)
    httpd.start(60)
    served = {name: httpd.get(name).sha256 for name in seen}
    cloudflare.fault({"op": "create"}, FAILS)
    if after in (all_in_one, each_its_own, under_a_wildcard):
        httpd.lines = []
    httpd.forget_vhosts()
    after(httpd, names)
    life.show_status(httpd)
    httpd.graceful()
    httpd.tolerate("cforigin:(error|warn).*not now", "AH01909")
    assert {name: httpd.get(name).sha256 for name in seen} == served
    assert {name: httpd.get(name).status for name in seen} \
        == dict.fromkeys(seen, 200)
    moved = [cert for cert in life.status(httpd)["certificates"]
             if cert["reason"] != "valid"]
    assert moved and all(cert["state"] in ("renewing", "degraded")
                         and cert["sha256"] for cert in moved)


def test_a_name_that_is_nowhere_gets_503(httpd, cloudflare):
    """Also beside one that is: the status tells the worse."""
    httpd.server("CFOriginPack on")
    httpd.managed("a.example.com")
    httpd.start()
    served = httpd.get("a.example.com").sha256
    cloudflare.fault({"op": "create"}, FAILS)
    httpd.lines = []
    httpd.forget_vhosts()
    httpd.server("CFOriginCertificate sites *.example.com")
    httpd.managed("a.example.com", "new.example.com")
    life.show_status(httpd)
    httpd.graceful()
    httpd.tolerate("cforigin:(error|warn).*not now", "AH01909")
    assert httpd.get("a.example.com").sha256 == served
    assert httpd.get("new.example.com", verify=False).status == 503
    assert life.shown(httpd, "sites")["state"] in ("pending", "error")
