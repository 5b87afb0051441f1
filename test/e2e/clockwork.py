# SPDX-License-Identifier: Apache-2.0
"""A wall clock that a test sets: by days at once, or so fast that the ten
seconds between two looks of the module are a quarter of one. httpd and the
keeper go by it; the issuer's environment is empty, it goes by the real one.
The test Cloudflare follows, so that both agree on what day it is."""

import contextlib
import mmap
import os
import struct
import subprocess
import time
from pathlib import Path

import waiting

HERE = Path(__file__).resolve().parent
DAY = 86400
FAST = 40


def build(folder, name):
    """Compile a library to preload."""
    library = Path(folder) / f"{name}.so"
    subprocess.run([os.environ.get("CC", "gcc"), "-O1", "-g", "-shared",
                    "-fPIC", "-o", library, HERE / "preload" / f"{name}.c",
                    "-ldl"], check=True)
    library.chmod(0o755)
    return library


def preload(environment, library):
    """Add a library, after a sanitizer's."""
    others = (environment.get("LD_PRELOAD")
              or os.environ.get("CFORIGIN_PRELOAD", ""))
    environment["LD_PRELOAD"] = f"{others}:{library}".lstrip(":")


class Clock:
    def __init__(self, path, library, cloudflare):
        self.path, self.library, self.cloudflare = path, library, cloudflare
        path.write_bytes(bytes(32))
        path.chmod(0o644)
        with open(path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), 32)
        self.driven = []
        self.turn = 0
        self.real = self.shown = time.time()
        self.factor = 1.0
        self.follow = True
        self._write()

    def drive(self, httpd):
        """From its next start on this server goes by this clock."""
        preload(httpd.environment, self.library)
        httpd.environment["CFO_TEST_CLOCK"] = str(self.path)
        self.driven.append(httpd)

    @property
    def now(self):
        return self.shown + (time.time() - self.real) * self.factor

    def _write(self):
        self.turn += 2
        self.map[0:8] = struct.pack("<Q", self.turn - 1)
        self.map[8:32] = struct.pack("<ddd", self.real, self.shown,
                                     self.factor)
        self.map[0:8] = struct.pack("<Q", self.turn)
        self.tell()

    def tell(self):
        """The test Cloudflare's clock is set to this one's time."""
        if self.follow:
            self.cloudflare.server.settings(
                clock_offset=self.now - time.time())

    def _set(self, shown, factor):
        self.shown, self.real, self.factor = shown, time.time(), factor
        self._write()

    def forward(self, days=0.0, seconds=0.0):
        """Let so much time have passed; negative sets it back. An answer
        that is on its way would say what day it was before: a keeper that
        works is waited for."""
        with contextlib.suppress(waiting.TimedOut):
            waiting.until(lambda: not any(httpd.keepers
                                          for httpd in self.driven),
                          "keepers", 10)
        self._set(self.now + days * DAY + seconds, self.factor)

    def set_back(self, seconds):
        """At once, whoever works."""
        self._set(self.now - seconds, self.factor)

    def run(self, factor):
        """So much faster than it is, from now on."""
        self._set(self.now, factor)

    @contextlib.contextmanager
    def fast(self):
        self._set(self.now, FAST)
        try:
            yield
        finally:
            self._set(self.now, 1.0)

    def until(self, look, what, seconds=20.0):
        """Look until it is truthy, with a clock that runs fast; `seconds` of
        ours. The test Cloudflare is told the time now and then."""
        told = time.monotonic()

        def see():
            nonlocal told
            if time.monotonic() - told > 2:
                self.tell()
                told = time.monotonic()
            return look()

        with self.fast():
            return waiting.until(see, what, seconds)

    def ticks(self, number=2):
        """Let the module look around so many times, and a bit more."""
        end = self.now + 10.5 * (number + 1)
        self.until(lambda: self.now >= end, f"{number} ticks", 60)
