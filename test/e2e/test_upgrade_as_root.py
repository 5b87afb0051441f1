# SPDX-License-Identifier: Apache-2.0
"""The Debian package as apt puts it on a server that runs: installed,
upgraded, removed, back again, purged, with the package's own scripts and
Debian's own httpd. Not collected for an ordinary user."""

import json
import re
import shutil
import subprocess
import threading
import urllib.request

import pytest

import tls
import waiting
from debian import Machine
from httpd import TOP
from ports import free_port
from test_package import make

NAME = "www.example.com"
PACKAGE = "libapache2-mod-cforigin"
MODULE = "/usr/lib/apache2/modules/mod_cforigin.so"
VERSION = re.match(r"mod-cforigin \((.*?)\)",
                   (TOP / "debian/changelog").read_text())[1]
OLDER = "0.0.9"
SITE = """
<VirtualHost *:%(port)d>
    ServerName %(name)s
    SSLEngine on
    SSLCertificateFile /etc/ssl/certs/origin.pem
    SSLCertificateKeyFile /etc/ssl/private/origin.key
    <IfModule cforigin_module>
        CFOrigin on
    </IfModule>
</VirtualHost>
<IfModule cforigin_module>
    CFOriginAPI %(api)s
    CFOriginAPICAFile %(api_ca)s
    CFOriginCARootFile %(roots)s
</IfModule>
"""


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """{version: .deb}: this one, and one that says it is an older one."""
    folder = tmp_path_factory.mktemp("packages")
    make(f"BUILD={folder}/build", "deb", DEB_BUILD_OPTIONS="noopt")
    (this,) = folder.glob(f"build/{PACKAGE}_*.deb")
    content, older = folder / "content", folder / "older.deb"
    subprocess.run(["dpkg-deb", "-R", this, content], check=True)
    control = content / "DEBIAN/control"
    control.write_text(control.read_text().replace(
        f"Version: {VERSION}\n", f"Version: {OLDER}\n"))
    module = content / MODULE.lstrip("/")
    text, mine = module.read_bytes(), f"mod_cforigin/{VERSION}".encode()
    assert mine in text and len(VERSION) == len(OLDER)
    module.write_bytes(text.replace(mine, f"mod_cforigin/{OLDER}".encode()))
    subprocess.run(["dpkg-deb", "-b", content, older], check=True,
                   stdout=subprocess.DEVNULL)
    yield {VERSION: this, OLDER: older}
    shutil.rmtree(folder, ignore_errors=True)


class Server(Machine):
    """A machine whose httpd has one site."""

    def __init__(self, folder, cloudflare, packages):
        super().__init__(folder)
        self.port, self.http_port = free_port(), free_port()
        self.roots = cloudflare.roots
        self.packages = packages
        self.words = {"port": self.port, "name": NAME,
                      "api": cloudflare.url, "roots": cloudflare.roots,
                      "api_ca": cloudflare.api_ca}
        self.write("/etc/apache2/ports.conf",
                   f"ServerName localhost\nListen 127.0.0.1:{self.port}\n"
                   f"Listen 127.0.0.1:{self.http_port}\n")

    def site(self, text):
        self.write("/etc/apache2/sites-enabled/site.conf", text % self.words)

    def rewrite(self, text, dismod=False):
        """The site, and a reload."""
        self.site(text)
        if dismod:
            self.run("a2dismod", "cforigin")
        self.service("reload")

    def install(self, version):
        return self.run("dpkg", "--install", str(self.packages[version]))

    def get(self):
        return tls.fetch(self.port, NAME, roots=self.roots)

    def version(self):
        """What the status page of the running module says it is."""
        url = f"http://127.0.0.1:{self.http_port}/cforigin-status?format=json"
        with urllib.request.urlopen(url, timeout=20) as answer:
            return json.load(answer)["module"].removeprefix("mod_cforigin/")

    def mapped(self):
        """The module's file in the memory of httpd's parent; one that is no
        more in its folder is called "(deleted)" there."""
        return {line.rpartition("/")[2] for line in
                self.httpd.maps() if "mod_cforigin" in line}


