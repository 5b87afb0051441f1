# SPDX-License-Identifier: Apache-2.0
"""The keeper, when what it works with fails it: an issuer, a list, a file."""

import fcntl
import os
import shutil

import pytest

from keeper_client import api, api_process, fake_issuer, item, keeper

NAME = "a.example.com"
ZONE = "0" * 32

# Loses the answer of one create after the other, each together with a list
# that fails in words of its own.
LISTS_FAIL = """
import json, sys

def say(request, **more):
    lines.append(json.dumps(dict(more, id=request["id"], ok=False)))

creates, lists, lines = [], 0, []
for line in sys.stdin:
    request = json.loads(line)
    if request["op"] == "create":
        creates.append(request)
        if len(creates) < MANY:
            continue
    elif request["op"] == "list":
        lists += 1
        say(request, kind="transient", ray=str(lists) * 9,
            message="%s no list %d" % ("x" * (lists * 13 % 29), lists))
    else:
        continue
    if creates and len(creates) + lists == MANY:
        say(creates.pop(0), kind="transient", lost=1, message="cut off")
    print(*lines, sep="\\n", flush=True)
    lines.clear()
"""


def test_each_failed_list_is_told_in_its_own_words(keeper):
    libexec = fake_issuer(keeper, LISTS_FAIL.replace("MANY", "12"))
    done = keeper.run([item(f"n{n}.example.com", zone_id=ZONE)
                       for n in range(12)], libexec=libexec)
    errors = [e["attempt"]["last_error"] for e in done.of("failed")]
    assert sorted((e["message"].lstrip("x"), e.get("ray")) for e in errors) \
        == sorted((f" no list {n}", str(n) * 9) for n in range(1, 13))


@pytest.mark.parametrize("answer, words", [
    ("rubbish", "the line is no JSON object"),
    ('{"id":1,"ok":"maybe"}', '"ok" is neither true nor false'),
    ('{"ok":true}', '"id" is missing')])
def test_an_answer_that_is_none_is_told_with_its_fault(keeper, answer, words):
    libexec = fake_issuer(keeper, f"""
import sys
sys.stdin.readline()
sys.stdin.readline()
print({answer!r}, flush=True)
sys.stdin.read()
""")
    done = keeper.run([item("a.example.com")], libexec=libexec)
    message = done.failure()["message"]
    assert message.startswith("cforigin-issuer gave an answer that is none: ")
    assert words in message


# -- a CSR that was damaged ---------------------------------------------------

def pending(keeper, name=NAME):
    return keeper.dir(name) / "pending"


def cut(path):
    path.write_bytes(path.read_bytes()[:90])


def empty(path):
    path.write_bytes(b"")


def change(path):
    path.write_text(path.read_text().replace("A", "B"))


@pytest.mark.parametrize("spoil", [cut, empty, change])
def test_a_damaged_csr_is_made_again(keeper, api, spoil):
    api.faults({"match": {"op": "create", "nth": 1},
                "do": {"preset": "1010"}})
    keeper.run([item(NAME)])
    key = (pending(keeper) / "key.pem").read_text()
    spoil(pending(keeper) / "csr.pem")
    assert keeper.run([item(NAME)]).names("installed") == [NAME]
    assert (keeper.dir(NAME) / "1/key.pem").read_text() == key


def test_a_lost_answer_is_found_whatever_became_of_the_csr(keeper, api):
    api.faults({"match": {"op": "create"}, "do": {"close": "after"}},
               {"match": {"op": "list"}, "do": {"preset": "1100"}})
    keeper.run([item(NAME)])
    empty(pending(keeper) / "csr.pem")
    api.faults()
    assert keeper.run([item(NAME)]).names("installed") == [NAME]
    assert len(api.creates()) == len(api.issued()) == 1


@pytest.mark.parametrize("code", [1007, 1011])
def test_a_csr_that_the_api_cannot_read_is_not_sent_again(keeper, api, code):
    api.faults({"match": {"op": "create", "nth": 1},
                "do": {"error": {"status": 400, "code": code,
                                 "message": "no CSR"}}})
    assert keeper.run([item(NAME)]).failure()["code"] == code
    assert not pending(keeper).exists()
    assert keeper.run([item(NAME)]).names("installed") == [NAME]
    first, second = [call["body"]["csr"] for call in api.creates()]
    assert first != second


# -- one fault for all --------------------------------------------------------

