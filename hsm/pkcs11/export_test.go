package pkcs11

import "context"

// Epoch is different after each recovery of a token.
func Epoch(t *Token) any { return t.epoch.Load() }

// Busy does f while slow work takes all the sessions that it may.
func Busy(t *Token, f func()) error {
	e := t.epoch.Load()
	do := func() error { f(); return nil }
	for range cap(e.slow) {
		inner := do
		do = func() error { return e.slowly(context.Background(), inner) }
	}
	return do()
}
