package alert

import (
	"bytes"
	"flag"
	"os"
	"testing"

	"go.yaml.in/yaml/v4"
)

var update = flag.Bool("update", false, "write the golden files anew")

// The exported file is as it was read before, and is what Prometheus reads: each
// rule has but the keys that it knows.
func TestExport(t *testing.T) {
	var out bytes.Buffer
	if err := Export(&out, Builtin()); err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/prometheus.golden"
	if *update {
		if err := os.WriteFile(golden, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(out.Bytes(), want) {
		t.Errorf("%s differs (go test -update writes it anew); have:\n%s", golden, out.Bytes())
	}
	var file struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For    string
				KeepFiringFor       string `yaml:"keep_firing_for"`
				Labels, Annotations map[string]string
			}
		}
	}
	if err := yaml.Load(out.Bytes(), &file, yaml.WithKnownFields()); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, r := range Builtin() {
		if r.Prometheus != "" {
			n++
		}
	}
	if len(file.Groups) != 1 || len(file.Groups[0].Rules) != n {
		t.Errorf("%+v, want %d rules", file, n)
	}
	out.Reset()
	if err := Export(&out, nil); err != nil || !bytes.Contains(out.Bytes(), []byte("groups: []")) {
		t.Errorf("%v %s", err, out.Bytes())
	}
}

func TestQuote(t *testing.T) {
	for _, s := range []string{"a", "yes", "a: b", "it's", "two\nlines", `back\slash`, `"q"`, "é", "", "'", "#x", "\x1b"} {
		var m map[string]string
		if err := yaml.Load([]byte("k: "+quote(s)), &m); err != nil || m["k"] != s {
			t.Errorf("%q is read as %q (%v)", s, m["k"], err)
		}
	}
}
