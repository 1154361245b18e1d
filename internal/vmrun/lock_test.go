package vmrun

import (
	"reflect"
	"strings"
	"testing"
)

const sum = "18d94781d1b3052e21967ac2262239e5f14fbf511d6c3e110629d7aa35340760"

func TestParseLock(t *testing.T) {
	good := Deb{"5.10", "linux-image-5.10.0-46-cloud-amd64", "5.10.262-1", sum}
	for _, test := range []struct {
		name, text string
		want       Lock
		err        string // a part of it; empty: none
	}{
		{"empty", "", nil, ""},
		{"comments", "# one\n\n   # two\n", nil, ""},
		{"one", good.String() + "\n", Lock{good}, ""},
		{"comment behind", good.String() + " # why\n", Lock{good}, ""},
		{"no newline", good.String(), Lock{good}, ""},
		{"three fields", "5.10 a 1\n", nil, "line 1: 3 fields, want 4"},
		{"five fields", "\n" + good.String() + " x\n", nil, "line 2: 5 fields, want 4"},
		{"twice", good.String() + "\n" + good.String() + "\n", nil, "line 2: package linux-image"},
		{"unknown series", "4.19 a 1 " + sum, nil, `unknown series "4.19"`},
		{"not the series' own name", "7.3 a 1 " + sum, nil, `unknown series "7.3"`},
		{"short sum", "5.10 a 1 abc", nil, "no SHA-256"},
		{"upper case sum", "5.10 a 1 " + strings.ToUpper(sum), nil, "no SHA-256"},
		{"path", "5.10 ../a 1 " + sum, nil, "has a letter"},
		{"option", "5.10 -oDir=x 1 " + sum, nil, "has a letter"},
		{"option's letter", "5.10 -o 1 " + sum, nil, "begins like an option"},
	} {
		got, err := ParseLock(strings.NewReader(test.text))
		if test.err == "" && (err != nil || !reflect.DeepEqual(got, test.want)) {
			t.Errorf("%s: got %v, %v; want %v", test.name, got, err, test.want)
		}
		if test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
			t.Errorf("%s: error %v, want one with %q", test.name, err, test.err)
		}
	}
}

func TestBuiltinLockPinsEverySeries(t *testing.T) {
	lock, err := ParseLock(strings.NewReader(BuiltinLock))
	if err != nil {
		t.Fatal(err)
	}
	if lock.Format() != BuiltinLock {
		t.Error("the lock is not as -refresh would write it")
	}
	for i := range allSeries {
		s := &allSeries[i]
		if got := s.newest(lock.Series(s.name)); len(got) != len(s.packages) {
			t.Errorf("series %s is not pinned completely: %v", s.name, got)
		}
	}
}

func FuzzParseLock(f *testing.F) {
	f.Add(BuiltinLock)
	f.Add("5.10 a 1 " + sum)
	f.Fuzz(func(t *testing.T, text string) {
		lock, err := ParseLock(strings.NewReader(text))
		if err != nil {
			return
		}
		again, err := ParseLock(strings.NewReader(lock.Format()))
		if err != nil || !reflect.DeepEqual(lock, again) {
			t.Errorf("%q became %v, then %v, %v", text, lock, again, err)
		}
	})
}
