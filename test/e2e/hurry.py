# SPDX-License-Identifier: Apache-2.0
"""Programs to which a minute is two seconds, for what they wait for; and an
address where one waits."""

import contextlib
import glob
import re
import socket

import clockwork
import keeper_client

# libcurl's words for it, which are not always the same.
TIMED_OUT = re.compile("tim(eout|ed out)", re.IGNORECASE)


def environment():
    """What a program is started with to have such a clock."""
    library, = glob.glob("/usr/lib/*/faketime/libfaketime.so.1")
    variables = {"FAKETIME": "+0 x30", "NO_FAKE_STAT": "1",
                 "ASAN_OPTIONS": "verify_asan_link_order=0"}
    clockwork.preload(variables, library)
    return variables


def by_hand(monkeypatch, path):
    """The keepers of this test go by a clock that is so many seconds ahead as
    the file says: "+0" to begin with."""
    path.write_text("+0\n")
    path.chmod(0o666)
    for name, value in environment().items():
        if name != "FAKETIME":
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("FAKETIME_TIMESTAMP_FILE", str(path))
    monkeypatch.setenv("FAKETIME_NO_CACHE", "1")


def hurry(monkeypatch):
    """The keepers of this test; its issuers have no environment."""
    for name, value in environment().items():
        monkeypatch.setenv(name, value)


def issuer(keeper):
    """A folder whose issuer is the real one with such a clock."""
    words = " ".join(f"{name}='{value}'"
                     for name, value in environment().items())
    path = keeper.folder / "cforigin-issuer"
    path.write_text(f"#!/bin/sh\nexec env {words} "
                    f"{keeper_client.BUILD}/cforigin-issuer \"$@\"\n")
    path.chmod(0o755)
    return str(keeper.folder)


@contextlib.contextmanager
def nowhere():
    """The URL of a port that takes no connection and refuses none: its
    backlog is full."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, \
            contextlib.ExitStack() as others:
        for _ in range(3):
            other = others.enter_context(socket.socket())
            other.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                other.connect(listener.getsockname())
        yield "http://127.0.0.1:%d/client/v4" % listener.getsockname()[1]
