package pivtest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// A daemon must not see the machine's network or cards, nor they it. So the test
// program starts itself once more, in new network and mount namespaces, as the
// daemon's warden: it arranges the place, starts the daemon there, and makes the
// sockets with which the test, from outside, reaches the driver inside. Nothing
// needs to enter the namespaces again, so this works for root, and in a user
// namespace for everyone else.

// wardenVariable, set to the daemon's path, makes a program that links this
// package the warden, before it does anything else.
const wardenVariable = "PIVTEST_WARDEN"

// wardenControl is the descriptor of the warden's end of the control connection.
const wardenControl = 3

func init() {
	daemon := os.Getenv(wardenVariable)
	if daemon == "" {
		return
	}
	// The daemon dies with the thread that started it, which is this one.
	runtime.LockOSThread()
	if err := watch(daemon); err != nil {
		fmt.Fprintln(os.Stderr, "warden:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// watch is the warden's work. It ends when the test does.
func watch(daemon string) error {
	if err := isolate(); err != nil {
		return err
	}
	if err := loopback(); err != nil {
		return fmt.Errorf("loopback interface: %w", err)
	}
	cmd := exec.Command(daemon, "--foreground", "--error", "--config", "/run/"+configFile)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended, closed := make(chan struct{}), make(chan error, 1)
	var fate error // of the daemon; to be read when it has ended
	go func() { fate = cmd.Wait(); close(ended) }()
	go func() { closed <- handOut(os.NewFile(wardenControl, "control")) }()
	select {
	case <-ended:
		return errors.Join(errors.New("pcscd ended by itself"), fate)
	case err := <-closed:
		err = errors.Join(err, cmd.Process.Kill())
		<-ended
		return err
	}
}

// isolate makes the directory in which the warden was started its /run, and hides
// the drivers of real readers.
func isolate() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("own mounts: %w", err)
	}
	for _, dir := range []string{"/usr/lib/pcsc/drivers", "/usr/lib64/pcsc/drivers"} {
		if _, err := os.Stat(dir); err != nil {
			continue
		}
		if err := unix.Mount(emptyDir, dir, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("%s: %w", dir, err)
		}
	}
	if err := unix.Mount(".", "/run", "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("/run: %w", err)
	}
	return os.Chdir("/")
}

// loopback brings the interface up, which in a new network is down.
func loopback() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request)
}

// handOut sends a new socket for each byte that arrives, until the test closes.
func handOut(file *os.File) error {
	conn, err := net.FileConn(file)
	if err != nil {
		return err
	}
	control, ok := conn.(*net.UnixConn)
	if !ok {
		return errors.New("control: not a Unix socket")
	}
	for {
		if _, err := control.Read(make([]byte, 1)); err != nil {
			return nil // the test has ended, or closed it
		}
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		if _, _, err := control.WriteMsgUnix([]byte{0}, unix.UnixRights(fd), nil); err != nil {
			return err
		}
		if err := unix.Close(fd); err != nil {
			return err
		}
	}
}
