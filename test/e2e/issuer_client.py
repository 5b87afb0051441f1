# SPDX-License-Identifier: Apache-2.0
"""Talks to the real issuer program as the keeper does: a token descriptor,
an empty environment, JSON Lines over pipes."""
import contextlib
import datetime
import itertools
import json
import os
import select
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

TOP = Path(__file__).resolve().parents[2]
sys.path.append(str(TOP / "test/originca"))

from control import OriginCA  # noqa: E402

PROGRAM = Path(os.environ.get("CFORIGIN_BUILD") or TOP / "build") \
    / "cforigin-issuer"

KEY = ec.generate_private_key(ec.SECP256R1())
CSR = x509.CertificateSigningRequestBuilder().subject_name(
    x509.Name([])).sign(KEY, hashes.SHA256()).public_bytes(
        serialization.Encoding.PEM).decode()


def wanted(hostname="a.example.com", **more):
    """The fields of a create."""
    return {"csr": CSR, "hostnames": [hostname], "request_type": "origin-ecc",
            "requested_validity": 7, **more}


NUMBERS = itertools.count()  # a file that is read is not written again


class Issuer:
    """`token` is the token file's content. Closes and reaps at its end.
    `fds` are inherited, too; `whom` is run before the program."""

    def __init__(self, folder, token, argv=(), env=None, fds=(), whom=()):
        path = Path(folder) / ("token-%d" % next(NUMBERS))
        path.write_bytes(token.encode() if isinstance(token, str) else token)
        self.fd = os.open(path, os.O_RDONLY)
        # as the keeper leaves it: read to the end by somebody before
        os.lseek(self.fd, 0, os.SEEK_END)
        self.process = subprocess.Popen(
            [*whom, str(PROGRAM), "--token-fd", str(self.fd),
             *map(str, argv)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, pass_fds=[self.fd, *fds], env=env or {})
        os.close(self.fd)
        os.set_blocking(self.process.stdout.fileno(), False)
        self.pid, self.rest, self.next_id = self.process.pid, b"", 0
        self.unclaimed, self.pages, self.listed = {}, [], {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(5)
        finally:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            self.process.stderr.close()

    def send(self, text):
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def setup(self, api, ca=None, **more):
        self.send(json.dumps({"op": "setup", "api": api, "api_ca_file": ca,
                              "max_concurrent": 16, **more}) + "\n")
        return self

    def put(self, op, **fields):
        """Send a request, answer its id."""
        self.next_id += 1
        self.send(json.dumps({"id": self.next_id, "op": op, **fields}) + "\n")
        return self.next_id

    def answers(self, ids, timeout=20):
        """The answers to these ids, in this order."""
        end = time.monotonic() + timeout
        while not set(ids) <= set(self.unclaimed):
            left = end - time.monotonic()
            assert left > 0, "no answer in time; got %r" % self.unclaimed
            ready, _, _ = select.select([self.process.stdout], [], [], left)
            data = os.read(self.process.stdout.fileno(), 1 << 20) \
                if ready else b""
            assert data or not ready, "the issuer ended"
            *lines, self.rest = (self.rest + data).split(b"\n")
            for line in map(json.loads, lines):
                self._take(line)
        return [self.unclaimed.pop(i) for i in ids]

    def _take(self, line):
        """A list's certificates come one a line before its answer; they are
        put into it."""
        id = line["id"]
        assert id not in self.unclaimed, "answered twice"
        if "certificate" in line and "page" in line:
            self.listed.setdefault(id, []).append(
                {"page": line["page"], "serial": line.get("serial"),
                 "certificate": line["certificate"],
                 "revoked": bool(line.get("revoked"))})
        elif "page" in line:
            self.pages.append(line)
        else:
            if id in self.listed:
                line["certificates"] = self.listed.pop(id)
            self.unclaimed[id] = line

    def ask(self, op, timeout=20, **fields):
        return self.answers([self.put(op, **fields)], timeout)[0]

    def end(self):
        """Close its stdin; answers the seconds it took to end, and the
        exit code."""
        began = time.monotonic()
        self.process.stdin.close()
        code = self.process.wait(5)
        return time.monotonic() - began, code


def make_pair(folder, common_name="t", names=True):
    """A self-signed certificate, good for localhost unless it has no names,
    and its key: a path."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME,
                                         common_name)])
    now = datetime.datetime.utcnow()
    leaf = x509.CertificateBuilder(name, name, KEY.public_key(), 5, now,
                                   now + datetime.timedelta(1))
    if names:
        leaf = leaf.add_extension(x509.SubjectAlternativeName(
            [x509.DNSName("localhost")]), False)
    leaf = leaf.sign(KEY, hashes.SHA256())
    path = folder / "pair.pem"
    path.write_bytes(leaf.public_bytes(serialization.Encoding.PEM)
                     + KEY.private_bytes(
                         serialization.Encoding.PEM,
                         serialization.PrivateFormat.PKCS8,
                         serialization.NoEncryption()))
    return str(path)


def wait_for_port(port):
    end = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            assert time.monotonic() < end
            time.sleep(0.02)


@pytest.fixture(scope="module")
def api_process(tmp_path_factory):
    with OriginCA(tmp_path_factory.mktemp("originca")) as server:
        yield server


@pytest.fixture
def api(api_process):
    api_process.reset()
    yield api_process
    api_process.reset()


@pytest.fixture
def issuer(api, tmp_path):
    with Issuer(tmp_path, api.token + "\n") as program:
        yield program.setup(api.url, api.api_ca)
