package tunpeer

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// parseKernel reads a step of the kernel's side.
func parseKernel(args []string) (action, error) {
	if len(args) == 0 {
		return nil, errors.New("want what to do")
	}
	verb, args := args[0], args[1:]
	do, err := parseCall(verb, args)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", verb, err)
	}
	return actionFunc(func(c *Conn) error { return do(c) }), nil
}

// call is what is done with the kernel's side.
type call func(c *Conn) error

// with makes a call of one on the endpoint alone.
func with(do func(k *endpoint) error) call { return func(c *Conn) error { return do(c.endpoint) } }

// parseCall reads the calls by how many arguments they have.
func parseCall(verb string, args []string) (call, error) {
	switch len(args) {
	case 0:
		return parseCall0(verb)
	case 1:
		return parseCall1(verb, args[0])
	case 2:
		return parseCall2(verb, args[0], args[1])
	}
	return nil, errors.New("too many arguments")
}

func parseCall0(verb string) (call, error) {
	do := map[string]call{
		"listen":     with((*endpoint).listen),
		"accept":     with((*endpoint).accept),
		"unlisten":   with((*endpoint).unlisten),
		"close":      with((*endpoint).close),
		"disconnect": with((*endpoint).disconnect),
		"kill":       with((*endpoint).kill),
		"connect":    (*Conn).connect,
	}[verb]
	if do == nil {
		return nil, errors.New("unknown, or without its argument")
	}
	return do, nil
}

// connect begins a connection of the kernel's: its numbers are not those of the
// one before.
func (c *Conn) connect() error {
	if c.tcb.sndNxt != c.tcb.iss || c.tcb.synced {
		c.tcb = newTCB(c.tcb.sndNxt + 1_000_000)
	}
	return c.endpoint.connect()
}

func parseCall1(verb, arg string) (call, error) {
	switch verb {
	case "write":
		text, ok := unquote(arg)
		if !ok {
			return nil, errors.New("want a text in quotes")
		}
		return with(func(k *endpoint) error { return k.write(text) }), nil
	case "read":
		return parseRead(arg)
	case "error":
		errno, err := parseErrno(arg)
		return with(func(k *endpoint) error { return k.error(errno) }), err
	case "shutdown":
		return parseShutdown(arg)
	case "linger":
		n, err := parseUint(arg, 16)
		return with(func(k *endpoint) error { return k.linger(int(n)) }), err
	}
	return nil, errors.New("unknown, or with an argument too many")
}

// parseRead reads what reading must give.
func parseRead(arg string) (call, error) {
	if text, ok := unquote(arg); ok && text != "" {
		return with(func(k *endpoint) error { return k.read(text) }), nil
	}
	if arg == "eof" {
		return with(func(k *endpoint) error { return k.read("") }), nil
	}
	errno, err := parseErrno(arg)
	if err != nil {
		return nil, errors.New("want a text in quotes, eof, or the name of an error")
	}
	return with(func(k *endpoint) error { return k.readError(errno) }), nil
}

// parseErrno takes a name as ECONNRESET.
func parseErrno(name string) (unix.Errno, error) {
	for n := unix.Errno(1); n < 200; n++ {
		if unix.ErrnoName(n) == name {
			return n, nil
		}
	}
	return 0, fmt.Errorf("error %q: want a name as ECONNRESET", name)
}

func parseShutdown(arg string) (call, error) {
	how, ok := map[string]int{"rd": unix.SHUT_RD, "wr": unix.SHUT_WR, "rdwr": unix.SHUT_RDWR}[arg]
	if !ok {
		return nil, fmt.Errorf("%q: want rd, wr or rdwr", arg)
	}
	return with(func(k *endpoint) error { return unix.Shutdown(k.conn, how) }), nil
}

func parseCall2(verb, name, value string) (call, error) {
	switch verb {
	case "sysctl":
		return with(func(k *endpoint) error { return k.sysctl(name, value) }), checkSysctl(name)
	case "setsockopt":
		option, err := parseOption(name)
		if err != nil {
			return nil, err
		}
		n, err := parseNumber(value) // TCP_LINGER2 may be below 0
		return with(func(k *endpoint) error { return k.setsockopt(option, int(int32(n.n))) }), err
	}
	return nil, errors.New("unknown, or with arguments too many")
}

// checkSysctl lets a script set what the namespace has of its own, and nothing
// else.
func checkSysctl(name string) error {
	for _, r := range name {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_' && r != '.' {
			return fmt.Errorf("name %q: want net.…", name)
		}
	}
	if len(name) < 5 || name[:4] != "net." {
		return fmt.Errorf("name %q: want net.…", name)
	}
	return nil
}

// option is one of a socket's, at its level.
type option struct{ level, name int }

// parseOption returns an option by its name (socket(7), tcp(7)).
func parseOption(name string) (option, error) {
	if name == "SO_KEEPALIVE" {
		return option{unix.SOL_SOCKET, unix.SO_KEEPALIVE}, nil
	}
	number, ok := map[string]int{
		"TCP_CORK":         unix.TCP_CORK,
		"TCP_DEFER_ACCEPT": unix.TCP_DEFER_ACCEPT,
		"TCP_FASTOPEN":     unix.TCP_FASTOPEN,
		"TCP_KEEPCNT":      unix.TCP_KEEPCNT,
		"TCP_KEEPIDLE":     unix.TCP_KEEPIDLE,
		"TCP_KEEPINTVL":    unix.TCP_KEEPINTVL,
		"TCP_LINGER2":      unix.TCP_LINGER2,
		"TCP_NODELAY":      unix.TCP_NODELAY,
		"TCP_QUICKACK":     unix.TCP_QUICKACK,
		"TCP_REPAIR":       unix.TCP_REPAIR,
		"TCP_SYNCNT":       unix.TCP_SYNCNT,
		"TCP_USER_TIMEOUT": unix.TCP_USER_TIMEOUT,
	}[name]
	if !ok {
		return option{}, fmt.Errorf("unknown option %q", name)
	}
	return option{unix.IPPROTO_TCP, number}, nil
}
