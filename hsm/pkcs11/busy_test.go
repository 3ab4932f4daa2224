package pkcs11_test

import (
	"context"
	"errors"
	"testing"

	"github.com/keyd-hsm/keyd/hsm"
	"github.com/keyd-hsm/keyd/hsm/pkcs11"
)

// TestSlowWorkLeavesRoom: while RSA operations are waited for, quick work is done,
// and who waits for an RSA operation may leave.
func TestSlowWorkLeavesRoom(t *testing.T) {
	token, keys := testToken(t, 1)
	w, _, err := token.GeneratePair(t.Context(), domain, hsm.RSA2048, hsm.Sign)
	if err != nil {
		t.Fatal(err)
	}
	rsa := hsm.Key{Type: hsm.RSA2048, Use: hsm.Sign, Domain: domain, Wrapped: w}
	err = pkcs11.Busy(token, func() {
		if _, err := token.MAC(t.Context(), keys[0], message); err != nil {
			t.Errorf("MAC: %v", err)
		}
		ctx, leave := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			_, err := token.Sign(ctx, rsa, ps256, message[:32])
			done <- err
		}()
		leave()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Sign: %v", err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := token.Sign(t.Context(), rsa, ps256, message[:32]); err != nil {
		t.Errorf("Sign afterwards: %v", err)
	}
}
