# SPDX-License-Identifier: Apache-2.0
"""The certificate authority of the test Cloudflare.

Two roots (RSA and ECC) with the names of the published ones and keys of
their own, a small CA for the API's own TLS, and the leaf: its shape is that
of real Origin CA leafs. Knows nothing of HTTP, tokens or zones. Touches the
folder it is given, for the keys that must survive a restart.
"""
import datetime
import ipaddress
import os
import secrets
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import (AuthorityInformationAccessOID,
                                   ExtendedKeyUsageOID, NameOID)

import mutations

ROOT_FROM = datetime.datetime(2019, 8, 23, 21, 8)
ROOT_TO = datetime.datetime(2045, 8, 15, 17, 0)
BACKDATE = datetime.timedelta(minutes=5)


def _name(*parts):
    """A DN of PrintableStrings, in the order given."""
    return x509.Name([x509.NameAttribute(oid, text,
                                         _ASN1Type.PrintableString)
                      for oid, text in parts])


RSA_ROOT_NAME = _name(
    (NameOID.COUNTRY_NAME, "US"),
    (NameOID.ORGANIZATION_NAME, "CloudFlare, Inc."),
    (NameOID.ORGANIZATIONAL_UNIT_NAME,
     "CloudFlare Origin SSL Certificate Authority"),
    (NameOID.LOCALITY_NAME, "San Francisco"),
    (NameOID.STATE_OR_PROVINCE_NAME, "California"))
ECC_ROOT_NAME = _name(
    (NameOID.COUNTRY_NAME, "US"),
    (NameOID.STATE_OR_PROVINCE_NAME, "California"),
    (NameOID.LOCALITY_NAME, "San Francisco"),
    (NameOID.ORGANIZATION_NAME, "CloudFlare, Inc."),
    (NameOID.ORGANIZATIONAL_UNIT_NAME,
     "CloudFlare Origin SSL ECC Certificate Authority"))
LEAF_NAME = _name(
    (NameOID.ORGANIZATION_NAME, "CloudFlare, Inc."),
    (NameOID.ORGANIZATIONAL_UNIT_NAME, "CloudFlare Origin CA"),
    (NameOID.COMMON_NAME, "CloudFlare Origin Certificate"))

_KEY_USAGE = x509.KeyUsage(
    digital_signature=True, content_commitment=False, key_encipherment=True,
    data_encipherment=False, key_agreement=False, key_cert_sign=False,
    crl_sign=False, encipher_only=False, decipher_only=False)
_CA_KEY_USAGE = x509.KeyUsage(
    digital_signature=False, content_commitment=False,
    key_encipherment=False, data_encipherment=False, key_agreement=False,
    key_cert_sign=True, crl_sign=True, encipher_only=False,
    decipher_only=False)
_EXT_USAGE = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH,
                                    ExtendedKeyUsageOID.SERVER_AUTH])


@dataclass
class Root:
    """A root, and the words that its leafs carry."""
    word: str
    key: object
    cert: x509.Certificate
    aki: object = field(init=False)
    aia: object = field(init=False)
    crl: object = field(init=False)

    def __post_init__(self):
        ski = self.cert.extensions.get_extension_for_class(
            x509.SubjectKeyIdentifier).value
        cls = x509.AuthorityKeyIdentifier
        self.aki = cls.from_issuer_subject_key_identifier(ski)
        self.aia = x509.AuthorityInformationAccess([x509.AccessDescription(
            AuthorityInformationAccessOID.OCSP,
            x509.UniformResourceIdentifier(
                "http://ocsp.cloudflare.com/" + self.word))])
        self.crl = x509.CRLDistributionPoints([x509.DistributionPoint(
            full_name=[x509.UniformResourceIdentifier(
                "http://crl.cloudflare.com/%s.crl" % self.word)],
            relative_name=None, reasons=None, crl_issuer=None)])

    @property
    def pem(self):
        return self.cert.public_bytes(serialization.Encoding.PEM).decode()


@dataclass
class Leaf:
    """What is to be signed; mutations change it before, `pem` after."""
    public_key: object
    hostnames: list
    root: Root
    not_before: datetime.datetime
    not_after: datetime.datetime
    serial: int
    subject: x509.Name = LEAF_NAME
    issuer: x509.Name = None
    signer: object = None
    digest: object = None
    is_ca: bool = False
    signs: bool = False
    pem: str = ""


class Authority:
    def __init__(self, folder):
        self.folder = folder
        # others may read the certificates; each key is 0600 by itself
        os.makedirs(folder, mode=0o755, exist_ok=True)
        self.rsa = self._root("origin_ca", "rsa_root", RSA_ROOT_NAME)
        self.ecc = self._root("origin_ecc_ca", "ecc_root", ECC_ROOT_NAME)

    def root_for(self, request_type):
        """The request type picks who signs, whatever the CSR's key is."""
        return self.ecc if request_type == "origin-ecc" else self.rsa

    def sign(self, public_key, hostnames, request_type, days, now,
             changes=()):
        """A signed Leaf. `changes` are words of mutations.py."""
        root = self.root_for(request_type)
        start = now.replace(second=0, microsecond=0, tzinfo=None) - BACKDATE
        leaf = Leaf(public_key, list(hostnames), root, start,
                    start + datetime.timedelta(days=days), new_serial())
        for word in changes:
            mutations.before(word, leaf, self)
        cert = build(leaf)
        leaf.pem = cert.public_bytes(serialization.Encoding.PEM).decode()
        for word in changes:
            mutations.after(word, leaf, self)
        return leaf

    def _root(self, word, file, name):
        key_path = os.path.join(self.folder, file + ".key")
        cert_path = os.path.join(self.folder, file + ".pem")
        if not (os.path.exists(key_path) and os.path.exists(cert_path)):
            key = (rsa.generate_private_key(65537, 2048)
                   if file == "rsa_root"
                   else ec.generate_private_key(ec.SECP256R1()))
            write_key(key_path, key)
            write_text(cert_path, _pem(make_root(name, key)))
        with open(key_path, "rb") as f:
            key = serialization.load_pem_private_key(f.read(), None)
        with open(cert_path, "rb") as f:
            cert = x509.load_pem_x509_certificate(f.read())
        return Root(word, key, cert)


