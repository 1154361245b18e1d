package probe

import (
	"os"
	"testing"

	"github.com/tcpwatch/tcpwatch/internal/tunpeer"
)

func TestMain(m *testing.M) { os.Exit(tunpeer.Main(m)) }
