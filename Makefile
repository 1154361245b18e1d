# The few targets worth a name; plain go commands do the rest.

.PHONY: all test generate lint bench bench-peers

all:
	go build ./cmd/tcpwatch

test:
	go test ./...

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
