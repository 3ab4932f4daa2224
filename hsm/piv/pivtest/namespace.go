package pivtest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// startWarden starts the warden in its namespaces, with the daemon to start.
func (s *stack) startWarden(daemon string) error {
	ours, theirs, err := controlPair()
	if err != nil {
		return err
	}
	defer theirs.Close()
	cmd := exec.Command("/proc/self/exe")
	// A program with the race detector would sleep for a second before it ends.
	cmd.Env = []string{wardenVariable + "=" + daemon, "GORACE=atexit_sleep_ms=0"}
	cmd.Dir = s.dir
	cmd.Stdout, cmd.Stderr = s.log, s.log
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWNET}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	if err := cmd.Start(); err != nil {
		return errors.Join(refusal(err), ours.Close())
	}
	s.warden, s.control = cmd, ours
	go func() {
		_ = cmd.Wait() // what it has to say is in the log
		close(s.dead)
	}()
	return nil
}

// refusal explains why there are no namespaces.
func refusal(err error) error {
	hint := "this takes CAP_SYS_ADMIN, which a container may not give (docker run --privileged), and sysctl user.max_net_namespaces above 0"
	if os.Geteuid() != 0 {
		hint = "run as root, or allow user namespaces to everyone: sysctl kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0"
	}
	return fmt.Errorf("network and mount namespaces for pcscd: %w\nhint: %s", err, hint)
}

// controlPair makes the two ends of the control connection.
func controlPair() (ours *net.UnixConn, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	file := os.NewFile(uintptr(fds[0]), "control")
	defer file.Close()
	theirs = os.NewFile(uintptr(fds[1]), "control")
	conn, err := net.FileConn(file)
	if err != nil {
		return nil, nil, errors.Join(err, theirs.Close())
	}
	ours, ok := conn.(*net.UnixConn)
	if !ok {
		return nil, nil, errors.Join(errors.New("control: not a Unix socket"), theirs.Close())
	}
	return ours, theirs, nil
}

// socket asks the warden for a socket in its network.
func (s *stack) socket() (int, error) {
	s.asking.Lock()
	defer s.asking.Unlock()
	_, err := s.control.Write([]byte{0})
	if err != nil {
		return 0, s.failed(err)
	}
	var one [1]byte
	room := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := s.control.ReadMsgUnix(one[:], room)
	if err != nil {
		return 0, s.failed(err)
	}
	messages, err := unix.ParseSocketControlMessage(room[:n])
	if err != nil || len(messages) != 1 {
		return 0, s.failed(errors.Join(err, errors.New("no socket came")))
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return 0, s.failed(errors.Join(err, errors.New("no socket came")))
	}
	unix.CloseOnExec(fds[0])
	return fds[0], nil
}

// failed explains an error by what the warden said before it ended.
func (s *stack) failed(err error) error {
	return fmt.Errorf("pcscd in its namespaces: %w%s", err, s.said())
}

// log gathers what the warden and the daemon say.
type log struct {
	mu   sync.Mutex // guards text
	text strings.Builder
}

// Write keeps the first 64 KB.
func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.text.Len() < 64<<10 {
		l.text.Write(p)
	}
	return len(p), nil
}

// String returns what was said so far.
func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
