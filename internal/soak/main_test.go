package soak

import (
	"fmt"
	"os"
	"testing"
)

// helperMode makes the test binary one of the programs: serve or fetch.
const helperMode = "TCPWATCH_SOAK_HELPER"

func TestMain(m *testing.M) {
	var err error
	switch os.Getenv(helperMode) {
	case "":
		os.Exit(m.Run())
	case "serve":
		err = serve()
	case "fetch":
		err = fetch(os.Args[1:])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
