# The few targets worth a name; plain go commands do the rest.

.PHONY: all test soak soak-real test-kernels test-arm64 kernels-doc kernels-verify generate lint bench bench-peers

all:
	go build ./cmd/tcpwatch

test:
	go test ./...

# Ten minutes of churn: neither memory nor descriptors may grow.
SOAK = 10m

soak:
	TCPWATCH_SOAK=$(SOAK) go test -count=1 -v -timeout 30m -run TestSoak ./internal/e2e

# Connections of real software, each end judged and held to the kernel's counters: docs/model.md.
# A million take some ten minutes, and 5 GB in $TMPDIR.
SOAK_REAL_CONNECTIONS = 1000000

soak-real:
	TCPWATCH_SOAK_REAL=$(SOAK_REAL_CONNECTIONS) go test -count=1 -v -timeout 60m -run TestRealSoftware ./internal/soak

# The tests of the real kernel on other kernels, in QEMU: docs/testing-kernels.md.
# Packages that take longest come first.
KERNELS = 5.10,6.1,6.12,7
KERNEL_PACKAGES = ./internal/probe ./internal/e2e ./internal/lockdown ./internal/kerneltest ./internal/demo ./internal/netns
KERNEL_MODULES = veth,sch_netem,tun,nf_tables,?nft_counter,nft_numgen,nft_limit,nft_ct,nft_reject_ipv4,nft_reject_ipv6,nft_reject_inet,tcp_diag,?mptcp_diag
# tmux wants a terminal described, and a locale.
KERNEL_PROGRAMS = ss,nft,tmux,unshare,mount,stty,id,/bin/sh,/bin/cat,/bin/true,/bin/sleep,/lib/terminfo,/usr/lib/locale/C.utf8
# Left out: what is the same on every kernel (the command line, the screen, the harness, recordings,
# what grows with time or with other programs), and of what the kernel decides, the second look: what
# internal/probe holds to each kernel, internal/e2e need not. Empty: these too, in half an hour.
SAME_EVERYWHERE = TestMistakesAreExplained|TestLive|TestHostile|TestQuiet|TestLeakCheck|TestSweeps|TestRunAs|TestSoak|TestTwoAtOnce|TestNamespacesCome|TestRecordingEnds|TestStoppedProgram|TestReplay|TestReadTypes|TestContainerAndUnit|TestDemoTells|TestCloseEndsNext|TestAgent|TestLadderJoins|TestMutations|TestExternalBTF
SEEN_BY_PROBE = TestEndsOfThisHost|TestTableIs|TestTimeWaitKeeps|TestTimeWaitEndsAreTold|TestTimeWaitReusedByConnect|TestTimeWaitKilledLate|TestTimeWaitOff|TestTimeWaitLearnt|TestTraceTellsEvery|TestSocketsAgree|TestRetransmitsAreTold|TestNoSocketIs|TestAcceptQueueFillsUp|TestSYNFlood|TestHalfOpenComes|TestNothingElseIsInFlight|TestTypesWithout
KERNEL_SKIP = TestWaits|TestCheck|TestFirstLine|$(SAME_EVERYWHERE)|$(SEEN_BY_PROBE)
KERNEL_FLAGS = -skips
KERNEL_RESULTS = $(or $(TMPDIR),/tmp)/tcpwatch-kernels
VMRUN = CGO_ENABLED=0 go run ./internal/vmrun/cmd/vmrun

test-kernels:
	rm -rf $(KERNEL_RESULTS)
	$(VMRUN) matrix -fetch -k '$(KERNELS)' -mods '$(KERNEL_MODULES)' -add '$(KERNEL_PROGRAMS)' \
		-prebuilt TCPWATCH_BINARY=./cmd/tcpwatch -e TCPWATCH_REQUIRE_KERNEL=1 -out $(KERNEL_RESULTS) \
		-skip '$(KERNEL_SKIP)' $(KERNEL_FLAGS) $(KERNEL_PACKAGES)
	$(KERNELDOC)

# What was seen on each kernel: docs/kernels.json, and the document made from it.
KERNELDOC = go run ./internal/kerneldoc/cmd/kerneldoc -results $(KERNEL_RESULTS)

kernels-doc:
	$(MAKE) test-kernels KERNELDOC=:
	mkdir -p $(KERNEL_RESULTS)/host
	TCPWATCH_REQUIRE_KERNEL=1 VMRUN_OUT=$(KERNEL_RESULTS)/host go test -count=1 -run TestFacts ./internal/probe
	$(KERNELDOC) -host $(KERNEL_RESULTS)/host -w

# Whether the committed BPF objects load, attach and report on arm64.
ARM64_TESTS = TestMissingFeatureIsALoss|TestMissingRequiredHookIsAnError|TestLoneEventIsNotStranded

test-arm64:
	$(VMRUN) matrix -fetch -k 6.12-arm64 -run '$(ARM64_TESTS)' -e TCPWATCH_REQUIRE_KERNEL=1 $(KERNEL_FLAGS) ./internal/probe

# Fails if a pinned kernel is neither in the cache nor on the mirror any more.
kernels-verify:
	$(VMRUN) fetch -strict -k '$(KERNELS),6.12-arm64'

# Rebuilds the BPF objects: needs clang-14 and llvm-14.
generate:
	go generate ./...

lint:
	test -z "$$(gofmt -l .)"
	go vet ./...
	go tool staticcheck ./...

bench:
	go test -run '^$$' -bench . -benchmem ./events ./model $$(go list ./internal/... | grep -v /peers)

# tcpwatch beside tcpstates (Debian's libbpf-tools) and the floor, in one run.
bench-peers:
	go test -run '^$$' -bench Peers -benchtime 1x -count 1 ./internal/peers
