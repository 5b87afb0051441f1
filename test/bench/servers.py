# SPDX-License-Identifier: Apache-2.0
"""An httpd with n virtual hosts of one kind: plain mod_ssl, this module, or
mod_md. All three serve the very same files. Starts, reloads, and says how
long it took."""

import atexit
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "e2e"))

import httpd  # noqa: E402
import tls  # noqa: E402
from ports import free_port  # noqa: E402

MODULES = ["authz_core", "authz_host", "socache_shmcb", "ssl", "status"]
KINDS = ("plain", "cforigin", "md")
LOOK = 0.001  # seconds between two looks at a log
ASK = 0.003   # and between two tries of a client
TOP = Path(tempfile.mkdtemp(prefix="cforigin-bench-"))
TOP.chmod(0o755)
atexit.register(shutil.rmtree, TOP, ignore_errors=True)


def folder():
    """A new one. None is removed before the end of it all: for each new file,
    ext4 without a journal looks past every one that was removed within
    minutes."""
    path = Path(tempfile.mkdtemp(dir=TOP))
    path.chmod(0o755)
    return path


def names_of(count, zone="example.com"):
    return [f"n{i}.{zone}" for i in range(count)]


def rest(process):
    """Seconds a process was on a CPU, to the nanosecond."""
    with open(f"/proc/{process}/schedstat", encoding="ascii") as file:
        return int(file.read().split()[0]) / 1e9


def memory(process, field="VmRSS"):
    with open(f"/proc/{process}/status", encoding="ascii") as file:
        for line in file:
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024
    return 0


class Prober(threading.Thread):
    """A client that does one TLS handshake after the other, and notes when
    each began and ended."""

    def __init__(self, port, name):
        super().__init__(daemon=True)
        self.port, self.server_name = port, name
        self.trust = tls.context(None, verify=False)
        self.done, self.failed, self.over = [], 0, False

    def run(self):
        while not self.over:
            began = time.monotonic()
            try:
                with socket.create_connection(
                        ("127.0.0.1", self.port), timeout=300) as plain, \
                        self.trust.wrap_socket(
                            plain, server_hostname=self.server_name):
                    self.done.append((began, time.monotonic()))
            except OSError:
                self.failed += 1
            time.sleep(ASK)

    def await_one_after(self, moment, seconds=300):
        end = time.monotonic() + seconds
        while not (self.done and self.done[-1][0] > moment):
            if time.monotonic() > end:
                raise RuntimeError("no handshake after a reload")
            time.sleep(LOOK)

    def longest_gap(self):
        """The longest time in which no handshake was finished."""
        return max(b[1] - a[1] for a, b in zip(self.done, self.done[1:]))

    def __enter__(self):
        self.start()
        self.await_one_after(time.monotonic())
        return self

    def __exit__(self, *_):
        self.over = True
        self.join(300)


