# SPDX-License-Identifier: Apache-2.0
"""CFOriginNotifyCommand as the keeper runs it."""

import fcntl
import json
import os
import stat
import time

import pytest

import keeper_client
from keeper_client import (api, api_process, children, is_alive, item, keeper,
                           until)

NAME = "a.example.com"


class Command:
    """A script that writes down how it was called."""

    def __init__(self, folder):
        self.folder, self.path = folder, folder / "tell"
        self.log, self.code = folder / "told", folder / "code"
        self.code.write_text("0")
        self.path.write_text(
            "#!/bin/sh\n"
            f"{{ echo \"argv:$*\"; env | sort; echo; }} >> {self.log}\n"
            "echo said something\necho and more >&2\n"
            f"exit $(cat {self.code})\n")
        self.path.chmod(0o700)

    @property
    def words(self):
        return [str(self.path), "one", "two"]

    def told(self):
        """[(arguments, {variable: value})]"""
        if not self.log.exists():
            return []
        out = []
        for block in self.log.read_text().split("\n\n"):
            if block.strip():
                lines = block.strip().splitlines()
                out.append((lines[0][5:].split(" "),
                            dict(line.split("=", 1) for line in lines[1:])))
        return out

    def events(self):
        return [argv[2] for argv, _ in self.told()]


@pytest.fixture
def command(tmp_path):
    return Command(tmp_path)


def notice(name, **changes):
    return item(name, **dict({"line": "notice"}, **changes))


def notices(keeper, name=NAME):
    return json.loads((keeper.dir(name) / "notify.json").read_text())


def backdate(keeper, key, seconds, name=NAME):
    """What notify.json says was told, was told so much earlier."""
    state = notices(keeper, name)
    stamp = time.time() - seconds
    state[key] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(stamp))
    (keeper.dir(name) / "notify.json").write_text(json.dumps(state))


def test_issued_and_renewed_with_all_details(keeper, command):
    done = keeper.run([item(NAME, "www.example.com")],
                      notify_argv=command.words)
    (argv, env), = command.told()
    assert argv == ["one", "two", "issued", NAME]
    cert, _ = keeper.live(NAME)
    end = cert.not_valid_after.strftime("%Y-%m-%dT%H:%M:%SZ")
    shell = {"PWD", "_", "SHLVL", "OLDPWD"}  # what sh itself adds
    assert {k: v for k, v in env.items() if k not in shell | {"PATH"}} == {
        "CFORIGIN_EVENT": "issued", "CFORIGIN_NAME": NAME,
        "CFORIGIN_REQUEST_TYPE": "origin-ecc",
        "CFORIGIN_HOSTNAMES": f"{NAME} www.example.com",
        "CFORIGIN_NOT_AFTER": end, "CFORIGIN_ERROR": "",
        "CFORIGIN_SERIAL": keeper.serial(NAME),
        "CFORIGIN_STORE": str(keeper.store)}
    assert env["PATH"].startswith("/usr/")
    assert any("said something" in line for line in done.logs("info"))
    assert any("and more" in line for line in done.logs("info"))
    assert not done.logs("warning", "error")
    assert "notified" in keeper.journal_words()
    assert stat.S_IMODE((keeper.dir(NAME) / "notify.json").stat().st_mode) \
        == 0o600
    (keeper.dir(NAME) / "renew").touch()
    keeper.run([item(NAME, "www.example.com")], notify_argv=command.words)
    assert command.events() == ["issued", "renewed"]
    keeper.run([item(NAME, "www.example.com")], notify_argv=command.words)
    assert command.events() == ["issued", "renewed"]


def test_two_certificates_of_one_name_are_told_apart(keeper, command):
    types = ["origin-ecc", "origin-rsa"]
    keeper.run([item(NAME, request_type=word) for word in types],
               notify_argv=command.words)
    assert command.events() == ["issued", "issued"]
    assert sorted(env["CFORIGIN_REQUEST_TYPE"]
                  for _, env in command.told()) == types


def test_again_until_it_exits_with_zero(keeper, command):
    command.code.write_text("3")
    done = keeper.run([item(NAME)], notify_argv=command.words)
    assert done.names("installed") == [NAME]
    warning, = done.logs("warning")
    assert "issued" in warning and "exited with 3" in warning
    assert notices(keeper)["waiting"] == ["issued"]
    event = done.of("notices")[-1]
    assert event["ok"] == 1 and event["notices"]["tries"] == 1
    again = keeper.run([notice(NAME)], notify_argv=command.words)
    assert command.events() == ["issued"]  # its time has not come
    assert not again.logs("warning")
    command.code.write_text("0")
    backdate(keeper, "next_try", 1)
    keeper.run([notice(NAME)], notify_argv=command.words)
    assert command.events() == ["issued", "issued"]
    assert notices(keeper)["waiting"] == []
    words = keeper.journal_words()
    assert words.count("notify-failed") == 1 and words.count("notified") == 1


