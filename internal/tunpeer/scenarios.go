package tunpeer

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
)

//go:embed scenarios/*.script
var scenarios embed.FS // constant: what the directory held when this was built

// Scenarios returns the scripts of this package, by name: the exchanges of RFC
// 9293 and what goes wrong in them, each with its paths, which are those of
// every kernel that tcpwatch supports.
func Scenarios() ([]*Script, error) {
	names, err := fs.Glob(scenarios, "scenarios/*.script")
	if err != nil {
		return nil, fmt.Errorf("list scenarios: %w", err)
	}
	var all []*Script
	for _, name := range names {
		text, err := fs.ReadFile(scenarios, name)
		if err != nil {
			return nil, fmt.Errorf("read scenario: %w", err)
		}
		s, err := Parse(path.Base(name), string(text))
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}
