package tunpeer

import "time"

// poll is how often the kernel's side is asked.
const poll = time.Millisecond

// awaitNoError tries until it succeeds, for at most patience, and returns the
// last error.
func awaitNoError(patience time.Duration, try func() error) error {
	deadline := time.Now().Add(patience)
	for {
		err := try()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(poll)
	}
}