MANY = [f"n{n}.example.com" for n in range(12)]


def test_a_fault_of_the_api_is_logged_a_few_times(keeper, api):
    api.faults({"match": {"op": "create"}, "do": {"preset": "1010"}})
    done = keeper.run([item(name) for name in MANY])
    assert len({e["attempt"]["last_error"]["ray"]
                for e in done.of("failed")}) == 12
    *lines, rest = done.logs("error")
    assert len(lines) == 5 and all("[ray " in line for line in lines)
    assert rest.startswith("7 more like this: 1010 (HTTP 400): Failed")
    assert "[ray" not in rest
    assert len([line for line in done.logs("debug") if "1010" in line]) == 7


def test_a_fault_of_the_disk_is_logged_a_few_times(keeper, api):
    for name in MANY:
        at = keeper.dir(name).parent
        at.parent.mkdir(parents=True, exist_ok=True)
        at.symlink_to("/proc")
    done = keeper.run([item(name) for name in MANY])
    assert len(done.of("failed")) == 12 and not api.calls()
    for lines in (done.logs("error"), done.logs("warning")):
        assert len(lines) == 6, lines
        assert "7 more like this" in lines[5]


def test_another_fault_is_logged_beside_it(keeper, api):
    api.faults({"match": {"op": "create", "hostname": "n11."},
                "do": {"preset": "1012"}},
               {"match": {"op": "create"}, "do": {"preset": "1010"}})
    done = keeper.run([item(name) for name in MANY])
    assert any(line.startswith("n11.example.com (origin-ecc): 1012")
               for line in done.logs("error"))


# -- a failure that can't be written down whole -------------------------------

def test_a_lost_pending_does_not_cost_the_back_off(keeper, api):
    api.faults({"match": {"op": "create"},
                "do": {"delay": 1, "preset": "1010"}})
    round_ = keeper.start([item(NAME, failures=2)])
    api.wait(lambda counts: counts["create"] == 1)
    shutil.rmtree(pending(keeper))
    done = round_.wait()
    assert keeper.attempt(NAME)["failures"] == 3
    assert any("intent.json" in line or "pending" in line
               for line in done.logs("warning"))


def too_deep(path):
    """A folder that the keeper does not remove: its own are not so deep."""
    path.joinpath(*"abcdefghijkl").mkdir(parents=True)
    return path


def test_a_pending_that_stays_is_told(keeper, api):
    api.faults({"match": {"op": "create"}, "do": {"preset": "1010"}})
    keeper.run([item(NAME)])
    stuck = too_deep(pending(keeper) / "deep")
    done = keeper.run([item(NAME, "www.example.com")])
    warning, = done.logs("warning")
    assert warning.startswith(f"{NAME} (origin-ecc): can't remove "
                              f"{pending(keeper)}: ")
    shutil.rmtree(stuck)


def test_so_is_one_with_a_certificate_that_is_none_of_ours(keeper, api):
    api.faults({"match": {"op": "create"}, "do": {"preset": "1010"}})
    keeper.run([item(NAME)])
    api.faults()
    keeper.run([item("b.example.com")])
    shutil.copy(keeper.dir("b.example.com") / "current/cert.pem",
                pending(keeper) / "cert.pem")
    stuck = too_deep(pending(keeper) / "deep")
    left, told = keeper.run([item(NAME)]).logs("warning")
    assert "what an earlier round left: check " in left
    assert f"can't remove {pending(keeper)}: " in told
    shutil.rmtree(stuck)


def test_a_link_that_can_not_be_set_right_is_told(keeper, api):
    keeper.run([item(NAME)])
    at = keeper.dir(NAME)
    (at / "current").unlink()
    (at / "current").symlink_to("7")
    stuck = too_deep(at / ".current.next")
    done = keeper.run([item(NAME)])
    assert done.names("kept") == [NAME]
    damage, told = done.logs("warning")
    assert told.startswith(f"{NAME} (origin-ecc): can't remove {stuck}: ")
    shutil.rmtree(stuck)
    keeper.run([item(NAME)])
    assert (at / "current").readlink().name == "1"


def test_a_long_journal_begins_anew(keeper):
    keeper.store.mkdir()
    with open(keeper.store / "journal.jsonl", "w") as file:
        file.truncate(64 * 2**20 + 1)
    assert not keeper.run([item(NAME)]).logs("warning", "error")
    assert keeper.journal_words() == ["asked", "answered", "installed"]
    assert (keeper.store / "journal.jsonl.1").stat().st_size > 64 * 2**20


