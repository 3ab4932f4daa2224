package testkit

import (
	"context"
	"os"
	"path/filepath"

	"github.com/keyd-hsm/keyd/server"
	"github.com/keyd-hsm/keyd/server/listen"
)

// Everything lets this process do all that there is on the MFA socket, about every
// user and the root user.
func Everything() server.LocalRule {
	return server.LocalRule{
		UIDs: []uint32{uint32(os.Getuid())}, AnyUser: true, Users: []string{"root"},
		May: []server.Right{server.MayAsk, server.MayAnswer, server.MayCredentials},
	}
}

// Socket serves the MFA socket under these rules until the test ends, and returns
// its path. Every local user reaches it. It is of the appliance as it is now: after
// Restart a new one is needed.
func (k *Kit) Socket(rules ...server.LocalRule) string {
	k.t.Helper()
	return k.SocketOf(k.Server, rules...)
}

// SocketOf is Socket for another server.
func (k *Kit) SocketOf(s *server.Server, rules ...server.LocalRule) string {
	k.t.Helper()
	// A test's own temporary directory lets nobody else in.
	dir, err := os.MkdirTemp("", "keyd-")
	k.must(err)
	k.t.Cleanup(func() { k.must(os.RemoveAll(dir)) })
	k.must(os.Chmod(dir, 0o755)) //nolint:gosec // for the users that tests become
	path := filepath.Join(dir, "mfa.sock")
	l, err := listen.Open(listen.Config{Socket: path, SocketMode: 0o666, Log: k.options.logger,
		Limits: listen.Limits{Write: server.LongestWait(k.options.timeout)}})
	k.must(err)
	handler := s.Socket(server.SocketConfig{Rules: rules, Region: "local-1"})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 2)
	go func() { done <- l.Run(ctx, handler) }()
	go func() { done <- handler.Run(ctx) }()
	k.t.Cleanup(func() {
		cancel()
		for range cap(done) {
			if err := <-done; err != nil {
				k.t.Errorf("MFA socket: %v", err)
			}
		}
	})
	return path
}
