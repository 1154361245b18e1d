package vmrun

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// askWhere makes a kernel that hangs print the stacks of what runs on each
// processor and of what is blocked, on the console: by sysrq, which is a break
// on the serial line and a letter.
func (m *machine) askWhere() error {
	if err := m.monitor.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	replies := json.NewDecoder(bufio.NewReader(m.monitor))
	if err := command(m, replies, "qmp_capabilities", nil); err != nil {
		return err
	}
	for _, letter := range "8lw" { // console log level 8, all processors, blocked tasks
		if err := command(m, replies, "chardev-send-break", map[string]string{"id": "console"}); err != nil {
			return err
		}
		time.Sleep(100 * time.Millisecond)
		if _, err := m.console.Write([]byte(string(letter))); err != nil {
			return err
		}
		time.Sleep(time.Second)
	}
	return nil
}

// command has QEMU's monitor do something.
func command(m *machine, replies *json.Decoder, name string, arguments any) error {
	request, err := json.Marshal(struct {
		Execute   string `json:"execute"`
		Arguments any    `json:"arguments,omitempty"`
	}{name, arguments})
	if err != nil {
		return err
	}
	if _, err := m.monitor.Write(request); err != nil {
		return fmt.Errorf("ask monitor: %w", err)
	}
	for {
		var reply struct {
			Return json.RawMessage
			Error  *struct{ Desc string }
		}
		if err := replies.Decode(&reply); err != nil {
			return fmt.Errorf("read monitor: %w", err)
		}
		switch {
		case reply.Error != nil:
			return errors.New("monitor: " + reply.Error.Desc)
		case reply.Return != nil:
			return nil // else a greeting or an event
		}
	}
}