class Site:
    """One configuration. `api` is a test Cloudflare (or None), `store` the
    folder that holds the pairs."""

    def __init__(self, kind, names, store, api=None, lines=(), vhost=()):
        self.kind, self.names = kind, list(names)
        self.store, self.api = Path(store), api
        self.lines, self.vhost_lines = list(lines), list(vhost)
        self.root = folder()
        for name in ("htdocs", "logs", "run"):
            (self.root / name).mkdir()
        (self.root / "htdocs/index.html").write_text("it works\n")
        self.port = free_port()
        self.log = self.root / "logs/error.log"
        self.pid_file = self.root / "run/httpd.pid"
        self.config = self.root / "httpd.conf"
        self.process = self.began = None
        self.token = self.root / "token"
        self.token.write_text((api.token if api else "no-token") + "\n")
        self.token.chmod(0o600)

    def pair(self, name):
        folder = self.store / "certs" / name / "origin-ecc"
        if not folder.is_dir():
            folder = self.store / "certs" / name / "origin-rsa"
        return folder / "1/cert.pem", folder / "1/key.pem"

    # -- the configuration --------------------------------------------------

    def vhost(self, name):
        out = [f"<VirtualHost *:{self.port}>", f"ServerName {name}",
               "SSLEngine on"]
        if self.kind == "plain":
            cert, key = self.pair(name)
            out += [f"SSLCertificateFile {cert}",
                    f"SSLCertificateKeyFile {key}"]
        elif self.kind == "cforigin":
            out.append("CFOrigin on")
        return out + self.vhost_lines + ["</VirtualHost>"]

    def md_static(self, name):
        cert, key = self.pair(name)
        return [f"<MDomain {name}>", f"MDCertificateFile {cert}",
                f"MDCertificateKeyFile {key}", "</MDomain>"]

    def own_lines(self):
        if self.kind == "cforigin":
            build = httpd.BUILD
            return [f"LoadModule cforigin_module {build}/mod_cforigin.so",
                    f"CFOriginStoreDir {self.store}",
                    f"CFOriginTokenFile {self.token}",
                    f"CFOriginLibexecDir {build}"] + ([
                        f"CFOriginAPI {self.api.url}",
                        f"CFOriginAPICAFile {self.api.api_ca}",
                        f"CFOriginCARootFile {self.api.roots}"]
                        if self.api else [])
        if self.kind == "md":
            return [httpd.load_line("watchdog"), httpd.load_line("md"),
                    f"MDStoreDir {self.root}/md", "MDRenewMode manual"] + [
                        line for name in self.names
                        for line in self.md_static(name)]
        return []

    def text(self):
        root, user = self.root, httpd.whom()
        out = [f"ServerRoot {root}", "ServerName localhost",
               f"PidFile {self.pid_file}", f"ErrorLog {self.log}",
               "LogLevel notice", f"DefaultRuntimeDir {root}/run",
               httpd.load_line("mpm_event")]
        out += [httpd.load_line(name) for name in MODULES]
        if user:
            out += [f"User {user[0]}", f"Group {user[1]}"]
        out += [f"Listen 127.0.0.1:{self.port}",
                f"DocumentRoot {root}/htdocs",
                f"<Directory {root}/htdocs>", "Require all granted",
                "</Directory>", "GracefulShutdownTimeout 2",
                f"SSLSessionCache shmcb:{root}/run/cache(512000)",
                "StartServers 1", "ServerLimit 4", "ThreadsPerChild 25",
                "MaxRequestWorkers 100", "MaxRequestsPerChild 0",
                "MaxSpareThreads 100", "MaxKeepAliveRequests 0"]
        out += self.own_lines() + self.lines
        for name in self.names:
            out += self.vhost(name)
        return "\n".join(line for line in out if line) + "\n"

    # -- running ------------------------------------------------------------

    def argv(self, *more):
        return [httpd.binary(), "-d", str(self.root), "-f", str(self.config),
                *more]

    def said(self):
        """How often it has said that it is up."""
        try:
            return self.log.read_bytes().count(b"resuming normal operations")
        except FileNotFoundError:
            return 0

    def _await(self, done, seconds, what):
        end = time.monotonic() + seconds
        while not done():
            if time.monotonic() > end or self.process.poll() is not None:
                raise RuntimeError(f"{what}: {self.log.read_text()[-2000:]}")
            time.sleep(LOOK)

    def start(self, seconds=300, before=(), mode="-DFOREGROUND"):
        """Start it; (wall seconds, CPU seconds) until it says so. Under -X it
        says nothing, and whoever connects waits a little."""
        self.config.write_text(self.text())
        up = self.said()
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            [*before, *self.argv(mode)], cwd="/",
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C"},
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=open(self.root / "logs/stderr", "ab"))
        self._await(lambda: self.pid_file.exists() and (
            self.said() > up or mode == "-X"), seconds, "start")
        return time.monotonic() - self.began, rest(self.process.pid)

    def await_served(self, name, roots, seconds=300):
        """Until a client that verifies gets the name's page; the seconds
        from the start until then."""
        end = time.monotonic() + seconds
        while True:
            try:
                if tls.fetch(self.port, name, roots=roots,
                             path="/index.html").status == 200:
                    return time.monotonic() - self.began
            except (OSError, IndexError):
                pass  # the fallback is not trusted; no answer has no status
            if time.monotonic() > end or self.process.poll() is not None:
                raise RuntimeError(f"{name}: {self.log.read_text()[-2000:]}")
            time.sleep(ASK)

    def graceful(self, seconds=300):
        """Reload it; (wall seconds, CPU seconds) until it says so."""
        up, cpu = self.said(), rest(self.process.pid)
        began = time.monotonic()
        self.process.send_signal(signal.SIGUSR1)
        self._await(lambda: self.said() > up, seconds, "graceful")
        return time.monotonic() - began, rest(self.process.pid) - cpu

    def graceful_seen(self):
        """The same while a client connects all the time: (seconds in which
        it could not, until httpd says so, CPU seconds)."""
        with Prober(self.port, self.names[0]) as prober:
            told, cpu = self.graceful()
            prober.await_one_after(time.monotonic())
        if prober.failed:
            raise RuntimeError(f"{prober.failed} connections failed")
        return prober.longest_gap(), told, cpu

    def stop_traced(self):
        """End what was started below a tracer, and wait for the tracer."""
        subprocess.run(["kill", "-TERM", self.pid_file.read_text().strip()],
                       check=True)
        self.process.wait(120)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(120)
        self.process = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def fill(store, api, count, lines=()):
    """A store with count certificates, as a cold start leaves it. Returns
    the seconds of that start and how many calls it made."""
    with Site("cforigin", names_of(count), store, api,
              ["CFOriginStartupWait 60s", *lines]) as site:
        wall, _ = site.start()
        end = time.monotonic() + 300
        while len(list(Path(store).glob("certs/*/*/current"))) < count:
            if time.monotonic() > end:
                raise RuntimeError(site.log.read_text()[-2000:])
            time.sleep(0.05)
        os.sync()
        return wall
