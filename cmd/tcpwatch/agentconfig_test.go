package main

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestAgentConfig(t *testing.T) {
	c, err := parseAgentConfig("agent.yaml", []byte(`
listen: "[::1]:1"
rules: [a.yaml, b.yaml]
evaluate_every: 2s
groups: 5
sinks:
  - type: text
  - {type: exec, name: page, command: [/usr/local/bin/page, now], timeout: 3s}
  - {type: alertmanager, url: "http://localhost:9093"}
`))
	if err != nil {
		t.Fatal(err)
	}
	want := &agentConfig{
		Listen: "[::1]:1", Rules: []string{"a.yaml", "b.yaml"}, Every: 2 * time.Second, Groups: 5,
		Sinks: []sinkConfig{
			{Type: "text", Name: "text"},
			{Type: "exec", Name: "page", Command: []string{"/usr/local/bin/page", "now"}, Timeout: 3 * time.Second},
			{Type: "alertmanager", Name: "alertmanager", URL: "http://localhost:9093"},
		},
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got %+v\nwant %+v", c, want)
	}
}

// An empty file is a config: metrics on loopback, and no sinks.
func TestAgentConfigDefaults(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "{}"} {
		c, err := parseAgentConfig("agent.yaml", []byte(text))
		if err != nil || c.Listen != "127.0.0.1:9417" || c.Every != 5*time.Second {
			t.Errorf("%q: %+v, %v", text, c, err)
		}
	}
}

func TestAgentConfigMistakesHaveAPlace(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"unknown key", "groups: 1\nlissten: x\n", "agent.yaml:2:1: field lissten not found"},
		{"two documents", "groups: 1\n---\ngroups: 2\n", "agent.yaml:"},
		{"unknown key of a sink", "sinks:\n  - type: text\n    colour: red\n", "agent.yaml:3:5: "},
		{"not YAML", "listen: [\n", "agent.yaml:2:1: "},
		{"a key twice", "groups: 1\ngroups: 2\n", "agent.yaml:2:1: "},
		{"wrong type", "groups: many\n", "agent.yaml:1:9: "},
		{"bad duration", "evaluate_every: 5 parsecs\n", "agent.yaml:1:17: "},
		{"too often", "evaluate_every: 1ms\n", "agent.yaml:1:17: check evaluate_every 1ms: want 100ms to 1h"},
		{"no port", "listen: localhost\n", "agent.yaml:1:9: check listen "},
		{"unknown sink", "sinks:\n  - type: pigeon\n", `agent.yaml:2:11: check sink type "pigeon": want one of `},
		{"no url", "sinks:\n  - type: slack\n", "agent.yaml:2:5: check sink slack: want url or url_file"},
		{"a url that is none", "sinks:\n  - type: slack\n    url: secret\n", "agent.yaml:3:10: check url: want http"},
		{"url too many", "sinks:\n  - type: text\n    url: http://a\n", "agent.yaml:3:10: check sink text: it has no url"},
		{"exec without a command", "sinks:\n  - type: exec\n", "agent.yaml:2:5: check sink exec"},
		{"exec of a line", "sinks:\n  - type: exec\n    command: rm -rf\n", "agent.yaml:3:14: "},
		{"twice the same name", "sinks:\n  - type: text\n  - type: text\n", `agent.yaml:3:5: check sink "text": there is one of that name`},
		{"too long", "sinks:\n  - type: text\n    timeout: 2m\n", "agent.yaml:3:14: check timeout 2m0s"},
	} {
		_, err := parseAgentConfig("agent.yaml", []byte(c.text))
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s…", c.name, err, c.want)
		}
	}
}

func TestExampleConfig(t *testing.T) {
	c, err := readAgentConfig("../../deploy/agent.example.yaml")
	if err != nil || len(c.Sinks) != 2 {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestAgentConfigIsBounded(t *testing.T) {
	file := filepath.Join(t.TempDir(), "agent.yaml")
	if err := os.WriteFile(file, make([]byte, maxConfig+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readAgentConfig(file); err == nil {
		t.Error("a file of any size is read")
	}
	bomb := "a: &a [x, x, x, x, x, x, x, x, x]\n"
	for i := 'b'; i < 'l'; i++ {
		bomb += strings.ReplaceAll("N: &N [*P, *P, *P, *P, *P, *P, *P, *P, *P]\n", "N", string(i))
		bomb = strings.ReplaceAll(bomb, "*P", "*"+string(i-1))
	}
	if _, err := parseAgentConfig("agent.yaml", []byte(bomb)); err == nil {
		t.Error("a bomb is a config")
	}
}
