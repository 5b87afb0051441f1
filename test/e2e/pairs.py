# SPDX-License-Identifier: Apache-2.0
"""Certificate and key files: make some, look into some."""

import datetime
import hashlib
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PEM = serialization.Encoding.PEM
DER = serialization.Encoding.DER


def new_key():
    return ec.generate_private_key(ec.SECP256R1())


def key_text(key):
    return key.private_bytes(PEM, serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption())


def request_text(key, names):
    """A CSR as an administrator makes one by hand."""
    return (x509.CertificateSigningRequestBuilder()
            .subject_name(x509.Name([x509.NameAttribute(
                NameOID.COMMON_NAME, names[0])]))
            .sign(key, hashes.SHA256()).public_bytes(PEM).decode())


def put(path, content, mode):
    path = Path(path)
    path.write_bytes(content)
    path.chmod(mode)


def self_signed(cert_path, key_path, names, days=30):
    """A pair of a CA that is not Cloudflare's: its own."""
    key = new_key()
    now = datetime.datetime.utcnow()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    cert = (x509.CertificateBuilder().subject_name(name).issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=days))
            .add_extension(x509.SubjectAlternativeName(
                [x509.DNSName(n) for n in names]), critical=False)
            .sign(key, hashes.SHA256()))
    put(cert_path, cert.public_bytes(PEM), 0o644)
    put(key_path, key_text(key), 0o600)


def certificate(path):
    return x509.load_pem_x509_certificate(Path(path).read_bytes())


def sha256(path):
    return hashlib.sha256(certificate(path).public_bytes(DER)).hexdigest()


def names(path):
    return certificate(path).extensions.get_extension_for_class(
        x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)


def belong_together(cert_path, key_path):
    """True when the key is the certificate's; False for rubbish, too."""
    try:
        key = serialization.load_pem_private_key(
            Path(key_path).read_bytes(), None)
        return (key.public_key().public_numbers()
                == certificate(cert_path).public_key().public_numbers())
    except (ValueError, FileNotFoundError):
        return False
