package probe

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReadTypes(t *testing.T) {
	image, err := os.ReadFile("../../bpf/tcpwatch_bpfel.o") // as an image of a kernel, it has a section .BTF
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	raw, err := ReadTypes(file("image", image))
	if err != nil {
		t.Fatal(err)
	}
	again, err := ReadTypes(file("raw", raw))
	if err != nil || !bytes.Equal(again, raw) {
		t.Errorf("the section as a file: %v, same %v", err, bytes.Equal(again, raw))
	}
	huge := file("huge", nil)
	if err := os.Truncate(huge, maxTypes+1); err != nil {
		t.Fatal(err)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for path, says := range map[string]string{
		filepath.Join(dir, "none"):         "no such file",
		dir:                                "is no regular file",
		huge:                               "which no kernel has",
		program:                            "no section .BTF",
		file("garbage", []byte("garbage")): "holds none",
		file("half", raw[:len(raw)/2]):     "holds none",
		file("half image", image[:100]):    "read BTF",
		file("empty", nil):                 "holds none",
	} {
		if _, err := ReadTypes(path); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", filepath.Base(path), err, says)
		}
	}
}

func FuzzTypesOfImage(f *testing.F) {
	image, err := os.ReadFile("../../bpf/tcpwatch_bpfel.o")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(image[:4096])
	f.Add([]byte("\x7fELF"))
	f.Fuzz(func(t *testing.T, b []byte) { _, _ = typesOfImage(bytes.NewReader(b)) })
}
