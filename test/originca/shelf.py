# SPDX-License-Identifier: Apache-2.0
"""What is kept: the certificates given out, and the ledger of every call.

The Shelf is the CA's own memory (certificates.jsonl: a restart in the same
folder knows them all). The Ledger is the tests' memory: a line for each
call, certificate and revocation, which a reset empties. No token's text
gets here.
"""
import datetime
import hashlib
import json
import os
import time

import ca
import names


def go_time(moment):
    """The form of Go's time.String()."""
    return moment.strftime("%Y-%m-%d %H:%M:%S +0000 UTC")


def rfc3339(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Shelf:
    def __init__(self, folder, ledger):
        self.ledger = ledger
        self.rows = {}
        self.zones = {}
        path = os.path.join(folder, "certificates.jsonl")
        if os.path.exists(path):
            self._load(path)
        self.file = open(path, "a", encoding="utf-8")

    def _load(self, path):
        with open(path, encoding="utf-8") as f:
            lines = f.readlines()
        for line in lines:
            # the last line may be half, after a kill
            if line.endswith("\n"):
                self._keep(json.loads(line))
        if lines and not lines[-1].endswith("\n"):
            os.truncate(path, sum(len(n.encode()) for n in lines[:-1]))

    def put(self, leaf, hostnames, data, token, changes):
        row = {
            "id": str(leaf.serial), "account": token.account,
            "hostnames": hostnames, "request_type": data["request_type"],
            "requested_validity": data["requested_validity"],
            "expires_on": go_time(leaf.not_after), "csr": data["csr"],
            "certificate": leaf.pem, "revoked_at": None,
            "issued_at": time.time(), "token": token.name,
            "spki_sha256": hashlib.sha256(
                ca.spki_der(leaf.public_key)).hexdigest(),
            "mutation": list(changes)}
        self._keep(row)
        self._write(row)
        self.ledger.issued(row)
        return row

    def get(self, serial):
        return self.rows.get(serial)

    def of_zone(self, zone):
        """Newest first, revoked and expired ones too."""
        return list(reversed(self.zones.get(zone, {}).values()))

    def revoke(self, row, now):
        row["revoked_at"] = rfc3339(now)
        self._write(row)
        self.ledger.revoked(row)

    @staticmethod
    def time_of(row):
        return datetime.datetime.utcfromtimestamp(row["issued_at"])

    def _keep(self, row):
        self.rows[row["id"]] = row
        for hostname in row["hostnames"]:
            for suffix in names.suffixes(hostname):
                self.zones.setdefault(suffix, {})[row["id"]] = row

    def _write(self, row):
        self.file.write(json.dumps(row) + "\n")
        self.file.flush()


class Ledger:
    """Entries are of kind call, issued or revoked, in order of time. A call
    is in memory from its arrival on, and in the file once it has ended."""

    def __init__(self, path):
        self.path = path
        self.file = open(path, "a", encoding="utf-8")
        self.clear()

    def clear(self):
        self.file.truncate(0)
        self.calls, self.certificates, self.revocations = [], [], []
        self.open, self.by_op = {}, {}
        self.most_in_flight = self.connections = 0

    def begin(self, call, ray, connection):
        token = call.token.name if call.token else None
        entry = {"kind": "call", "time": time.time(), "op": call.op,
                 "method": call.method, "path": call.path,
                 "query": call.query, "token": token, "ray": ray,
                 "connection": connection, "status": None, "code": None,
                 "fault": None, "state": "open", "delivered": False}
        if call.op == "create":
            entry["body"] = call.data
        self.calls.append(entry)
        self.open[id(entry)] = entry
        self.by_op[call.op] = self.by_op.get(call.op, 0) + 1
        self.most_in_flight = max(self.most_in_flight, len(self.open))
        return entry

    def end(self, entry):
        if entry["state"] == "ended":
            return
        entry["state"] = "ended"
        entry["seconds"] = round(time.time() - entry["time"], 6)
        # one that began before a reset belongs to nobody any more
        if self.open.pop(id(entry), None) is entry:
            self._write(entry)

    def issued(self, row):
        entry = {"kind": "issued", "time": row["issued_at"],
                 "serial": row["id"], **{name: row[name] for name in (
                     "hostnames", "request_type", "requested_validity",
                     "spki_sha256", "account", "token", "mutation",
                     "certificate")}}
        self.certificates.append(entry)
        self._write(entry)

    def revoked(self, row):
        entry = {"kind": "revoked", "time": time.time(), "serial": row["id"]}
        self.revocations.append(entry)
        self._write(entry)

    def close(self):
        for entry in list(self.open.values()):
            self.end(entry)
        self.file.close()

    def counts(self):
        return {"calls": len(self.calls), "by_op": self.by_op,
                "create": self.by_op.get("create", 0),
                "issued": len(self.certificates),
                "revoked": len(self.revocations),
                "in_flight": len(self.open),
                "most_in_flight": self.most_in_flight,
                "connections": self.connections}

    def doc(self):
        return {"counts": self.counts(), "calls": self.calls,
                "issued": self.certificates, "revoked": self.revocations}

    def _write(self, entry):
        self.file.write(json.dumps(entry) + "\n")
        self.file.flush()
