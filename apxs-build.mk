#!/usr/bin/make -f
# SPDX-License-Identifier: Apache-2.0
#
# Builds, tests, shows, installs mod_cforigin:  ./apxs-build.mk help
#
# Honoured: APXS= CC= CFLAGS= DESTDIR= BUILD= LIBEXECDIR= STOREDIR= DATADIR=
# and NODEPS=1, with which nothing that is missing is installed.
# Reads from top to bottom: what this machine has, the programs, the tests,
# the demo, installing.

APXS   ?= $(firstword $(wildcard /usr/bin/apxs /usr/bin/apxs2 \
            /usr/local/apache2/bin/apxs) apxs)
BUILD  ?= build
CFLAGS ?= -O2 -g
ifeq ($(origin CC),default)
CC     := gcc
endif
SHELL  := /bin/sh
MAKEFLAGS += --no-builtin-rules
SELF   := $(firstword $(MAKEFILE_LIST))

# What building and testing need on Debian. When something is missing for
# what was asked for, it is installed first, and this file read once more.
BUILDPKGS := gcc libc6-dev libcurl4-openssl-dev libjansson-dev libidn2-dev \
             libssl-dev
# A httpd of one's own has its headers, and an APR, maybe Debian's.
OWNHTTPD  := $(filter-out /usr/bin/apxs% apxs, \
             $(or $(shell command -v $(APXS)),$(APXS)))
BUILDPKGS += $(if $(OWNHTTPD),$(if $(filter /usr/bin/%, \
               $(shell $(APXS) -q APR_CONFIG 2>/dev/null)), \
                 libapr1-dev libaprutil1-dev),apache2-bin apache2-dev)
DEMOPKGS  := python3 python3-cryptography curl
BENCHPKGS := $(DEMOPKGS) openssl wrk nghttp2-client nginx strace \
             pebble valgrind
DEBPKGS   := build-essential debhelper dpkg-dev lintian apache2-dev
TESTPKGS  := $(DEMOPKGS) $(DEBPKGS) python3-pytest python3-pytest-xdist \
             python3-pytest-timeout libcmocka-dev faketime apache2-utils openssl strace \
             nginx haproxy caddy pebble apache2 man-db \
             chromium fonts-dejavu-core python3-jsonschema \
             python3-prometheus-client \
             $(if $(shell command -v node),,nodejs) \
             $(if $(shell command -v npm),,npm)
FUZZPKGS  := clang libclang-rt-dev libssl-dev
# The text is judged by the versions of Debian 12.
TESTPKGS  += $(if $(filter 12.%,$(file </etc/debian_version)),clang-format-14 \
             clang-tidy-14 cppcheck)

LONG      := soak endurance valgrind
GOALS     := $(or $(MAKECMDGOALS),all)
NEED      := $(if $(filter-out help clean uninstall,$(GOALS)),$(BUILDPKGS)) \
             $(if $(filter deps unit check asan tsan faults $(LONG),$(GOALS)), \
               $(TESTPKGS)) $(if $(filter $(LONG),$(GOALS)),faketime valgrind) \
             $(if $(filter demo,$(GOALS)),$(DEMOPKGS)) \
             $(if $(filter bench,$(GOALS)),$(BENCHPKGS)) \
             $(if $(filter deb,$(GOALS)),$(DEBPKGS)) \
             $(if $(filter fuzz,$(GOALS)),$(FUZZPKGS)) \
             $(if $(filter static,$(GOALS)),cppcheck clang-tidy-14)
MISSING   := $(strip $(if $(NODEPS),,$(if $(shell command -v dpkg-query),$(filter-out \
             $(shell dpkg-query -W -f '$${db:Status-Status}/$${Package} ' \
             $(NEED) 2>/dev/null | tr ' ' '\n' | sed -n 's,^installed/,,p'), \
             $(NEED)))))

