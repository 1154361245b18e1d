package tunpeer

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// words splits a line at its spaces. A word that begins with a quote is a Go
// string; one that begins with # ends the line.
func words(line string) ([]string, error) {
	var all []string
	for {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			return all, nil
		}
		word, err := firstWord(line)
		if err != nil {
			return nil, err
		}
		all = append(all, word)
		line = line[len(word):]
	}
}

// firstWord returns what line, which is not empty, begins with.
func firstWord(line string) (string, error) {
	if line[0] != '"' {
		if i := strings.IndexAny(line, " \t"); i >= 0 {
			return line[:i], nil
		}
		return line, nil
	}
	word, err := strconv.QuotedPrefix(line)
	if err != nil {
		return "", errors.New("text without its closing quote, or with an unknown escape")
	}
	if rest := line[len(word):]; rest != "" && !strings.ContainsAny(rest[:1], " \t#") {
		return "", fmt.Errorf("text %s runs into what follows", word)
	}
	return word, nil
}

// unquote returns the text of a quoted word, and whether it is one.
func unquote(word string) (string, bool) {
	if !strings.HasPrefix(word, `"`) {
		return "", false
	}
	text, err := strconv.Unquote(word)
	return text, err == nil
}

// number is a sequence number, or a distance to one.
type number struct {
	relative bool
	n        uint32
}

// parseNumber takes 0 to 2^32-1, or with a sign a distance of less than 2^31.
func parseNumber(word string) (number, error) {
	if word != "" && strings.ContainsAny(word[:1], "+-") {
		n, err := strconv.ParseInt(word, 10, 32)
		if err != nil {
			return number{}, fmt.Errorf("number %q: want a distance of less than 2^31", word)
		}
		return number{relative: true, n: uint32(n)}, nil
	}
	n, err := strconv.ParseUint(word, 10, 32)
	if err != nil {
		return number{}, fmt.Errorf("number %q: want 0 to 2^32-1, or +N or -N", word)
	}
	return number{n: uint32(n)}, nil
}

// from returns the number, at its distance from base if it has one.
func (n number) from(base uint32) uint32 {
	if n.relative {
		return base + n.n
	}
	return n.n
}

// parseUint takes a number of at most bits bits.
func parseUint(word string, bits int) (uint32, error) {
	n, err := strconv.ParseUint(word, 10, bits)
	if err != nil {
		return 0, fmt.Errorf("number %q: want 0 to %d", word, uint64(1)<<bits-1)
	}
	return uint32(n), nil
}

// maxWait bounds each wait that a script can ask for.
const maxWait = time.Minute

// parseDuration takes a duration of at most maxWait.
func parseDuration(word string) (time.Duration, error) {
	d, err := time.ParseDuration(word)
	if err != nil || d <= 0 || d > maxWait {
		return 0, fmt.Errorf("duration %q: want more than 0 and at most %v, as 50ms", word, maxWait)
	}
	return d, nil
}

// parseFlags takes names of flags with commas between, or none.
func parseFlags(word string) (Flags, error) {
	if word == "none" {
		return 0, nil
	}
	var flags Flags
	for name := range strings.SplitSeq(word, ",") {
		bit := Flags(0)
		for i, f := range flagNames {
			if f.name == name {
				bit = 1 << i
			}
		}
		if bit == 0 {
			return 0, fmt.Errorf("flag %q: want FIN,SYN,RST,PSH,ACK,URG,ECE,CWR or none", name)
		}
		flags |= bit
	}
	return flags, nil
}
