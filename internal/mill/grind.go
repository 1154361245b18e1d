package mill

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// workers is how many threads make connections, half of them in each namespace.
const workers = 4

// The descriptors that the mill is started with, after the usual three.
const namespaceFD = 3 // and 4

// grinder is the mill's process.
type grinder struct {
	inums  [2]uint32
	keeper *keeper
	target atomic.Int64 // connections to have been made before standing still
	made   atomic.Int64
	ending atomic.Bool

	workers []*worker
	parked  chan error // by each worker that stands still
	resume  []chan struct{}
}

// grind is the mill's process. For each line "go N" of stdin it makes so many
// connections, for "stop" it stops doing so, and then it prints a Picture. It
// ends with stdin.
func grind() error {
	seed, err := strconv.ParseUint(os.Getenv(seedVariable), 10, 64)
	if err != nil {
		return fmt.Errorf("parse seed: %w", err)
	}
	g := &grinder{parked: make(chan error)}
	for i := range g.inums {
		unix.CloseOnExec(namespaceFD + i)
		var st unix.Stat_t
		if err := unix.Fstat(namespaceFD+i, &st); err != nil {
			return fmt.Errorf("identify network namespace: %w", err)
		}
		g.inums[i] = uint32(st.Ino)
	}
	if g.keeper, err = startKeeper(); err != nil {
		return err
	}
	for i := range workers {
		w := newWorker(g, i, rand.New(rand.NewPCG(seed, uint64(i))))
		g.workers = append(g.workers, w)
		resume := make(chan struct{})
		g.resume = append(g.resume, resume)
		go w.run(resume)
	}
	if err := g.await(); err != nil {
		return err
	}
	err = g.obey()
	g.ending.Store(true)
	g.release()
	return errors.Join(err, g.await(), g.keeper.end())
}

// await waits until every worker stands still.
func (g *grinder) await() (err error) {
	for range g.workers {
		err = errors.Join(err, <-g.parked)
	}
	return err
}

func (g *grinder) release() {
	for _, c := range g.resume {
		c <- struct{}{}
	}
}

// obey carries out what stdin says: a line makes one order.
func (g *grinder) obey() error {
	orders := make(chan struct{}, 1)
	go g.listen(orders)
	out := json.NewEncoder(os.Stdout)
	for range orders {
		g.release()
		if err := g.await(); err != nil {
			return err
		}
		if err := out.Encode(g.picture()); err != nil {
			return err
		}
	}
	return nil
}

// listen sets the target, which a stop does under way.
func (g *grinder) listen(orders chan<- struct{}) {
	defer close(orders)
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		count, ok := strings.CutPrefix(lines.Text(), "go ")
		if !ok {
			g.target.Store(0)
			continue
		}
		n, _ := strconv.Atoi(count) // 0 prints the picture as it is
		g.target.Store(g.made.Load() + int64(n))
		orders <- struct{}{}
	}
	g.target.Store(0)
}

func (g *grinder) picture() Picture {
	p := Picture{Made: int(g.made.Load()), Kinds: map[string]int{}}
	for _, w := range g.workers {
		for kind, n := range w.kinds {
			p.Kinds[kind] += n
		}
		p.Sockets = w.describe(p.Sockets)
	}
	return p
}

// inRoom runs f on the calling thread, which must be locked, inside one of the
// namespaces, and leaves it there.
func inRoom(room int, f func() error) error {
	if err := unix.Setns(namespaceFD+room, unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter network namespace: %w", err)
	}
	return f()
}
