package pkcs11_test

import (
	"context"
	"crypto"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"errors"
	"sync/atomic"
	"testing"

	p11 "github.com/miekg/pkcs11"

	"github.com/keyd-hsm/keyd/hsm"
	"github.com/keyd-hsm/keyd/hsm/pkcs11"
	"github.com/keyd-hsm/keyd/softhsm"
)

// fleet is a pair for each use, with the input of a call.
type fleet struct {
	signs, decrypts, derives hsm.Key
	point                    []byte
	envelope                 hsm.Envelope
}

// imported is the secret in a fleet's envelope.
const imported = "a secret of 32 bytes, in clear.."

var (
	es256 = hsm.Signing{Scheme: hsm.ECDSA, Hash: crypto.SHA256}
	ps256 = hsm.Signing{Scheme: hsm.PSS, Hash: crypto.SHA256}
)

func newFleet(t testing.TB, token *pkcs11.Token) fleet {
	t.Helper()
	pair := func(of hsm.KeyType, u hsm.Use) (hsm.Key, []byte) {
		t.Helper()
		w, public, err := token.GeneratePair(t.Context(), domain, of, u)
		if err != nil {
			t.Fatal(err)
		}
		return hsm.Key{Type: of, Use: u, Domain: domain, Wrapped: w}, public
	}
	var f fleet
	f.signs, _ = pair(hsm.P256, hsm.Sign)
	f.decrypts, _ = pair(hsm.RSA2048, hsm.Decrypt)
	f.derives, _ = pair(hsm.P256, hsm.Derive)
	peer, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	f.point = peer.PublicKey().Bytes()
	transport, key := transportKey(t, token)
	sealed, err := rsa.EncryptOAEP(sha1.New(), rand.Reader, key, []byte(imported), nil)
	if err != nil {
		t.Fatal(err)
	}
	f.envelope = hsm.Envelope{Transport: transport, Key: sealed}
	return f
}

// calls are all methods that work with pairs.
func (f fleet) calls(token *pkcs11.Token) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"Sign": func(ctx context.Context) error { _, err := token.Sign(ctx, f.signs, es256, message[:32]); return err },
		"Decrypt": func(ctx context.Context) error {
			_, err := token.Decrypt(ctx, f.decrypts, make([]byte, 256))
			return err
		},
		"Derive": func(ctx context.Context) error { _, err := token.Derive(ctx, f.derives, f.point); return err },
		"GeneratePair": func(ctx context.Context) error {
			_, _, err := token.GeneratePair(ctx, domain, hsm.P256, hsm.Sign)
			return err
		},
		"GeneratePair of RSA": func(ctx context.Context) error {
			_, _, err := token.GeneratePair(ctx, domain, hsm.RSA2048, hsm.Sign)
			return err
		},
		"Import": func(ctx context.Context) error {
			_, _, err := token.Import(ctx, domain, hsm.HMACSHA256, 0, f.envelope)
			return err
		},
	}
}

// TestSlowPairs makes as many RSA-4096 pairs as may be made at a time, and more
// that wait: everything else is done before the first of them.
func TestSlowPairs(t *testing.T) {
	token, keys := testToken(t, 1)
	f := newFleet(t, token)
	ctx, cancel := context.WithCancel(t.Context())
	var done atomic.Int32
	ends := make(chan struct{})
	for range 3 {
		go func() {
			_, _, _ = token.GeneratePair(ctx, domain, hsm.RSA4096, hsm.Sign)
			done.Add(1)
			ends <- struct{}{}
		}()
	}
	calls := f.calls(token)
	delete(calls, "GeneratePair of RSA")
	for name, call := range calls {
		if err := call(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := token.Generate(t.Context(), domain, hsm.HMACSHA256); err != nil {
		t.Error(err)
	}
	if _, err := token.MAC(t.Context(), keys[0], nil); err != nil {
		t.Error(err)
	}
	if n := done.Load(); n == 3 {
		t.Error("all slow pairs were made before the quick work was done")
	}
	cancel()
	for range 3 {
		<-ends
	}
}

// TestLogoutWhilePairing loses the login while an RSA pair is made. Others do
// not wait for it to recover, and it is made in the end.
func TestLogoutWhilePairing(t *testing.T) {
	s := softhsm.Test(t)
	token, keys := opened(t, s.Config(), 1)
	m := under(t, s.Config())
	made := make(chan error)
	go func() {
		_, _, err := token.GeneratePair(t.Context(), domain, hsm.RSA4096, hsm.Sign)
		made <- err
	}()
	session, err := m.OpenSession(slotOf(t, m, s.Info.Label), p11.CKF_SERIAL_SESSION)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Logout(session); err != nil {
		t.Fatal(err)
	}
	if _, err := token.MAC(t.Context(), keys[0], message); err != nil {
		t.Errorf("MAC: %v", err)
	}
	if err := <-made; err != nil {
		t.Errorf("GeneratePair: %v", err)
	}
}

// TestHostileInput: what SoftHSM2 answers with CKR_GENERAL_ERROR is not taken
// for the loss of the token, which would stop everybody's work.
func TestHostileInput(t *testing.T) {
	token, _ := testToken(t, 0)
	f := newFleet(t, token)
	before := pkcs11.Epoch(token)
	bad := f.envelope
	bad.Key = make([]byte, 256)
	wrapped := f.signs
	wrapped.Wrapped = append([]byte{}, wrapped.Wrapped...)
	wrapped.Wrapped[9] ^= 1
	for name, call := range map[string]func() error{
		"Import": func() error {
			_, _, err := token.Import(t.Context(), domain, hsm.HMACSHA256, 0, bad)
			return err
		},
		"Sign": func() error { _, err := token.Sign(t.Context(), wrapped, es256, message[:32]); return err },
	} {
		if err := call(); !errors.Is(err, hsm.ErrWrapped) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if pkcs11.Epoch(token) != before {
		t.Error("the token was opened anew")
	}
}