def new_serial():
    """20 bytes, positive: 46 to 48 decimal digits."""
    while True:
        serial = int.from_bytes(secrets.token_bytes(20), "big") >> 1
        if serial >> 152:
            return serial


def make_root(name, key):
    ski = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    cls = x509.AuthorityKeyIdentifier
    return (x509.CertificateBuilder()
            .subject_name(name).issuer_name(name)
            .public_key(key.public_key()).serial_number(new_serial())
            .not_valid_before(ROOT_FROM).not_valid_after(ROOT_TO)
            .add_extension(_CA_KEY_USAGE, critical=True)
            .add_extension(x509.BasicConstraints(True, 2), critical=True)
            .add_extension(ski, critical=False)
            .add_extension(cls.from_issuer_subject_key_identifier(ski),
                           critical=False)
            .sign(key, hashes.SHA256()))


def build(leaf):
    """The extensions of a real leaf, in a real leaf's order."""
    root = leaf.root
    builder = (
        x509.CertificateBuilder()
        .subject_name(leaf.subject)
        .issuer_name(leaf.issuer or root.cert.subject)
        .public_key(leaf.public_key).serial_number(leaf.serial)
        .not_valid_before(leaf.not_before).not_valid_after(leaf.not_after)
        .add_extension(_CA_KEY_USAGE if leaf.signs else _KEY_USAGE, True)
        .add_extension(_EXT_USAGE, False)
        .add_extension(x509.BasicConstraints(leaf.is_ca, None), True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(
            leaf.public_key), False)
        .add_extension(root.aki, False)
        .add_extension(root.aia, False))
    if leaf.hostnames:
        builder = builder.add_extension(x509.SubjectAlternativeName(
            [x509.DNSName(name) for name in leaf.hostnames]), False)
    return (builder.add_extension(root.crl, False)
            .sign(leaf.signer or root.key, leaf.digest or hashes.SHA256()))


class TlsAuthority:
    """The CA of the API's own TLS; its certificate is made at each start."""

    def __init__(self, folder):
        key_path = os.path.join(folder, "api_ca.key")
        self.path = os.path.join(folder, "api_ca.pem")
        if not (os.path.exists(key_path) and os.path.exists(self.path)):
            key = ec.generate_private_key(ec.SECP256R1())
            name = _name((NameOID.COMMON_NAME, "Test API TLS CA"))
            write_key(key_path, key)
            write_text(self.path, _pem(make_root(name, key)))
        with open(key_path, "rb") as f:
            self.key = serialization.load_pem_private_key(f.read(), None)
        with open(self.path, "rb") as f:
            self.cert = x509.load_pem_x509_certificate(f.read())
        self.folder = folder

    def server_pair(self, fault=None):
        """(certificate file, key file) of the API, flawed if asked."""
        key = ec.generate_private_key(ec.SECP256R1())
        signer, now = self.key, datetime.datetime.utcnow()
        start, end = now - datetime.timedelta(days=2), ROOT_TO
        names = [x509.DNSName("localhost"),
                 x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
                 x509.IPAddress(ipaddress.ip_address("::1"))]
        if fault == "expired":
            end = now - datetime.timedelta(days=1)
        elif fault == "wrong-name":
            names = [x509.DNSName("api.invalid")]
        elif fault == "untrusted":
            signer = ec.generate_private_key(ec.SECP256R1())
        ski = x509.SubjectKeyIdentifier.from_public_key(signer.public_key())
        cls = x509.AuthorityKeyIdentifier
        cert = (x509.CertificateBuilder()
                .subject_name(_name((NameOID.COMMON_NAME, "Test API")))
                .issuer_name(self.cert.subject)
                .public_key(key.public_key()).serial_number(new_serial())
                .not_valid_before(start).not_valid_after(end)
                .add_extension(x509.SubjectAlternativeName(names), False)
                .add_extension(x509.BasicConstraints(False, None), True)
                .add_extension(_KEY_USAGE, True)
                .add_extension(_EXT_USAGE, False)
                .add_extension(cls.from_issuer_subject_key_identifier(ski),
                               False)
                .sign(signer, hashes.SHA256()))
        cert_path = os.path.join(self.folder, "api.pem")
        key_path = os.path.join(self.folder, "api.key")
        write_key(key_path, key)
        write_text(cert_path, _pem(cert))
        return cert_path, key_path


def spki_der(public_key):
    return public_key.public_bytes(
        serialization.Encoding.DER,
        serialization.PublicFormat.SubjectPublicKeyInfo)


def _pem(cert):
    return cert.public_bytes(serialization.Encoding.PEM).decode()


def write_key(path, key):
    text = key.private_bytes(serialization.Encoding.PEM,
                             serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption()).decode()
    write_text(path, text, 0o600)


def write_text(path, text, mode=0o644):
    """Whole or not at all, with its mode from the first byte on."""
    part = path + ".part"
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(fd, "w", encoding="ascii") as f:
        f.write(text)
    os.chmod(part, mode)
    os.rename(part, path)
