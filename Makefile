# pg_enrich: bulk enrichment of tables through HTTP APIs

MODULE_big = pg_enrich
EXTENSION = pg_enrich
DATA = pg_enrich--1.0.sql
PGFILEDESC = "pg_enrich - bulk enrichment of tables through HTTP APIs"

# Folders are in the order in which they may include one another, each those before it;
# test/check unit sees to it, and to core/ knowing nothing of PostgreSQL.

# Pure files, which have unit drivers.
PURE = $(addprefix core/base/, buffer clock similar) \
	$(addprefix core/json/, float_pool json json_string number) \
	$(addprefix core/template/, placeholder template template_body template_fill url) \
	$(addprefix core/response/, path_walk response response_detach response_error response_find \
		response_place response_reason response_rows) \
	$(addprefix core/http/, event http http_body http_callbacks http_failure http_handle \
		http_lookup http_memory http_order http_pump http_queue http_redirect http_result http_setup \
		http_socket http_time http_watchdog rate_headers verdict) \
	$(addprefix core/limits/, backoff health latency pace quota) \
	store/key_runs

# Files that run in the server.
SERVER = $(addprefix common/, encoding error_source field relation settings subtransaction) \
	$(addprefix convert/, convert convert_number convert_type path) \
	$(addprefix server/, credentials mask option_json option_number option_reader option_text \
		secret server server_options) \
	$(addprefix shared/, permits permits_probe permits_server permits_share permits_turns shared \
		shared_elapsed shared_jobs shared_visits wal_flush) \
	$(addprefix catalog/, catalog_array catalog_bucket catalog_change catalog_clerk \
		catalog_counters catalog_extension catalog_failure catalog_insert catalog_job \
		catalog_statement job job_columns leftovers) \
	$(addprefix recipe/, call endpoint match recipe recipe_fingerprint recipe_output \
		recipe_paths recipe_target) \
	$(addprefix staging/, bucket bucketize bucketize_check bucketize_query staging) \
	$(addprefix store/, failed_rows store store_plan store_sql store_write) \
	$(addprefix worker/, claims clerk intake launcher launcher_clerks outbox outcome_queue \
		process request server_watch token_file vacuum worker worker_collect worker_control \
		worker_counters worker_error worker_limits worker_load worker_loop worker_memory worker_pace \
		worker_permits worker_place worker_refuse worker_send worker_settle worker_setup \
		worker_steer worker_store worker_tick worker_try worker_undecided) \
	$(addprefix functions/, activity arguments functions preview start tables wait) \
	pg_enrich

OBJS = $(addprefix src/, $(addsuffix .o, $(PURE) $(SERVER)))

PG_CPPFLAGS = -I$(srcdir)/src -I$(srcdir)/src/core
PG_CFLAGS = -Wall -Wextra $(WERROR) -MMD -MP
SHLIB_LINK = -lcurl

REGRESS = setup parameters server start_errors template_errors path_errors output_errors \
	start_nologin target matching steer preview
