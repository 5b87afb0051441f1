# SPDX-License-Identifier: Apache-2.0
"""The main job: CFOrigin on, one start, served."""

import pytest

import cloudflare as originca
from ca import TlsAuthority
from conftest import MPMS
from tls import ECDSA_ONLY, RSA_ONLY

NAMES = ["a.example.com", "b.example.net", "c.example.org"]
every_mpm = pytest.mark.parametrize("mpm", MPMS)


@every_mpm
def test_one_start_serves_three_vhosts_with_three_posts(httpd, cloudflare):
    httpd.managed(*NAMES)
    httpd.start()
    for name in NAMES:
        answer = httpd.get(name)
        assert answer.status == 200
        assert answer.names == [name]
        assert answer.key == "EC secp256r1"
        assert answer.headers["x-vhost"] == name
    assert sorted(c["body"]["hostnames"] for c in cloudflare.creates()) \
        == [[name] for name in NAMES]
    assert httpd.generations() == 1


@every_mpm
def test_a_start_with_a_good_store_makes_no_call(httpd, cloudflare):
    httpd.managed(*NAMES)
    httpd.start()
    served = {name: httpd.get(name).sha256 for name in NAMES}
    httpd.stop()
    before = len(cloudflare.calls())
    (httpd.root / "libexec/cforigin-keeper").rename(httpd.root / "away")
    httpd.start()
    assert {name: httpd.get(name).sha256 for name in NAMES} == served
    assert len(cloudflare.calls()) == before
    assert httpd.generations() == 2
    httpd.tolerate("cforigin-keeper")


@every_mpm
def test_a_reload_with_a_good_store_makes_no_call(httpd, cloudflare):
    httpd.managed(*NAMES)
    httpd.start()
    served = {name: httpd.get(name).sha256 for name in NAMES}
    before = len(cloudflare.calls())
    (httpd.root / "libexec/cforigin-keeper").rename(httpd.root / "away")
    for _ in range(2):
        httpd.graceful()
    assert {name: httpd.get(name).sha256 for name in NAMES} == served
    assert len(cloudflare.calls()) == before
    httpd.tolerate("cforigin-keeper")


def test_the_body_of_a_post_has_exactly_four_fields(httpd, cloudflare):
    httpd.vhost("a.example.com", "CFOrigin on", "CFOriginValidity 90",
                aliases=["www.example.com"])
    httpd.start()
    (create,) = cloudflare.creates()
    body = create["body"]
    assert set(body) == {"csr", "hostnames", "request_type",
                         "requested_validity"}
    assert body["hostnames"] == ["a.example.com", "www.example.com"]
    assert body["request_type"] == "origin-ecc"
    assert body["requested_validity"] == 90
    assert isinstance(body["requested_validity"], int)
    assert body["csr"].startswith("-----BEGIN CERTIFICATE REQUEST-----\n")


@pytest.mark.parametrize("days", [7, 30, 90, 365, 730, 1095, 5475])
def test_every_validity_is_asked_for_and_served(httpd, cloudflare, days):
    httpd.vhost("a.example.com", "CFOrigin on", f"CFOriginValidity {days}")
    httpd.start()
    assert cloudflare.creates()[0]["body"]["requested_validity"] == days
    assert abs(httpd.get("a.example.com").days - days) <= 1


def test_fifteen_years_is_what_is_asked_for_without_a_word(httpd, cloudflare):
    httpd.managed("a.example.com")
    httpd.start()
    assert cloudflare.creates()[0]["body"]["requested_validity"] == 5475


def test_origin_rsa_is_an_rsa_2048_key_of_the_rsa_root(httpd, cloudflare):
    httpd.vhost("a.example.com", "CFOrigin on",
                "CFOriginRequestType origin-rsa")
    httpd.start()
    answer = httpd.get("a.example.com")
    assert answer.key == "RSA 2048"
    assert "ECC" not in answer.certificate.issuer.rfc4514_string()
    (create,) = cloudflare.creates()
    assert create["body"]["request_type"] == "origin-rsa"


