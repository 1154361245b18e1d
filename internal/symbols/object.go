package symbols

import (
	"cmp"
	"debug/elf"
	"debug/gosym"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/ianlancetaylor/demangle"
)

// object is an ELF file: a program, or a library.
type object struct {
	segments []segment
	symbols  []symbol     // functions, by address
	lines    *gosym.Table // of a Go program
}

// segment is a part of the file that is loaded.
type segment struct{ offset, size, address uint64 }

type symbol struct {
	address, size uint64
	name          string
}

// Bounds of what is read of one file, which may be anybody's: a hostile one is to
// cost no more than a large one.
const (
	maxSection = 256 << 20
	maxSymbols = 4 << 20
	maxMangled = 1024
	maxName    = 160
)

// openObject reads a mapped file, through the kernel or else by its path, where by now
// another may lie; nil if neither can be read.
func openObject(mapped, path, inode string) (o *object) {
	f, err := os.Open(mapped)
	if err != nil {
		f, err = openRegular(path, inode)
	}
	if err != nil {
		return nil
	}
	defer f.Close()
	o, _ = readObject(f)
	return o
}

// openRegular opens a file with a known inode number. It is not to wait for whoever
// opens the other end of a pipe.
func openRegular(path, inode string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err == nil {
		if sys, ok := st.Sys().(*syscall.Stat_t); !ok || !st.Mode().IsRegular() || strconv.FormatUint(sys.Ino, 10) != inode {
			err = errHostile
		}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

var errHostile = errors.New("read symbols: the file is not what it says")

// readObject reads an ELF file. The packages that parse it were not made for
// hostile files: what they panic at is an error here.
func readObject(f io.ReaderAt) (o *object, err error) {
	defer func() {
		if recover() != nil {
			o, err = nil, errHostile
		}
	}()
	e, err := elf.NewFile(f)
	if err != nil {
		return nil, err
	}
	o = &object{}
	for _, p := range e.Progs {
		if p.Type == elf.PT_LOAD {
			o.segments = append(o.segments, segment{p.Off, p.Filesz, p.Vaddr})
		}
	}
	if o.lines = goLines(e); o.lines == nil {
		o.readSymbols(e)
	}
	return o, nil
}

// goLines returns the table that every Go program carries, stripped or not. It
// holds offsets from where the code of Go begins: that is where .text does, unless
// another linker has put C before it. Then the program begins in C as well.
func goLines(e *elf.File) *gosym.Table {
	s := e.Section(".gopclntab")
	if s == nil {
		s = e.Section(".data.rel.ro.gopclntab") // position-independent
	}
	text := e.Section(".text")
	if s == nil || text == nil || s.Size > maxSection {
		return nil
	}
	data, err := s.Data()
	if err != nil {
		return nil
	}
	t, err := gosym.NewTable(nil, gosym.NewLineTable(data, text.Addr))
	if err != nil {
		return nil
	}
	if fn := t.PCToFunc(e.Entry); fn == nil || fn.Entry != e.Entry || !strings.HasPrefix(fn.Name, "_rt0_") {
		return nil
	}
	return t
}

func (o *object) readSymbols(e *elf.File) {
	for _, table := range []struct {
		kind elf.SectionType
		read func() ([]elf.Symbol, error)
	}{{elf.SHT_SYMTAB, e.Symbols}, {elf.SHT_DYNSYM, e.DynamicSymbols}} {
		s := e.SectionByType(table.kind)
		if s == nil || s.Size > maxSection || int(s.Link) < len(e.Sections) && e.Sections[s.Link].Size > maxSection {
			continue
		}
		all, _ := table.read()
		for _, one := range all {
			if elf.ST_TYPE(one.Info) == elf.STT_FUNC && one.Value != 0 && len(o.symbols) < maxSymbols {
				o.symbols = append(o.symbols, symbol{one.Value, one.Size, one.Name})
			}
		}
	}
	slices.SortStableFunc(o.symbols, func(a, b symbol) int { return cmp.Compare(a.address, b.address) })
}

// name fills in what the place at an offset of the file is.
func (o *object) name(f *Frame, offset uint64) {
	address, ok := o.address(offset)
	if !ok {
		return
	}
	if o.lines != nil {
		if file, line, fn := pcToLine(o.lines, address); fn != "" {
			f.Function, f.File, f.Line = cut(fn), filepath.Base(file), line
			return
		}
	}
	i, found := slices.BinarySearchFunc(o.symbols, address, func(s symbol, address uint64) int { return cmp.Compare(s.address, address) })
	if !found {
		i--
	}
	if i < 0 || address >= o.symbols[i].address+max(1, o.symbols[i].size) {
		return // between functions that have a name: one that has none
	}
	f.Function, f.Offset = cut(plain(o.symbols[i].name)), address-o.symbols[i].address
}

func pcToLine(t *gosym.Table, address uint64) (file string, line int, function string) {
	defer func() {
		if recover() != nil {
			file, line, function = "", 0, ""
		}
	}()
	file, line, fn := t.PCToLine(address)
	if fn == nil {
		return "", 0, ""
	}
	return file, line, fn.Name
}

// address returns where the byte at an offset of the file is loaded, before the
// kernel moves the whole.
func (o *object) address(offset uint64) (uint64, bool) {
	for _, s := range o.segments {
		if offset >= s.offset && offset-s.offset < s.size {
			return offset - s.offset + s.address, true
		}
	}
	return 0, false
}

// plain returns the name as it was written in the source.
func plain(name string) string {
	if len(name) > maxMangled {
		return name
	}
	return demangle.Filter(name, demangle.NoParams)
}

func cut(name string) string { return name[:min(len(name), maxName)] }
