package mfa

import "context"

// Codes are what a device shows from one step to another, oldest first.
func (s *Service) Codes(ctx context.Context, d *Device, from, to int64) ([]string, error) {
	all, err := s.codes(ctx, d, from, to)
	var out []string
	for _, c := range all {
		out = append(out, c.text)
	}
	return out, err
}

// What the tests count with.
const (
	FreeFailures = freeFailures
	LockFailures = lockFailures
	StepSeconds  = stepSeconds
)
