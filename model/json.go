package model

import (
	"encoding/json"
	"fmt"
	"io"
)

type jsonState struct {
	Name    string `json:"name"`
	Number  int    `json:"number"`
	Stored  bool   `json:"stored"` // a full socket can be in it
	Summary string `json:"summary"`
}

type jsonEdge struct {
	From     string   `json:"from"`
	To       string   `json:"to"`
	Origin   string   `json:"origin"`
	By       []string `json:"by"`
	Verdict  string   `json:"verdict"`
	Rule     string   `json:"rule"`
	Section  string   `json:"section"`
	Kernel   string   `json:"kernel"`
	Why      string   `json:"why"`
	Seen     string   `json:"seen"`
	Birth    bool     `json:"birth,omitempty"`
	HandOver bool     `json:"hand_over,omitempty"`
}

type jsonRule struct {
	Name    string `json:"name"`
	Why     string `json:"why"`
	Section string `json:"section,omitempty"`
}

type jsonName struct {
	Name    string `json:"name"`
	Summary string `json:"summary"`
}

// JSON writes the whole model as one JSON object: states, edges, rules, close
// reasons, verdicts.
func JSON(w io.Writer) error {
	var doc struct {
		States       []jsonState `json:"states"`
		Edges        []jsonEdge  `json:"edges"`
		Rules        []jsonRule  `json:"rules"`
		CloseReasons []jsonName  `json:"close_reasons"`
		Verdicts     []jsonName  `json:"verdicts"`
	}
	for _, s := range States() {
		doc.States = append(doc.States, jsonState{s.String(), int(s), stored(s), summary(s.String())})
	}
	for i := range edges {
		e := &edges[i]
		doc.Edges = append(doc.Edges, jsonEdge{
			From: e.From.String(), To: e.To.String(), Origin: e.Origin.String(), By: e.By.Names(),
			Verdict: e.Verdict.String(), Rule: e.Name, Section: e.Section, Kernel: e.Kernel,
			Why: e.Why, Seen: e.Seen, Birth: e.Birth, HandOver: e.HandOver,
		})
	}
	for _, r := range Rules() {
		doc.Rules = append(doc.Rules, jsonRule{r.String(), r.Why(), r.Section()})
	}
	for _, r := range CloseReasons() {
		doc.CloseReasons = append(doc.CloseReasons, jsonName{r.String(), summary(r.String())})
	}
	for v := Unjudged; v <= Impossible; v++ {
		doc.Verdicts = append(doc.Verdicts, jsonName{v.String(), summary(v.String())})
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(doc); err != nil {
		return fmt.Errorf("write json: %w", err)
	}
	return nil
}

func summary(name string) string {
	e, _ := Explain(name)
	return e.Summary
}
