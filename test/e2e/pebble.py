# SPDX-License-Identifier: Apache-2.0
"""An ACME CA for mod_md: pebble. Given the ports of a server it looks there
whether a name is that server's, as a CA does; otherwise it believes."""

import json
import os
import ssl
import subprocess
import urllib.request
from pathlib import Path

import waiting
from ports import free_port


def run(*argv, **environment):
    return subprocess.Popen(argv, env={**os.environ, **environment},
                            stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL)


class Pebble:
    """`url`: its directory; `api_ca`: who vouches for that; `roots`: of what
    it issues."""

    def __init__(self, root, http_port=None, tls_port=None):
        self.root = Path(root)
        self.http_port, self.tls_port = http_port, tls_port
        self.api_ca, self.roots = (self.root / name for name in
                                   ("api.pem", "roots.pem"))
        self.url = None
        self.processes = []
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
             "ec_paramgen_curve:P-256", "-nodes", "-days", "9", "-subj",
             "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
             "-keyout", self.root / "api.key", "-out", self.api_ca],
            check=True, capture_output=True)

    def _start(self):
        """On ports that were free just now. Where it tells its roots."""
        acme, management, names = (f"127.0.0.1:{free_port()}"
                                   for _ in range(3))
        self.url = f"https://{acme}/dir"
        config = self.root / "pebble.json"
        config.write_text(json.dumps({"pebble": {
            "listenAddress": acme, "managementListenAddress": management,
            "certificate": str(self.api_ca),
            "privateKey": str(self.root / "api.key"),
            "httpPort": self.http_port or 1, "tlsPort": self.tls_port or 1,
            "ocspResponderURL": "", "externalAccountBindingRequired": False,
            "profiles": {"default": {"description": "",
                                     "validityPeriod": 7776000}}}}))
        argv = ["pebble", "-config", str(config)]
        believe = {"PEBBLE_VA_ALWAYS_VALID": "1"}
        if self.http_port:  # every name is this machine's
            believe, argv = {}, [*argv, "-dnsserver", names]
            self.processes.append(run(
                "pebble-challtestsrv", "-dns01", names, "-defaultIPv6", "",
                "-management", f"127.0.0.1:{free_port()}", "-http01", "",
                "-https01", "", "-tlsalpn01", ""))
        self.processes.append(run(*argv, PEBBLE_VA_NOSLEEP="1",
                                  PEBBLE_WFE_NONCEREJECT="0", **believe))
        return f"https://{management}/roots/0"

    def _ended(self):
        return any(process.poll() is not None for process in self.processes)

    def _answer(self, url):
        trust = ssl.create_default_context(cafile=self.api_ca)
        try:
            with urllib.request.build_opener(
                    urllib.request.ProxyHandler({}),
                    urllib.request.HTTPSHandler(context=trust)).open(
                        url, timeout=5) as answer:
                return answer.read()
        except OSError:
            return None

    def __enter__(self):
        try:
            for _ in range(3):  # a port may be another's meanwhile
                url = self._start()
                waiting.until(lambda: self._ended() or self._answer(url),
                              "pebble", 15, 0.1)
                if not self._ended():
                    self.roots.write_bytes(self._answer(url))
                    return self
                self.__exit__()
            raise RuntimeError("pebble does not start")
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.wait()
        self.processes = []
