package model

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Read the difference before you keep it: these files are what users see.
var update = flag.Bool("update", false, "rewrite the golden files")

var drawings = map[string]func(io.Writer) error{"machine.mmd": Mermaid, "machine.dot": Dot, "machine.json": JSON}

func TestDrawings(t *testing.T) {
	for name, draw := range drawings {
		t.Run(name, func(t *testing.T) {
			var have bytes.Buffer
			if err := draw(&have); err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(golden, have.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(have.Bytes(), want) {
				t.Errorf("%s differs; go test -update rewrites it. Have:\n%s", golden, have.String())
			}
			for _, e := range Edges() {
				if !strings.Contains(have.String(), e.Name) {
					t.Errorf("%s is missing", e.Name)
				}
			}
		})
	}
}

func TestJSONHoldsEverything(t *testing.T) {
	var doc struct {
		States, Edges, Rules, Verdicts []map[string]any
		CloseReasons                   []map[string]any `json:"close_reasons"`
	}
	var b bytes.Buffer
	if err := JSON(&b); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	for what, n := range map[string][2]int{
		"states":        {len(doc.States), len(States())},
		"edges":         {len(doc.Edges), len(Edges())},
		"rules":         {len(doc.Rules), len(Rules())},
		"close reasons": {len(doc.CloseReasons), len(CloseReasons())},
		"verdicts":      {len(doc.Verdicts), len(verdictNames)},
	} {
		if n[0] != n[1] {
			t.Errorf("%d %s, want %d", n[0], what, n[1])
		}
	}
	for _, list := range [][]map[string]any{doc.States, doc.CloseReasons, doc.Verdicts} {
		for _, item := range list {
			if item["summary"] == "" {
				t.Errorf("%v has no summary", item["name"])
			}
		}
	}
}

type brokenWriter struct{}

var errBroken = errors.New("broken")

func (brokenWriter) Write([]byte) (int, error) { return 0, errBroken }

func TestDrawingsReportErrors(t *testing.T) {
	for name, draw := range drawings {
		if err := draw(brokenWriter{}); !errors.Is(err, errBroken) {
			t.Errorf("%s: %v, want the writer's error", name, err)
		}
	}
}
