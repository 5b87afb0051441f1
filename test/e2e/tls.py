# SPDX-License-Identifier: Apache-2.0
"""A TLS client that looks from outside, as Cloudflare's edge does in Full
(strict): it trusts the test roots alone and checks the name."""

import hashlib
import socket
import ssl
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

ECDSA_ONLY = "ECDHE-ECDSA-AES128-GCM-SHA256"
RSA_ONLY = "ECDHE-RSA-AES128-GCM-SHA256"


@dataclass
class Answer:
    """What one request over TLS brought."""
    status: int
    headers: dict
    body: bytes
    certificate: x509.Certificate
    der: bytes
    protocol: str

    @property
    def names(self):
        """Subject alternative names, as on the certificate."""
        san = self.certificate.extensions.get_extension_for_class(
            x509.SubjectAlternativeName)
        return san.value.get_values_for_type(x509.DNSName)

    @property
    def sha256(self):
        return hashlib.sha256(self.der).hexdigest()

    @property
    def key(self):
        key = self.certificate.public_key()
        if isinstance(key, ec.EllipticCurvePublicKey):
            return f"EC {key.curve.name}"
        if isinstance(key, rsa.RSAPublicKey):
            return f"RSA {key.key_size}"
        return type(key).__name__

    @property
    def days(self):
        return (self.certificate.not_valid_after
                - self.certificate.not_valid_before).days

    @property
    def is_fallback(self):
        return any(name.value == "mod_cforigin"
                   for name in self.certificate.subject)


def context(roots, verify, ciphers=None):
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if verify:
        ctx.load_verify_locations(roots)
    else:
        ctx.check_hostname = False
        ctx.verify_mode = ssl.CERT_NONE
    if ciphers:
        ctx.maximum_version = ssl.TLSVersion.TLSv1_2
        ctx.set_ciphers(ciphers)
    return ctx


def connect(port, name, roots=None, verify=True, sni=True, ciphers=None,
            timeout=20):
    ctx = context(roots, verify, ciphers)
    if not sni:
        ctx.check_hostname = False
    plain = socket.create_connection(("127.0.0.1", port), timeout=timeout)
    try:
        return ctx.wrap_socket(plain, server_hostname=name if sni else None)
    except BaseException:
        plain.close()
        raise


def fetch(port, name, roots=None, verify=True, sni=True, ciphers=None,
          path="/", host=None, method="GET", timeout=20):
    """One request. Raises ssl.SSLError when the certificate is no good."""
    with connect(port, name, roots, verify, sni, ciphers, timeout) as conn:
        der = conn.getpeercert(binary_form=True)
        protocol = conn.version()
        conn.sendall(f"{method} {path} HTTP/1.1\r\nHost: {host or name}\r\n"
                     "Connection: close\r\n\r\n".encode())
        raw = b""
        while True:
            try:
                piece = conn.recv(65536)
            except ssl.SSLEOFError:
                piece = b""
            if not piece:
                break
            raw += piece
    head, _, body = raw.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = {}
    for line in lines[1:]:
        key, _, value = line.partition(":")
        headers[key.strip().lower()] = value.strip()
    return Answer(int(lines[0].split()[1]), headers, body,
                  x509.load_der_x509_certificate(der), der, protocol)
