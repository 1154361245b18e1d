package alert

import (
	_ "embed"
	"fmt"
)

//go:embed builtin.yaml
var builtinText []byte

// BuiltinFile is what the places of the built-in rules name.
const BuiltinFile = "builtin.yaml"

// Builtin returns the rules that are on by default, new ones with every call.
func Builtin() []Rule {
	rules, err := Parse(BuiltinFile, builtinText)
	if err != nil {
		panic(fmt.Sprintf("parse the built-in rules: %v", err)) // a test reads them
	}
	return rules
}

// BuiltinText returns the file of the built-in rules, to begin one's own with.
func BuiltinText() []byte { return append([]byte(nil), builtinText...) }
