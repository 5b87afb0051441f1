# SPDX-License-Identifier: Apache-2.0
"""Starts of httpd in which a call that reads the store fails: once, or from
then on. Whatever it is, the start goes on, each site serves its pair, an older
one, or the fallback with 503, and nobody orders a certificate for it."""

import os
import shutil
from collections import Counter

import sweep
from httpd import apxs

NAMES = ["a.example.com", "b.example.com"]
HARMS = [("EIO", False), ("EACCES", False), ("EMFILE", False), ("EIO", True)]


class Starts:
    """Two sites, one of which has an older pair, too."""

    def __init__(self, httpd, cloudflare):
        self.httpd, self.cloudflare = httpd, cloudflare
        self.tried = self.fired = 0
        self.board = sweep.Board(httpd.root / "board")
        self.usual = dict(httpd.environment)
        httpd.tolerate("cforigin:")
        httpd.server("CFOriginStartupWait 30s")
        httpd.managed(*NAMES)
        self.start()
        (httpd.folder(NAMES[0]) / "renew").touch()
        self.start()
        assert httpd.generation(NAMES[0]) == 2
        self.served = [httpd.get(name).sha256 for name in NAMES]
        self.ordered = len(cloudflare.creates())
        httpd.stop()
        shutil.copytree(httpd.store, self.store, symlinks=True)

    @property
    def store(self):
        return self.httpd.root / "pristine"

    def start(self, **faults):
        """With the library in httpd's parent alone: its children have another
        name, or begin when all is read."""
        self.httpd.stop()
        self.httpd.environment = dict(self.usual)
        if faults:
            preload = [self.usual.get("LD_PRELOAD"), str(sweep.shim())]
            self.httpd.environment.update(
                {f"FAULTS_{key.upper()}": str(value)
                 for key, value in faults.items()},
                LD_PRELOAD=" ".join(filter(None, preload)),
                FAULTS_BOARD=str(self.board.path), FAULTS_ARM="files",
                FAULTS_PROGRAM=os.path.basename(apxs("progname")),
                FAULTS_BELOW=str(self.httpd.store))
        self.httpd.start()

    def restore(self):
        self.httpd.stop()
        shutil.rmtree(self.httpd.store)
        shutil.copytree(self.store, self.httpd.store, symlinks=True)
        self.board.clear()

    def points(self):
        """(k, call, harm, stays) of each call that a start reads with."""
        self.restore()
        self.start(at=0)
        return [(at, call, *harm)
                for at, call in enumerate(self.board.calls(), 1)
                for harm in HARMS]

    def look(self, name, wrong, exact=None):
        answer = self.httpd.get(name, verify=False)
        good = answer.status == 200 and not answer.is_fallback
        if not good and not (answer.status == 503 and answer.is_fallback):
            wrong.append(f"{name}: {answer.status} {answer.names}")
        if exact and (not good or answer.sha256 != exact):
            wrong.append(f"{name} is served another one: {answer.status}")

    def try_point(self, at, call, harm, stays):
        wrong = []
        self.restore()
        try:
            more = {"stays": 1} if stays else {}
            self.start(at=at, do=harm, **more)
        except AssertionError as error:
            return [f"no start: {str(error)[-800:]}"]
        self.tried += 1
        self.fired += self.board.fired > 0
        for name, served in zip(NAMES, self.served):
            untouched = not stays and f"/{name}/" not in call \
                and any(f"/{other}/" in call for other in NAMES)
            self.look(name, wrong, served if untouched else None)
        self.start()
        for name, served in zip(NAMES, self.served):
            self.look(name, wrong, served)
        more = len(self.cloudflare.creates()) - self.ordered
        if more:
            wrong.append(f"{more} certificates were ordered for it")
            self.ordered += more
        return wrong
