# SPDX-License-Identifier: Apache-2.0
"""CFOriginPack: many vhosts on one certificate, and what it changes."""

import waiting


def asked(cloudflare):
    return sorted(sorted(c["body"]["hostnames"])
                  for c in cloudflare.creates())


def test_packed_vhosts_are_served_and_one_more_costs_one_call(
        httpd, cloudflare):
    names = [f"n{i}.example.com" for i in range(210)]
    httpd.server("CFOriginPack on", "CFOriginStartupWait 60s",
                 "CFOriginReloadInterval 0")
    httpd.managed(*names, "a.example.net")
    httpd.vhost("own.example.com", "CFOrigin on",
                "CFOriginHostnames own.example.com *.own.example.com")
    httpd.start(60)
    assert asked(cloudflare) == sorted([
        sorted(names[:200]), sorted(names[200:]), ["a.example.net"],
        ["*.own.example.com", "own.example.com"]])
    first = httpd.get("n0.example.com")
    assert len(first.names) == 200
    assert httpd.get("n199.example.com").sha256 == first.sha256
    assert httpd.get("n205.example.com").headers["x-vhost"] == \
        "n205.example.com"
    assert "certificate pack+n200.example.com origin-ecc" in httpd.dump()

    httpd.forget_vhosts()
    httpd.expect("AH01909.*new.example.com")  # until it is on it
    httpd.managed("new.example.com", *names, "a.example.net")
    httpd.graceful()
    httpd.await_certificate("new.example.com")
    more = cloudflare.creates()[4:]
    assert [sorted(c["body"]["hostnames"]) for c in more] == [
        sorted(names[200:] + ["new.example.com"])]
    assert httpd.get("n0.example.com").sha256 == first.sha256


def test_turned_on_and_off_nobody_is_without_a_certificate(
        httpd, cloudflare):
    """What was served goes on being served until the other one is there."""
    names = ["a.example.com", "b.example.com"]
    httpd.server("CFOriginReloadInterval 0")
    httpd.managed(*names)
    httpd.start()
    own = {name: httpd.get(name).sha256 for name in names}
    for line, count in (("CFOriginPack on", 3), ("CFOriginPack off", 3)):
        cloudflare.delay(1)
        httpd.lines[-1] = line
        before = {name: httpd.get(name).sha256 for name in names}
        httpd.graceful()
        assert {name: httpd.get(name).sha256 for name in names} == before \
            or count == len(cloudflare.creates())
        cloudflare.delay(0)
        waiting.until(lambda: len(cloudflare.creates()) == count
                      and not httpd.keepers, "the certificates")
        for name in names:
            assert httpd.await_certificate(name).status == 200
    # its own were in the store all the time
    assert {name: httpd.get(name).sha256 for name in names} == own
