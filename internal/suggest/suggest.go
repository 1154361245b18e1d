// Package suggest finds what a mistyped word most likely means.
package suggest

import "strings"

// Nearest returns the candidate that a mistyped word most likely means, or ""
// if none is near. Case, dashes and underscores do not count.
func Nearest(word string, candidates []string) string {
	word = fold(word)
	best, distance := "", len(word)/3+2 // one letter may be wrong, and one in three
	for _, candidate := range candidates {
		key := fold(candidate)
		d := levenshtein(word, key)
		if len(word) >= 3 && strings.HasPrefix(key, word) {
			d = min(d, 1) // cut short
		}
		nearer := d < distance || d == distance && len(candidate) < len(best)
		if nearer && d < len(word) {
			best, distance = candidate, d
		}
	}
	return best
}

func fold(word string) string {
	return strings.NewReplacer("-", "", "_", "", " ", "").Replace(strings.ToLower(word))
}

// levenshtein counts the letters to insert, delete or replace to turn a into b.
func levenshtein(a, b string) int {
	from, to := []rune(a), []rune(b)
	row := make([]int, len(to)+1)
	for j := range row {
		row[j] = j
	}
	for i, r := range from {
		diagonal := row[0]
		row[0] = i + 1
		for j, s := range to {
			cost := diagonal
			if r != s {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(to)]
}
