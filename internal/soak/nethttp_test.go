package soak

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
)

const nethttpPort = 8070

// serve is a server as anybody writes it: its listener is MPTCP's.
func serve() error {
	l, err := net.Listen("tcp", at(nethttpPort))
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	quit := make(chan os.Signal, 1)
	signal.Notify(quit, syscall.SIGTERM)
	server := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "hello\n") // the client may be gone
	})}
	go func() {
		<-quit
		_ = server.Close() // the process ends
	}()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

// fetch makes a number of requests, each on a connection of its own: tcp, mptcp.
func fetch(args []string) error {
	n, err := strconv.Atoi(args[1])
	if err != nil {
		return fmt.Errorf("parse number: %w", err)
	}
	var dialer net.Dialer
	dialer.SetMultipathTCP(args[0] == "mptcp")
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: dialer.DialContext}}
	const clients = 8
	var wg sync.WaitGroup
	errs := make(chan error, clients)
	for i := range clients {
		wg.Go(func() { errs <- fetchEach(&client, n*(i+1)/clients-n*i/clients) })
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func fetchEach(client *http.Client, n int) error {
	for range n {
		answer, err := client.Get(fmt.Sprintf("http://%s:%d/", host, nethttpPort))
		if err != nil {
			return fmt.Errorf("fetch: %w", err)
		}
		_, err = io.Copy(io.Discard, answer.Body)
		if err := errors.Join(err, answer.Body.Close()); err != nil {
			return fmt.Errorf("fetch: %w", err)
		}
	}
	return nil
}

// helper is this program in another role.
func helper(mode string, args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), helperMode+"="+mode)
	return cmd
}

func startNetHTTP(r *room) *program {
	return r.start(syscall.SIGTERM, helper("serve")).await(nethttpPort)
}

func fetchTCP(r *room, n int)   { r.runCommand(nil, helper("fetch", "tcp", strconv.Itoa(n))) }
func fetchMPTCP(r *room, n int) { r.runCommand(nil, helper("fetch", "mptcp", strconv.Itoa(n))) }
