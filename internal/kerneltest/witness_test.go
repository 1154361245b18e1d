package kerneltest

import (
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const patience = 60 * time.Second

// between returns a filter for the transitions of one connection and its
// listener.
func between(port uint16) string { return fmt.Sprintf("sport == %d || dport == %d", port, port) }

func TestWitnessSeesOneConnection(t *testing.T) {
	for _, f := range []Family{IPv4, IPv6} {
		t.Run(fmt.Sprintf("IPv%d", f), func(t *testing.T) {
			RequireRoot(t)
			LeakCheck(t)
			l := Listen(t, f)
			port := l.Addr().(interface{ AddrPort() netip.AddrPort }).AddrPort().Port()
			w := NewWitness(t, WitnessOptions{Filter: between(port), Also: []string{DestroySock}})
			began := bootTime(t)

			client, server, err := connect(l)
			if err != nil {
				t.Fatal(err)
			}
			clientPort, _ := Ports(client)
			closeInOrder(t, client, server)
			all := w.Await(patience, func(e []Event) bool {
				return w.Counts()[[2]string{"LAST_ACK", "CLOSE"}] == 1
			}, "the server's LAST_ACK>CLOSE")

			lives := Lives(all)
			want := map[string]int{
				"CLOSE>SYN_SENT>ESTABLISHED>FIN_WAIT1>FIN_WAIT2>CLOSE":  1,
				"LISTEN>SYN_RECV>ESTABLISHED>CLOSE_WAIT>LAST_ACK>CLOSE": 1,
			}
			if got := Paths(lives); !maps.Equal(got, want) {
				t.Fatalf("paths %v, want %v", got, want)
			}
			last := bootTime(t)
			for _, life := range lives {
				if ports := []uint16{life.Sport, life.Dport}; !slices.Contains(ports, clientPort) || !slices.Contains(ports, port) {
					t.Errorf("%s: ports %v, want %d and %d", life.Path(), ports, clientPort, port)
				}
				for _, e := range life.Events {
					newborn := e.Old == "LISTEN" && e.New == "SYN_RECV" && e.Dport == 0 // its peer is filled in later, up to 6.14
					if e.Saddr != f.Loopback() || (e.Daddr != f.Loopback() && !newborn) || e.Protocol != unix.IPPROTO_TCP {
						t.Errorf("%+v: not TCP between %v", e, f.Loopback())
					}
					if e.Time < began || e.Time > last {
						t.Errorf("%+v: not between %v and %v", e, began, last)
					}
				}
			}
			destroyed := func(e []Event) bool {
				return slices.ContainsFunc(e, func(e Event) bool { return e.Name == DestroySock && e.SkAddr == lives[0].SkAddr && e.Cookie != 0 })
			}
			w.Await(patience, destroyed, "the client's tcp_destroy_sock")
		})
	}
}

func TestWitnessSeesAReset(t *testing.T) {
	client, server := Pair(t, IPv4)
	w := NewWitness(t, WitnessOptions{Also: []string{SendReset, ReceiveReset}})
	port, serverPort := Ports(client)
	if err := client.SetLinger(0); err != nil {
		t.Fatal(err)
	}
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	seen := func(name string, sport, dport uint16) func([]Event) bool {
		return func(all []Event) bool {
			return slices.ContainsFunc(all, func(e Event) bool {
				return e.Name == name && e.Sport == sport && e.Dport == dport && e.Saddr == IPv4.Loopback()
			})
		}
	}
	w.Await(patience, seen(SendReset, port, serverPort), "tcp_send_reset of the client")
	w.Await(patience, seen(ReceiveReset, serverPort, port), "tcp_receive_reset of the server")
	if _, err := server.Read(make([]byte, 1)); err == nil {
		t.Error("the server read no error")
	}
}

func TestWitnessFailsOnLoss(t *testing.T) {
	RequireRoot(t)
	w := &Witness{t: t, dir: newInstance(t), formats: make(map[uint16]tracepoint), page: make([]byte, maxPage)}
	t.Cleanup(w.close)
	if err := w.start(WitnessOptions{BufferKB: 8}); err != nil {
		t.Fatal(err)
	}
	Churn(t, ChurnOptions{Connections: Load(2000)})
	if err := w.drain(); err == nil {
		t.Error("no error though the buffer is far too small")
	}
}

// TestStateNames compares the names with those that the kernel prints.
func TestStateNames(t *testing.T) {
	RequireRoot(t)
	text, err := os.ReadFile(filepath.Join(string(newInstance(t)), "events", SetState, "format"))
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`\{ (\d+), "TCP_(\w+)" \}`).FindAllStringSubmatch(string(text), -1)
	if len(names) < 2*(len(states)-1) {
		t.Errorf("the kernel names %d states", len(names)/2)
	}
	for _, m := range names {
		if n, err := strconv.ParseUint(m[1], 10, 8); err != nil || StateName(n) != m[2] {
			t.Errorf("state %s is %q here, %s in the kernel", m[1], StateName(n), m[2])
		}
	}
}

func bootTime(t *testing.T) time.Duration {
	t.Helper()
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		t.Fatal(err)
	}
	return time.Duration(ts.Nano())
}

// closeInOrder closes the client, then, once it has read the end, the server.
func closeInOrder(t *testing.T, client, server interface {
	Read([]byte) (int, error)
	Close() error
}) {
	t.Helper()
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	if n, err := server.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Fatalf("server read %d bytes, %v", n, err)
	}
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
}