# Servers to test with are installed, but not started.
QUIETLY   := p=/usr/sbin/policy-rc.d; test -e $$p || { trap "rm -f $$p" EXIT; \
             printf "\043!/bin/sh\nexit 101\n" > $$p; chmod 755 $$p; }

ifneq ($(MISSING),)
ifneq ($(MAKE_RESTARTS),)
$(error these packages are needed and could not be installed: $(MISSING))
endif
AS_ROOT   := $(if $(filter 0,$(shell id -u)),,$(shell command -v sudo))
include $(BUILD)/packages.mk
$(BUILD)/packages.mk: FORCE
ifeq ($(AS_ROOT)$(filter 0,$(shell id -u)),)
	@echo "Something is missing. As root, run:" >&2
	@echo "    apt-get install $(MISSING)" >&2
	@exit 1
endif
	@echo "== installing: $(MISSING)"
	$(AS_ROOT) apt-get update -q
	$(AS_ROOT) env DEBIAN_FRONTEND=noninteractive sh -c '$(QUIETLY); \
	    apt-get install -q -y --no-install-recommends $(MISSING)'
	@mkdir -p $(@D)
	@echo "# what was missing is installed" > $@
endif

# V=1 shows each command in full.
Q      := $(if $(V),,@)

apxs    = $(shell $(APXS) -q $(1) 2>/dev/null)

# Where an installed module finds its parts. Debian keeps helpers such as
# suexec in /usr/lib/apache2; an httpd built from source in its bin.
MODULEDIR  ?= $(call apxs,exp_libexecdir)
DEBIAN     := $(wildcard /etc/debian_version)
ifneq ($(and $(DEBIAN),$(filter /usr/bin/apxs%,$(APXS))),)
LIBEXECDIR ?= /usr/lib/apache2
STOREDIR   ?= /var/lib/apache2/cforigin
DATADIR    ?= /usr/share/apache2/cforigin
CONFDIR    := /etc/apache2
CONF       := $(CONFDIR)/mods-available/cforigin.conf
LOADFILE   := $(CONFDIR)/mods-available/cforigin.load
else
LIBEXECDIR ?= $(call apxs,exp_bindir)
STOREDIR   ?= $(call apxs,exp_localstatedir)/cforigin
DATADIR    ?= $(call apxs,exp_datadir)/cforigin-roots
CONFDIR    = $(call apxs,exp_sysconfdir)
CONF       = $(CONFDIR)/extra/httpd-cforigin.conf
LOADFILE   :=
endif
MANDIR     ?= $(call apxs,exp_mandir)

WARN     := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes \
            -Wmissing-prototypes -Wformat=2 -Werror
HARDEN   := -fstack-protector-strong -Wformat-security
ifeq (,$(findstring -fsanitize,$(CFLAGS)))
# A compiler that knows no level 3 takes it for 2. After all other flags,
# since a distribution's own have a level, too.
FORTIFY  := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3
endif
# apxs is asked when it is first needed, and once.
once      = $(eval $(1) := $(2))$($(1))
HTTPDINC  = $(call once,HTTPDINC,-isystem $(call apxs,INCLUDEDIR) \
            -isystem $(call apxs,APR_INCLUDEDIR) \
            -isystem $(call apxs,APU_INCLUDEDIR) \
            $(filter-out -I%,$(call apxs,EXTRA_CPPFLAGS)))
DEFS      = -DCFO_LIBEXECDIR='"$(LIBEXECDIR)"' -DCFO_STOREDIR='"$(STOREDIR)"' \
            -DCFO_DATADIR='"$(DATADIR)"'
COMPILE   = $(CC) -std=gnu11 -fPIC -fvisibility=hidden $(WARN) $(HARDEN) \
            -Iinclude $(HTTPDINC) $(DEFS) $(CPPFLAGS) $(CFLAGS) $(FORTIFY) -MMD -MP
LINK      = $(CC) $(CFLAGS) $(LDFLAGS) -Wl,-z,relro,-z,now \
            -Wl,-z,noexecstack,-z,separate-code
