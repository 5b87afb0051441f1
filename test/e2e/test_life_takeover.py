# SPDX-License-Identifier: Apache-2.0
"""Files that are there already: what is Cloudflare's is taken over, watched
and renewed in its files; what is another CA's is left alone."""

import os
import pwd

import pytest

import life
import pairs


@pytest.fixture
def folder(httpd):
    path = httpd.root / "etc"
    path.mkdir(mode=0o755)
    return path


def lines(folder, name="hand"):
    return [f"SSLCertificateFile {folder}/{name}.pem",
            f"SSLCertificateKeyFile {folder}/{name}.key"]


def test_made_by_hand_watched_and_renewed(httpd, cloudflare, clock, folder):
    """Copied and served from the store, shown as adopted, kept over restarts
    although its validity is not the one that is wanted; in its window
    renewed, in the store and in the files, whose modes, owner and symbolic
    link stay."""
    name = "a.example.com"
    real = httpd.root / "real"
    real.mkdir()
    cloudflare.issue_by_hand(real / "hand.pem", real / "hand.key", [name],
                             365)
    for file in ("hand.pem", "hand.key"):
        (folder / file).symlink_to(real / file)
    os.chmod(real / "hand.pem", 0o640)
    os.chmod(real / "hand.key", 0o440)
    if os.geteuid() == 0:
        other = pwd.getpwnam("games")
        os.chown(real / "hand.key", 0, other.pw_gid)
        os.chown(real / "hand.pem", other.pw_uid, 0)
    before = [(os.stat(real / file).st_mode, os.stat(real / file).st_uid,
               os.stat(real / file).st_gid)
              for file in ("hand.pem", "hand.key")]
    by_hand = pairs.sha256(real / "hand.pem")
    httpd.vhost(name, "CFOrigin on", *lines(folder))
    life.show_status(httpd)
    assert "adopt" in httpd.dump()
    httpd.start()
    assert life.served(httpd, name) == by_hand == life.stored(httpd, name)
    seen = life.shown(httpd, name)
    assert (seen["state"], seen["reason"]) == ("adopted", "adopted")
    assert seen["sha256"] == by_hand
    httpd.restart()
    assert "/store/" in "".join(
        httpd.log.matching(f"AH02568.*{name}")[-1:])
    httpd.graceful()
    assert len(cloudflare.creates()) == 1

    clock.forward(days=330)
    clock.ticks(2)
    assert len(cloudflare.creates()) == 1
    clock.forward(days=9)
    life.await_generation(httpd, name, 2, clock)
    life.await_served(httpd, name, clock)
    assert life.served(httpd, name) == pairs.sha256(real / "hand.pem")
    assert pairs.belong_together(real / "hand.pem", real / "hand.key")
    assert (folder / "hand.pem").is_symlink()
    assert (folder / "hand.key").is_symlink()
    assert before == [
        (os.stat(real / file).st_mode, os.stat(real / file).st_uid,
         os.stat(real / file).st_gid) for file in ("hand.pem", "hand.key")]
    assert len(cloudflare.creates()) == 2
    assert cloudflare.creates()[1]["body"]["hostnames"] == [name]
    assert life.shown(httpd, name)["state"] == "ok"
    httpd.tolerate(r"cforigin:warn.*expire")
    # the site goes on without the module
    served = life.served(httpd, name)
    httpd.stop()
    httpd.with_module = False
    httpd.lines = []
    httpd.start()
    assert life.served(httpd, name) == served


def test_one_that_lacks_a_name_is_replaced(httpd, cloudflare, clock,
                                            folder):
    """It serves until the one that covers all is there."""
    name = "a.example.com"
    cloudflare.issue_by_hand(folder / "hand.pem", folder / "hand.key",
                             [name])
    by_hand = pairs.sha256(folder / "hand.pem")
    httpd.vhost(name, "CFOrigin on", *lines(folder),
                aliases=["www.example.com"])
    life.show_status(httpd)
    cloudflare.fault({"op": "create"}, {"delay": 0.5})
    httpd.start()
    assert life.served(httpd, name) == by_hand == life.stored(httpd, name)
    clock.until(lambda: life.shown(httpd, name)["reason"]
                == "names-changed", "its reason")
    assert life.served(httpd, name) == by_hand
    life.await_generation(httpd, name, 2, clock)
    life.await_served(httpd, name, clock)
    assert sorted(httpd.get(name).names) == [name, "www.example.com"]
    assert pairs.sha256(folder / "hand.pem") == life.stored(httpd, name)
    assert pairs.belong_together(folder / "hand.pem", folder / "hand.key")
    assert len(cloudflare.creates()) == 2
    assert life.shown(httpd, name)["state"] == "ok"


def test_another_ca_is_never_touched(httpd, cloudflare, clock, folder):
    """Shown with its expiry, not renewed whatever the day is, and nothing of
    it is written."""
    name = "a.example.com"
    pairs.self_signed(folder / "hand.pem", folder / "hand.key", [name])
    files = [folder / "hand.pem", folder / "hand.key"]
    before = [(file.read_bytes(), file.stat().st_ino,
               file.stat().st_mtime_ns) for file in files]
    httpd.vhost(name, "CFOrigin on", *lines(folder))
    httpd.managed("b.example.com")
    life.show_status(httpd)
    httpd.tolerate(r"cforigin:warn", r"ssl:warn")
    assert "foreign" in httpd.dump()
    httpd.start()
    assert httpd.get(name, verify=False).sha256 \
        == pairs.sha256(folder / "hand.pem")
    seen = life.shown(httpd, name)
    assert (seen["state"], seen["reason"]) == ("foreign", "foreign")
    assert seen["sha256"] == pairs.sha256(folder / "hand.pem")
    assert 29 < (life.moment(seen["not_after"]) - clock.now) / 86400 <= 30
    clock.forward(days=31)
    clock.ticks(2)
    assert life.shown(httpd, name)["state"] == "expired"
    httpd.graceful()
    clock.ticks(1)
    assert not httpd.folder(name).exists()
    assert [call["body"]["hostnames"] for call in cloudflare.creates()] \
        == [["b.example.com"]]
    assert before == [(file.read_bytes(), file.stat().st_ino,
                       file.stat().st_mtime_ns) for file in files]
