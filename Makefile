# Makefile of audit_log.
#
#   make, make install    build and install the extension and its programs
#   make demo, make check the two commands for a machine with nothing but git,
#                         make and root; both bring what they need
#   make installcheck     the suites on an installed extension and a running
#                         server, as any PGXS extension
#
# "make help" lists the rest.

PG_CONFIG ?= pg_config

# Targets that are scripts.  They must work before PostgreSQL is installed, and
# PGXS has a "check" of its own that refuses to run: so when one of them is
# asked for, PGXS is left out and other goals of the same command get their
# own make.
SCRIPT_TARGETS = bench check demo fuzz help torture unit

ifneq ($(filter $(SCRIPT_TARGETS),$(MAKECMDGOALS)),)

.NOTPARALLEL:
.PHONY: $(MAKECMDGOALS)

$(filter-out $(SCRIPT_TARGETS),$(MAKECMDGOALS)):
	@$(MAKE) --no-print-directory $@

check:
	@test/check

demo:
	@test/demo

unit:
	@$(MAKE) --no-print-directory -C test/unit check

fuzz:
	@$(MAKE) --no-print-directory -C test/fuzz run

bench:
	@test/bench/run

torture:
	@test/torture/run
	@test/torture/ledger

help:
	@echo 'make                build the module, and the programs whose folder is there'
	@echo 'make install        install them (DESTDIR= and PG_CONFIG= work as usual)'
	@echo 'make demo           watch it work on a throw-away server; KEEP=1 leaves the server running'
	@echo 'make check          every suite on throw-away servers; SUITES="unit fuzz regress isolation tap",'
	@echo '                    REGRESS="install topic uninstall", ISOLATION=..., PROVE_TESTS=... narrow it'
	@echo 'make installcheck   regress, isolation and TAP suites on the installed extension'
	@echo 'make unit fuzz      the suites of src/core alone'
	@echo 'make bench torture  speed side by side; long runs with faults'
	@echo 'make clean          remove everything that was built'

else

PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)

ifeq ($(and $(PGXS),$(wildcard $(PGXS))),)

# libpq-dev alone brings a pg_config whose PGXS files are not there.
.PHONY: all $(MAKECMDGOALS)
all $(MAKECMDGOALS):
	@echo >&2 'The build tools of PostgreSQL 15 or later are missing: install the Debian package postgresql-server-dev-15 (or that of your version), or set PG_CONFIG to the pg_config of your server.'
	@exit 1

else

MODULE_big = audit_log
EXTENSION = audit_log
DATA = $(sort $(wildcard sql/audit_log--*.sql))