def test_both_request_types_are_served_by_what_the_client_offers(
        httpd, cloudflare):
    httpd.vhost("a.example.com", "CFOrigin on",
                "CFOriginRequestType origin-ecc origin-rsa")
    httpd.start()
    assert httpd.get("a.example.com", ciphers=ECDSA_ONLY).key \
        == "EC secp256r1"
    assert httpd.get("a.example.com", ciphers=RSA_ONLY).key == "RSA 2048"
    assert sorted(c["body"]["request_type"] for c in cloudflare.creates()) \
        == ["origin-ecc", "origin-rsa"]


def test_the_base_server_can_be_managed(httpd, cloudflare):
    httpd.http_port = httpd.port  # one listener, and no vhost on it
    httpd.lines = ["ServerName base.example.com", "SSLEngine on",
                   "CFOrigin on"]
    text = httpd.text()
    listen = f"Listen 127.0.0.1:{httpd.port}\n"
    assert text.count(listen) == 2
    httpd.text = lambda: text.replace(listen, "", 1)
    httpd.start()
    assert httpd.get("base.example.com").status == 200
    assert [c["body"]["hostnames"] for c in cloudflare.creates()] \
        == [["base.example.com"]]


def test_a_vhost_without_cforigin_is_none_of_our_business(httpd, cloudflare):
    httpd.vhost("plain.example.com", tls=False, port=httpd.http_port)
    httpd.managed("a.example.com")
    httpd.start()
    assert [c["body"]["hostnames"] for c in cloudflare.creates()] \
        == [["a.example.com"]]


def test_two_servers_on_one_store_issue_once(make_httpd, cloudflare):
    first, second = make_httpd(), make_httpd()
    second.directives["CFOriginStoreDir"] = first.store
    for server in (first, second):
        server.managed("a.example.com")
        server.launch()
    served = {server.await_certificate("a.example.com").sha256
              for server in (first, second)}
    assert len(served) == 1
    assert len(cloudflare.creates()) == 1


def test_an_api_that_speaks_http2_serves_as_well(make_httpd):
    """A second httpd stands in front of the API, as HTTP/2 and TLS end."""
    with originca.running("--no-tls") as api:
        front, httpd = make_httpd(), make_httpd()
        certificate, key = TlsAuthority(api.folder).server_pair()
        front.with_module = False
        front.extra_modules = ["http2", "proxy", "proxy_http"]
        front.server(f'CustomLog "{front.root}/logs/access.log" "%H %r"')
        front.vhost("127.0.0.1", f"SSLCertificateFile {certificate}",
                    f"SSLCertificateKeyFile {key}", "Protocols h2",
                    f"ProxyPass / {api.url.replace('/client/v4', '/')}")
        front.tolerate("AH01909")  # an address is no name to mod_ssl
        front.start()
        httpd.directives.update({
            "CFOriginAPI": f"https://127.0.0.1:{front.port}/client/v4",
            "CFOriginAPICAFile": api.api_ca,
            "CFOriginCARootFile": api.roots})
        httpd.write_token("token", api.token)
        names = [f"n{i}.example.com" for i in range(5)]
        httpd.managed(*names)
        httpd.start()
        for name in names:
            assert httpd.get(name, roots=api.roots).status == 200
        spoken = {line.split()[0] for line in (
            front.root / "logs/access.log").read_text().splitlines()}
        assert spoken == {"HTTP/2.0"}
        assert len(api.creates()) == 5


def test_what_is_left_in_the_store_is_readable_by_root_alone(httpd):
    httpd.managed("a.example.com")
    httpd.start()
    folder = httpd.folder("a.example.com")
    assert sorted(p.name for p in folder.iterdir()) == ["1", "current"]
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "1/key.pem").stat().st_mode & 0o777 == 0o600
    assert httpd.generation("a.example.com") == 1
    assert (httpd.store / "journal.jsonl").stat().st_mode & 0o777 == 0o600
