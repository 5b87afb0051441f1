# SPDX-License-Identifier: Apache-2.0
"""Which names go on which certificate."""

import re

import pytest

from conftest import MPMS


def asked(cloudflare):
    return sorted(c["body"]["hostnames"] for c in cloudflare.creates())


def test_server_name_and_aliases_are_on_one_certificate(httpd, cloudflare):
    httpd.managed("a.example.com",
                  aliases=["www.a.example.com", "*.a.example.com"])
    httpd.start()
    assert asked(cloudflare) == [["a.example.com", "www.a.example.com",
                                  "*.a.example.com"]]
    for name in ("a.example.com", "www.a.example.com", "x.a.example.com"):
        assert httpd.get(name).headers["x-vhost"] == "a.example.com"


def test_names_are_lower_cased_and_said_once(httpd, cloudflare):
    httpd.managed("A.Example.COM", aliases=["a.example.com",
                                            "WWW.example.com",
                                            "www.example.com"])
    httpd.start()
    assert asked(cloudflare) == [["a.example.com", "www.example.com"]]


def test_vhosts_with_one_first_name_share_the_union(httpd, cloudflare):
    other = httpd.http_port
    httpd.managed("a.example.com", aliases=["one.example.com"])
    httpd.managed("a.example.com", aliases=["two.example.com"], port=other)
    httpd.start()
    (names,) = asked(cloudflare)
    assert sorted(names) == ["a.example.com", "one.example.com",
                             "two.example.com"]
    first = httpd.get("a.example.com")
    httpd.port = other
    assert httpd.get("two.example.com").sha256 == first.sha256


@pytest.mark.parametrize("mpm", MPMS)
def test_one_certificate_serves_every_vhost_it_covers(httpd, cloudflare):
    names = [f"app{i}.apps.example.org" for i in range(5)]
    httpd.server("CFOriginCertificate apps *.apps.example.org")
    httpd.managed(*names, "else.example.org")
    httpd.start()
    assert asked(cloudflare) == [["*.apps.example.org"],
                                 ["else.example.org"]]
    served = {httpd.get(name).sha256 for name in names}
    assert len(served) == 1
    assert httpd.folder("apps").is_dir()


def test_a_vhost_with_a_name_outside_gets_its_own(httpd, cloudflare):
    httpd.server("CFOriginCertificate apps *.apps.example.org")
    httpd.managed("a.apps.example.org")
    httpd.managed("b.apps.example.org", aliases=["b.example.org"])
    httpd.start()
    assert asked(cloudflare) == [["*.apps.example.org"],
                                 ["b.apps.example.org", "b.example.org"]]


def test_a_certificate_that_covers_no_vhost_is_not_asked_for(
        httpd, cloudflare):
    httpd.server("CFOriginCertificate apps *.apps.example.org")
    httpd.managed("a.example.com")
    httpd.start()
    assert asked(cloudflare) == [["a.example.com"]]
    httpd.tolerate("apps")


def test_hostnames_override_server_name_and_aliases(httpd, cloudflare):
    httpd.vhost("a.example.com", "CFOrigin on",
                "CFOriginHostnames example.com *.example.com",
                aliases=["left-out.example.net"])
    httpd.start()
    assert asked(cloudflare) == [["example.com", "*.example.com"]]
    assert httpd.get("a.example.com").status == 200


def test_idn_goes_out_as_punycode(httpd, cloudflare):
    httpd.managed("xn--bcher-kva.example.com", aliases=["bücher.example.net"])
    httpd.start()
    (names,) = asked(cloudflare)
    assert names == ["xn--bcher-kva.example.com", "xn--bcher-kva.example.net"]
    assert httpd.get("xn--bcher-kva.example.com").status == 200
    httpd.tolerate("cher")


def test_a_server_name_in_unicode_is_warned_about(httpd, cloudflare):
    httpd.managed("bücher.example.com")
    httpd.expect(r"cforigin:warn.*punycode")
    httpd.tolerate("AH01909")  # mod_ssl compares with the name as written
    httpd.start()
    assert asked(cloudflare) == [["xn--bcher-kva.example.com"]]


@pytest.mark.parametrize("alias", ["www?.example.com", "localhost",
                                   "192.0.2.7", "*", "*.com",
                                   "*.*.example.com"])
def test_an_alias_the_api_cannot_take_is_left_out_with_a_warning(
        httpd, cloudflare, alias):
    httpd.managed("a.example.com", aliases=[alias, "b.example.com"])
    httpd.expect(rf"cforigin:warn.*{re.escape(alias)}")
    httpd.start()
    assert asked(cloudflare) == [["a.example.com", "b.example.com"]]


def test_a_vhost_that_inherits_cforigin_and_has_no_name_is_left_out(
        httpd, cloudflare):
    httpd.server("CFOrigin on")
    httpd.vhost("a.example.com")
    httpd.vhost(None, port=httpd.http_port)
    httpd.expect(r"cforigin:warn.*ServerName")
    httpd.start()
    assert asked(cloudflare) == [["a.example.com"]]
    assert httpd.get("a.example.com").status == 200
    httpd.port = httpd.http_port
    assert httpd.get("other.example.com", verify=False).status == 503


def test_cforigin_on_without_sslengine_is_warned_about(httpd, cloudflare):
    httpd.vhost("a.example.com", "CFOrigin on", tls=False,
                port=httpd.http_port)
    httpd.managed("b.example.com")
    httpd.expect(r"cforigin:warn.*SSLEngine")
    httpd.start()
    assert asked(cloudflare) == [["b.example.com"]]


def test_the_plan_is_shown_without_network_or_write(httpd, cloudflare):
    httpd.server("CFOriginCertificate apps *.apps.example.org")
    httpd.managed("a.example.com", "one.apps.example.org")
    before = httpd.tree()
    text = httpd.dump()
    assert httpd.tree() == before
    assert not cloudflare.calls()
    for word in ("a.example.com", "*.apps.example.org",
                 "one.apps.example.org", "missing"):
        assert word in text
    httpd.start()
    assert "valid" in httpd.dump()
    assert "missing" not in httpd.dump()