class Visitors:
    """Threads that ask for the site until the block ends."""

    def __init__(self, server, number=3):
        self.server = server
        self.seen = []
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self._visit)
                        for _ in range(number)]

    def _visit(self):
        while not self.over.is_set():
            try:
                answer = self.server.get()
                self.seen.append((answer.status, answer.sha256))
            except OSError as error:
                self.seen.append(repr(error))

    def more(self, number=20):
        """Until so many more of them were there."""
        enough = len(self.seen) + number
        waiting.until(lambda: len(self.seen) >= enough, "visitors", 20)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()


@pytest.fixture
def server(tmp_path, cloudflare, packages):
    """The older package, installed as the README says."""
    server = Server(tmp_path / "machine", cloudflare, packages)
    try:
        server.service("start")
        first = server.httpd.pid
        server.install(OLDER)
        assert server.generations() == 1  # a first installation is silent
        server.write("/etc/apache2/cforigin/token", cloudflare.token, 0o600)
        server.site(SITE)
        server.run("a2enmod", "cforigin")
        server.service("restart")
        waiting.until(lambda: server.generations() == 2, "httpd", 20)
        assert server.httpd.pid != first
        assert server.get().status == 200
        assert server.version() == OLDER
        yield server
        assert not server.log.complaints()
    finally:
        server.end()


def test_an_upgrade_reloads_httpd_and_no_visitor_notices(server, cloudflare):
    parent, served = server.httpd.pid, server.get().sha256
    assert server.mapped() == {"mod_cforigin.so"}
    with Visitors(server) as visitors:
        visitors.more()
        said = server.install(VERSION)
        waiting.until(lambda: server.generations() == 3,
                      lambda: f"the package's reload: {said}", 20)
        visitors.more()
    assert set(visitors.seen) == {(200, served)}
    assert server.version() == VERSION
    assert server.httpd.pid == parent
    assert server.mapped() == {"mod_cforigin.so"}
    assert VERSION.encode() in server.read(MODULE)
    assert len(server.log.matching("AH00493: SIGUSR1 received")) == 1
    assert len(cloudflare.creates()) == 1


def test_an_upgrade_leaves_httpd_alone_while_its_text_is_wrong(server):
    server.write("/etc/apache2/sites-enabled/wrong.conf", "Wrong on\n")
    assert "broken. Not reloading" in server.install(VERSION)
    assert server.generations() == 2
    assert server.version() == OLDER
    assert server.mapped() == {"mod_cforigin.so (deleted)"}
    assert server.get().status == 200


def test_removed_back_and_purged(server, cloudflare):
    parent, served = server.httpd.pid, server.get().sha256
    with Visitors(server) as visitors:
        said = server.run("dpkg", "--remove", PACKAGE)
        waiting.until(lambda: server.generations() == 3,
                      lambda: f"the removal: {said}", 20)
        visitors.more()
    assert set(visitors.seen) == {(200, served)}
    assert server.httpd.pid == parent
    assert "/var/lib/apache2/cforigin" in said
    assert not server.exists("/etc/apache2/mods-enabled/cforigin.load")
    assert not server.mapped() and not server.exists(MODULE)
    assert server.get().sha256 == served  # by the files alone
    server.install(VERSION)
    waiting.until(lambda: server.generations() == 4, "the return", 20)
    assert server.version() == VERSION
    assert server.get().sha256 == served
    said = server.run("dpkg", "--purge", PACKAGE)
    for left in ("/var/lib/apache2/cforigin", "/etc/apache2/cforigin"):
        assert left in said
    assert server.exists("/etc/apache2/cforigin/token")
    assert server.exists(
        f"/var/lib/apache2/cforigin/certs/{NAME}/origin-ecc/current")
    assert not server.exists("/etc/apache2/mods-available/cforigin.conf")
    assert server.get().sha256 == served
    assert len(cloudflare.creates()) == 1


