package sigv4_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/keyd-hsm/keyd/server/sigv4"
)

// counted is Secrets that counts how often it is asked.
type counted struct {
	secret  string
	expires time.Time
	asked   atomic.Int32
	during  func()
}

func (c *counted) Secret(_ context.Context, id, _ string) (sigv4.Secret, error) {
	c.asked.Add(1)
	if c.during != nil {
		c.during()
	}
	if id == "unknown" {
		return sigv4.Secret{}, fmt.Errorf("access key %q: %w", id, sigv4.ErrUnknownKey)
	}
	return sigv4.Secret{Value: []byte(c.secret), Expires: c.expires}, nil
}

func ask(t *testing.T, c *sigv4.Cache, cred sigv4.Credential) sigv4.Key {
	t.Helper()
	k, err := c.SigningKey(t.Context(), cred)
	if err != nil {
		t.Fatal(err)
	}
	if k != sigv4.DeriveKey([]byte("s"), cred) {
		t.Fatalf("wrong key for %v", cred)
	}
	return k
}

func TestCache(t *testing.T) {
	s := &counted{secret: "s"}
	c := sigv4.NewCache(s, 3, time.Now)
	cred := sigv4.Credential{AccessKeyID: "a", Date: "20260304", Region: "r", Service: "kms"}
	other := cred
	expect := func(n int32) {
		t.Helper()
		if got := s.asked.Swap(0); got != n {
			t.Errorf("the secret was read %d times, want %d", got, n)
		}
	}
	ask(t, c, cred)
	ask(t, c, cred)
	expect(1)

	for _, change := range []func(){
		func() { other.Date = "20260305" }, func() { other.Region = "q" },
		func() { other.Service = "sts" }, func() { other.Token = "t" }, func() { other.Token = "u" },
	} {
		change()
		ask(t, c, other)
		ask(t, c, cred) // used in between, so it is never the one dropped
	}
	expect(5)

	b := sigv4.Credential{AccessKeyID: "b"}
	ask(t, c, b)
	c.Forget("a")
	ask(t, c, b)
	expect(1)
	ask(t, c, cred)
	ask(t, c, other)
	expect(2)

	for range 2 {
		if _, err := c.SigningKey(t.Context(), sigv4.Credential{AccessKeyID: "unknown"}); !errors.Is(err, sigv4.ErrUnknownKey) {
			t.Errorf("got %v, want ErrUnknownKey", err)
		}
	}
	expect(2)
}

// TestForgetDuringRead: a key deactivated while its secret is being read must
// not be remembered.
func TestForgetDuringRead(t *testing.T) {
	s := &counted{secret: "s"}
	c := sigv4.NewCache(s, 8, time.Now)
	s.during = func() { c.Forget("a") }
	for range 2 {
		ask(t, c, sigv4.Credential{AccessKeyID: "a"})
	}
	if n := s.asked.Load(); n != 2 {
		t.Errorf("the secret was read %d times, want 2", n)
	}
}

func TestSessionEnds(t *testing.T) {
	now := signedAt
	s := &counted{secret: "s", expires: signedAt.Add(time.Hour)}
	c := sigv4.NewCache(s, 8, func() time.Time { return now })
	cred := sigv4.Credential{AccessKeyID: "ASIA", Token: "t"}
	ask(t, c, cred)
	now = now.Add(time.Hour)
	if _, err := c.SigningKey(t.Context(), cred); !errors.Is(err, sigv4.ErrExpiredToken) {
		t.Errorf("got %v, want ErrExpiredToken", err)
	}
}

func TestNothingPrints(t *testing.T) {
	key := sigv4.DeriveKey([]byte("hunter2"), sigv4.Credential{})
	secret := sigv4.Secret{Value: []byte("hunter2")}
	cred := sigv4.Credential{AccessKeyID: "a", Token: "hunter2"}
	var out strings.Builder
	log := slog.New(slog.NewJSONHandler(&out, nil))
	for _, v := range []any{key, &key, secret, &secret, cred, &cred} {
		fmt.Fprintf(&out, "%v %+v %#v %s %x %q %d\n", v, v, v, v, v, v, v)
		log.Info("x", "v", v)
	}
	if j, err := json.Marshal([]any{key, secret}); err != nil {
		t.Error(err)
	} else {
		out.Write(j)
	}
	for _, leak := range []string{"hunter2", "68756e74657232", "aHVudGVyMg", "104 117", "104,117"} {
		if strings.Contains(out.String(), leak) {
			t.Errorf("%q printed:\n%s", leak, out.String())
		}
	}
	if !strings.Contains(out.String(), "[redacted]") || !strings.Contains(out.String(), "a////aws4_request") {
		t.Errorf("printed:\n%s", out.String())
	}
}
