# SPDX-License-Identifier: Apache-2.0
"""Many vhosts: limited by the API's answers, not by us."""

import time

import waiting


def test_25_services_run_on_one_certificate(httpd, cloudflare):
    names = [f"service{i}.apps.example.org" for i in range(25)]
    httpd.server("CFOriginCertificate apps *.apps.example.org")
    httpd.managed(*names)
    httpd.start()
    assert len({httpd.get(name).sha256 for name in names}) == 1
    (create,) = cloudflare.creates()
    assert create["body"]["hostnames"] == ["*.apps.example.org"]
    httpd.graceful()
    assert len(cloudflare.creates()) == 1


def test_100_vhosts_are_served_by_one_cold_start(httpd, cloudflare):
    names = [f"n{i}.example.com" for i in range(100)]
    httpd.server("CFOriginStartupWait 60s")
    httpd.managed(*names)
    httpd.start(60)
    for name in names[::9]:
        assert httpd.get(name).names == [name]
    assert len(cloudflare.creates()) == 100
    assert httpd.generations() == 1


def test_never_more_than_the_limit_in_flight(httpd, cloudflare):
    cloudflare.delay(0.2)
    httpd.server("CFOriginStartupWait 60s", "CFOriginMaxConcurrent 3")
    httpd.managed(*[f"n{i}.example.com" for i in range(12)])
    began = time.monotonic()
    httpd.start(60)
    assert cloudflare.most_at_once() <= 3
    assert time.monotonic() - began > 12 / 3 * 0.2


def test_connections_are_kept_alive(httpd, cloudflare):
    httpd.server("CFOriginStartupWait 60s", "CFOriginMaxConcurrent 4")
    httpd.managed(*[f"n{i}.example.com" for i in range(24)])
    httpd.start(60)
    assert len(cloudflare.connections()) <= 4


def test_rsa_keys_stream_to_the_issuer_while_others_are_made(
        httpd, cloudflare):
    """The first POST does not wait for the last key."""
    httpd.server("CFOriginStartupWait 60s",
                 "CFOriginRequestType origin-rsa")
    httpd.managed(*[f"n{i}.example.com" for i in range(24)])
    httpd.start(90)
    times = sorted(c["time"] for c in cloudflare.creates())
    assert len(times) == 24
    assert times[-1] - times[0] > 0.15 / waiting.PATIENCE


def one_after_the_other(calls):
    """The longest row of calls of which each came when the one before was
    answered: of 500 with 16 under way all the time it is 32 long, with one
    at a time 500, however long anything takes."""
    length, answered = 0, 0.0
    for began, ended in sorted(((c["time"], c["time"] + c["seconds"])
                                for c in calls), key=lambda span: span[1]):
        if began >= answered:
            length, answered = length + 1, ended
    return length


def test_500_vhosts_take_what_the_apis_answers_take(httpd, cloudflare):
    """16 are asked for at a time, from the first to the last."""
    cloudflare.server.settings(latency=200)
    httpd.server("CFOriginStartupWait 60s")
    httpd.managed(*[f"n{i}.example.com" for i in range(500)])
    httpd.start(60)
    creates = cloudflare.creates()
    assert len(creates) == 500
    assert cloudflare.most_at_once() == 16
    assert one_after_the_other(creates) <= 500 / 16 * 1.5
    assert httpd.get("n499.example.com").status == 200
    assert httpd.generations() == 1
