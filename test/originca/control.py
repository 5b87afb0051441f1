# SPDX-License-Identifier: Apache-2.0
"""For tests: start the test Cloudflare, steer it, read its ledger.

    with OriginCA(folder) as cloudflare:
        cloudflare.faults({"match": {"op": "create", "nth": 1},
                           "do": {"preset": "1100"}})
        ...
        assert len(cloudflare.creates()) == 2
"""
import json
import os
import select
import signal
import subprocess
import time
import urllib.error
import urllib.request

SERVE = os.path.join(os.path.dirname(os.path.realpath(__file__)), "serve")


class OriginCA:
    """What the server's line said is there as attributes: url, token,
    tokens, zones, api_ca, roots, control, ledger_file, port, pid."""

    def __init__(self, folder, *options, timeout=20):
        self.folder, self.options = str(folder), options
        self.timeout, self.process = timeout, None

    def start(self):
        """Start, or start again in the same folder: the same keys, tokens
        and certificates, another port unless --port is among the options."""
        self.process = subprocess.Popen(
            [SERVE, "--dir", self.folder, "--die-with-parent",
             *map(str, self.options)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        ready, _, _ = select.select([self.process.stdout], [], [],
                                    self.timeout)
        line = self.process.stdout.readline() if ready else b""
        if not line:
            self.stop()
            raise RuntimeError("the test Cloudflare did not start")
        self.ready = json.loads(line)
        for name, value in self.ready.items():
            setattr(self, "ledger_file" if name == "ledger" else name, value)
        return self

    def stop(self):
        if self.process and self.process.poll() is None:
            self.thaw()
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.process:
            self.process.stdout.close()

    __enter__ = start

    def __exit__(self, *_):
        self.stop()

    def token_file(self, path, name="main"):
        """Write a token to a file as an administrator would: mode 0600."""
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(fd, "w", encoding="ascii") as f:
            f.write(self.tokens[name] + "\n")
        return str(path)

    # ---- steering

    def faults(self, *rules):
        """Put a script in force, as rules or as one list of them (none:
        take it away); "rough" is a word."""
        if len(rules) == 1 and isinstance(rules[0], (str, list)):
            return self._call("/faults", rules[0])
        return self._call("/faults", list(rules))

    def settings(self, **changes):
        """latency=ms, clock_offset=s, limits={…}, style={…}, tokens={…}"""
        return self._call("/settings", changes)

    def reset(self):
        """Empty ledger and script, settings back to the defaults."""
        return self._call("/reset", None)

    def freeze(self):
        """From now on it takes connections and says nothing at all."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    # ---- looking

    def ledger(self):
        """{"counts", "calls", "issued", "revoked"}"""
        return self._call("/ledger")

    def counts(self):
        """The ledger's numbers alone: cheap, good for polling."""
        return self._call("/counts")

    def calls(self, op=None):
        return [c for c in self.ledger()["calls"] if op in (None, c["op"])]

    def creates(self):
        """The calls to create, in the order of arrival."""
        return self.calls("create")

    def issued(self):
        return self.ledger()["issued"]

    def revoked(self):
        return self.ledger()["revoked"]

    def fired(self):
        """How often each rule of the script has acted."""
        return [rule["fired"] for rule in self._call("/faults")]

    def wait(self, what, timeout=10):
        """Poll until what(counts) is true, and answer the ledger."""
        end = time.monotonic() + timeout
        while True:
            counts = self.counts()
            if what(counts):
                return self.ledger()
            if time.monotonic() > end:
                raise AssertionError("not seen in the ledger in time: %r"
                                     % counts)
            time.sleep(0.02)

    _NOTHING = object()

    def _call(self, path, data=_NOTHING):
        request = urllib.request.Request(self.control + path)
        if data is not self._NOTHING:
            request.data = json.dumps(data).encode()
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as fault:
            raise ValueError(json.load(fault)["error"]) from None
