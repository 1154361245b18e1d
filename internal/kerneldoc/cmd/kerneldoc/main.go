// Command kerneldoc compares what the tests saw on each kernel with
// docs/kernels.json, or makes it anew.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"

	"github.com/tcpwatch/tcpwatch/internal/kerneldoc"
)

func main() {
	results := flag.String("results", "", "`directory` that a matrix of kernels wrote its results to")
	host := flag.String("host", "", "`directory` that the probe's tests wrote to on this machine")
	file := flag.String("facts", "docs/kernels.json", "what was seen before")
	write := flag.Bool("w", false, "write the facts and the document anew")
	flag.Parse()
	if *results == "" || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(*results, *host, *file, *write); err != nil {
		fmt.Fprintln(os.Stderr, "kerneldoc:", err)
		os.Exit(1)
	}
}

func run(results, host, file string, write bool) error {
	now, err := kerneldoc.Collect(results, host)
	if errors.Is(err, kerneldoc.ErrNoProbe) && !write {
		fmt.Println(err)
		return nil
	}
	if err != nil {
		return err
	}
	if write {
		return now.Save(file)
	}
	before, err := kerneldoc.Load(file)
	if err != nil {
		return err
	}
	differences := kerneldoc.Differences(before, now)
	for _, d := range differences {
		fmt.Println(d)
	}
	if len(differences) > 0 {
		return fmt.Errorf("%d differences from %s: if they are meant, make kernels-doc, and say why in the commit", len(differences), file)
	}
	fmt.Printf("all facts of %d kernels as in %s\n", len(now.Kernels), file)
	return nil
}
