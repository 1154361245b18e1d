package probe

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"
)

// someTypes is BTF, of one structure.
func someTypes(t testing.TB) []byte {
	t.Helper()
	b, err := btf.NewBuilder([]btf.Type{&btf.Struct{Name: "sock", Size: 1}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := b.Marshal(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// image is an ELF file with one section, and the section of names.
func image(t testing.TB, name string, content []byte) []byte {
	t.Helper()
	const headerSize, sectionSize = 64, 64
	names := "\x00" + name + "\x00.shstrtab\x00"
	body := append([]byte(names), content...)
	h := elf.Header64{
		Type: uint16(elf.ET_REL), Machine: uint16(elf.EM_X86_64), Version: uint32(elf.EV_CURRENT),
		Shoff: uint64(headerSize + len(body)), Ehsize: headerSize, Shentsize: sectionSize, Shnum: 3, Shstrndx: 2,
	}
	copy(h.Ident[:], elf.ELFMAG)
	h.Ident[elf.EI_CLASS], h.Ident[elf.EI_DATA], h.Ident[elf.EI_VERSION] = byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)
	sections := []elf.Section64{
		{},
		{Name: 1, Type: uint32(elf.SHT_PROGBITS), Off: uint64(headerSize + len(names)), Size: uint64(len(content))},
		{Name: uint32(2 + len(name)), Type: uint32(elf.SHT_STRTAB), Off: headerSize, Size: uint64(len(names))},
	}
	var b bytes.Buffer
	for _, part := range []any{h, body, sections} {
		if err := binary.Write(&b, binary.LittleEndian, part); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

func TestReadTypes(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	raw := someTypes(t)
	whole := image(t, ".BTF", raw)
	for name, path := range map[string]string{"raw": file("raw", raw), "image": file("image", whole)} {
		if got, err := ReadTypes(path); err != nil || !bytes.Equal(got, raw) {
			t.Errorf("%s: %v, the same %v", name, err, bytes.Equal(got, raw))
		}
	}
	huge := file("huge", nil)
	if err := os.Truncate(huge, maxTypes+1); err != nil {
		t.Fatal(err)
	}
	for path, says := range map[string]string{
		filepath.Join(dir, "none"): "no such file",
		dir:                        "is no regular file",
		huge:                       "which no kernel has",
		file("other", image(t, ".text", []byte("code"))): "no section .BTF",
		file("garbage", []byte("garbage")):               "holds none",
		file("half", raw[:len(raw)/2]):                   "holds none",
		file("half image", whole[:100]):                  "read BTF",
		file("empty", nil):                               "holds none",
	} {
		if _, err := ReadTypes(path); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", filepath.Base(path), err, says)
		}
	}
}

func FuzzTypesOfImage(f *testing.F) {
	f.Add(image(f, ".BTF", someTypes(f)))
	f.Add([]byte(elf.ELFMAG))
	f.Fuzz(func(t *testing.T, b []byte) { _, _ = typesOfImage(bytes.NewReader(b)) })
}
