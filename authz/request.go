package authz

import (
	"net/netip"
	"time"

	"github.com/keyd-hsm/keyd/iam"
)

// Request is what all checks of one call have in common. It belongs to the
// goroutine of the call.
type Request struct {
	Caller iam.Principal
	Region string
	Time   time.Time // by the appliance's clock
	// Peer is the address of the TCP peer; invalid on the Unix socket, where
	// conditions on aws:SourceIp find no such key.
	Peer      netip.Addr
	TLS       bool
	UserAgent string
	Referer   string
}

// in is the region that a check is about.
func (r *Request) in(c Check) string {
	if c.Region != "" {
		return c.Region
	}
	return r.Region
}
