# The two commands that most people need: `make run` and `make test`.
# Everything builds with Rust alone; the tests also want Redis's own tools (see scripts/).

PREFIX ?= /usr/local
BINDIR  = $(DESTDIR)$(PREFIX)/bin
SHAREDIR = $(DESTDIR)$(PREFIX)/share
SERVER  = target/release/redis-server

.PHONY: build run test test-clients lint simulate faults bench bench-failover lab \
	test-lab-page man deb image test-image test-packages install install-man clean

build:
	cargo build --release

# Serve on port 6379 with the settings of redis.conf.
run: build
	$(SERVER) redis.conf

test:
	scripts/ensure-test-tools.sh
	cargo test

# Client libraries and applications, alone and in failovers, with and without TLS:
#   make test-clients SUITES="RQ ioredis" TLS=no
#   make test-clients CLIENTS_SERVER=/usr/bin/redis-server
test-clients:
	$(if $(CLIENTS_SERVER),,cargo build)
	scripts/test-clients.sh $(if $(TLS),--tls $(TLS)) \
		$(if $(CLIENTS_SERVER),--server $(CLIENTS_SERVER)) $(SUITES)

lint:
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings

# Groups of Sentinels and servers under seeded trouble: make simulate SEEDS=0..100000
simulate:
	$(if $(SEEDS),SIM_SEEDS="$(SEEDS)") cargo test --release --lib \
		groups_agree_on_one_master -- --nocapture

# Trees of real servers, ours and stock, under seeded faults: make faults SEEDS=0..50
faults:
	TANIST_FAULT_SEEDS="$(or $(SEEDS),0..20)" cargo test --test e2e fault_runs -- --nocapture

# make bench PEERS="redis=/usr/bin/redis-server valkey=/opt/run-valkey" BENCH="get set" ROUNDS=5
bench: build
	PEERS="$(PEERS)" BENCH="$(BENCH)" ROUNDS="$(ROUNDS)" SECONDS_PER_ROUND="$(SECONDS)" \
		cargo bench --bench peers

# Failovers of these servers and of others, in turns, and how long each stage took:
#   make bench-failover PEERS="redis=/usr/bin/redis-server" SCENARIO="kill-master stop-master" ROUNDS=30
#   make bench-failover SCENARIO=kill-master BESIDE="stop s1"
SCENARIO ?= kill-master stop-master planned-failover
bench-failover: build
	ln -sf redis-server target/release/redis-lab
	mkdir -p target/lab
	for name in $(SCENARIO); do \
		target/release/redis-lab repeat $(or $(ROUNDS),30) scripts/experiments/$$name.sh \
			--pair tanist=$(SERVER) $(foreach peer,$(PEERS),--pair $(peer)) \
			--html target/lab/bench-$$name.html $(BESIDE) || exit 1; \
	done

# One experiment of scripts/experiments, and its report:
#   make lab EXPERIMENT=kill-master
#   make lab EXPERIMENT=kill-master LAB_SERVER=/usr/bin/redis-server
lab: build
	ln -sf redis-server target/release/redis-lab
	mkdir -p target/lab
	$(if $(LAB_SERVER),REDIS_LAB_SERVER="$(LAB_SERVER)") \
	$(if $(LAB_SENTINEL),REDIS_LAB_SENTINEL="$(LAB_SENTINEL)") \
		target/release/redis-lab run --html target/lab/$(EXPERIMENT).html \
		scripts/experiments/$(EXPERIMENT).sh
	@echo "The report is target/lab/$(EXPERIMENT).html"

# The report of an experiment, opened in a browser, where one is there or can be installed.
test-lab-page:
	cargo build
	ln -sf redis-server target/debug/redis-lab
	mkdir -p target/lab
	target/debug/redis-lab run --html target/lab/partition-master.html \
		scripts/experiments/partition-master.sh
	tests/lab/check-page.sh target/lab/partition-master.html target/lab/partition-master.png

# One binary, five names: it looks at the name it is called by.
install: build
	install -d "$(BINDIR)"
	install -m 755 $(SERVER) "$(BINDIR)/redis-server"
	for name in redis-sentinel redis-check-rdb redis-check-aof redis-lab; do \
		ln -sf redis-server "$(BINDIR)/$$name"; \
	done

# Manual pages and the completions of shells, made from the tables of directives and commands, in
# target/man. FAMILY=tanist names the programs for an installation beside a stock one.
man:
	cargo run --quiet --example manual -- target/man $(FAMILY)

install-man: man
	for section in 1 5 7; do \
		install -d "$(SHAREDIR)/man/man$$section"; \
		install -m 644 target/man/man$$section/redis* "$(SHAREDIR)/man/man$$section"; \
	done
	install -m 644 target/man/man5/sentinel.conf.5 "$(SHAREDIR)/man/man5"
	install -d "$(SHAREDIR)/bash-completion/completions" "$(SHAREDIR)/zsh/site-functions" \
		"$(SHAREDIR)/fish/vendor_completions.d"
	install -m 644 target/man/completions/redis-server "$(SHAREDIR)/bash-completion/completions"
	install -m 644 target/man/completions/_redis-server "$(SHAREDIR)/zsh/site-functions"
	install -m 644 target/man/completions/redis-server.fish \
		"$(SHAREDIR)/fish/vendor_completions.d"
	for name in redis-sentinel redis-check-rdb redis-check-aof redis-lab; do \
		ln -sf redis-server "$(SHAREDIR)/bash-completion/completions/$$name"; \
		ln -sf redis-server.fish "$(SHAREDIR)/fish/vendor_completions.d/$$name.fish"; \
	done

# The Debian packages tanist and tanist-redis, in target/debian: make deb REVISION=2
deb: build
	cargo run --quiet --example manual -- target/manual tanist
	cargo run --quiet --example manual -- target/manual-redis redis
	rm -rf target/debian
	packaging/debian/build.sh $(SERVER) target/manual target/debian $(REVISION)

# A container image, with whichever of podman, docker and buildah is here: make image NAME=tanist
image:
	packaging/container/build.sh $(or $(NAME),tanist)

# Builds an image with buildah, and starts what is in it; the compiler takes its minutes.
test-image:
	tests/packaging/image.sh $(IMAGE)

# The units and packages, as the tools of a distribution see them.
test-packages: deb
	tests/packaging/systemd.sh
	tests/packaging/healthcheck.sh $(SERVER)
	tests/packaging/lintian.sh target/debian
	packaging/debian/build.sh $(SERVER) target/manual target/debian/next 99
	tests/packaging/debian.sh target/debian target/debian/next
	tests/packaging/running-systemd.sh target/debian target/debian/next

clean:
	cargo clean
