package listen

import (
	"context"
	"net"

	"golang.org/x/sys/unix"
)

// Peer is the process at the other end of a Unix socket, as the kernel knew it
// when it connected. It cannot be forged, but the process may be gone and its
// PID taken by another.
type Peer struct {
	UID, GID uint32
	PID      int32
}

// PeerOf returns the process that sent the request whose context ctx is; ok is
// false if it did not come through the Unix socket.
func PeerOf(ctx context.Context) (p Peer, ok bool) {
	c, ok := ctx.Value(connKey{}).(*conn)
	if !ok || c.peer == nil {
		return Peer{}, false
	}
	return *c.peer, true
}

// peerOf asks the kernel, unix(7) SO_PEERCRED.
func peerOf(c net.Conn) *Peer {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return nil
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return nil
	}
	var cred *unix.Ucred
	if raw.Control(func(fd uintptr) { cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }) != nil || err != nil {
		return nil
	}
	return &Peer{UID: cred.Uid, GID: cred.Gid, PID: cred.Pid}
}
