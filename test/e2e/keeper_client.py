# SPDX-License-Identifier: Apache-2.0
"""Runs the real keeper (and its issuer) without httpd: writes a plan, reads
the events, looks at the store."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

HERE = Path(__file__).resolve().parent
TOP = HERE.parents[1]
BUILD = Path(os.environ.get("CFORIGIN_BUILD", TOP / "build")).resolve()
sys.path.append(str(HERE.parent / "originca"))

from control import OriginCA  # noqa: E402

CRASHES = ("Sanitizer", "runtime error", "ended by signal")
PATIENCE = float(os.environ.get("CFORIGIN_PATIENCE", "1"))
WINDOW = {"length": 30 * 86400 * 10**6, "percent": 0, "default": 1}


def until(look, what, seconds=10):
    """Look until it is truthy and return that; fail when time is up."""
    end = time.monotonic() + seconds * PATIENCE
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < end, f"{what}: not in time"
        time.sleep(0.01)


def start_api(*options):
    """A test Cloudflare whose CA file other users can read."""
    folder = tempfile.mkdtemp(prefix="cforigin-keeper-")
    os.chmod(folder, 0o755)
    return OriginCA(folder, *options).start()


def children(pid):
    try:
        return [int(child) for child in Path(
            f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def is_alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1]
        return state.split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def item(name, *more, request_type="origin-ecc", **changes):
    """A certificate that is wanted: its plan line without its index."""
    line = {"line": "certificate", "name": name,
            "folder": name.replace("*", "_", 1),
            "request_type": request_type, "first_type": request_type,
            "hostnames": [name, *more], "requested_validity": 5475,
            "renew_manual": 0, "renew_window": WINDOW, "warn_window": WINDOW,
            "account": 0, "targets": [], "failures": 0}
    line.update(changes)
    return line


def target(certificate, key):
    return {"certificate": str(certificate), "key": str(key),
            "where": "test:1"}


class Round:
    """A keeper that is under way."""

    def __init__(self, process):
        self.process, self.events, self.code = process, [], None
        self.began = time.monotonic()

    def wait(self, seconds=60, killed=None):
        """Its end. Nothing may have crashed: not the keeper, and not an
        issuer, which a round outlives and tells of in its events; unless the
        test killed it, by the signal of that number."""
        out, err = self.process.communicate(timeout=seconds * PATIENCE)
        self.seconds = time.monotonic() - self.began
        self.code = self.process.returncode
        self.stdout, self.stderr = out.decode(), err.decode()
        self.events = [json.loads(line) for line in out.splitlines()]
        assert self.code in (0, 1), (self.code, self.stderr)
        for word in CRASHES:
            for said in (self.stdout, self.stderr):
                if killed:
                    said = said.replace(f"ended by signal {killed:d}", "")
                assert word not in said, said
        return self

    def of(self, kind):
        return [e for e in self.events if e["event"] == kind]

    def names(self, kind):
        return sorted(e["name"] for e in self.of(kind))

    def logs(self, *levels):
        return [e["message"] for e in self.of("log")
                if not levels or e["level"] in levels]

    def failure(self, name=None):
        """The last_error of the one certificate that failed."""
        failed = [e for e in self.of("failed") if name in (None, e["name"])]
        assert len(failed) == 1, self.events
        return failed[0]["attempt"]["last_error"]

    def issuers(self):
        return until(lambda: children(self.process.pid), "an issuer")

    def signal(self, number):
        self.process.send_signal(number)


class Keeper:
    """A store, token files, and rounds on them."""

    def __init__(self, folder, api):
        self.folder, self.api = Path(folder), api
        self.store = self.folder / "store"
        self.accounts, self.started = [], []
        self.add_account("main")

    def add_account(self, token, name=None):
        path = self.folder / f"token-{name or token}"
        self.api.token_file(path, token)
        self.accounts.append({"line": "account",
                              "id": f"{len(self.accounts):016x}",
                              "name": path.name, "token_file": str(path)})
        return path

    def plan(self, items, **changes):
        head = {"line": "round", "version": 1, "store": str(self.store),
                "libexec": str(BUILD), "ca_root_file": self.api.roots,
                "api": self.api.url, "api_ca_file": self.api.api_ca,
                "user_agent": "mod_cforigin/test", "host": "test-host",
                "max_concurrent": 16, "lock_wait": 300000,
                "uid": 65534 if os.geteuid() == 0 else -1,
                "gid": 65534 if os.geteuid() == 0 else -1}
        head.update(changes)
        items = [dict(line, index=n) for n, line in enumerate(items)]
        return "".join(json.dumps(line) + "\n"
                       for line in [head, *self.accounts, *items])

    def start(self, items, text=None, parent=None, umask=0o022, fds=(),
              **changes):
        plan = tempfile.TemporaryFile()
        plan.write((text if text is not None
                    else self.plan(items, **changes)).encode())
        plan.seek(0)
        process = subprocess.Popen(
            [BUILD / "cforigin-keeper", "--parent",
             str(parent or os.getpid())],
            stdin=plan, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            umask=umask, pass_fds=fds)
        plan.close()
        self.started.append(process)
        return Round(process)

    def stop(self):
        """Whatever a failed test left behind."""
        for process in self.started:
            if process.poll() is None:
                process.kill()
                process.communicate()

    def run(self, items, **changes):
        done = self.start(items, **changes).wait()
        if done.code == 0:
            assert done.events[-1]["event"] == "done", done.events
        return done

    # -- looking ------------------------------------------------------------

    def dir(self, name, request_type="origin-ecc"):
        return self.store / "certs" / name.replace("*", "_", 1) / request_type

    def live(self, name, request_type="origin-ecc"):
        """(certificate, key) of the live generation."""
        at = self.dir(name, request_type) / "current"
        cert = x509.load_pem_x509_certificate((at / "cert.pem").read_bytes())
        key = serialization.load_pem_private_key(
            (at / "key.pem").read_bytes(), None)
        public = [k.public_bytes(
            serialization.Encoding.DER,
            serialization.PublicFormat.SubjectPublicKeyInfo)
            for k in (cert.public_key(), key.public_key())]
        assert public[0] == public[1], "the live pair is no pair"
        return cert, key

    def serial(self, name, request_type="origin-ecc"):
        return str(self.live(name, request_type)[0].serial_number)

    def has_generation(self, name, request_type="origin-ecc"):
        at = self.dir(name, request_type)
        return at.is_dir() and any(e.name.isdigit() or e.name == "current"
                                   for e in at.iterdir())

    def attempt(self, name, request_type="origin-ecc"):
        return json.loads(
            (self.dir(name, request_type) / "attempt.json").read_text())

    def journal(self):
        return [json.loads(line) for line in
                (self.store / "journal.jsonl").read_text().splitlines()]

    def journal_words(self):
        return [line["event"] for line in self.journal()]


def fake_issuer(keeper, text):
    """A folder with a program in Python in the issuer's place."""
    path = keeper.folder / "cforigin-issuer"
    path.write_text(f"#!/usr/bin/python3 -I\n{text}")
    path.chmod(0o755)
    return str(keeper.folder)


@pytest.fixture(scope="module")
def api_process():
    api = start_api()
    yield api
    api.stop()
    shutil.rmtree(api.folder, ignore_errors=True)


@pytest.fixture
def api(api_process):
    api_process.reset()
    yield api_process
    api_process.reset()


@pytest.fixture
def keeper(api, tmp_path):
    keeper = Keeper(tmp_path, api)
    yield keeper
    keeper.stop()
