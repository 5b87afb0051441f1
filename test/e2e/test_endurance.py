# SPDX-License-Identifier: Apache-2.0
"""Short forms of what test/endurance/run does for long: restarts, ticks and
days in which the API fails now and then."""

import sys
import time
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
    assert last.rss <= first.rss + KIB, (str(first), str(last))


def test_restarts_leave_nothing_behind(httpd):
    first, last, renewed = endure.gracefuls(httpd, 20, 5, 15)
    is_flat(first, last)
    assert renewed >= 13


def test_ticks_leave_nothing_behind(httpd):
    first, last, renewed = endure.ticks(httpd, 500, 10, 1500)
    is_flat(first, last)
    assert renewed >= 10


# So few calls as a week has would meet none of "rough".
MOOD = [{"match": {"op": "create", "probability": chance}, "do": do}
        for chance, do in ((0.2, {"preset": "1100"}),
                           (0.1, {"rate_limit": {"retry_after": 1}}),
                           (0.15, {"close": "after"}),
                           (0.15, {"delay": 1}))]

# Both libraries would have the clock.
if not endure.SANITIZER:
    @pytest.fixture
    def own_cloudflare():
        with originca.running("--seed", "7") as server:
            yield server

    def test_days_with_an_api_that_fails_now_and_then(own_cloudflare):
        """A week and a half: each site is due twice."""
        httpd, end = Httpd(own_cloudflare), time.monotonic() + 150
        try:
            came = endure.soak(
                httpd, own_cloudflare.server, lambda days: days >= 10.5
                or time.monotonic() > end, sites=6, step=0.75, pause=0.5, mood=MOOD)
            assert not came.wrong, "\n".join([
                str(came.wrong), *httpd.log.lines()[-90:]])
            assert came.days >= 6 and came.issued >= 12, str(came)
            assert sum(came.fired) >= 4, str(came)
        finally:
            wrong = httpd.finish()
            httpd.remove()
        assert not wrong