# -- what to do about it ------------------------------------------------------

def broken(text):
    return text.replace("MII", "MIJ", 1)


def bare(text):
    return "no certificate\n"


def long(text):
    return text + "\n" * 2**18


@pytest.mark.parametrize("spoil, words", [
    (broken, "holds a certificate that can't be read"),
    (bare, "holds no certificate in PEM form"),
    (long, "is no regular file, or larger than 256 KiB")])
def test_roots_are_told_with_their_fault(keeper, api, spoil, words):
    path = keeper.folder / "roots.pem"
    with open(api.roots, encoding="ascii") as file:
        path.write_text(spoil(file.read()))
    done = keeper.run([item(NAME)], ca_root_file=str(path))
    assert done.failure()["message"] == (
        f"CFOriginCARootFile {path} {words}; reinstall it, or name another "
        "one with CFOriginCARootFile")


def test_a_held_lock_is_told_with_its_remedy(keeper):
    keeper.store.mkdir()
    with open(keeper.store / "lock", "w") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        assert "; it is waited for" in \
            keeper.run([item(NAME)]).failure()["message"]


if os.geteuid() == 0:  # else all is one user
    @pytest.mark.parametrize("owner, words", [
        (4001, "as whom httpd serves requests"),
        (65534, "whom cforigin-issuer becomes")])
    def test_a_token_that_httpds_users_own_is_told_with_its_remedy(
            keeper, api, owner, words):
        path = keeper.accounts[0]["token_file"]
        os.chown(path, owner, owner)
        assert keeper.run([item(NAME)], user=4001).failure()["message"] == (
            f"CFOriginTokenFile {path} belongs to user {owner}, {words}, so "
            f"the token is no secret from it; chown root {path}")
        assert not api.calls()

    @pytest.mark.parametrize("owner, users", [
        (4002, {"user": 4001}), (0, {"user": 0})])
    def test_a_token_of_anybody_else_is_used(keeper, owner, users):
        """As of a container's root, which is another user outside."""
        os.chown(keeper.accounts[0]["token_file"], owner, owner)
        done = keeper.run([item(NAME)], **users)
        assert done.names("installed") == [NAME]

    def of_another_user(folder):
        os.chown(folder, 4001, 4001)
        return "belongs to another user, 4001; chown it to root"

    def open_to_all(folder):
        folder.chmod(0o777)
        return "others can write"

    def open_to_a_group(folder):
        os.chown(folder, 0, 4001)
        folder.chmod(0o775)
        return "chmod it to 0755"

    @pytest.mark.parametrize("spoil", [of_another_user, open_to_all,
                                       open_to_a_group])
    def test_a_store_that_others_could_replace_works_and_is_told(
            keeper, tmp_path, spoil):
        above = tmp_path / "above"
        above.mkdir()
        words = spoil(above)
        keeper.store = above / "deep/er/store"
        for name in (NAME, "b.example.com"):
            done = keeper.run([item(name), item(f"www.{name}")])
            assert len(done.names("installed")) == 2
            warning, = done.logs("warning", "error")
            assert words in warning and f"directory {above}" in warning
            assert f"in the place of {keeper.store}" in warning

    def test_it_is_told_where_no_store_can_be_made(keeper, tmp_path):
        above = tmp_path / "above"
        above.mkdir()
        of_another_user(above)
        (above / "file").touch()
        keeper.store = above / "file/store"
        done = keeper.run([item(NAME)])
        assert done.names("failed") == [NAME]
        assert f"directory {above} belongs" in done.logs("warning")[0]

    def test_one_behind_a_link_is_told_by_where_it_lies(keeper, tmp_path):
        above = tmp_path / "above"
        (above / "inner").mkdir(parents=True)
        of_another_user(above)
        (tmp_path / "link").symlink_to(above / "inner")
        keeper.store = tmp_path / "link/store"
        for name in (NAME, "b.example.com"):
            warning, = keeper.run([item(name)]).logs("warning")
            assert f"directory {above} belongs" in warning

    def test_a_sticky_folder_above_the_store_is_good_enough(keeper, tmp_path):
        above = tmp_path / "above"
        above.mkdir()
        above.chmod(0o1777)
        keeper.store = above / "store"
        assert not keeper.run([item(NAME)]).logs("warning")
