package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// floorCommand as the one argument makes this program the floor.
const floorCommand = "serve-the-floor"

// floor is the floor's process.
type floor struct {
	endpoint
	cmd   *exec.Cmd
	stdin io.Closer
}

// startFloor runs this program again, as the floor. The floor ends with its
// standard input, so that none outlives a bench that is killed.
func startFloor() (*floor, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, floorCommand)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	f := &floor{cmd: cmd, stdin: in}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, errors.Join(fmt.Errorf("floor: it did not say its address: %w", err), f.stop())
	}
	f.pid = cmd.Process.Pid
	f.addr = strings.TrimSpace(line)
	return f, nil
}

func (f *floor) stop() error { return errors.Join(f.stdin.Close(), f.cmd.Wait()) }

// serveFloor is the floor's work: to read the body and answer as many bytes as
// the path says. It returns when in ends.
func serveFloor(in io.Reader, out io.Writer) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s := &http.Server{Handler: http.HandlerFunc(echo), ReadHeaderTimeout: time.Minute}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	if _, err := fmt.Fprintln(out, l.Addr()); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, in); err != nil {
		return err
	}
	err = s.Close()
	if served := <-ended; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// filler is what the floor answers, up to a size that no operation exceeds.
var filler [8 << 10]byte

func echo(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.ParseUint(r.URL.Path[1:], 10, 13)
	if err == nil {
		_, err = io.Copy(io.Discard, r.Body)
	}
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	_, _ = w.Write(filler[:n])
}
