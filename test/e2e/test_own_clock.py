# SPDX-License-Identifier: Apache-2.0
"""A server whose clock is wrong: it asks once, says so once, replaces
nothing for its date, and goes on by itself when the clock is right again."""

import life

NAME = "a.example.com"


def test_it_asks_once_and_heals_by_itself(httpd, cloudflare, clock):
    httpd.vhost(NAME, "CFOrigin on", "CFOriginValidity 7",
                "CFOriginWarnWindow 1d")
    httpd.start()
    first = life.served(httpd, NAME)
    clock.follow = False
    clock.forward(days=9)  # it looks expired by now
    httpd.expect(r"cforigin:warn.*clock is \d+ seconds ahead of the API's")
    clock.until(lambda: httpd.log.matching("clock is"),
                lambda: httpd.story("word of the clock"))
    calls = len(cloudflare.calls())
    clock.ticks(6)
    assert len(cloudflare.calls()) == calls and len(cloudflare.creates()) == 1
    assert len(httpd.log.matching("clock is")) == 1
    assert life.generation(httpd, NAME) == 1 and httpd.generations() == 1
    assert not httpd.log.matching(r"certificate expire[sd] at")
    # the administrator's reload tells nothing twice, and asks for nothing
    httpd.graceful()
    clock.ticks(2)
    assert len(httpd.log.matching("clock is")) == 1
    assert len(cloudflare.creates()) == 1

    clock.forward(days=-9)
    clock.until(lambda: httpd.log.matching("agree again"),
                lambda: httpd.story("word of the clock's healing"))
    assert life.served(httpd, NAME) == first
    clock.follow = True
    clock.forward(days=6)
    life.await_generation(httpd, NAME, 2, clock)
    life.await_served(httpd, NAME, clock)
    httpd.tolerate(r"cforigin:warn.*(expires|clock)")
