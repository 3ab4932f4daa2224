package mfa

import "context"

// CodesOf are what a device shows from one step or counter to another, oldest first.
func (s *Service) CodesOf(ctx context.Context, d *Device, from, to int64) ([]string, error) {
	all, err := s.codes(ctx, d, span{from, to})
	var out []string
	for _, c := range all {
		out = append(out, c.text)
	}
	return out, err
}

// What the tests count with.
const (
	FreeFailures     = freeFailures
	LockFailures     = lockFailures
	LookAhead        = lookAhead
	ResyncAhead      = resyncAhead
	Reach            = reach
	MaxRecoveryDelay = maxRecoveryDelay
)

// IsRecovery reads a recovery code as people write it.
var IsRecovery = isRecovery