def test_errored_once_a_day_then_recovered(keeper, api, command):
    api.faults({"match": {"op": "create", "nth": [1, 3]},
                "do": {"preset": "1010"}})
    for failures in range(2):
        keeper.run([item(NAME, failures=failures)], notify_argv=command.words)
    assert command.events() == ["errored"]
    env = command.told()[0][1]
    assert env["CFORIGIN_ERROR"].startswith("1010 ")
    assert env["CFORIGIN_SERIAL"] == env["CFORIGIN_NOT_AFTER"] == ""
    backdate(keeper, "told_errored", 86401)
    keeper.run([item(NAME, failures=2)], notify_argv=command.words)
    assert command.events() == ["errored", "errored"]
    keeper.run([item(NAME, failures=3)], notify_argv=command.words)
    assert sorted(command.events()[2:]) == ["issued", "recovered"]


def test_errored_has_no_second_try_on_the_day(keeper, api, command):
    command.code.write_text("1")
    api.faults({"match": {"op": "create"}, "do": {"preset": "1010"}})
    for failures in range(2):
        keeper.run([item(NAME, failures=failures)], notify_argv=command.words)
    assert command.events() == ["errored"]
    assert notices(keeper)["waiting"] == []


def test_a_store_that_is_not_ours_is_told_by_the_parents_memory(
        keeper, command):
    keeper.store.write_text("a file where the store should be")
    done = keeper.run([item(NAME)], notify_argv=command.words)
    assert command.events() == ["errored"]
    event = done.of("notices")[-1]
    assert event["ok"] == 0
    done = keeper.run([item(NAME, notices=event["notices"])],
                      notify_argv=command.words)
    assert command.events() == ["errored"]


def test_what_another_server_noted_meanwhile_stays(keeper, command):
    keeper.run([item(NAME)])
    there = keeper.dir(NAME) / "notify.json"
    command.path.write_text(f"""#!/bin/sh
echo '{{"waiting":["renewed"],"unwell":false,"tries":0}}' > {there}
""")
    soon = notice(NAME, expiring=1, serial="77", not_after=1)
    done = keeper.run([soon], notify_argv=command.words)
    event, = done.of("notices")
    assert event["ok"] == 1 and event["notices"]["waiting"] == []
    assert notices(keeper)["waiting"] == ["renewed"]
    assert notices(keeper)["told_expiring"]


def test_another_server_at_work_holds_up_nothing(keeper, command):
    names = [NAME, "b.example.com", "c.example.com"]
    keeper.run([item(name) for name in names])
    with open(keeper.store / "lock", "w") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        done = keeper.run([notice(name, expiring=1, serial="77", not_after=1)
                           for name in names], notify_argv=command.words)
    assert command.events() == ["expiring"] * 3
    assert 1 <= done.seconds < 2.5 * keeper_client.PATIENCE
    for name in names:
        assert notices(keeper, name)["told_expiring"]


def test_expiring_once_a_day(keeper, command):
    keeper.run([item(NAME)])
    soon = notice(NAME, expiring=1, serial="77",
                  not_after=1893456000 * 10**6)
    for _ in range(2):
        keeper.run([soon], notify_argv=command.words)
    (argv, env), = command.told()
    assert argv[2] == "expiring" and env["CFORIGIN_SERIAL"] == "77"
    assert env["CFORIGIN_NOT_AFTER"] == "2030-01-01T00:00:00Z"


def test_thirty_seconds_are_the_limit(keeper, tmp_path):
    script = tmp_path / "hang"
    script.write_text(f"#!/bin/sh\nsleep 300 & echo $! > {tmp_path}/pid\n"
                      "wait\n")
    script.chmod(0o700)
    done = keeper.run([item(NAME), item("b.example.com")],
                      notify_argv=[str(script)])
    assert 29 < done.seconds < 45
    warning, = done.logs("warning")
    assert "30 seconds" in warning
    assert not is_alive(int((tmp_path / "pid").read_text()))
    order = [event["event"] for event in done.events]
    assert order.index("telling") > order.index("installed")
    waiting = [event["notices"]["waiting"] for event in done.of("notices")]
    assert waiting == [["issued"], ["issued"]]


def test_where_a_restart_may_follow_it_is_told_by_the_next_round(
        keeper, command, tmp_path):
    """The round ends with the test of the configuration, whose word the
    parent learns at its end."""
    check = tmp_path / "check"
    check.write_text("#!/bin/sh\necho cforigin-tree-hash: abc\n")
    check.chmod(0o700)
    tested = {"notify_argv": command.words, "reload_argv": [str(check)]}
    keeper.run([item("b.example.com")])
    done = keeper.run([item(NAME), notice("b.example.com", expiring=1,
                                          serial="77", not_after=1)],
                      **tested)
    assert command.events() == []
    assert [event["event"] for event in done.events][-2:] == ["reload-check",
                                                              "done"]
    left = {event["name"]: event for event in done.of("notices")}
    assert left[NAME]["ok"] == 1
    assert left[NAME]["notices"]["waiting"] == ["issued"]
    assert left["b.example.com"]["notices"]["waiting"] == ["expiring"]
    keeper.run([notice(name, notices=event["notices"])
                for name, event in left.items()], **tested)
    assert command.events() == ["issued", "expiring"]