REGRESS_OPTS = --inputdir=. --load-extension=pg_enrich
TAP_TESTS = 1
PROVE_TESTS = test/t/*.pl

# The unit drivers run without a server, and under sanitizers unless told otherwise.
UNIT_CFLAGS = -std=gnu11 -O1 -g -Wall -Wextra -Werror \
	-fsanitize=address,undefined -fno-sanitize-recover=all
UNIT_TESTS = $(patsubst %.c,%.run,$(wildcard test/unit/*_test.c))
UNIT_OBJS = $(addprefix test/unit/pure/, $(addsuffix .o, $(PURE)))
PURE_INCLUDES = -iquote src -iquote src/core

# Fuzzing targets need clang, for libFuzzer.  Those of options also take files that
# run in the server, with a stand-in for it.
FUZZ_TARGETS = answer body url json option number header
FUZZ_CFLAGS = -std=gnu11 -O1 -g -Wall -Wextra -Werror -fno-omit-frame-pointer \
	-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
FUZZ_SERVER = $(addprefix server/, server_options option_json option_number option_reader \
	option_text mask secret)
FUZZ_SECONDS = 60
FUZZ_JOBS = $(shell nproc)
FUZZ_OBJS = $(addprefix test/fuzz/pure/, $(addsuffix .o, $(PURE) fuzz oracle))
FUZZ_SERVER_OBJS = $(addprefix test/fuzz/server/, $(addsuffix .o, $(FUZZ_SERVER) backend))

EXTRA_CLEAN = $(OBJS:.o=.d) test/unit/*.run test/unit/pure test/fuzz/*.run test/fuzz/*.log \
	test/fuzz/pure test/fuzz/server

PG_CONFIG = pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

# The server's own headers are not held to our warnings.
override CPPFLAGS := $(patsubst -I$(includedir_server),-isystem $(includedir_server),$(CPPFLAGS))

# Who includes what the compiler has noted; bitcode is as old as its object.
-include $(OBJS:.o=.d)
$(OBJS:.o=.bc): %.bc: %.o

# PGXS runs TAP tests by this; the support module of ours lies beside them.
PG_PROVE_FLAGS += -I $(srcdir)/test/perl

# Each driver is linked with all pure files: they are few, and none has a main().
test/unit/pure/%.o: src/%.c
	@mkdir -p $(@D)
	$(CC) $(UNIT_CFLAGS) $(PURE_INCLUDES) -MMD -MP -c -o $@ $<

test/unit/%.run: test/unit/%.c $(wildcard test/unit/*.h) $(UNIT_OBJS)
	$(CC) $(UNIT_CFLAGS) $(PURE_INCLUDES) -iquote test/unit -o $@ $< $(UNIT_OBJS) -lcurl -lm -lpthread

-include $(UNIT_OBJS:.o=.d)

unit: $(UNIT_TESTS)

check-unit: unit
	cd $(srcdir) && $(PROVE) -j2 -f -o -e '' $(UNIT_TESTS) test/unit/structure_test.pl

FUZZ_COMPILE = @mkdir -p $(@D); \
	$(CLANG) $(FUZZ_CFLAGS) $(PURE_INCLUDES) -iquote test/fuzz -isystem $(includedir_server)
FUZZ_LINK = $(CLANG) $(FUZZ_CFLAGS) -fsanitize=fuzzer
FUZZ_HEADERS = $(wildcard src/*/*.h src/core/*/*.h test/fuzz/*.h)

test/fuzz/pure/%.o: src/%.c $(FUZZ_HEADERS)
	$(FUZZ_COMPILE) -c -o $@ $<

test/fuzz/pure/%.o: test/fuzz/%.c $(FUZZ_HEADERS)
	$(FUZZ_COMPILE) -c -o $@ $<

test/fuzz/server/%.o: src/%.c $(FUZZ_HEADERS)
	$(FUZZ_COMPILE) -D_GNU_SOURCE -c -o $@ $<

test/fuzz/server/%.o: test/fuzz/%.c $(FUZZ_HEADERS)
	$(FUZZ_COMPILE) -D_GNU_SOURCE -c -o $@ $<

test/fuzz/option.run: test/fuzz/server/option_fuzz.o $(FUZZ_SERVER_OBJS) $(FUZZ_OBJS)
	$(FUZZ_LINK) -o $@ $^ -L$(pkglibdir) -lpgcommon -lpgport -lcurl -ljansson -lm

test/fuzz/%.run: test/fuzz/pure/%_fuzz.o $(FUZZ_OBJS)
	$(FUZZ_LINK) -o $@ $^ -lcurl -ljansson -lm

fuzz-build: $(patsubst %,test/fuzz/%.run,$(FUZZ_TARGETS))

fuzz: fuzz-build
	test/fuzz/run $(FUZZ_SECONDS) $(FUZZ_JOBS) $(FUZZ_TARGETS)

mock:
	$(MAKE) -C test/mock

check-mock: mock
	cd test/mock && $(PROVE) -f -o -e '' ./selftest

# pg_regress alone, and TAP tests alone; "make installcheck" runs both
check-regress: submake $(REGRESS_PREP)
	$(pg_regress_installcheck) $(REGRESS_OPTS) $(REGRESS)

check-tap: mock
	$(prove_installcheck)

.PHONY: unit check-unit fuzz fuzz-build mock check-mock check-regress check-tap
.SECONDARY: $(UNIT_OBJS) $(FUZZ_OBJS) $(FUZZ_SERVER_OBJS)