core_c := $(sort $(wildcard src/core/*.c))
backend_c := $(sort $(wildcard src/backend/*.c))
OBJS = $(core_c:.c=.o) $(backend_c:.c=.o)

# -MMD writes the headers each object was made from next to it.
PG_CPPFLAGS = -Isrc
PG_CFLAGS = -MMD -MP
SHLIB_LINK = -lcrypto -lpcre2-8
SHLIB_EXPORTS = $(wildcard src/exports.txt)

# Bitcode serves only to inline C functions into JIT-compiled expressions. Ours
# are not worth it, and it needs a clang; with_llvm=yes brings it back.
ifneq ($(origin with_llvm),command line)
override with_llvm := no
endif

# The programs link the files of src/core, compiled a second time without the
# server's flags, and never a server object.  They go through SCRIPTS_built
# because PROGRAM and MODULE_big exclude each other.
programs := $(strip $(foreach p,httpd verify,$(if $(wildcard src/$(p)/*.c),bin/audit_log_$(p))))
# Two that need nothing but sh and openssl, each one file to carry anywhere.
scripts := bin/audit_log_verify_record bin/audit_log_witness
SCRIPTS_built = $(programs) $(scripts)
frontend_o = $(patsubst src/%.c,build/%.o,$(sort $(wildcard src/$(1)/*.c)))

# Regress topics; "--" marks an install script.
topics := $(foreach f,$(sort $(notdir $(wildcard sql/*.sql))),$(if $(findstring --,$(f)),,$(f:.sql=)))
REGRESS = $(filter install,$(topics)) $(filter-out install uninstall,$(topics)) $(filter uninstall,$(topics))
REGRESS_OPTS = --encoding=UTF8

# pg_isolation_regress takes the last --inputdir.
specs := $(sort $(notdir $(wildcard test/isolation/specs/*.spec)))
ifneq ($(specs),)
ISOLATION = $(specs:.spec=)
ISOLATION_OPTS = --inputdir=test/isolation
endif

ifneq ($(wildcard test/t/*.pl),)
TAP_TESTS = 1
PROVE_TESTS = test/t/*.pl
endif

EXTRA_CLEAN = bin build src/exports.list src/*/*.o src/*/*.d src/*/*.bc \
	src/*/*.gcno src/*/*.gcda

include $(PGXS)

FRONTEND_CPPFLAGS = -DFRONTEND -D_GNU_SOURCE -Isrc -I$(shell $(PG_CONFIG) --includedir)
FRONTEND_LIBS = -lpq -lcrypto
bin/audit_log_httpd: FRONTEND_LIBS += -lmicrohttpd -lgnutls -lpthread

bin/audit_log_httpd: $(call frontend_o,httpd) $(call frontend_o,core)
bin/audit_log_verify: $(call frontend_o,verify) $(call frontend_o,core)

$(programs):
	@$(MKDIR_P) $(@D)
	$(CC) $(CFLAGS) $(filter %.o,$^) $(LDFLAGS) $(FRONTEND_LIBS) -o $@

bin/audit_log_verify_record: src/verify/record.sh
bin/audit_log_witness: src/verify/witness.sh
$(scripts): src/verify/lib.sh
	@$(MKDIR_P) $(@D)
	{ echo '#!/bin/sh'; cat src/verify/lib.sh; echo; cat $(filter-out %/lib.sh,$^); } >$@.new
	chmod 755 $@.new
	mv $@.new $@

build/%.o: src/%.c
	@$(MKDIR_P) $(@D)
	$(CC) $(CFLAGS) $(FRONTEND_CPPFLAGS) -c $< -o $@

# The page at "/" is compiled in, as the bytes of an array.
build/httpd/page.o: build/httpd/page_html.h
build/httpd/page.o: FRONTEND_CPPFLAGS += -Ibuild/httpd
build/httpd/page_html.h: src/httpd/page.html
	@$(MKDIR_P) $(@D)
	od -An -v -tx1 $< | sed 's/[0-9a-f][0-9a-f]/0x&,/g' >$@

# Objects made with other flags (COPT, another PostgreSQL) are made again, and
# the module is linked again when a source file came or went.
frontend_all := $(foreach d,core httpd verify,$(call frontend_o,$(d)))
stamp = @$(file >$@.new,$(1)) \
	if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

$(OBJS) $(frontend_all): build/flags
$(shlib): build/objects

build:
	@$(MKDIR_P) $@

build/flags: FORCE | build
	$(call stamp,$(CC) $(CFLAGS) $(CPPFLAGS) $(FRONTEND_CPPFLAGS) $(VERSION))

build/objects: FORCE | build
	$(call stamp,$(OBJS) $(SHLIB_LINK) $(LDFLAGS))

.PHONY: FORCE

-include $(wildcard src/*/*.d build/*/*.d)

# PGXS removes SCRIPTS_built by the path they were built under.
uninstall: uninstall-programs
.PHONY: uninstall-programs clean-tests
uninstall-programs:
	rm -f $(addprefix '$(DESTDIR)$(bindir)'/,$(notdir $(programs) $(scripts)))

clean: clean-tests
clean-tests:
	@for d in $(dir $(wildcard test/*/Makefile)); do \
		$(MAKE) --no-print-directory -C $$d clean || exit 1; done

endif
endif
