# SPDX-License-Identifier: Apache-2.0
"""Which hostnames the API takes, and in what form it gives them back.

Pure. `normalise` answers the punycoded lower-case name, or raises ValueError
with the reason that goes into the text of error 1010.
"""
import re
import unicodedata

LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z")

NOT_YOURS = ("This zone is either not part of your account, or you do not "
             "have access to it. Please contact support if using a "
             "multi-user organization.")


def normalise(hostname):
    name = unicodedata.normalize("NFKC", hostname).lower()
    labels = name.split(".")
    wildcard = labels[0] == "*"
    if wildcard:
        labels = labels[1:]
    labels = [_ascii(label) for label in labels]
    if not labels or not all(LABEL.match(label) for label in labels):
        raise ValueError("not a valid hostname")
    if labels[-1].isdigit():
        raise ValueError("IP addresses are not supported")
    if len(labels) < 2:
        raise ValueError("a hostname must have at least two labels"
                         + (" after the wildcard" if wildcard else ""))
    name = ".".join((["*"] if wildcard else []) + labels)
    if len(name) > 253:
        raise ValueError("hostname is too long")
    return name


def _ascii(label):
    if label.isascii():
        return label
    # letters, marks and digits: near enough to IDNA 2008
    if not all(c == "-" or unicodedata.category(c)[0] in "LM"
               or unicodedata.category(c) == "Nd" for c in label):
        raise ValueError("not a valid hostname")
    return "xn--" + label.encode("punycode").decode("ascii")


def suffixes(name):
    """The name and each parent of at least two labels, longest first."""
    labels = name[2:].split(".") if name.startswith("*.") \
        else name.split(".")
    return [".".join(labels[n:]) for n in range(len(labels) - 1)]
