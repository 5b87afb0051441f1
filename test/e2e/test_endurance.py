# SPDX-License-Identifier: Apache-2.0
"""Short forms of what test/endurance/run does for long: restarts, ticks and
days in which the API fails now and then."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "endurance"))

import cloudflare as originca  # noqa: E402
import endure  # noqa: E402
from httpd import Httpd  # noqa: E402

# A sanitizer keeps what was freed for a while: 256 MiB of it.
KIB = 400 if not endure.SANITIZER else 300000


def is_flat(first, last):
    assert last.fds <= first.fds, (str(first), str(last))
    assert last.children <= first.children, (str(first), str(last))
    assert last.rss <= first.rss + KIB, (str(first), str(last))


def test_restarts_leave_nothing_behind(httpd):
    is_flat(*endure.gracefuls(httpd, 20, 5, 15))


# Both libraries would have the clock.
if not endure.SANITIZER:
    def test_ticks_leave_nothing_behind(httpd):
        is_flat(*endure.ticks(httpd, 500, 1500))

    @pytest.fixture
    def own_cloudflare():
        with originca.running("--seed", "7") as server:
            yield server

    def test_days_with_an_api_that_fails_now_and_then(own_cloudflare):
        httpd = Httpd(own_cloudflare)
        try:
            wrong, issued, days = endure.soak(
                httpd, own_cloudflare.server, 24, sites=6, step=0.75, pause=1)
            assert not wrong, "\n".join([str(wrong), *httpd.log.lines()[-90:]])
            assert days >= 6 and issued >= 12, (days, issued)
        finally:
            wrong = httpd.finish()
            httpd.remove()
        assert not wrong
