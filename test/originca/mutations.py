# SPDX-License-Identifier: Apache-2.0
"""What can be wrong with a certificate: one word, one flaw.

`before` changes what is about to be signed, `after` changes the PEM text
that is given out. A word that neither table has is an error of the script
(`WORDS` is what exists). Pure but for keys made on the spot.
"""
import base64
import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)
MINUTE = datetime.timedelta(minutes=1)


def _wrong_key(leaf, _ca):
    leaf.public_key = ec.generate_private_key(ec.SECP256R1()).public_key()


def _rsa_512(leaf, _ca):
    leaf.public_key = rsa.generate_private_key(65537, 512).public_key()


def _missing_san(leaf, _ca):
    # with a single name the certificate is for somebody else altogether
    leaf.hostnames = leaf.hostnames[:-1] or ["elsewhere.example.com"]


def _extra_san(leaf, _ca):
    leaf.hostnames = leaf.hostnames + ["extra.example.com"]


def _no_san(leaf, _ca):
    leaf.hostnames = []


def _nul_san(leaf, _ca):
    leaf.hostnames = [name + "\0.invalid" for name in leaf.hostnames]


def _upper_san(leaf, _ca):
    leaf.hostnames = [name.upper() for name in leaf.hostnames]


def _many_sans(leaf, _ca):
    leaf.hostnames = leaf.hostnames + ["n%d.example.com" % n
                                       for n in range(5000)]


def _other_root(leaf, ca):
    leaf.root = ca.rsa if leaf.root is ca.ecc else ca.ecc


def _foreign_root(leaf, _ca):
    leaf.issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME,
                                                "Some Other CA")])
    leaf.signer = ec.generate_private_key(ec.SECP256R1())


def _forged(leaf, _ca):
    # the root's name and key identifier, but not its signature
    leaf.signer = ec.generate_private_key(ec.SECP256R1())


def _self_issued(leaf, _ca):
    leaf.issuer = leaf.subject
    leaf.signer = ec.generate_private_key(ec.SECP256R1())


def _expired(leaf, _ca):
    life = leaf.not_after - leaf.not_before
    leaf.not_after = leaf.not_before - DAY
    leaf.not_before = leaf.not_after - life


def _not_yet_valid(leaf, _ca):
    leaf.not_before += 2 * DAY
    leaf.not_after += 2 * DAY


def _wrong_lifetime(leaf, _ca):
    days = (leaf.not_after - leaf.not_before).days
    leaf.not_after = leaf.not_before + (30 if days != 30 else 7) * DAY


def _one_minute(leaf, _ca):
    # dates in the wrong order can't be built; a minute is the least
    leaf.not_after = leaf.not_before + MINUTE


def _ca_certificate(leaf, _ca):
    leaf.is_ca = leaf.signs = True


def _ca_constraint(leaf, _ca):
    leaf.is_ca = True


def _md5(leaf, ca):
    leaf.root, leaf.digest = ca.rsa, hashes.MD5()


def _sha1(leaf, _ca):
    leaf.digest = hashes.SHA1()


def _other_subject(leaf, _ca):
    leaf.subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME,
                                                 "Another Shape")])


_BEFORE = {
    "wrong-key": _wrong_key, "rsa-512": _rsa_512,
    "missing-san": _missing_san, "extra-san": _extra_san,
    "no-san": _no_san, "nul-san": _nul_san, "upper-san": _upper_san,
    "many-sans": _many_sans, "other-root": _other_root,
    "foreign-root": _foreign_root, "forged": _forged,
    "self-issued": _self_issued, "expired": _expired,
    "not-yet-valid": _not_yet_valid, "wrong-lifetime": _wrong_lifetime,
    "one-minute": _one_minute, "ca-certificate": _ca_certificate,
    "ca-constraint": _ca_constraint,
    "md5": _md5, "sha1": _sha1, "other-subject": _other_subject,
}


def _der(pem):
    lines = pem.strip().splitlines()
    return base64.b64decode("".join(lines[1:-1]))


def _armour(der, label="CERTIFICATE"):
    text = base64.b64encode(der).decode()
    lines = [text[i:i + 64] for i in range(0, len(text), 64)]
    return "-----BEGIN %s-----\n%s\n-----END %s-----\n" % (
        label, "\n".join(lines), label)


def _flip(pem):
    der = bytearray(_der(pem))
    der[-1] ^= 1
    return _armour(bytes(der))


def _two_leaves(pem, ca):
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    return pem + ca.sign(other, ["elsewhere.example.com"], "origin-ecc", 7,
                         datetime.datetime.utcnow()).pem


_AFTER = {
    "two-pems": lambda pem, ca: pem + ca.ecc.pem,
    "two-leaves": _two_leaves,
    "root-first": lambda pem, ca: ca.ecc.pem + pem,
    "only-root": lambda pem, ca: ca.ecc.pem,
    "truncated-pem": lambda pem, ca: pem[:len(pem) // 2],
    "truncated-der": lambda pem, ca: _armour(_der(pem)[:-40]),
    "der-junk": lambda pem, ca: _armour(_der(pem) + b"junk after the end"),
    "trailing-junk": lambda pem, ca: pem + "and then some junk\n",
    "leading-junk": lambda pem, ca: "some junk before\n" + pem,
    "nul": lambda pem, ca: pem[:60] + "\0\0" + pem[60:],
    "nul-end": lambda pem, ca: pem + "\0",
    "bit-flip": lambda pem, ca: _flip(pem),
    "not-pem": lambda pem, ca: base64.b64encode(_der(pem)).decode(),
    "wrong-label": lambda pem, ca: _armour(_der(pem), "PRIVATE KEY"),
    "crlf": lambda pem, ca: pem.replace("\n", "\r\n"),
    "one-line": lambda pem, ca: pem.replace("\n", ""),
    "empty": lambda pem, ca: "",
    "garbage": lambda pem, ca: "-----BEGIN CERTIFICATE-----\n!!!!\n"
                               "-----END CERTIFICATE-----\n",
}

WORDS = sorted([*_BEFORE, *_AFTER])


def before(word, leaf, ca):
    if word in _BEFORE:
        _BEFORE[word](leaf, ca)


def after(word, leaf, ca):
    if word in _AFTER:
        leaf.pem = _AFTER[word](leaf.pem, ca)
