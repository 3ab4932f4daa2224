package listen

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"time"
)

// listenTCP binds addr. Without TLS every address that the host stands for must
// be loopback, and the one that was checked is bound, not the name.
func listenTCP(addr string, secure bool) (net.Listener, error) {
	if secure {
		return net.Listen("tcp", addr)
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("listen %q: port %q: want a number from 0 to 65535", addr, port)
	}
	refused := fmt.Errorf("listen %q: plain HTTP is served on loopback only: "+
		"set a TLS certificate and key, or listen on 127.0.0.1, [::1] or a Unix socket", addr)
	if host == "" {
		return nil, refused
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupIPAddr(ctx, host)
	if err != nil {
		return nil, fmt.Errorf("listen %q: %w", addr, err)
	}
	best := addrs[0]
	for _, a := range addrs {
		if !a.IP.IsLoopback() {
			return nil, refused
		}
		if a.IP.To4() != nil && best.IP.To4() == nil {
			best = a
		}
	}
	return net.ListenTCP("tcp", &net.TCPAddr{IP: best.IP, Zone: best.Zone, Port: int(number)})
}
