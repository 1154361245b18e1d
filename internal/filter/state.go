package filter

import (
	"strings"

	"github.com/tcpwatch/tcpwatch/internal/suggest"
	"github.com/tcpwatch/tcpwatch/model"
)

func didYouMeanState(s string) string {
	var names []string
	for _, state := range model.States() {
		names = append(names, state.String())
	}
	if near := suggest.Nearest(strings.ToUpper(s), names); near != "" {
		return ": did you mean " + near + "?"
	}
	return ", one of " + strings.Join(names, " ")
}
