package vmrun

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"
	"unicode/utf8"
)

// The guest's layout. The test's directory holds the binary and testdata, as
// its package's directory does on the host.
const (
	jobPath    = "/job.json"
	testDir    = "/t"
	outDir     = "/out"
	moduleDir  = "/modules"
	initBinary = "/init"
)

// Job says what /init does.
type Job struct {
	Args    []string      `json:"args"` // the first is the binary
	Env     []string      `json:"env,omitempty"`
	Modules []string      `json:"modules,omitempty"` // names, in loading order
	Timeout time.Duration `json:"timeout"`
	TTY     string        `json:"tty"`                // the serial line for frames
	OutDirs []string      `json:"out_dirs,omitempty"` // to make below outDir
}

// encode returns the job as /init reads it.
func (j *Job) encode() ([]byte, error) {
	if err := j.check(); err != nil {
		return nil, err
	}
	return json.Marshal(j)
}

// decodeJob is the inverse of encode.
func decodeJob(data []byte) (*Job, error) {
	var j Job
	if err := json.Unmarshal(data, &j); err != nil {
		return nil, fmt.Errorf("read job: %w", err)
	}
	return &j, j.check()
}

func (j *Job) check() error {
	if len(j.Args) == 0 || j.Args[0] == "" {
		return errors.New("job has no program")
	}
	if j.Timeout <= 0 {
		return fmt.Errorf("job has the timeout %v", j.Timeout)
	}
	for _, s := range append(append([]string{}, j.Args...), j.Env...) {
		if strings.ContainsRune(s, 0) {
			return fmt.Errorf("job has a NUL in %q", s)
		}
		if !utf8.ValidString(s) {
			return fmt.Errorf("job has %q, which is not UTF-8", s)
		}
	}
	for _, e := range j.Env {
		if name, _, ok := strings.Cut(e, "="); !ok || name == "" {
			return fmt.Errorf("job has the environment entry %q, want NAME=VALUE", e)
		}
	}
	for _, m := range j.Modules {
		if m == "." || path.Base(m) != m {
			return fmt.Errorf("job has the module name %q", m)
		}
	}
	return nil
}
