# SPDX-License-Identifier: Apache-2.0
"""What is installed, and where; the Debian package."""

import os
import re
import shutil
import subprocess

import pytest

from httpd import APXS, BUILD, TOP, apxs

MAKE = [str(TOP / "apxs-build.mk")]
DEBIAN = os.path.exists("/etc/debian_version") and APXS.startswith("/usr/bin/")


def run_make(*words, **environment):
    return subprocess.run([*MAKE, *words], cwd=TOP, text=True,
                          env=dict(os.environ, **environment),
                          capture_output=True, check=False, timeout=280)


def make(*words, **environment):
    done = run_make(*words, **environment)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def tree(folder):
    """{path below the folder: mode} of files and empty folders."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() or not list(path.iterdir()):
            found[f"/{path.relative_to(folder)}"] = \
                oct(path.stat().st_mode & 0o777)
    return found


def where_things_go():
    """Where the parts belong, for this APXS."""
    if DEBIAN:
        return {"programs": "/usr/lib/apache2",
                "store": "/var/lib/apache2/cforigin",
                "data": "/usr/share/apache2/cforigin",
                "tokens": "/etc/apache2/cforigin",
                "conf": "/etc/apache2/mods-available/cforigin.conf",
                "load": "/etc/apache2/mods-available/cforigin.load"}
    return {"programs": apxs("exp_bindir"),
            "store": apxs("exp_localstatedir") + "/cforigin",
            "data": apxs("exp_datadir") + "/cforigin-roots",
            "tokens": apxs("exp_sysconfdir") + "/cforigin",
            "conf": apxs("exp_sysconfdir") + "/extra/httpd-cforigin.conf"}


@pytest.fixture
def places():
    return where_things_go()


def words_for(root, tmp_path):
    """Installs what the other tests use, whatever has been edited since."""
    built = tmp_path / "build"
    built.mkdir()
    programs = [built / name for name in ("mod_cforigin.so", "cforigin-keeper",
                                          "cforigin-issuer")]
    for program in programs:
        shutil.copy2(BUILD / program.name, program)
    return [f"BUILD={built}", f"APXS={APXS}", f"DESTDIR={root}",
            *[word for program in programs for word in ("-o", str(program))]]


def test_installing_and_uninstalling_below_destdir(tmp_path, places):
    root = tmp_path / "root"
    words = words_for(root, tmp_path)
    make(*words, "install")
    there = {f"{apxs('exp_libexecdir')}/mod_cforigin.so": "0o644",
             f"{places['programs']}/cforigin-keeper": "0o755",
             f"{places['programs']}/cforigin-issuer": "0o755",
             f"{places['data']}/origin_ca_roots.pem": "0o644",
             f"{places['store']}": "0o755", f"{places['tokens']}": "0o700",
             f"{apxs('exp_mandir')}/man8/mod_cforigin.8": "0o644",
             places["conf"]: "0o644"}
    if "load" in places:
        there[places["load"]] = "0o644"
    assert tree(root) == there
    conf = root / places["conf"].lstrip("/")
    roots = root / places["data"].lstrip("/") / "origin_ca_roots.pem"
    assert roots.read_text().count("BEGIN CERTIFICATE") == 2
    assert f"CFOriginTokenFile {places['tokens']}/token" in conf.read_text()
    if "load" in places:
        assert (root / places["load"].lstrip("/")).read_bytes() \
            == (TOP / "conf-examples/cforigin.load").read_bytes()

    # What an administrator changed stays, now and at the end.
    conf.write_text(conf.read_text() + "CFOriginValidity 365\n")
    store = root / places["store"].lstrip("/")
    (store / "journal.jsonl").write_text("{}\n")
    assert "stays" in make(*words, "install")
    assert conf.read_text().endswith("CFOriginValidity 365\n")
    said = make(*words, "uninstall")
    assert str(store) in said and str(conf) in said
    left = [path for path in tree(root)
            if (root / path.lstrip("/")).is_file()]
    assert sorted(left) == sorted([places["conf"],
                                   f"{places['store']}/journal.jsonl"])


def test_uninstalling_leaves_nothing_that_was_not_changed(tmp_path, places):
    root = tmp_path / "root"
    words = words_for(root, tmp_path)
    make(*words, "install")
    make(*words, "uninstall")
    assert not [path for path in root.rglob("*") if path.is_file()]
    assert not (root / places["store"].lstrip("/")).exists()


def test_installing_says_what_is_left_to_do(tmp_path, places):
    """a2enmod, or two lines, the first time; afterwards a reload."""
    root = tmp_path / "root"
    words = words_for(root, tmp_path)
    first = make(*words, "install")
    assert ("a2enmod cforigin" if DEBIAN else "LoadModule") in first
    if DEBIAN:
        enabled = root / "etc/apache2/mods-enabled/cforigin.load"
        enabled.parent.mkdir()
        enabled.symlink_to("../mods-available/cforigin.load")
    else:
        conf = root / apxs("exp_sysconfdir").lstrip("/") / "httpd.conf"
        conf.write_text("LoadModule cforigin_module modules/mod.so\n")
    again = make(*words, "install")
    assert "a2enmod" not in again and "LoadModule" not in again
    assert "reload httpd" in again
    assert "SSLCertificateFile" in make(*words, "uninstall")


def test_what_other_words_change_is_made_anew(tmp_path):
    """And nothing is when they are the same."""
    build = tmp_path / "build"
    made = [build / name for name in ("obj/mod_cforigin/mod_cforigin.o",
                                      "cforigin.conf", "mod_cforigin.8")]

    def look(*words):
        make(f"BUILD={build}", f"APXS={APXS}", *words, *map(str, made))
        return [path.stat().st_mtime_ns for path in made]

    first = look()
    assert look() == first
    second = look("STOREDIR=/srv/my-keys")
    assert not set(first) & set(second)
    for path in made:
        assert b"/srv/my" in path.read_bytes()
    assert b"/srv/my\\-keys\n" in made[2].read_bytes()
    assert look("STOREDIR=/srv/my-keys") == second
    assert not set(second) & set(look("STOREDIR=/srv/my-keys", "CFLAGS=-O1"))


def test_without_apxs_nothing_is_left_in_silence(tmp_path):
    """Where it would be is unknown; cleaning up needs no apxs."""
    words = [f"BUILD={tmp_path}/build", f"APXS={tmp_path}/apxs"]
    for goal in ("all", "install", "uninstall"):
        done = run_make(*words, goal)
        assert done.returncode != 0
        assert f"{tmp_path}/apxs" in done.stderr and "APXS=" in done.stderr
    for goal in ("help", "clean"):
        assert not run_make(*words, goal).stderr


@pytest.fixture
def bare_machine(tmp_path):
    """Where no package is installed, and whoever would install some writes
    down what he was asked for."""
    for name, text in (("id", "echo 1000"), ("dpkg-query", "exit 1"),
                       ("sudo", f'echo "$@" >> {tmp_path}/asked')):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)

    def asked(*words):
        (tmp_path / "asked").write_text("")
        run_make(f"BUILD={tmp_path}/build", *words, "all",
                 PATH=f"{tmp_path}:{os.environ['PATH']}")
        return (tmp_path / "asked").read_text().split()

    return asked


def test_what_is_missing_is_what_this_httpd_needs(tmp_path, bare_machine):
    """Debian's httpd is not put beside one of one's own."""
    asked = bare_machine("APXS=/usr/bin/apxs")
    assert "apache2-dev" in asked and "libcurl4-openssl-dev" in asked
    own = tmp_path / "own-apxs"
    for config, debians in (("/usr/bin/apr-1-config", True),
                            ("/opt/httpd/bin/apr-1-config", False)):
        own.write_text(f"#!/bin/sh\necho {config}\n")
        own.chmod(0o755)
        asked = bare_machine(f"APXS={own}")
        assert "libcurl4-openssl-dev" in asked
        assert not {"apache2", "apache2-bin", "apache2-dev"} & set(asked)
        assert ("libapr1-dev" in asked) == debians
    assert not bare_machine(f"APXS={tmp_path}/none", "NODEPS=1")
    assert "NODEPS=1" in (TOP / "debian/rules").read_text()


def test_what_the_demo_tells_to_run_is_there(bare_machine):
    """It shows commands of curl, which Debian does not have by itself."""
    assert "curl" in bare_machine("APXS=/usr/bin/apxs", "demo")
    assert "curl" not in bare_machine("APXS=/usr/bin/apxs")


def look_at_content(package):
    found = set(tree(package))
    doc = "/usr/share/doc/libapache2-mod-cforigin"
    assert found >= {
        "/usr/lib/apache2/modules/mod_cforigin.so",
        "/usr/lib/apache2/cforigin-keeper",
        "/usr/lib/apache2/cforigin-issuer",
        "/etc/apache2/mods-available/cforigin.load",
        "/etc/apache2/mods-available/cforigin.conf",
        "/etc/apache2/cforigin", "/var/lib/apache2/cforigin",
        "/usr/share/apache2/cforigin/origin_ca_roots.pem",
        "/usr/share/man/man8/mod_cforigin.8.gz",
        f"{doc}/README.md.gz", f"{doc}/copyright",
        f"{doc}/examples/one-site.conf"}
    assert (package / "etc/apache2/cforigin").stat().st_mode & 0o777 == 0o700
    load = (package / "etc/apache2/mods-available/cforigin.load").read_text()
    assert load.startswith("# Depends: ssl\n")


def look_at_dependencies(package):
    """On httpd's ABI and the libraries, on nothing that tests need."""
    control = (package / "DEBIAN/control").read_text()
    depends = re.search(r"^Depends: (.*)$", control, re.M)[1]
    assert "apache2-api-20120211" in depends
    assert "libcurl4" in depends and "libjansson4" in depends
    assert "python" not in depends and "cmocka" not in depends


