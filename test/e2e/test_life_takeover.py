# SPDX-License-Identifier: Apache-2.0
"""Files that are there already: what is Cloudflare's is taken over, watched
and renewed in its files; what is another CA's is left alone."""

import os
import pwd
import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

import life
import pairs
import tls
import waiting
from ports import free_port


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


KEYS = {"RSA 2048": lambda: rsa.generate_private_key(65537, 2048),
        "EC P-384": lambda: ec.generate_private_key(ec.SECP384R1())}


@pytest.mark.parametrize("kind", KEYS)
def test_its_type_is_taken_as_found(httpd, cloudflare, clock, folder, kind):
    """The virtual host says nothing of a type. While the API is away, too, it
    is what is served; and no keeper looks at it again and again."""
    name = "a.example.com"
    cloudflare.issue_by_hand(folder / "hand.pem", folder / "hand.key", [name],
                             365, KEYS[kind]())
    by_hand = pairs.sha256(folder / "hand.pem")
    key = (folder / "hand.key").read_bytes()
    cloudflare.fault({}, {"close": "before"})
    httpd.vhost(name, "CFOrigin on", *lines(folder))
    life.show_status(httpd)
    assert "adopt (adopted)" in httpd.dump()
    httpd.start()
    assert httpd.get(name).status == 200
    assert life.served(httpd, name) == by_hand == life.stored(httpd, name)
    seen = life.shown(httpd, name)
    assert (seen["state"], seen["key"]) == ("adopted", kind)
    assert seen["requested_validity"] == 365
    httpd.restart()
    assert life.served(httpd, name) == by_hand
    ran = life.status(httpd)["keeper"]["last_run"]
    clock.ticks(3)
    assert life.status(httpd)["keeper"]["last_run"] == ran
    assert (folder / "hand.key").read_bytes() == key
    assert len(cloudflare.creates()) == 1


def test_one_after_the_other(httpd, cloudflare, clock, folder):
    """Another pair is put over the one that was taken over, in the same
    minute: taken over as well, and both keys are still in the store."""
    name = "a.example.com"
    httpd.vhost(name, "CFOrigin on", *lines(folder))
    keys = []
    for generation in (1, 2):
        cloudflare.issue_by_hand(folder / "hand.pem", folder / "hand.key",
                                 [name], 365)
        keys.append((folder / "hand.key").read_bytes())
        httpd.graceful() if httpd.is_running() else httpd.start()
        life.await_generation(httpd, name, generation, clock)
        life.await_served(httpd, name, clock)
        assert life.served(httpd, name) == pairs.sha256(folder / "hand.pem")
    assert [(httpd.folder(name) / number / "key.pem").read_bytes()
            for number in "12"] == keys
    assert len(cloudflare.creates()) == 2


def test_an_older_pair_that_is_put_back_is_written_over(
        httpd, cloudflare, clock, folder):
    """A backup of what the store had: good, but not what is served."""
    name = "a.example.com"
    files = [folder / "hand.pem", folder / "hand.key"]
    httpd.vhost(name, "CFOrigin on", *lines(folder))
    httpd.start()
    backup = [file.read_bytes() for file in files]
    life.mark(httpd, name)
    life.await_generation(httpd, name, 2, clock)
    life.await_served(httpd, name, clock)
    current = pairs.sha256(files[0])
    for file, content in zip(files, backup):
        file.write_bytes(content)
    httpd.graceful()
    clock.until(lambda: pairs.sha256(files[0]) == current,
                "the pair that is served in the files", 25)
    assert pairs.belong_together(*files)
    assert life.served(httpd, name) == current
    assert len(cloudflare.creates()) == 2


def test_one_that_is_gone_again_brings_no_keeper_at_each_look(
        httpd, cloudflare, clock, folder):
    """The pair is there when httpd looks, and is not when the keeper does:
    the one before is written there, and that is that."""
    name, runs = "a.example.com", httpd.root / "runs"
    cloudflare.issue_by_hand(folder / "hand.pem", folder / "hand.key", [name],
                             365)
    first = pairs.sha256(folder / "hand.pem")
    httpd.vhost(name, "CFOrigin on", *lines(folder))
    httpd.start()
    keeper = httpd.root / "libexec/cforigin-keeper"
    real = keeper.parent / "real/cforigin-keeper"
    real.parent.mkdir()
    keeper.rename(real)
    keeper.write_text(f"#!/bin/sh\necho >>'{runs}'\n"
                      f"rm -f '{folder}'/hand.*\nexec '{real}' \"$@\"\n")
    keeper.chmod(0o755)
    cloudflare.issue_by_hand(folder / "hand.pem", folder / "hand.key", [name],
                             365)
    httpd.graceful()
    for _ in range(4):
        clock.ticks(1)
    clock.forward(seconds=90)
    clock.ticks(2)
    assert len(runs.read_text()) == 1
    assert pairs.sha256(folder / "hand.pem") == first
    assert life.served(httpd, name) == life.stored(httpd, name) == first


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


