package vmrun

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

func TestJobComesBack(t *testing.T) {
	job := &Job{
		Args: []string{"/t/x.test", "-test.run=A|B", ""}, Env: []string{"A=", "B=x=y\nz"},
		Modules: []string{"veth"}, Timeout: time.Second, OutDirs: []string{"outputdir"},
	}
	data, err := job.encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodeJob(data)
	if err != nil || !reflect.DeepEqual(got, job) {
		t.Errorf("got %+v, %v; want %+v", got, err, job)
	}
}

func TestJobIsChecked(t *testing.T) {
	for name, job := range map[string]Job{
		"no program":      {Timeout: 1},
		"empty program":   {Args: []string{""}, Timeout: 1},
		"no timeout":      {Args: []string{"a"}},
		"NUL":             {Args: []string{"a", "b\x00c"}, Timeout: 1},
		"not UTF-8":       {Args: []string{"a", "\xff"}, Timeout: 1},
		"no value":        {Args: []string{"a"}, Env: []string{"A"}, Timeout: 1},
		"no name":         {Args: []string{"a"}, Env: []string{"=A"}, Timeout: 1},
		"module's path":   {Args: []string{"a"}, Modules: []string{"../a"}, Timeout: 1},
		"module's nature": {Args: []string{"a"}, Modules: []string{""}, Timeout: 1},
	} {
		if _, err := job.encode(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := decodeJob([]byte("{")); err == nil {
		t.Error("half a job was read")
	}
}

func TestFrames(t *testing.T) {
	var line bytes.Buffer
	f := &frameWriter{w: &line}
	long := bytes.Repeat([]byte("0123456789"), maxFrame/5)
	for kind, payload := range map[frameKind][]byte{frameStdout: long, frameStarted: nil} {
		line.Reset()
		if err := f.send(kind, payload); err != nil {
			t.Fatal(err)
		}
		var got []byte
		for line.Len() > 0 {
			k, piece, err := readFrame(&line)
			if err != nil || k != kind {
				t.Fatalf("frame %q, %v, want %q", k, err, kind)
			}
			got = append(got, piece...)
		}
		if !bytes.Equal(got, payload) {
			t.Errorf("%q came back as %d bytes, not %d", kind, len(got), len(payload))
		}
	}
}

func FuzzReadFrame(f *testing.F) {
	f.Add([]byte("\xa5o\x00\x00\x00\x02hi"))
	f.Add([]byte("\xa5o\xff\xff\xff\xffhi"))
	f.Fuzz(func(t *testing.T, b []byte) {
		kind, payload, err := readFrame(bytes.NewReader(b))
		if err != nil {
			return
		}
		var again bytes.Buffer
		if err := (&frameWriter{w: &again}).send(kind, payload); err != nil || !bytes.HasPrefix(b, again.Bytes()) {
			t.Errorf("%q became %q, %v", b, again.Bytes(), err)
		}
	})
}

// What ends without the last frame is a crash, whatever came before.
func TestOutputWithoutEndIsACrash(t *testing.T) {
	exit := binary.BigEndian.AppendUint32([]byte("\xa5x\x00\x00\x00\x04"), 3)
	for input, want := range map[string]error{
		"":                                       errCrash,
		"\xa5o\x00\x00\x00\x02hi":                errCrash,
		"\xa5o\x00\x00\x00\x09hi":                errCrash,
		"\xa5o\x00\x00\x00\x02hi" + string(exit): nil,
	} {
		var out bytes.Buffer
		g := newGuestOutput(&Config{Stdout: &out, Stderr: &out})
		g.read(strings.NewReader(input))
		if !errors.Is(g.err, want) || want == nil && g.code != 3 {
			t.Errorf("%q: code %d, error %v; want %v", input, g.code, g.err, want)
		}
	}
}

func TestRedirect(t *testing.T) {
	args := []string{
		"-test.v", "-test.coverprofile=/h/c.out", "-test.testlogfile=/h/log", "-test.gocoverdir=/h/cov",
		"-test.trace=", "-test.run=X", "--", "-test.cpuprofile", "coverprofile=x",
	}
	guest, dirs, out, err := redirect(args)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"-test.v", "-test.coverprofile=/out/coverprofile", "-test.gocoverdir=/out/gocoverdir",
		"-test.trace=", "-test.run=X", "--", "-test.cpuprofile", "coverprofile=x",
	}
	if !reflect.DeepEqual(guest, want) || !reflect.DeepEqual(dirs, []string{"gocoverdir"}) {
		t.Errorf("arguments %q, directories %q; want %q", guest, dirs, want)
	}
	if want := (outputs{"coverprofile": "/h/c.out", "gocoverdir": "/h/cov"}); !reflect.DeepEqual(out, want) {
		t.Errorf("outputs %v, want %v", out, want)
	}
	guest, _, out, err = redirect([]string{"-test.outputdir=/h/d", "-test.cpuprofile=cpu"})
	if err != nil || !reflect.DeepEqual(guest, []string{"-test.outputdir=/out/outputdir", "-test.cpuprofile=cpu"}) ||
		!reflect.DeepEqual(out, outputs{"outputdir": "/h/d"}) {
		t.Errorf("with outputdir: %q, %v, %v", guest, out, err)
	}
}

func TestFilesComeBack(t *testing.T) {
	guest, host := t.TempDir(), t.TempDir()
	files := fstest.MapFS{"coverprofile": {Data: []byte("mode: set\n")}, "outputdir/sub/cpu": {Data: []byte("x")}}
	if err := os.CopyFS(guest, files); err != nil {
		t.Fatal(err)
	}
	var tar bytes.Buffer
	if err := sendFiles(&tar, guest); err != nil {
		t.Fatal(err)
	}
	kept := bytes.Clone(tar.Bytes())
	out := outputs{"coverprofile": filepath.Join(host, "new", "c.out"), "outputdir": host}
	if _, err := out.save(&tar); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"new/c.out": "mode: set\n", "sub/cpu": "x"} {
		if got, err := os.ReadFile(filepath.Join(host, name)); err != nil || string(got) != want {
			t.Errorf("%s is %q, %v; want %q", name, got, err, want)
		}
	}
	if _, err := (outputs{"outputdir": host}).save(io.Reader(bytes.NewReader(kept))); err == nil {
		t.Error("a file that nobody asked for was taken")
	}
}

