# SPDX-License-Identifier: Apache-2.0
"""Is what is installed also what is served? Looked at after each restart of
its own, and before anything is revoked."""

import pytest

import life
import pairs
from conftest import ONE_MPM

SERVED = r"cforigin:info.*new origin-ecc certificate is served"
NOT_SERVED = (r"cforigin:warn.*after the restart the origin-ecc "
              r"certificate.*is installed, but")


def renew(httpd, name, clock):
    number = httpd.generation(name) + 1
    life.mark(httpd, name)
    life.await_generation(httpd, name, number, clock)


def hide_behind_another(httpd, name):
    """A virtual host of the same name comes first: nobody sees ours."""
    folder = httpd.root / "etc"
    folder.mkdir()
    pairs.self_signed(folder / "x.pem", folder / "x.key", [name])
    httpd.vhost(name, f"SSLCertificateFile {folder}/x.pem",
                f"SSLCertificateKeyFile {folder}/x.key")


@pytest.mark.parametrize("mpm", ONE_MPM)
def test_it_is_confirmed(httpd, cloudflare, clock):
    """By a handshake with a listener of this server, without the API."""
    names = ["a.example.com", "*.b.example.com"]
    httpd.managed("a.example.com")
    httpd.vhost("w.b.example.com", "CFOrigin on",
                "CFOriginHostnames *.b.example.com")
    httpd.start()
    for name in names:
        life.mark(httpd, name)
    clock.until(lambda: len(httpd.log.matching(SERVED)) == 2,
                lambda: httpd.story("word of both"), 40)
    assert {call["op"] for call in cloudflare.calls()} == {"create"}
    assert len(cloudflare.calls()) == 4
    clock.ticks(3)
    assert len(httpd.log.matching(SERVED)) == 2


def test_what_is_not_served_is_told(httpd, clock):
    name = "a.example.com"
    hide_behind_another(httpd, name)
    httpd.managed(name)
    httpd.expect(NOT_SERVED)
    httpd.start()
    renew(httpd, name, clock)
    clock.until(lambda: httpd.log.matching(NOT_SERVED),
                lambda: httpd.story("a warning"), 40)
    clock.ticks(4)
    assert len(httpd.log.matching(NOT_SERVED)) == 1
    assert httpd.generations() == 2


def test_an_address_of_another_virtual_host_is_not_looked_at(httpd, clock):
    """There httpd asks whoever names it, and not "*"."""
    name, folder = "a.example.com", httpd.root / "etc"
    folder.mkdir()
    pairs.self_signed(folder / "x.pem", folder / "x.key", ["x.example.com"])
    httpd.managed(name)
    httpd.server(f"Listen 127.0.0.2:{httpd.port}",
                 f"<VirtualHost 127.0.0.2:{httpd.port}>",
                 "ServerName x.example.com", "SSLEngine on",
                 "SSLCertificateFile etc/x.pem",
                 "SSLCertificateKeyFile etc/x.key", "</VirtualHost>")
    httpd.start()
    renew(httpd, name, clock)
    clock.until(lambda: httpd.log.matching(SERVED),
                lambda: httpd.story("word of it"), 40)


def revoked(cloudflare):
    return [entry["serial"] for entry in cloudflare.server.revoked()]


def serial(httpd, name):
    return str(pairs.certificate(httpd.live(name)
                                 / "cert.pem").serial_number)


def test_nothing_is_revoked_by_default(httpd, cloudflare, clock):
    httpd.managed("a.example.com")
    httpd.start()
    renew(httpd, "a.example.com", clock)
    life.await_served(httpd, "a.example.com", clock)
    clock.forward(days=2)
    clock.ticks(4)
    assert not [c for c in cloudflare.calls() if c["op"] == "revoke"]


def test_superseded_ones_are_revoked_after_a_day(httpd, cloudflare, clock):
    """What this store issued and replaced; not what it took over, not the
    last one; that it is revoked already is fine."""
    name, hand = "a.example.com", "hand.example.com"
    folder = httpd.root / "etc"
    folder.mkdir()
    cloudflare.issue_by_hand(folder / "h.pem", folder / "h.key", [hand])
    httpd.server("CFOriginRevoke superseded")
    httpd.managed(name)
    httpd.vhost(hand, "CFOrigin on", f"SSLCertificateFile {folder}/h.pem",
                f"SSLCertificateKeyFile {folder}/h.key")
    httpd.start()
    first = serial(httpd, name)
    for one in (name, hand):
        renew(httpd, one, clock)
        life.await_served(httpd, one, clock)
    second = serial(httpd, name)
    clock.forward(days=0.9)
    clock.ticks(3)
    assert not revoked(cloudflare)
    clock.forward(days=0.2)
    clock.until(lambda: revoked(cloudflare) == [first],
                lambda: httpd.story(f"revoked {revoked(cloudflare)}"), 30)
    clock.forward(days=3)
    clock.ticks(4)
    assert revoked(cloudflare) == [first]
    # the next one: the API says that it is revoked already
    renew(httpd, name, clock)
    life.await_served(httpd, name, clock)
    cloudflare.fault({"op": "revoke"}, {"preset": "1014"})
    clock.forward(days=1.1)

    def tries():
        return [c for c in cloudflare.calls() if c["op"] == "revoke"
                and second in c["path"]]
    clock.until(tries, "a second revocation", 30)
    clock.forward(days=2)
    clock.ticks(4)
    assert len(tries()) == 1
    assert life.is_whole(httpd, name) and life.is_whole(httpd, hand)


def test_what_is_not_seen_served_replaces_nothing(httpd, cloudflare, clock):
    """Another virtual host answers for the name: the predecessor stays."""
    name = "a.example.com"
    hide_behind_another(httpd, name)
    httpd.server("CFOriginRevoke superseded")
    httpd.managed(name)
    httpd.tolerate(NOT_SERVED, r"cforigin:warn.*nothing is revoked")
    httpd.start()
    renew(httpd, name, clock)
    clock.forward(days=2)
    clock.ticks(6)
    assert not [c for c in cloudflare.calls() if c["op"] == "revoke"]