def look_at_purging(package, tmp_path):
    """The script itself, with its folders below the test's: it says where
    the keys are, at a removal, too, and deletes nothing."""
    store = tmp_path / "var/lib/apache2/cforigin"
    (store / "certs").mkdir(parents=True)
    tokens = tmp_path / "etc/apache2/cforigin"
    tokens.mkdir(parents=True)
    script = tmp_path / "postrm"
    text = (package / "DEBIAN/postrm").read_text()
    script.write_text(re.sub(r"(?<=[ (=])/(?=var/|etc/|usr/share/apache2)",
                             f"{tmp_path}/", text))

    def run(word):
        return subprocess.run(["sh", script, word], text=True, check=True,
                              capture_output=True,
                              stdin=subprocess.DEVNULL).stdout

    for word in ("remove", "purge"):
        (tokens / "token").unlink(missing_ok=True)
        said = run(word)
        assert str(store) in said and "keys" in said
        assert str(tokens) not in said
        (tokens / "token").write_text("x")
        assert str(tokens) in run(word)
    assert run("upgrade") == ""
    assert (store / "certs").exists() and (tokens / "token").exists()


def test_the_debian_package(tmp_path):
    """Made once, since that takes a while. The goal itself fails when
    lintian has an error or a warning."""
    said = make(f"BUILD={tmp_path}", "deb")
    assert not re.search(r"^[EW]: ", said, re.M)
    (deb,) = tmp_path.glob("libapache2-mod-cforigin_*.deb")
    package = tmp_path / "content"
    subprocess.run(["dpkg-deb", "-R", deb, package], check=True)
    look_at_content(package)
    look_at_dependencies(package)
    for name in ("postinst", "prerm", "postrm"):
        subprocess.run(["sh", "-n", package / "DEBIAN" / name], check=True)
    look_at_purging(package, tmp_path)
