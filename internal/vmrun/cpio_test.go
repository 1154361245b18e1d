package vmrun

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The archive is compared byte for byte: every kernel that boots has unpacked the like.
func TestCPIOGolden(t *testing.T) {
	var got bytes.Buffer
	err := WriteCPIO(&got, []File{
		{Path: "dev/console", Mode: modeChar | 0o600, Dev: [2]uint32{5, 1}},
		{Path: "t/testdata/a", Mode: modeReg | 0o644, Data: []byte("hello")},
		{Path: "bin/sh", Mode: modeLink | 0o777, Data: []byte("/t/a")},
		{Path: "t", Mode: modeDir | 0o700}, // too late: it is there
	})
	if err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "cpio.golden")
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if shown := showCPIO(got.Bytes()); shown != string(want) {
		t.Errorf("archive:\n%s\nwant:\n%s", shown, want)
	}
	if got.Len()%4 != 0 {
		t.Errorf("archive has %d bytes, not a multiple of four", got.Len())
	}
}

// showCPIO makes an archive readable: a line for each entry, NUL as a dot.
func showCPIO(b []byte) string {
	s := strings.ReplaceAll(string(b), "\x00", ".")
	return strings.TrimPrefix(strings.ReplaceAll(s, "070701", "\n070701"), "\n") + "\n"
}

func TestCPIOReportsFailedWrites(t *testing.T) {
	if err := WriteCPIO(failingWriter{}, []File{{Path: "a"}}); !errors.Is(err, errFull) {
		t.Errorf("error %v, want %v", err, errFull)
	}
	if err := WriteCPIO(&bytes.Buffer{}, []File{{Path: "a\x00b"}}); err == nil {
		t.Error("a name with a NUL was written")
	}
}

var errFull = errors.New("full")

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errFull }
