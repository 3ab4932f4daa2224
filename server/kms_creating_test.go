package server_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyd-hsm/keyd/hsm"
	"github.com/keyd-hsm/keyd/internal/testkit"
	keys "github.com/keyd-hsm/keyd/kms"
)

// A slowToken is the real one, but a key pair takes until the test lets it be made:
// as an RSA key does on any token.
type slowToken struct {
	hsm.Token
	began chan struct{} // one for each key pair that is asked for
	ready chan struct{} // closed: key pairs are made at once
	lost  bool          // the answer never arrives, though the pair was made
	made  counter
}

type counter struct {
	mu sync.Mutex
	n  int
}

func (c *counter) add() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
}

func (c *counter) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

func newSlowToken() *slowToken {
	return &slowToken{began: make(chan struct{}, 64), ready: make(chan struct{})}
}

func (s *slowToken) option() testkit.Option {
	return testkit.WithToken(func(t hsm.Token) hsm.Token { s.Token = t; return s })
}

func (s *slowToken) wait(ctx context.Context) error {
	s.began <- struct{}{}
	select {
	case <-s.ready:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *slowToken) GeneratePair(ctx context.Context, domain string, t hsm.KeyType, u hsm.Use) (wrapped, public []byte, err error) {
	if err := s.wait(ctx); err != nil {
		return nil, nil, err
	}
	s.made.add()
	return s.Token.GeneratePair(ctx, domain, t, u)
}

func (s *slowToken) GenerateResidentPair(ctx context.Context, id string, t hsm.KeyType, u hsm.Use) ([]byte, error) {
	if s.lost {
		if _, err := s.Token.GenerateResidentPair(ctx, id, t, u); err != nil {
			return nil, err
		}
	}
	if err := s.wait(ctx); err != nil {
		return nil, err
	}
	return s.Token.GenerateResidentPair(ctx, id, t, u)
}

// onlyKey is the one key there is.
func onlyKey(t *testing.T, c *kms.Client) *types.KeyMetadata {
	t.Helper()
	list := must(c.ListKeys(t.Context(), &kms.ListKeysInput{}))
	if len(list.Keys) != 1 {
		t.Fatalf("%d keys", len(list.Keys))
	}
	return must(c.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: list.Keys[0].KeyId})).KeyMetadata
}

// createEvents counts the events of CreateKey.
func createEvents(t *testing.T, kit *testkit.Kit) (n int) {
	t.Helper()
	for _, record := range kit.Events(0) {
		var e struct{ EventName string }
		if err := json.Unmarshal(record, &e); err != nil {
			t.Fatal(err)
		}
		if e.EventName == "CreateKey" {
			n++
		}
	}
	return n
}

// TestCreating: while the token makes an RSA key, the key is there in state
// Creating, nothing can be done with it, and everybody else works on.
func TestCreating(t *testing.T) {
	slow := newSlowToken()
	kit := testkit.Start(t, slow.option())
	c, ctx := kit.KMS(region), t.Context()
	type answer struct {
		out *kms.CreateKeyOutput
		err error
	}
	answered := make(chan answer, 1)
	go func() {
		out, err := c.CreateKey(ctx, &kms.CreateKeyInput{KeySpec: "RSA_2048", KeyUsage: "SIGN_VERIFY", Description: new("d")})
		answered <- answer{out, err}
	}()
	<-slow.began
	m := onlyKey(t, c)
	if m.KeyState != "Creating" || m.Enabled || *m.Description != "d" {
		t.Errorf("meanwhile: %+v", m)
	}
	for what, err := range map[string]error{
		"Sign":                 failureOf(c.Sign(ctx, &kms.SignInput{KeyId: m.KeyId, Message: []byte("m"), SigningAlgorithm: "RSASSA_PSS_SHA_256"})),
		"GetPublicKey":         failureOf(c.GetPublicKey(ctx, &kms.GetPublicKeyInput{KeyId: m.KeyId})),
		"DisableKey":           failureOf(c.DisableKey(ctx, &kms.DisableKeyInput{KeyId: m.KeyId})),
		"EnableKey":            failureOf(c.EnableKey(ctx, &kms.EnableKeyInput{KeyId: m.KeyId})),
		"ScheduleKeyDeletion":  failureOf(c.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: m.KeyId})),
		"UpdateKeyDescription": failureOf(c.UpdateKeyDescription(ctx, &kms.UpdateKeyDescriptionInput{KeyId: m.KeyId, Description: new("e")})),
		"CreateAlias":          failureOf(c.CreateAlias(ctx, &kms.CreateAliasInput{TargetKeyId: m.KeyId, AliasName: new("alias/a")})),
		"PutKeyPolicy":         failureOf(c.PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{KeyId: m.KeyId, Policy: new(kit.Service.DefaultPolicy())})),
		"TagResource":          failureOf(c.TagResource(ctx, &kms.TagResourceInput{KeyId: m.KeyId, Tags: []types.Tag{{TagKey: new("a"), TagValue: new("b")}}})),
		"CreateGrant": failureOf(c.CreateGrant(ctx, &kms.CreateGrantInput{
			KeyId: m.KeyId, GranteePrincipal: new("arn:aws:iam::" + testkit.Account + ":root"), Operations: []types.GrantOperation{"Sign"},
		})),
	} {
		refused(t, what, err, "KMSInvalidStateException", *m.Arn+" is creating.")
	}
	id := kit.NewKey(region)
	must(c.Encrypt(ctx, &kms.EncryptInput{KeyId: &id, Plaintext: []byte("x")}))
	close(slow.ready)
	a := <-answered
	if a.err != nil || *a.out.KeyMetadata.KeyId != *m.KeyId || a.out.KeyMetadata.KeyState != "Enabled" {
		t.Fatalf("answer %+v, %v", a.out, a.err)
	}
	must(c.Sign(ctx, &kms.SignInput{KeyId: m.KeyId, Message: []byte("m"), SigningAlgorithm: "RSASSA_PSS_SHA_256"}))
	if n := createEvents(t, kit); n != 2 { // of this key and the symmetric one
		t.Errorf("%d events of CreateKey", n)
	}
}

