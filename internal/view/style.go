package view

import "github.com/tcpwatch/tcpwatch/model"

// Style colours text, or not.
type Style struct{ Color bool }

// SGR colours; each goes with a word or a symbol, so that nothing is said by
// colour alone.
const (
	sgrRed    = "\x1b[31m"
	sgrYellow = "\x1b[33m"
	sgrCyan   = "\x1b[36m"
	sgrBold   = "\x1b[1;31m"
	sgrDim    = "\x1b[2m"
	sgrReset  = "\x1b[0m"
)

// Verdict prints a verdict in its colour.
func (s Style) Verdict(v model.Verdict) string { return s.paint(verdictColor(v), v.String()) }

func verdictColor(v model.Verdict) string {
	switch v {
	case model.Notable:
		return sgrCyan
	case model.Abnormal:
		return sgrYellow
	case model.Impossible:
		return sgrBold
	case model.Unjudged:
		return sgrDim
	}
	return ""
}

// Loss prints a warning about what is missing.
func (s Style) Loss(text string) string { return s.paint(sgrRed, text) }

// Dim prints what matters less.
func (s Style) Dim(text string) string { return s.paint(sgrDim, text) }

func (s Style) paint(sgr, text string) string {
	if !s.Color || sgr == "" {
		return text
	}
	return sgr + text + sgrReset
}