func TestConsoleFindsTrouble(t *testing.T) {
	c := &console{}
	for _, text := range []string{"all is w", "ell\r\n[ 1.0] BUG: kernel NULL pointer\r\nCall Trace:\r\n", "half"} {
		if _, err := c.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := strings.Join(c.trouble(), "|"), "[ 1.0] BUG: kernel NULL pointer|Call Trace:|half"; got != want {
		t.Errorf("trouble %q, want %q", got, want)
	}
	if got := indent([]string{"a\x1b[2Jb\tc"}); got != "\ta?[2Jb\tc" {
		t.Errorf("shown as %q", got)
	}
}

func TestHasVirtualisation(t *testing.T) {
	for text, want := range map[string]bool{
		"": false,
		"processor\t: 0\nflags\t\t: fpu vmx sse\n": true,
		"flags\t\t: fpu svm\n":                     true,
		"flags\t\t: fpu svm_lock xvmx\n":           false,
		"vmx flags\t: vmx\n":                       false,
	} {
		if got := hasVirtualisation(text); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

// A program that is to leave files behind finds where, and they are named when
// they come back.
func TestOutDir(t *testing.T) {
	host := filepath.Join(t.TempDir(), "out")
	c := Config{Binary: "x.test", Timeout: time.Second, OutDir: host}
	job, out, err := c.job(Kernel{Series: "6.1", series: &allSeries[1]})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(job.Env, "VMRUN_OUT=/out/files") || !slices.Contains(job.OutDirs, "files") {
		t.Errorf("job %+v", job)
	}
	var tar bytes.Buffer
	files := fstest.MapFS{"files/a.json": {Data: []byte("{}")}, "files/sub/b": {Data: []byte("b")}}
	guestDir := t.TempDir()
	if err := os.CopyFS(guestDir, files); err != nil {
		t.Fatal(err)
	}
	if err := sendFiles(&tar, guestDir); err != nil {
		t.Fatal(err)
	}
	names, err := out.save(&tar)
	if want := []string{"a.json", "sub/b"}; err != nil || !slices.Equal(names, want) {
		t.Errorf("got %v, %v; want %v", names, err, want)
	}
	if got, err := os.ReadFile(filepath.Join(host, "sub", "b")); err != nil || string(got) != "b" {
		t.Errorf("file has %q, %v", got, err)
	}
}