// TestCreatingGivenUp: a client that goes away leaves no key behind, and one event.
func TestCreatingGivenUp(t *testing.T) {
	for _, spec := range []types.KeySpec{"RSA_2048", "ECC_NIST_EDWARDS25519"} {
		t.Run(string(spec), func(t *testing.T) {
			slow := newSlowToken()
			kit := testkit.Start(t, slow.option())
			c := kit.KMS(region)
			ctx, leave := context.WithCancel(t.Context())
			answered := make(chan error, 1)
			go func() {
				_, err := c.CreateKey(ctx, &kms.CreateKeyInput{KeySpec: spec, KeyUsage: "SIGN_VERIFY"})
				answered <- err
			}()
			<-slow.began
			onlyKey(t, c)
			leave()
			if err := <-answered; !errors.Is(err, context.Canceled) {
				t.Errorf("answer: %v", err)
			}
			for createEvents(t, kit) == 0 { // the appliance is not done with the call yet
				time.Sleep(time.Millisecond)
			}
			if list := must(c.ListKeys(t.Context(), &kms.ListKeysInput{})); len(list.Keys) != 0 {
				t.Errorf("%d keys are left", len(list.Keys))
			}
			close(slow.ready)
			must(c.CreateKey(t.Context(), &kms.CreateKeyInput{KeySpec: spec, KeyUsage: "SIGN_VERIFY"}))
		})
	}
}

// TestCreatingCutShort: a crash while the token works leaves a key in state
// Creating, and perhaps an object on the token; the next start takes back both.
func TestCreatingCutShort(t *testing.T) {
	slow := newSlowToken()
	slow.lost = true
	kit := testkit.Start(t, slow.option())
	c := kit.KMS(region)
	ctx, die := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = c.CreateKey(ctx, &kms.CreateKeyInput{KeySpec: "ECC_NIST_EDWARDS25519", KeyUsage: "SIGN_VERIFY"})
	}()
	<-slow.began
	m := onlyKey(t, c)
	resident := hsm.Key{Type: hsm.Ed25519, Use: hsm.Sign, Resident: *m.KeyId + ".1"}
	if _, err := slow.Sign(t.Context(), resident, hsm.Signing{Scheme: hsm.EdDSA}, []byte("m")); err != nil {
		t.Fatalf("the token has not made it: %v", err)
	}
	// What the next start does with the state as a crash leaves it.
	next := must(keys.Open(t.Context(), keys.Config{
		Account: testkit.Account, Token: slow, DB: kit.DB, Clock: kit.Now, Random: rand.Reader,
	}))
	defer func() { must(0, next.Close()) }()
	if list := must(c.ListKeys(t.Context(), &kms.ListKeysInput{})); len(list.Keys) != 0 {
		t.Errorf("%d keys are left", len(list.Keys))
	}
	if err := next.Reap(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := slow.Sign(t.Context(), resident, hsm.Signing{Scheme: hsm.EdDSA}, []byte("m")); !errors.Is(err, hsm.ErrNotFound) {
		t.Errorf("the token still has it: %v", err)
	}
	die()
	<-done
}

