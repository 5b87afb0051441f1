# SPDX-License-Identifier: Apache-2.0
"""Fixtures: a test Cloudflare for the worker, a real httpd for the test."""

import os
import signal
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

import clockwork  # noqa: E402
import cloudflare as originca  # noqa: E402
import waiting  # noqa: E402
from httpd import Httpd  # noqa: E402

MPMS = ["event", "worker", "prefork"]
# ./apxs-build.mk check-slow: what is the same on every MPM on each of them,
# sweeps with every point, rounds by the thousand.
SLOW = bool(os.environ.get("CFORIGIN_SLOW"))
ONE_MPM = MPMS if SLOW else MPMS[:1]
# Started in the background, a shell has it ignored, and so would each httpd.
signal.signal(signal.SIGINT, signal.default_int_handler)
collect_ignore = [] if os.geteuid() == 0 else ["test_split_as_root.py",
                                               "test_separation.py",
                                               "test_pid1_as_root.py",
                                               "test_status_as_root.py",
                                               "test_upgrade_as_root.py"]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    setattr(item, f"report_{report.when}", report)


@pytest.fixture(scope="session")
def cloudflare_process():
    with originca.running() as server:
        yield server


@pytest.fixture
def cloudflare(cloudflare_process):
    """The test Cloudflare, with an empty ledger and no faults."""
    cloudflare_process.reset()
    yield cloudflare_process
    cloudflare_process.reset()


@pytest.fixture
def mpm():
    """The MPM; a test that matters on all three is parametrised with it. The
    rest runs on event, or on the one that check-slow names."""
    return os.environ.get("CFORIGIN_MPM") or "event"


@pytest.fixture
def make_httpd(request, cloudflare, mpm):
    """Makes servers; at the end each has to stop, leave no process behind
    and account for every loud line of its error log."""
    made = []

    def make(**kwargs):
        kwargs.setdefault("mpm", mpm)
        server = Httpd(cloudflare, **kwargs)
        made.append(server)
        return server

    yield make
    wrong = []
    for server in made:
        complaints = server.finish()
        wrong += complaints
        report = getattr(request.node, "report_call", None)
        if complaints or (report is not None and report.failed):
            print(f"--- {server.log.path}")
            print("\n".join(server.log.lines()[-60:]))
        server.remove()
    assert not wrong, "\n".join(wrong)


@pytest.fixture
def round_under_way(httpd, cloudflare):
    """A server whose keeper and issuer wait for an API that hangs."""
    cloudflare.hang()
    httpd.server("CFOriginStartupWait 0")
    httpd.managed("a.example.com")
    httpd.start()
    waiting.until(lambda: cloudflare.calls() and httpd.issuers,
                  "a call that hangs", 8)
    return httpd


@pytest.fixture
def httpd(make_httpd):
    return make_httpd()


@pytest.fixture(scope="session")
def clock_library():
    with tempfile.TemporaryDirectory(prefix="cforigin-preload-") as folder:
        os.chmod(folder, 0o755)  # for servers that are not root's
        yield clockwork.build(folder, "clock")


@pytest.fixture
def clock(httpd, cloudflare, clock_library):
    """The clock that the server of this test goes by."""
    clock = clockwork.Clock(httpd.root / "conf/clock", clock_library,
                            cloudflare)
    clock.drive(httpd)
    return clock
