package listen_test

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/keyd-hsm/keyd/server/listen"
)

func socketClient(t *testing.T, path string) *http.Client {
	return client(t, &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}})
}

func TestSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	s := start(t, listen.Config{Addr: loopback, Socket: path, SocketMode: 0o660}, func(w http.ResponseWriter, r *http.Request) {
		p, ok := listen.PeerOf(r.Context())
		if local := r.Host == "socket"; ok != local {
			t.Errorf("a request to %s has the peer %+v, %v", r.Host, p, ok)
		} else if local && (p.PID != int32(os.Getpid()) || p.UID != uint32(os.Getuid()) || p.GID != uint32(os.Getgid())) {
			t.Errorf("peer %+v is not this process", p)
		}
		echo(w, r)
	})
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("%v, %v; want mode 0660", info.Mode(), err)
	}
	post(t, socketClient(t, path), "http://socket/", "hello")
	post(t, client(t, &http.Transport{}), "http://"+s.Addr().String(), "hello")
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the socket is still there: %v", err)
	}
}

func TestSocketModeDespiteUmask(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	old := syscall.Umask(0o777)
	s, err := listen.Open(listen.Config{Socket: path})
	syscall.Umask(old)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v; want mode 0600", info.Mode(), err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestStaleSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := listen.Open(listen.Config{Socket: path}); err == nil || !strings.Contains(err.Error(), "another process listens on it") {
		t.Errorf("a socket in use: %v", err)
	}
	// What kill -9 leaves: the file, and nobody behind it.
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	s := start(t, listen.Config{Socket: path}, echo)
	post(t, socketClient(t, path), "http://socket/", "hello")

	// A socket that another process has put in its place is not ours to remove.
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Error(err)
	}
}

func TestSocketRefused(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, says := range map[string]string{
		file:                              "no socket is there",
		filepath.Join(dir, "no", "s"):     "make it first",
		"/" + strings.Repeat("long/", 40): "the system allows 107",
	} {
		if _, err := listen.Open(listen.Config{Socket: path}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: got %v, want %q", path, err, says)
		}
	}
	if data, err := os.ReadFile(file); err != nil || string(data) != "precious" {
		t.Errorf("the file is now %q, %v", data, err)
	}
}