// TestResidentDestroyed: the object of a resident key goes from the token when the
// key's deletion window ends.
func TestResidentDestroyed(t *testing.T) {
	var token hsm.Token
	kit := testkit.Start(t, testkit.WithToken(func(t hsm.Token) hsm.Token { token = t; return t }))
	c, ctx := kit.KMS(region), t.Context()
	m := must(c.CreateKey(ctx, &kms.CreateKeyInput{KeySpec: "ECC_NIST_EDWARDS25519", KeyUsage: "SIGN_VERIFY"})).KeyMetadata
	resident := hsm.Key{Type: hsm.Ed25519, Use: hsm.Sign, Resident: *m.KeyId + ".1"}
	if _, err := token.Sign(ctx, resident, hsm.Signing{Scheme: hsm.EdDSA}, []byte("m")); err != nil {
		t.Fatal(err)
	}
	must(c.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: m.KeyId, PendingWindowInDays: new(int32(7))}))
	kit.Offset.Store(int64(8 * 24 * time.Hour))
	if err := kit.Server.Sweep(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := token.Sign(ctx, resident, hsm.Signing{Scheme: hsm.EdDSA}, []byte("m")); !errors.Is(err, hsm.ErrNotFound) {
		t.Errorf("after the window: %v", err)
	}
}

// TestRSAPool: a key from the pool is there at once, belongs to one key only, and
// what is not used goes back.
func TestRSAPool(t *testing.T) {
	slow := newSlowToken()
	kit := testkit.Start(t, slow.option(), testkit.WithRSAPool(1))
	close(slow.ready)
	c, ctx := kit.KMS(region), t.Context()
	for range 4 { // one of each size, and one call that finds it full
		if err := kit.Service.AddToPool(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if n := slow.made.count(); n != 3 {
		t.Fatalf("%d keys were made for the pool", n)
	}
	create := func(spec types.KeySpec, usage types.KeyUsageType) string {
		m := must(c.CreateKey(ctx, &kms.CreateKeyInput{KeySpec: spec, KeyUsage: usage})).KeyMetadata
		return string(must(c.GetPublicKey(ctx, &kms.GetPublicKeyInput{KeyId: m.KeyId})).PublicKey)
	}
	// Two at a time never get the same one, and one that is given back is there for
	// the next.
	draft := must(kit.Service.Draft(keys.NewKey{Region: region, Spec: "RSA_2048", Usage: keys.SignVerify, Policy: kit.Service.DefaultPolicy()}))
	first := must(kit.Service.MakeKey(ctx, draft))
	draft = must(kit.Service.Draft(keys.NewKey{Region: region, Spec: "RSA_2048", Usage: keys.SignVerify, Policy: kit.Service.DefaultPolicy()}))
	second := must(kit.Service.MakeKey(ctx, draft))
	if bytes.Equal(first.PublicKey(), second.PublicKey()) || slow.made.count() != 4 {
		t.Errorf("%d keys were made for two", slow.made.count())
	}
	kit.Service.Abandon(ctx, first)
	kit.Service.Abandon(ctx, second)
	third := must(kit.Service.MakeKey(ctx, draft))
	if !bytes.Equal(first.PublicKey(), third.PublicKey()) || slow.made.count() != 4 {
		t.Error("a key that was given back is not in the pool")
	}
	kit.Service.Abandon(ctx, third)
	if list := must(c.ListKeys(ctx, &kms.ListKeysInput{})); len(list.Keys) != 0 {
		t.Errorf("%d keys are left", len(list.Keys))
	}
	for _, size := range []types.KeySpec{"RSA_3072", "RSA_4096"} {
		create(size, "ENCRYPT_DECRYPT")
	}
	if n := slow.made.count(); n != 4 {
		t.Errorf("%d keys were made, with a full pool", n)
	}
	public := make(chan string, 3)
	for range cap(public) {
		go func() { public <- create("RSA_2048", "SIGN_VERIFY") }()
	}
	seen := make(map[string]bool)
	for range cap(public) {
		seen[<-public] = true
	}
	if len(seen) != 3 || slow.made.count() != 6 {
		t.Errorf("%d different keys, %d made", len(seen), slow.made.count())
	}
	m := must(c.CreateKey(ctx, &kms.CreateKeyInput{KeySpec: "RSA_2048", KeyUsage: "ENCRYPT_DECRYPT"})).KeyMetadata
	blob := must(c.Encrypt(ctx, &kms.EncryptInput{KeyId: m.KeyId, Plaintext: []byte("x"), EncryptionAlgorithm: "RSAES_OAEP_SHA_256"})).CiphertextBlob
	if d := must(c.Decrypt(ctx, &kms.DecryptInput{KeyId: m.KeyId, CiphertextBlob: blob, EncryptionAlgorithm: "RSAES_OAEP_SHA_256"})); string(d.Plaintext) != "x" {
		t.Errorf("decrypted %q", d.Plaintext)
	}
}