APRLIBS   = $(call once,APRLIBS,$(shell $(call apxs,APR_CONFIG) --link-ld))

obj       = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
CORE     := $(wildcard mod_cforigin/core/*.c)
MODULE   := $(wildcard mod_cforigin/*.c)
KEEPER   := $(wildcard mod_cforigin/keeper/*.c)
ISSUER   := $(wildcard mod_cforigin/issuer/*.c)
ROOM      = mod_cforigin/core
# The parent never writes the store; the issuer shares only words, results,
# JSON and the wire with the others.
MODULECORE := $(filter-out $(ROOM)/store_write% $(ROOM)/wire.c,$(CORE))
ISSUERCORE := $(addprefix $(ROOM)/,words.c calendar.c utf8.c result.c \
                lines.c json.c wire.c memory.c)
comma      := ,
SANITIZED  := $(findstring -fsanitize=address,$(CFLAGS))

all: $(BUILD)/mod_cforigin.so $(BUILD)/cforigin-keeper $(BUILD)/cforigin-issuer

# What all is built with, and the paths in it: whatever depends on this file
# is made anew when that changes. Put together in the recipe alone, so that
# help and clean need no apxs.
FLAGS   = $(COMPILE) $(LINK) $(APRLIBS) $(MODULEDIR) $(CONF) $(MANDIR)
NOAPXS  = "$(APXS) -q" does not tell where httpd is: name its apxs with APXS=

$(BUILD)/flags: FORCE
	@$(if $(MODULEDIR),,$(error $(NOAPXS)))$(shell mkdir -p $(@D))$(file >$@.new,$(FLAGS)) \
	    if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

FORCE:

$(BUILD)/mod_cforigin.so: $(call obj,$(MODULE) $(MODULECORE))
	$(if $(V),,@echo "  LINK  $@")
	$(Q)$(LINK) -shared -Wl,--no-undefined-version -o $@ $^ -ljansson -lidn2 -lcrypto

$(BUILD)/cforigin-keeper: $(call obj,$(KEEPER) $(CORE) \
    $(if $(SANITIZED),test/sanitizer_keeper.c))
	$(if $(V),,@echo "  LINK  $@")
	$(Q)$(LINK) $(if $(SANITIZED),-Wl$(comma)--wrap=_exit) -pie -o $@ $^ -ljansson -lidn2 -lcrypto $(APRLIBS) -lpthread

$(BUILD)/cforigin-issuer: $(call obj,$(ISSUER) $(ISSUERCORE) \
    $(if $(SANITIZED),test/sanitizer_issuer.c))
	$(if $(V),,@echo "  LINK  $@")
	$(Q)$(LINK) -pie -o $@ $^ -ljansson -lcurl -lcrypto $(APRLIBS)

$(BUILD)/obj/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(if $(V),,@echo "  CC    $<")
	$(Q)$(COMPILE) -c -o $@ $<

# Unit tests: one program a room, linked with every room but the mains.
UNIT     := $(patsubst test/unit/%.c,$(BUILD)/unit/%,$(wildcard test/unit/test_*.c))
UNITOBJ   = $(call obj,$(CORE) $(filter-out %/main.c,$(KEEPER) $(ISSUER)) \
            $(RENDERED))
# The status's renderings know no httpd: a program shows made-up pictures.
RENDERED := $(addprefix mod_cforigin/status_,html.c table.c parts.c pieces.c \
            style.c json.c metrics.c auto.c shared.c)

unit: $(UNIT)
	@set -e; for t in $(UNIT); do echo "== $$t"; $$t; done

# What httpd's parent decides by itself: the program stands in for httpd.
$(BUILD)/unit/test_tries: $(call obj,mod_cforigin/tries.c \
    mod_cforigin/retained.c)

$(BUILD)/unit/%: $(BUILD)/obj/test/unit/%.o $(UNITOBJ)
	@mkdir -p $(@D)
	$(if $(V),,@echo "  LINK  $@")
	$(Q)$(LINK) -o $@ $^ -lcmocka -ljansson -lidn2 -lcurl -lcrypto $(APRLIBS) -lpthread

$(BUILD)/show_status: $(BUILD)/obj/test/status/show_status.o \
    $(call obj,$(CORE) $(RENDERED))
	$(if $(V),,@echo "  LINK  $@")
	$(Q)$(LINK) -o $@ $^ -ljansson -lidn2 -lcrypto $(APRLIBS) -lpthread

# Each fuzz target, run over its corpus by a test: without a fuzzer.
REPLAY   := $(patsubst test/fuzz/fuzz_%.c,$(BUILD)/replay_%,$(wildcard test/fuzz/fuzz_*.c))

$(BUILD)/replay_%: $(BUILD)/obj/test/fuzz/fuzz_%.o \
    $(BUILD)/obj/test/fuzz/replay.o $(UNITOBJ)
	$(if $(V),,@echo "  LINK  $@")
	$(Q)$(LINK) -o $@ $^ -ljansson -lidn2 -lcurl -lcrypto $(APRLIBS) -lpthread

# The unit programs, then the e2e tests on a real httpd; ends with a line
# "N passed, N failed". JOBS=1: one test at a time.
JOBS   ?= auto

check: all $(UNIT) $(REPLAY) $(BUILD)/show_status
	@CFORIGIN_BUILD=$(abspath $(BUILD)) APXS=$(APXS) test/check --jobs $(JOBS) \
	    $(if $(findstring -fsanitize,$(CFLAGS)),,--analyse "make -s -f $(abspath $(SELF)) static") \
	    $(UNIT)

# What takes a quarter of an hour: life's tests on every MPM, httpd started
# after a kill at each step, a thousand lost answers.
check-slow: all
	@set -e; for mpm in event worker prefork; do echo "== $$mpm"; \
	    CFORIGIN_SLOW=$$(test $$mpm = event && echo 1) CFORIGIN_MPM=$$mpm \
	    CFORIGIN_BUILD=$(abspath $(BUILD)) APXS=$(APXS) \
	    /usr/bin/python3 -B -m pytest -q -c test/pytest.ini --rootdir . \
	    -o timeout=900 -n $(JOBS) test/e2e/test_life_*.py; done

# All of check with the address and undefined-behaviour sanitizers.
ASAN   := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined \
          -fno-sanitize-recover=undefined
LIBASAN = $(shell $(CC) -print-file-name=libasan.so)

asan:
	CFORIGIN_PRELOAD=$(LIBASAN) CFORIGIN_PATIENCE=4 \
	    $(MAKE) -f $(SELF) BUILD=$(BUILD)/asan CFLAGS='$(ASAN)' check

# Each target of test/fuzz with libFuzzer for FUZZTIME seconds; FUZZ=wire
# runs one. What is found anew stays in $(BUILD)/fuzz/found; an input that was
# too much goes into the target's corpus, and is a test from then on.
FUZZTIME ?= 30
FUZZ     ?= $(patsubst test/fuzz/fuzz_%.c,%,$(wildcard test/fuzz/fuzz_*.c))
FUZZING  := -O1 -g -fno-omit-frame-pointer -fno-sanitize-recover=undefined \
            -fsanitize=fuzzer-no-link,address,undefined

fuzz:
	@$(MAKE) -f $(SELF) BUILD=$(BUILD)/fuzz CC=clang CFLAGS='$(FUZZING)' \
	    FUZZ='$(FUZZ)' FUZZTIME=$(FUZZTIME) fuzz-run

fuzz-run: $(FUZZ:%=$(BUILD)/fuzz_%)
	@set -e; for t in $(FUZZ); do \
	    test/fuzz/run $(BUILD)/fuzz_$$t test/fuzz/corpus/$$t \
	        $(BUILD)/found/$$t $(FUZZTIME); done

$(BUILD)/fuzz_%: $(BUILD)/obj/test/fuzz/fuzz_%.o $(UNITOBJ)
	$(if $(V),,@echo "  LINK  $@")
	$(Q)$(LINK) -fsanitize=fuzzer -o $@ $^ -ljansson -lidn2 -lcurl -lcrypto $(APRLIBS) -lpthread

# Every call of a round of the keeper or its issuer fails, or is its last; so
# do calls for memory from each place, and what httpd reads at a start; says
# how many such points were tried. EVERY=7 tries each seventh; MEMORY=61 each
# 61st call for memory, wherever it comes from.
EVERY  ?= 1
MEMORY ?= 0

faults: all
	@CFORIGIN_BUILD=$(abspath $(BUILD)) APXS=$(APXS) test/faults/run \
	    --every $(EVERY) --memory $(MEMORY)

# The keeper's threads under ThreadSanitizer.
TSAN := -O1 -g -fno-omit-frame-pointer -fsanitize=thread

tsan:
	@$(MAKE) -f $(SELF) BUILD=$(BUILD)/tsan CFLAGS='$(TSAN)' all
	CFORIGIN_PATIENCE=4 CFORIGIN_BUILD=$(abspath $(BUILD))/tsan \
	    /usr/bin/python3 -B -m pytest -q -c test/pytest.ini --rootdir . \
	    -n $(JOBS) test/e2e/test_keeper.py

# What takes long. soak: SOAK seconds of days in which the API fails now and
# then. endurance: 200 restarts with 200 hosts, and 10,000 ticks. valgrind:
# start, 50 restarts, stop.
SOAK   ?= 600
ENDURE  = CFORIGIN_BUILD=$(abspath $(BUILD)) APXS=$(APXS) test/endurance/run

soak: all
	@$(ENDURE) --seconds $(SOAK) soak

endurance: all
	@$(ENDURE) gracefuls ticks

valgrind: all
	@$(ENDURE) valgrind

# What clang-tidy, cppcheck and gcc's analyzer find; none of it may be news.
static:
	@test/static/check --cc $(CC) -- -std=gnu11 -Iinclude $(HTTPDINC) $(DEFS)

# Three vhosts, a test Cloudflare, no account; ONCE=1 ends by itself.
demo: all
	@CFORIGIN_BUILD=$(abspath $(BUILD)) APXS=$(APXS) test/demo $(if $(ONCE),--once)

# Beside plain mod_ssl, mod_md and a script; takes three quarters of an hour,
# QUICK=1 some minutes. Writes $(BUILD)/bench/; nothing of it is part of the tests.
bench: all $(BUILD)/fleet $(BUILD)/rsa_rate
	@CFORIGIN_BUILD=$(abspath $(BUILD)) APXS=$(APXS) test/bench/run \
	    $(if $(QUICK),--quick) $(BENCHFLAGS)

$(BUILD)/fleet: $(BUILD)/obj/test/bench/fleet.o \
    $(call obj,$(addprefix $(ROOM)/,schedule.c result.c words.c calendar.c utf8.c) \
    mod_cforigin/issuer/pace.c)
	$(if $(V),,@echo "  LINK  $@")
	$(Q)$(LINK) -o $@ $^ -lcurl $(APRLIBS)

$(BUILD)/rsa_rate: $(BUILD)/obj/test/bench/rsa_rate.o
	$(if $(V),,@echo "  LINK  $@")
	$(Q)$(LINK) -o $@ $^ -lcrypto -lpthread

deps:
	@echo "everything that building and testing need is installed"

ROOTS  := conf-examples/origin_ca_rsa_root.pem \
          conf-examples/origin_ca_ecc_root.pem
MANPAGE = $(DESTDIR)$(MANDIR)/man8/mod_cforigin.8

# The shipped configuration and the manual page, with the paths of this httpd
# in them.
$(BUILD)/cforigin.%: conf-examples/cforigin.% $(BUILD)/flags
	$(Q)sed -e 's,/usr/lib/apache2/modules/,$(MODULEDIR)/,' \
	    -e 's,/etc/apache2/,$(CONFDIR)/,' \
	    -e 's,/var/lib/apache2/cforigin,$(STOREDIR),' \
	    -e 's,/usr/share/apache2/cforigin,$(DATADIR),' \
	    -e 's,/usr/lib/apache2$$,$(LIBEXECDIR),' $< > $@

roff    = $(subst -,\\-,$(1))

$(BUILD)/mod_cforigin.8: debian/mod_cforigin.8 $(BUILD)/flags
	$(Q)sed -e 's,/etc/apache2/mods\\-available/cforigin.conf,$(call roff,$(CONF)),' \
	    -e 's,/etc/apache2/,$(call roff,$(CONFDIR))/,' \
	    -e 's,/var/lib/apache2/cforigin,$(call roff,$(STOREDIR)),' \
	    -e 's,/usr/share/apache2/cforigin,$(call roff,$(DATADIR)),' \
	    -e 's,/usr/lib/apache2,$(call roff,$(LIBEXECDIR)),g' $< > $@

install: all $(addprefix $(BUILD)/,cforigin.conf cforigin.load mod_cforigin.8)
	install -d $(DESTDIR)$(MODULEDIR) $(DESTDIR)$(LIBEXECDIR) \
	    $(DESTDIR)$(DATADIR) $(DESTDIR)$(STOREDIR) \
	    $(dir $(MANPAGE)) $(dir $(DESTDIR)$(CONF))
	install -d -m 700 $(DESTDIR)$(CONFDIR)/cforigin
	install -m 644 $(BUILD)/mod_cforigin.so $(DESTDIR)$(MODULEDIR)
	install -m 755 $(BUILD)/cforigin-keeper $(BUILD)/cforigin-issuer \
	    $(DESTDIR)$(LIBEXECDIR)
	cat $(ROOTS) > $(DESTDIR)$(DATADIR)/origin_ca_roots.pem
	chmod 644 $(DESTDIR)$(DATADIR)/origin_ca_roots.pem
	install -m 644 $(BUILD)/mod_cforigin.8 $(MANPAGE)
	@new=$(BUILD)/cforigin.conf; old=$(DESTDIR)$(CONF); \
	if [ -e $$old ] && ! cmp -s $$new $$old; then \
	    install -m 644 $$new $$old.new; \
	    echo "$$old was changed here and stays; the new one is $$old.new"; \
	else install -m 644 $$new $$old; fi
ifneq ($(LOADFILE),)
	install -m 644 $(BUILD)/cforigin.load $(DESTDIR)$(LOADFILE)
endif
	@if $(ENABLED); then \
	    echo "The module is enabled already: reload httpd, which then has the new one."; \
	else \
	    echo "Put the API token into $(CONFDIR)/cforigin/token (mode 0600), then"; \
	    $(HOWTO); fi

ifneq ($(LOADFILE),)
ENABLED = [ -e $(DESTDIR)$(CONFDIR)/mods-enabled/cforigin.load ]
HOWTO   = echo "    a2enmod cforigin"
else
ENABLED = grep -qs '^ *LoadModule *cforigin_module' $(DESTDIR)$(CONFDIR)/httpd.conf
HOWTO   = echo "add to httpd.conf, where mod_ssl is loaded, too:"; \
          echo "    LoadModule cforigin_module $(MODULEDIR)/mod_cforigin.so"; \
          echo "    Include $(CONF)"
endif

# Leaves what may hold work of yours: the store, the tokens, a changed
# cforigin.conf.
uninstall: $(BUILD)/cforigin.conf
	@if cmp -s $(BUILD)/cforigin.conf $(DESTDIR)$(CONF); then \
	    rm -f $(DESTDIR)$(CONF); fi
	rm -f $(DESTDIR)$(MODULEDIR)/mod_cforigin.so \
	    $(DESTDIR)$(LIBEXECDIR)/cforigin-keeper \
	    $(DESTDIR)$(LIBEXECDIR)/cforigin-issuer \
	    $(DESTDIR)$(DATADIR)/origin_ca_roots.pem $(MANPAGE) \
	    $(DESTDIR)$(CONF).new
ifneq ($(LOADFILE),)
	rm -f $(DESTDIR)$(LOADFILE) \
	    $(DESTDIR)$(CONFDIR)/mods-enabled/cforigin.load \
	    $(DESTDIR)$(CONFDIR)/mods-enabled/cforigin.conf
endif
	@rmdir $(DESTDIR)$(DATADIR) $(DESTDIR)$(STOREDIR) \
	    $(DESTDIR)$(CONFDIR)/cforigin 2>/dev/null || true
	@for left in $(STOREDIR) $(CONFDIR)/cforigin $(CONF); do \
	    if [ -e $(DESTDIR)$$left ]; then \
	        echo "$(DESTDIR)$$left is left as it is"; fi; done
	@echo "Before you reload httpd: a virtual host without SSLCertificateFile lines"
	@echo "that had its certificate from the module now ends it. See README.md."

# The Debian package, made from a copy, so that this folder stays clean.
DEBDIR  = $(BUILD)/deb/mod-cforigin

deb:
	@rm -rf $(BUILD)/deb $(BUILD)/libapache2-mod-cforigin_* \
	    $(BUILD)/mod-cforigin_*
	@mkdir -p $(DEBDIR)
	cp -R LICENSE README.md apxs-build.mk include mod_cforigin \
	    conf-examples debian $(DEBDIR)
	cd $(DEBDIR) && env -u MAKEFLAGS -u MFLAGS -u MAKEOVERRIDES -u CFLAGS \
	    DEB_BUILD_OPTIONS="noautodbgsym $$DEB_BUILD_OPTIONS" \
	    dpkg-buildpackage -b -us -uc
	mv $(BUILD)/deb/*.* $(BUILD)
	@rm -rf $(BUILD)/deb
	lintian --allow-root --fail-on error,warning \
	    $(BUILD)/mod-cforigin_*.changes
	@ls $(BUILD)/libapache2-mod-cforigin_*.deb

help:
	@echo "./apxs-build.mk            build the module and its two programs"
	@echo "./apxs-build.mk demo       see it work, without an account"
	@echo "./apxs-build.mk check      all tests"
	@echo "./apxs-build.mk check-slow renewal and its like, every point of it"
	@echo "./apxs-build.mk unit       the unit tests alone"
	@echo "./apxs-build.mk asan       all tests, with sanitizers"
	@echo "./apxs-build.mk tsan       the keeper's tests with ThreadSanitizer"
	@echo "./apxs-build.mk valgrind   start, 50 restarts, stop"
	@echo "./apxs-build.mk endurance  200 restarts, 10,000 ticks"
	@echo "./apxs-build.mk soak       SOAK=600 seconds with a moody API"
	@echo "./apxs-build.mk faults     each call of a round fails, or is its last"
	@echo "./apxs-build.mk fuzz       each fuzz target for FUZZTIME=30 seconds"
	@echo "./apxs-build.mk bench      how fast, beside mod_ssl and mod_md (QUICK=1)"
	@echo "./apxs-build.mk static     what analyzers of source text find"
	@echo "./apxs-build.mk install    (as root; DESTDIR is honoured)"
	@echo "./apxs-build.mk deb        a Debian package, in $(BUILD)/"
	@echo "./apxs-build.mk uninstall  leaves the store and your settings"
	@echo "./apxs-build.mk deps       install what these need (Debian)"
	@echo "./apxs-build.mk clean"

clean:
	rm -rf $(BUILD)

.PHONY: all static unit check check-slow asan tsan soak endurance valgrind faults fuzz fuzz-run bench demo deps install uninstall deb help clean FORCE
.SECONDARY:
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
