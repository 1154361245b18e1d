package model

// Verdict says what the model thinks of what was seen.
type Verdict uint8

// The verdicts, from the least to the most severe. Unjudged is not on that
// scale: it says that too little was seen to have an opinion.
const (
	Unjudged   Verdict = iota // not enough was seen to say
	Normal                    // documented, and the ordinary course
	Notable                   // documented, worth a look
	Abnormal                  // documented as an error path
	Impossible                // not in the machine
)

var verdictNames = [...]string{"unjudged", "normal", "notable", "abnormal", "impossible"}

// String returns the verdict in the words of the public contract.
func (v Verdict) String() string {
	if int(v) < len(verdictNames) {
		return verdictNames[v]
	}
	return unknownNames[v]
}

// ParseVerdict is the inverse of String.
func ParseVerdict(s string) (Verdict, bool) {
	for i, name := range verdictNames {
		if name == s {
			return Verdict(i), true
		}
	}
	return 0, false
}
