package vmrun

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// outputFlags are the flags of a test binary that name what it writes.
var outputFlags = map[string]struct{ dir, drop bool }{
	"coverprofile": {}, "cpuprofile": {}, "memprofile": {}, "blockprofile": {},
	"mutexprofile": {}, "trace": {},
	"gocoverdir": {dir: true}, "outputdir": {dir: true},
	// It lists what a cached result depends on, and a kernel is not in it.
	"testlogfile": {drop: true},
}

// outputs says where on the host belongs what the guest writes below outDir,
// by the first element of its path there.
type outputs map[string]string

// redirect returns the arguments with output files moved to where they are
// sent back from, and the directories to make there.
func redirect(args []string) (guest []string, dirs []string, out outputs, err error) {
	out = outputs{}
	hasOutputDir := false
	for _, arg := range args {
		hasOutputDir = hasOutputDir || strings.HasPrefix(arg, "-test.outputdir=")
	}
	for _, arg := range args {
		name, value, ok := strings.Cut(arg, "=")
		name, isTest := strings.CutPrefix(name, "-test.")
		flag, known := outputFlags[name]
		switch {
		case !ok || !isTest || !known || value == "":
			guest = append(guest, arg)
			continue
		case flag.drop:
			continue
		case hasOutputDir && !flag.dir && !filepath.IsAbs(value):
			guest = append(guest, arg) // relative to outputdir, which comes back whole
			continue
		}
		if out[name], err = filepath.Abs(value); err != nil {
			return nil, nil, nil, err
		}
		if flag.dir {
			dirs = append(dirs, name)
		}
		guest = append(guest, "-test."+name+"="+path.Join(outDir, name))
	}
	return guest, dirs, out, nil
}

// filesDir is the directory below outDir that a program finds in $VMRUN_OUT.
const filesDir = "files"

// save writes the files of a guest's tar to where they belong, and returns the
// names of those in filesDir.
func (o outputs) save(r io.Reader) (files []string, err error) {
	t := tar.NewReader(r)
	for {
		header, err := t.Next()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read files from guest: %w", err)
		}
		if header.Typeflag != tar.TypeReg {
			continue // directories are made as files need them
		}
		if err := o.saveFile(header.Name, t); err != nil {
			return nil, fmt.Errorf("save file from guest: %w", err)
		}
		if name, ok := strings.CutPrefix(header.Name, filesDir+"/"); ok {
			files = append(files, name)
		}
	}
}

func (o outputs) saveFile(name string, r io.Reader) error {
	first, rest, _ := strings.Cut(path.Clean(name), "/")
	host, ok := o[first]
	if !ok || !filepath.IsLocal(name) {
		return fmt.Errorf("unexpected file %q", name)
	}
	host = filepath.Join(host, rest)
	if err := os.MkdirAll(filepath.Dir(host), 0o755); err != nil {
		return err
	}
	f, err := os.Create(host)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}