BARE = re.sub(r"    SSLCertificate.*\n", "", SITE)
ENABLED = "/etc/apache2/mods-enabled/cforigin.load"
LOAD = "/etc/apache2/mods-available/cforigin.load"


def reload_is_refused(server):
    """By each way that Debian reloads it, the log rotation's with them."""
    for command in ("/etc/init.d/apache2 reload", "apache2ctl graceful"):
        said = server.run("sh", "-c", f"{command} && echo reloaded; true")
        assert "\nreloaded" not in f"\n{said}"


@pytest.fixture
def bare(server):
    """Its site has no certificate but the module's, and others can read its
    token, which a test of the configuration complains of."""
    server.rewrite(BARE)
    waiting.until(lambda: server.generations() == 3, "the reload", 20)
    server.run("chmod", "644", "/etc/apache2/cforigin/token")
    return server


def test_a_site_without_certificate_lines_outlives_the_removal(bare):
    """Its certificate is with httpd alone: that goes on, whoever reloads it,
    until the package is back, or the site has a certificate."""
    parent, served = bare.httpd.pid, bare.get().sha256

    def look(generations):
        assert bare.generations() == generations
        assert (bare.httpd.pid, bare.get().sha256) == (parent, served)

    def remove(word, generations):
        said = bare.run("dpkg", word, PACKAGE)
        assert not bare.exists(MODULE)
        look(generations)
        reload_is_refused(bare)
        look(generations)
        return said

    said = remove("--remove", 3)
    assert f"{NAME}:{bare.port} (/etc/apache2/sites-enabled/site.conf:2)" \
        in said
    assert "no SSLCertificateFile is written" in said
    assert "goes on as it is" in said
    bare.run("chmod", "600", "/etc/apache2/cforigin/token")
    bare.install(VERSION)
    waiting.until(lambda: bare.generations() == 4, "the return", 20)
    assert bare.version() == VERSION
    look(4)
    said = remove("--purge", 4)
    assert NAME in said and f"{LOAD} is left" in said
    assert bare.read(LOAD) == (TOP / "conf-examples/cforigin.load").read_bytes()
    live = f"/var/lib/apache2/cforigin/certs/{NAME}/origin-ecc/current"
    bare.rewrite(SITE.replace("/etc/ssl/certs/origin.pem", f"{live}/cert.pem")
                 .replace("/etc/ssl/private/origin.key", f"{live}/key.pem"),
                 dismod=True)
    waiting.until(lambda: bare.generations() == 5, "the reload", 20)
    look(5)
    assert not bare.mapped()


def test_a_removal_looks_into_a_configuration_that_fails_its_test(bare):
    """What can't be known is taken for the worst."""
    served = bare.get().sha256
    bare.write("/etc/apache2/sites-enabled/wrong.conf",
               "<IfModule cforigin_module>\nWrong on\n</IfModule>\n")
    said = bare.run("dpkg", "--remove", PACKAGE)
    assert "does not pass its test" in said
    assert bare.exists(ENABLED)
    reload_is_refused(bare)
    assert bare.get().sha256 == served


def test_a_site_that_goes_with_the_module_is_in_nobodys_way(server):
    """<IfModule> around the whole of it."""
    parent, served = server.httpd.pid, server.get().sha256
    server.write("/etc/apache2/sites-enabled/other.conf",
                 "<IfModule cforigin_module>\n<VirtualHost *:%d>\n"
                 "ServerName other.example.com\nSSLEngine on\nCFOrigin on\n"
                 "</VirtualHost>\n</IfModule>\n" % server.port)
    assert "without mod_cforigin\n  other.example.com" \
        in server.run("apache2ctl", "-t", "-D", "DUMP_CFORIGIN")
    said = server.run("dpkg", "--remove", PACKAGE)
    waiting.until(lambda: server.generations() == 3,
                  lambda: f"the removal: {said}", 20)
    assert not server.exists(ENABLED) and not server.mapped()
    assert (server.httpd.pid, server.get().sha256) == (parent, served)