def test_a_key_behind_a_pass_phrase_is_never_touched(httpd, cloudflare,
                                                     clock, folder):
    """mod_ssl asks for the phrase and serves it, as it did before."""
    name = "a.example.com"
    cloudflare.issue_by_hand(folder / "hand.pem", folder / "plain.key",
                             [name], 365)
    subprocess.run(["openssl", "pkcs8", "-topk8", "-in", folder / "plain.key",
                    "-out", folder / "hand.key", "-passout", "pass:x"],
                   check=True)
    phrase = httpd.root / "phrase"
    phrase.write_text("#!/bin/sh\necho x\n")
    phrase.chmod(0o755)
    httpd.server(f"SSLPassPhraseDialog exec:{phrase}")
    httpd.vhost(name, "CFOrigin on", *lines(folder))
    before = (folder / "hand.key").read_bytes()
    calls = len(cloudflare.creates())
    assert "foreign" in httpd.dump()
    httpd.start()
    clock.ticks(1)
    assert life.served(httpd, name) == pairs.sha256(folder / "hand.pem")
    assert (folder / "hand.key").read_bytes() == before
    assert len(cloudflare.creates()) == calls


def test_a_key_without_its_certificate_is_left_alone(httpd, cloudflare,
                                                     clock, folder):
    """Somebody's key waits for a certificate, or the certificate was lost:
    the site is served from the store, the key is not overwritten, and the log
    says how to go on."""
    name = "a.example.com"
    pairs.self_signed(folder / "other.pem", folder / "hand.key", [name])
    before = (folder / "hand.key").read_bytes()
    httpd.vhost(name, "CFOrigin on", *lines(folder))
    httpd.expect("cforigin:warn.*hand.key holds a private key of yours")
    httpd.start()
    assert httpd.get(name).status == 200
    assert (folder / "hand.key").read_bytes() == before
    assert not (folder / "hand.pem").exists()
    (folder / "hand.key").rename(folder / "saved.key")
    httpd.restart()
    waiting.until((folder / "hand.key").exists, "the files", 10)
    waiting.until(lambda: pairs.sha256(folder / "hand.pem")
                  == life.stored(httpd, name), "the certificate", 10)
    assert pairs.belong_together(folder / "hand.pem", folder / "hand.key")


def test_what_is_left_out_keeps_the_pair_of_its_lines(httpd, cloudflare,
                                                      folder):
    """A virtual host without a name, and a base server that has none that
    could be asked for: CFOrigin on takes nothing away from them, nor from who
    inherits from it."""
    cloudflare.issue_by_hand(folder / "hand.pem", folder / "hand.key",
                             ["a.example.com"], 365)
    by_hand = pairs.sha256(folder / "hand.pem")
    port = free_port()
    httpd.server("SSLEngine on", *lines(folder), f"Listen 127.0.0.1:{port}",
                 "CFOrigin on")
    httpd.vhost("a.example.com", "CFOrigin off")
    httpd.vhost(None, *lines(folder), port=port)
    httpd.tolerate("cforigin:warn.*left out", "cforigin:warn.*ServerName",
                   "AH01909", "AH01906")
    httpd.start()
    assert life.served(httpd, "a.example.com") == by_hand
    answer = tls.fetch(port, "a.example.com", roots=cloudflare.roots)
    assert (answer.status, answer.sha256) == (200, by_hand)


def test_one_that_is_shared_is_found_again_by_its_target(
        httpd, cloudflare, folder):
    """Its first virtual host leaves, and with it the name of its folder."""
    names = ["a.example.com", "b.example.com"]
    for name in names:
        httpd.vhost(name, "CFOrigin on", *lines(folder))
    life.show_status(httpd)
    httpd.start()
    first = life.served(httpd, names[1])
    httpd.forget_vhosts()
    httpd.vhost(names[1], "CFOrigin on", *lines(folder))
    assert "keep" in httpd.dump() and "valid" in httpd.dump()
    httpd.graceful()
    assert life.served(httpd, names[1]) == first
    seen = life.shown(httpd, names[1])
    assert (seen["state"], seen["reason"]) == ("ok", "valid")
    assert not httpd.folder(names[1]).exists()
    assert len(cloudflare.creates()) == 1


@pytest.mark.parametrize("first, asked", [("b.example.com", 3),
                                          ("a.example.com", 2)])
def test_two_that_shared_a_certificate_go_their_ways(
        httpd, cloudflare, clock, folder, first, asked):
    """Each had a file of its own; one of them at the most finds the old
    folder again by it, and none where it is still somebody's by its name;
    each gets its certificate."""
    port = free_port()
    httpd.server(f"Listen 127.0.0.1:{port}", "CFOriginReloadInterval 1s")
    httpd.vhost("a.example.com", "CFOrigin on", *lines(folder, "one"))
    httpd.vhost("a.example.com", "CFOrigin on", *lines(folder, "two"),
                port=port)
    httpd.start()
    assert len(cloudflare.creates()) == 1
    httpd.forget_vhosts()
    httpd.vhost(first, "CFOrigin on", *lines(folder, "one"))
    httpd.vhost("c.example.com", "CFOrigin on", *lines(folder, "two"),
                port=port)
    httpd.tolerate("AH01909")
    httpd.graceful()
    clock.until(lambda: first in httpd.get(first, verify=False).names,
                f"the own one of {first}", 30)
    clock.until(lambda: "c.example.com" in tls.fetch(
        port, "c.example.com", verify=False).names, "c's own", 30)
    assert len(cloudflare.creates()) == asked
    for name in ("one", "two"):
        assert pairs.belong_together(folder / f"{name}.pem",
                                     folder / f"{name}.key")
