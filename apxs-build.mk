#!/usr/bin/make -f
# SPDX-License-Identifier: Apache-2.0
#
# Builds, tests, shows, installs mod_cforigin:  ./apxs-build.mk help
#
# Honoured: APXS= CC= CFLAGS= DESTDIR= BUILD= LIBEXECDIR= STOREDIR= DATADIR=

APXS   ?= $(firstword $(wildcard /usr/bin/apxs /usr/bin/apxs2 \
            /usr/local/apache2/bin/apxs) apxs)
BUILD  ?= build
CFLAGS ?= -O2 -g
ifeq ($(origin CC),default)
CC     := gcc
endif
SHELL  := /bin/sh
MAKEFLAGS += --no-builtin-rules

apxs    = $(shell $(APXS) -q $(1) 2>/dev/null)

# Where an installed module finds its parts. Debian keeps helpers such as
# suexec in /usr/lib/apache2; an httpd built from source in its bin.
MODULEDIR  ?= $(call apxs,exp_libexecdir)
DEBIAN     := $(wildcard /usr/share/apache2/apache2-maintscript-helper)
ifneq ($(and $(DEBIAN),$(filter /usr/bin/apxs%,$(APXS))),)
LIBEXECDIR ?= /usr/lib/apache2
STOREDIR   ?= /var/lib/apache2/cforigin
DATADIR    ?= /usr/share/apache2/cforigin
else
LIBEXECDIR ?= $(call apxs,exp_bindir)
STOREDIR   ?= $(call apxs,exp_localstatedir)/cforigin
DATADIR    ?= $(call apxs,exp_datadir)/cforigin
endif

WARN     := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes \
            -Wmissing-prototypes -Wformat=2 -Werror
HARDEN   := -fstack-protector-strong -Wformat-security
ifeq (,$(findstring -fsanitize,$(CFLAGS)))
HARDEN   += -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
endif
sysinc    = $(patsubst -I%,-isystem %,$(filter -I%,$(1)))
HTTPDINC  = -isystem $(call apxs,INCLUDEDIR) -isystem $(call apxs,APR_INCLUDEDIR) \
            -isystem $(call apxs,APU_INCLUDEDIR) $(filter-out -I%,$(call apxs,EXTRA_CPPFLAGS))
DEFS      = -DCFO_LIBEXECDIR='"$(LIBEXECDIR)"' -DCFO_STOREDIR='"$(STOREDIR)"' \
            -DCFO_DATADIR='"$(DATADIR)"'
COMPILE   = $(CC) -std=gnu11 -fPIC -fvisibility=hidden $(WARN) $(HARDEN) \
            -Iinclude $(HTTPDINC) $(DEFS) $(CPPFLAGS) $(CFLAGS) -MMD -MP
LINK      = $(CC) $(CFLAGS) -Wl,-z,relro,-z,now
APRLIBS   = $(shell $(call apxs,APR_CONFIG) --link-ld 2>/dev/null)

obj       = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
CORE     := $(wildcard mod_cforigin/core/*.c)
MODULE   := $(wildcard mod_cforigin/*.c)
KEEPER   := $(wildcard mod_cforigin/keeper/*.c)
ISSUER   := $(wildcard mod_cforigin/issuer/*.c)
ROOM      = mod_cforigin/core
# The parent never writes the store, and the issuer shares only words, results
# and the wire with the others.
MODULECORE := $(filter-out $(ROOM)/store_write.c $(ROOM)/wire.c,$(CORE))
ISSUERCORE := $(ROOM)/words.c $(ROOM)/result.c $(ROOM)/wire.c

all: $(BUILD)/mod_cforigin.so $(BUILD)/cforigin-keeper $(BUILD)/cforigin-issuer

$(BUILD)/mod_cforigin.so: $(call obj,$(MODULE) $(MODULECORE))
	$(LINK) -shared -Wl,--no-undefined-version -o $@ $^ -ljansson -lidn2 -lssl -lcrypto

$(BUILD)/cforigin-keeper: $(call obj,$(KEEPER) $(CORE))
	$(LINK) -pie -o $@ $^ -ljansson -lidn2 -lcrypto $(APRLIBS) -lpthread

$(BUILD)/cforigin-issuer: $(call obj,$(ISSUER) $(ISSUERCORE))
	$(LINK) -pie -o $@ $^ -ljansson -lcurl -lcrypto $(APRLIBS)

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(COMPILE) -c -o $@ $<

# Unit tests: one program a room, linked with every room but the mains.
UNIT     := $(patsubst test/unit/%.c,$(BUILD)/unit/%,$(wildcard test/unit/test_*.c))
UNITOBJ   = $(call obj,$(CORE) $(filter-out %/main.c,$(KEEPER) $(ISSUER)))

unit: $(UNIT)
	@set -e; for t in $(UNIT); do echo "== $$t"; $$t; done

$(BUILD)/unit/%: $(BUILD)/obj/test/unit/%.o $(UNITOBJ)
	@mkdir -p $(@D)
	$(LINK) -o $@ $^ -lcmocka -ljansson -lidn2 -lcurl -lcrypto $(APRLIBS) -lpthread

clean:
	rm -rf $(BUILD)

.PHONY: all unit clean
.SECONDARY:
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
