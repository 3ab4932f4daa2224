package piv_test

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain: what a card was asked to do is over when the tests are.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
