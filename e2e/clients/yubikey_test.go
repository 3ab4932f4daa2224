package clients_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// yubikey is a virtual YubiKey: the program e2e/card, which has it in a reader.
type yubikey struct {
	environ string // where programs find the reader
	cmd     *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
}

// insert starts the card, and writes the certificate of its authority to root.
func insert(root string) (*yubikey, error) {
	y := &yubikey{cmd: exec.Command(program("card"), "-root", root)}
	y.cmd.Stderr = os.Stderr
	out, err := y.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if y.in, err = y.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := y.cmd.Start(); err != nil {
		return nil, err
	}
	y.out = bufio.NewReader(out)
	line, err := y.out.ReadString('\n')
	if err != nil {
		return nil, errors.Join(fmt.Errorf("card: %w", err), y.remove())
	}
	y.environ = strings.TrimSpace(line)
	return y, nil
}

// remove ends the card.
func (y *yubikey) remove() error { return errors.Join(y.in.Close(), y.cmd.Wait()) }

// tell has the person give or withhold the touches to come.
func (y *yubikey) tell(t *testing.T, word string) {
	t.Helper()
	if _, err := io.WriteString(y.in, word+"\n"); err != nil {
		t.Fatal(err)
	}
	if line, err := y.out.ReadString('\n'); err != nil || line != "done\n" {
		t.Fatalf("card: %q, %v", line, err)
	}
}