def program_of(pid):
    try:
        return os.readlink(f"/proc/{pid}/exe")
    except FileNotFoundError:  # it ended meanwhile
        return ""


def test_it_ends_with_the_keeper(keeper, tmp_path):
    script = tmp_path / "hang"
    script.write_text("#!/bin/sh\nexec sleep 300\n")
    script.chmod(0o700)
    round_ = keeper.start([item(NAME)], notify_argv=[str(script)])
    until(lambda: any(program_of(pid).endswith("sleep")
                      for pid in children(round_.process.pid)), "the command")
    pids = children(round_.process.pid)
    round_.signal(15)
    began = time.monotonic()
    round_.wait()
    assert time.monotonic() - began < 2 * keeper_client.PATIENCE
    assert not any(map(is_alive, pids))
    assert notices(keeper)["waiting"] == ["issued"]


def loose_program(folder):
    (folder / "tell").chmod(0o770)


def loose_directory(folder):
    folder.chmod(0o777)


def sticky_directory(folder):
    folder.chmod(0o1777)


def loose_above(folder):
    folder.parent.chmod(0o777)


@pytest.mark.parametrize("spoil, word", [
    (loose_program, "can write"), (loose_directory, "can write"),
    (sticky_directory, "can write"), (loose_above, "can write")])
def test_a_program_that_others_can_write_is_refused(
        keeper, tmp_path, spoil, word):
    folder = tmp_path / "sub/bin"
    folder.mkdir(parents=True)
    command = Command(folder)
    spoil(folder)
    done = keeper.run([item(NAME)], notify_argv=command.words)
    warning, = done.logs("warning")
    assert word in warning and str(folder.parent) in warning
    assert not command.told()
    assert done.names("installed") == [NAME]


def test_so_is_a_script_behind_its_interpreter(keeper, command):
    command.path.chmod(0o777)
    done = keeper.run([item(NAME)], notify_argv=["/bin/sh", *command.words])
    assert "can write" in done.logs("warning")[0] and not command.told()
    command.path.chmod(0o700)
    backdate(keeper, "next_try", 1)
    keeper.run([notice(NAME)], notify_argv=["/bin/sh", *command.words])
    assert command.events() == ["issued"]


@pytest.mark.parametrize("before", [
    ["/bin/sh", "-e"], ["/bin/sh", "-o", "nounset"], ["/usr/bin/env", "sh"],
    ["/usr/bin/env", "-i", "A=b", "/bin/sh", "-e"], ["/bin/nice", "sh"],
    ["/usr/bin/python3", "-I"]])
def test_wherever_it_stands(keeper, command, before):
    """Options, and what env is given, may come first."""
    command.path.chmod(0o777)
    done = keeper.run([item(NAME)], notify_argv=[*before, *command.words])
    warning, = done.logs("warning")
    assert f"others can write {command.path}" in warning
    assert not command.told()


def test_data_of_a_plain_program_is_its_own_affair(keeper, command, tmp_path):
    data = tmp_path / "data"
    data.touch()
    data.chmod(0o666)
    words = [str(command.path), "one", str(data)]
    assert not keeper.run([item(NAME)], notify_argv=words).logs("warning")
    assert command.events() == ["issued"]


if os.geteuid() == 0:  # only root can give files away
    def test_so_is_one_of_another_user(keeper, command):
        os.chown(command.path, 65534, 65534)
        done = keeper.run([item(NAME)], notify_argv=command.words)
        assert "another user" in done.logs("warning")[0]
        assert not command.told()


@pytest.mark.parametrize("words", [["/no/such/program"], ["relative"],
                                   ["/etc/passwd"], ["/tmp"]])
def test_what_can_not_be_run_is_a_log_line(keeper, words):
    done = keeper.run([item(NAME)], notify_argv=words)
    assert len(done.logs("warning")) == 1
    assert done.names("installed") == [NAME]


def test_a_failure_is_logged_once(keeper, command):
    command.code.write_text("1")
    done = keeper.run([item(f"n{i}.example.com") for i in range(5)],
                      notify_argv=command.words)
    assert len(done.logs("warning")) == 1
    assert command.events() == ["issued"] * 5


def test_without_a_command_nothing_is_noted(keeper):
    keeper.run([item(NAME)])
    assert not (keeper.dir(NAME) / "notify.json").exists()
