# SPDX-License-Identifier: Apache-2.0
"""What the linker and the compiler were told, read from what they made."""

import os
import re
import subprocess

import pytest

from httpd import BUILD, TOP

BUILT = ["mod_cforigin.so", "cforigin-keeper", "cforigin-issuer"]


def readelf(name, *options):
    return subprocess.run(["readelf", "-W", *options, str(BUILD / name)],
                          text=True, check=True, capture_output=True).stdout


def flags(name):
    return " ".join(line for line in readelf(name, "-d").splitlines()
                    if "FLAGS" in line)


@pytest.mark.parametrize("name", BUILT)
def test_everything_is_bound_at_its_start_and_read_only_from_then_on(name):
    assert "BIND_NOW" in flags(name) or "NOW" in flags(name)
    assert "GNU_RELRO" in readelf(name, "-l")
    assert "TEXTREL" not in readelf(name, "-d")


@pytest.mark.parametrize("name", BUILT)
def test_nothing_is_both_writable_and_executable(name):
    segments = re.findall(r"^  (\S+) .* ([R ][W ][E ]) 0x",
                          readelf(name, "-l"), re.MULTILINE)
    assert "GNU_STACK" in [kind for kind, _ in segments]
    for kind, mode in segments:
        assert not ("W" in mode and "E" in mode), (kind, mode)
        assert kind != "GNU_STACK" or "E" not in mode
    # separate-code: headers and constants are not in what is executed
    loads = [mode for kind, mode in segments if kind == "LOAD"]
    assert loads[0] == "R  " and loads.count("R E") == 1


@pytest.mark.parametrize("name", BUILT[1:])
def test_the_programs_are_loaded_anywhere(name):
    assert re.search(r"Type: +DYN", readelf(name, "-h"))
    assert "PIE" in flags(name)


@pytest.mark.parametrize("name", BUILT)
def test_the_compiler_guards_stacks_and_lengths(name):
    symbols = readelf(name, "-s")
    assert "__stack_chk_fail" in symbols
    # the sanitizers have their own, which see more
    assert "__asan_init" in symbols or re.search(r"__\w+_chk[@ ]", symbols)


@pytest.mark.parametrize("name", BUILT)
def test_every_function_that_has_an_array_is_guarded(name):
    """-strong, not the plain protector of long arrays alone: gcc leaves in
    each file's debugging information how it was told to compile it."""
    told = re.findall(r"DW_AT_producer .*: (GNU C\d.*)",
                      readelf(name, "--debug-dump=info", "--dwarf-depth=1"))
    for flags_of_one in told:
        assert "-fstack-protector-strong" in flags_of_one.split()


def test_lengths_are_checked_where_they_are_known_only_when_it_runs(tmp_path):
    """Level 3, which the programs do not tell from 2: what the compiler is
    told last of it."""
    usual = {name: value for name, value in os.environ.items()
             if name not in ("MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES",
                             "CFLAGS", "CPPFLAGS")}
    target = tmp_path / "obj/mod_cforigin/core/words.o"
    line = subprocess.run(
        ["./apxs-build.mk", "-n", "--no-print-directory", "V=1",
         f"BUILD={tmp_path}", target],
        cwd=TOP, env=usual, text=True, check=True,
        capture_output=True).stdout.splitlines()[-1].split()
    assert [word for word in line if "_FORTIFY_SOURCE" in word] == \
        ["-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=3"]
    assert "-O2" in line and "-fstack-protector-strong" in line


@pytest.mark.parametrize("name", BUILT)
def test_no_folder_is_searched_for_libraries_but_the_systems(name):
    dynamic = readelf(name, "-d")
    assert "RPATH" not in dynamic and "RUNPATH" not in dynamic
