# SPDX-License-Identifier: Apache-2.0
"""For the tests of the test Cloudflare: a plain client, a CSR, fixtures."""
import datetime
import http.client
import json
import os
import re
import ssl
import sys

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

TOP = os.path.realpath(os.path.join(os.path.dirname(__file__), "../.."))
sys.path.insert(0, os.path.join(TOP, "test", "originca"))

from control import OriginCA  # noqa: E402

PREFIX = "/client/v4"
DAY = datetime.timedelta(days=1)


def make_csr(key=None, tamper=False):
    key = key or ec.generate_private_key(ec.SECP256R1())
    csr = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ignored")])
    ).sign(key, hashes.SHA256())
    if tamper:
        der = bytearray(csr.public_bytes(serialization.Encoding.DER))
        der[-1] ^= 1
        csr = x509.load_der_x509_csr(bytes(der))
    return csr.public_bytes(serialization.Encoding.PEM).decode()


CSR = make_csr()


def body(**changes):
    doc = {"csr": CSR, "hostnames": ["a.example.com"],
           "request_type": "origin-ecc", "requested_validity": 90}
    doc.update(changes)
    return {name: value for name, value in doc.items() if value is not None}


class Answer:
    def __init__(self, response):
        self.status, self.headers = response.status, response.headers
        self.raw = response.read()

    @property
    def doc(self):
        return json.loads(self.raw)

    @property
    def code(self):
        return self.doc["errors"][0]["code"]

    @property
    def result(self):
        return self.doc["result"]

    @property
    def cert(self):
        return x509.load_pem_x509_certificate(
            self.result["certificate"].encode())


class Client:
    """One kept-alive connection; calls are made as a plain client would."""

    def __init__(self, cloudflare, token="main", timeout=10):
        self.cloudflare = cloudflare
        context = ssl.create_default_context(cafile=cloudflare.api_ca)
        self.connection = http.client.HTTPSConnection(
            "127.0.0.1", cloudflare.port, timeout=timeout, context=context)
        self.headers = {"User-Agent": "test/1"}
        if token:
            self.headers["Authorization"] = (
                "Bearer " + cloudflare.tokens.get(token, token))

    def call(self, method, path, data=None, **headers):
        if data is not None and not isinstance(data, (str, bytes)):
            data = json.dumps(data)
        given = {**self.headers, **{name.replace("_", "-"): value
                                    for name, value in headers.items()}}
        given = {name: value for name, value in given.items()
                 if value is not None}
        self.connection.request(method, PREFIX + path, data, given)
        return Answer(self.connection.getresponse())

    def create(self, **changes):
        return self.call("POST", "/certificates", body(**changes))

    def close(self):
        self.connection.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with OriginCA(tmp_path_factory.mktemp("originca")) as cloudflare:
        yield cloudflare


@pytest.fixture
def cf(server):
    server.reset()
    yield server
    server.reset()


@pytest.fixture
def client(cf):
    client = Client(cf)
    yield client
    client.close()


def parts(cf, which):
    with open(cf.roots, encoding="ascii") as f:
        pems = re.findall(r"-----BEGIN.*?-----END CERTIFICATE-----\n",
                          f.read(), re.S)
    return x509.load_pem_x509_certificate(pems[which].encode())
