package main

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// agentConfig is the file that --config names.
type agentConfig struct {
	Listen    string        `yaml:"listen"`     // host:port, or off
	WebConfig string        `yaml:"web_config"` // TLS and passwords, as exporter-toolkit has them
	Rules     []string      `yaml:"rules"`
	Every     time.Duration `yaml:"evaluate_every"`
	Groups    int           `yaml:"groups"`
	MaxSeries int           `yaml:"max_series"`
	Sinks     []sinkConfig  `yaml:"sinks"`
}

// sinkConfig is one sink. Which keys it has depends on its type.
type sinkConfig struct {
	Type       string        `yaml:"type"`
	Name       string        `yaml:"name"`
	URL        string        `yaml:"url"`
	URLFile    string        `yaml:"url_file"` // for a URL that is a secret
	SecretFile string        `yaml:"secret_file"`
	Command    []string      `yaml:"command"`
	Network    string        `yaml:"network"`
	Address    string        `yaml:"address"`
	Timeout    time.Duration `yaml:"timeout"`
}

// Bounds of the file, and of what it may ask for.
const (
	maxConfig     = 1 << 20
	maxSinks      = 32
	maxGroups     = 100
	defaultListen = "127.0.0.1:9417"
	listenOff     = "off"
)

// configFile is a file as it was read, to tell where in it a mistake is.
type configFile struct {
	name string
	root yaml.Node
}

// readAgentConfig reads and checks a file. Its errors name line and column.
func readAgentConfig(name string) (*agentConfig, error) {
	info, err := os.Stat(name)
	if err == nil && info.Size() > maxConfig {
		err = fmt.Errorf("%s: %d bytes, want at most %d", name, info.Size(), maxConfig)
	}
	if err != nil {
		return nil, fmt.Errorf("read config: %w", err)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read config: %w", err)
	}
	return parseAgentConfig(name, text)
}

func parseAgentConfig(name string, text []byte) (*agentConfig, error) {
	c := &agentConfig{Listen: defaultListen, Every: 5 * time.Second}
	f := configFile{name: name}
	var documents []yaml.Node // none, of a file of comments
	err := yaml.Load(text, &documents, yaml.WithAllDocuments())
	if err == nil && len(documents) > 0 {
		f.root = documents[0]
		err = yaml.Load(text, c, yaml.WithKnownFields())
	}
	if err != nil {
		return nil, f.mistake(err)
	}
	if err := f.check(c); err != nil {
		return nil, err
	}
	return c, nil
}

// mistake puts the place before what the YAML library found first.
func (f *configFile) mistake(err error) error {
	if e, ok := errors.AsType[*yaml.LoadError](err); ok && e.Mark.Line > 0 {
		text, _, _ := strings.Cut(e.Message, " in type ") // the type is ours, not the user's
		return fmt.Errorf("%s:%d:%d: %s", f.name, e.Mark.Line, e.Mark.Column, text)
	}
	return fmt.Errorf("%s: %w", f.name, err)
}

// at is an error at the node that path leads to, or at the last one on the way.
func (f *configFile) at(err error, path ...any) error {
	n := &f.root
	if n.Kind == yaml.DocumentNode && len(n.Content) > 0 {
		n = n.Content[0]
	}
	for _, step := range path {
		next := child(n, step)
		if next == nil {
			break
		}
		n = next
	}
	return fmt.Errorf("%s:%d:%d: %w", f.name, n.Line, n.Column, err)
}

// child is the value of a key, or the n-th item.
func child(n *yaml.Node, step any) *yaml.Node {
	switch step := step.(type) {
	case int:
		if step < len(n.Content) {
			return n.Content[step]
		}
	case string:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == step {
				return n.Content[i+1]
			}
		}
	}
	return nil
}

func (f *configFile) check(c *agentConfig) error {
	if c.Listen != listenOff {
		if _, _, err := net.SplitHostPort(c.Listen); err != nil {
			return f.at(fmt.Errorf("check listen %q: want host:port, such as %s, or off", c.Listen, defaultListen), "listen")
		}
	}
	switch {
	case c.Every < 100*time.Millisecond || c.Every > time.Hour:
		return f.at(fmt.Errorf("check evaluate_every %v: want 100ms to 1h", c.Every), "evaluate_every")
	case c.Groups < 0 || c.Groups > maxGroups:
		return f.at(fmt.Errorf("check groups %d: want 0 to %d", c.Groups, maxGroups), "groups")
	case c.MaxSeries < 0:
		return f.at(fmt.Errorf("check max_series %d: want 1 or more", c.MaxSeries), "max_series")
	case len(c.Sinks) > maxSinks:
		return f.at(fmt.Errorf("check sinks: %d, want at most %d", len(c.Sinks), maxSinks), "sinks")
	}
	names := map[string]bool{}
	for i := range c.Sinks {
		s := &c.Sinks[i]
		if key, err := s.check(); err != nil {
			return f.at(err, "sinks", i, key)
		}
		if s.Name == "" {
			s.Name = s.Type
		}
		if names[s.Name] {
			return f.at(fmt.Errorf("check sink %q: there is one of that name: give each its own", s.Name), "sinks", i, "name")
		}
		names[s.Name] = true
	}
	return nil
}

// check names the key that is wrong.
func (s *sinkConfig) check() (key string, err error) {
	kind, ok := sinkKinds[s.Type]
	if !ok {
		return "type", fmt.Errorf("check sink type %q: want one of %s", s.Type, sinkKindNames())
	}
	if s.Timeout < 0 || s.Timeout > time.Minute {
		return "timeout", fmt.Errorf("check timeout %v: want at most 1m", s.Timeout)
	}
	if kind.url && (s.URL == "") == (s.URLFile == "") {
		return "url", fmt.Errorf("check sink %s: want url or url_file", s.Type)
	}
	if !kind.url && s.URL+s.URLFile != "" {
		return "url", fmt.Errorf("check sink %s: it has no url", s.Type)
	}
	if s.URL != "" {
		return "url", checkURL(s.URL)
	}
	if (s.Type == "exec") != (len(s.Command) > 0) {
		return "command", fmt.Errorf("check sink %s: exec, and nothing else, has a command: a list of the program and its arguments", s.Type)
	}
	return "", nil
}

// checkURL does not repeat the URL: some hold a secret.
func checkURL(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return errors.New("check url: want http://HOST… or https://HOST…")
	}
	return nil
}
