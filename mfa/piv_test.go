package mfa_test

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"math/big"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/internal/testkit"
	"github.com/keyd-hsm/keyd/mfa"
	"github.com/keyd-hsm/keyd/mfa/protocol"
)

// A softKey is a key that a card might have.
type softKey struct{ crypto.Signer }

func (k softKey) der(t testing.TB) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(k.Public())
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// sign hashes as the specification says.
func (k softKey) sign(t testing.TB, m protocol.Message) []byte {
	t.Helper()
	message, hash := m.Bytes(), crypto.SHA256
	switch p := k.Public().(type) {
	case ed25519.PublicKey:
		hash = 0
	case *ecdsa.PublicKey:
		if p.Curve == elliptic.P384() {
			hash = crypto.SHA384
		}
	}
	short, long := sha256.Sum256(message), sha512.Sum384(message)
	input := map[crypto.Hash][]byte{0: message, crypto.SHA256: short[:], crypto.SHA384: long[:]}[hash]
	signature, err := k.Sign(rand.Reader, input, hash)
	if err != nil {
		t.Fatal(err)
	}
	return signature
}

func p256(t testing.TB) softKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return softKey{k}
}

// begin begins an enrolment by the owner.
func (f *fixture) begin(caller, owner, name string) (e mfa.Enrollment, err error) {
	err = f.kit.DB.View(f.t.Context(), func(tx mfa.Tx) (err error) {
		e, err = f.BeginPIV(tx, caller, owner, "ann", mfa.NewDevice{Name: name})
		return err
	})
	return e, err
}

// enrol makes a key a device of the owner.
func (f *fixture) enrol(owner, name string, k softKey) string {
	f.t.Helper()
	e, err := f.begin("caller", owner, name)
	if err != nil {
		f.t.Fatal(err)
	}
	d, err := f.ProvePIV("caller", owner, mfa.PIVProof{Enrollment: e.ID, Slot: "9a", Public: k.der(f.t), Signature: k.sign(f.t, e.Message())})
	if err != nil {
		f.t.Fatal(err)
	}
	f.do(func(tx mfa.Tx) error { return f.EnrollPIV(tx, d) })
	return d.Serial()
}

// refusal is AWS's code of an error, "" for none.
func refusal(t *testing.T, err error) string {
	t.Helper()
	var e *iam.Error
	if err != nil && !errors.As(err, &e) {
		t.Errorf("not a refusal: %v", err)
		return err.Error()
	}
	if e == nil {
		return ""
	}
	return e.Code
}

// TestPIVKinds enrols and uses a key of each kind.
func TestPIVKinds(t *testing.T) {
	f := start(t)
	u, _ := f.kit.UserWithKey("ann")
	p384, err1 := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	large, err2 := rsa.GenerateKey(rand.Reader, 2048)
	_, edwards, err3 := ed25519.GenerateKey(rand.Reader)
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	for kind, k := range map[string]softKey{mfa.KeyP256: p256(t), mfa.KeyP384: {p384}, mfa.KeyRSA2048: {large}, mfa.KeyEd25519: {edwards}} {
		serial := f.enrol(u.ID, kind, k)
		m := protocol.Message{Kind: protocol.KindChallenge, Account: testkit.Account, ID: "1", Nonce: []byte("nonce"), User: "ann", Purpose: "sudo", Device: serial}
		p, err := f.VerifySignature(t.Context(), u.ID, serial, m, k.sign(t, m))
		if want := (mfa.Proof{Serial: serial, Type: mfa.TypePIV, At: f.now}); err != nil || p != want {
			t.Errorf("%s: %+v %v, want %+v", kind, p, err, want)
		}
		f.do(func(tx mfa.Tx) error {
			d, err := f.Device(tx, serial)
			if err != nil {
				return err
			}
			got, err := d.PIV.Kind()
			if want := sha256.Sum256(k.der(t)); got != kind || d.Kind() != mfa.TypePIV || !bytes.Equal(d.PIV.Fingerprint(), want[:]) {
				t.Errorf("%s: %s %+v", kind, got, d)
			}
			return err
		})
	}
}

// TestPIVKindsRefused has keys that no card may have here.
func TestPIVKindsRefused(t *testing.T) {
	f := start(t)
	u, _ := f.kit.UserWithKey("ann")
	p521, err1 := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	large, err2 := rsa.GenerateKey(rand.Reader, 3072)
	curve, err3 := ecdh.X25519().GenerateKey(rand.Reader)
	small, err4 := rsa.GenerateKey(rand.Reader, 2048)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		t.Fatal(err)
	}
	three := small.PublicKey
	three.E = 3
	der := func(public any) []byte {
		b, err := x509.MarshalPKIXPublicKey(public)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	k := p256(t)
	for name, public := range map[string][]byte{
		"P-521": der(p521.Public()), "RSA-3072": der(large.Public()), "X25519": der(curve.Public()), "exponent 3": der(&three),
		"nothing": nil, "noise": []byte("noise"), "more after it": append(k.der(t), 0), "half": k.der(t)[:40],
		"a point off the curve": flipped(k.der(t)),
	} {
		e, err := f.begin("caller", u.ID, "key")
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.ProvePIV("caller", u.ID, mfa.PIVProof{Enrollment: e.ID, Slot: "9a", Public: public, Signature: k.sign(t, e.Message())})
		if got := refusal(t, err); got != mfa.CodeInvalidInput {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func flipped(b []byte) []byte {
	out := bytes.Clone(b)
	out[len(out)-1] ^= 1
	return out
}

// TestPIVEnrollmentBound: what was begun is ended once, by the same caller, for the
// same owner, in ten minutes.
func TestPIVEnrollmentBound(t *testing.T) {
	f := start(t)
	ann, _ := f.kit.UserWithKey("ann")
	bob, _ := f.kit.UserWithKey("bob")
	k := p256(t)
	end := func(caller, owner string, e mfa.Enrollment) string {
		_, err := f.ProvePIV(caller, owner, mfa.PIVProof{Enrollment: e.ID, Slot: "9a", Public: k.der(t), Signature: k.sign(t, e.Message())})
		return refusal(t, err)
	}
	begin := func() mfa.Enrollment {
		t.Helper()
		e, err := f.begin("ann", ann.ID, "key")
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	e := begin()
	if len(e.ID) != 32 || len(e.Nonce) != protocol.NonceSize || e.Expires.Sub(f.now) != 10*time.Minute || e.Serial != "arn:aws:iam::111122223333:mfa/key" {
		t.Errorf("%+v", e)
	}
	for name, got := range map[string]string{
		"another caller": end("bob", ann.ID, e), "another owner": end("ann", bob.ID, e), "unknown": end("ann", ann.ID, mfa.Enrollment{ID: "1"}),
	} {
		if got != mfa.CodeNoSuchChallenge {
			t.Errorf("%s: %q", name, got)
		}
	}
	if got := end("ann", ann.ID, e); got != "" {
		t.Errorf("after others had tried: %s", got)
	}
	if got := end("ann", ann.ID, e); got != mfa.CodeNoSuchChallenge {
		t.Errorf("a second time: %q", got)
	}

	e, other := begin(), begin()
	if bytes.Equal(e.Nonce, other.Nonce) || e.ID == other.ID {
		t.Error("two enrollments are alike")
	}
	_, err := f.ProvePIV("ann", ann.ID, mfa.PIVProof{Enrollment: e.ID, Slot: "9a", Public: k.der(t), Signature: k.sign(t, other.Message())})
	if got := refusal(t, err); got != mfa.CodeInvalidSignature {
		t.Errorf("signature of another enrollment: %q", got)
	}
	if got := end("ann", ann.ID, e); got != mfa.CodeNoSuchChallenge {
		t.Errorf("after a wrong signature: %q", got)
	}

	for wait, want := range map[time.Duration]string{10*time.Minute - 1: "", 10 * time.Minute: mfa.CodeNoSuchChallenge} {
		e := begin()
		f.now = f.now.Add(wait)
		if got := end("ann", ann.ID, e); got != want {
			t.Errorf("after %v: %q", wait, got)
		}
	}
}

// TestPIVEnrollmentLimits: what is under way is bounded, and what is over makes room.
func TestPIVEnrollmentLimits(t *testing.T) {
	f := start(t)
	last := func(caller, owner string, n int) string {
		var err error
		for range n {
			_, err = f.begin(caller, owner, "key")
		}
		return refusal(t, err)
	}
	for i, try := range []struct {
		caller, owner string
		n             int
		want          string
	}{
		{"a", "ann", 16, ""}, {"a", "ann", 1, iam.CodeLimitExceeded}, {"a", "x", 1, iam.CodeLimitExceeded},
		{"x", "ann", 1, iam.CodeLimitExceeded}, {"b", "bob", 16, ""},
	} {
		if got := last(try.caller, try.owner, try.n); got != try.want {
			t.Errorf("%d: %q, want %q", i, got, try.want)
		}
	}
	for i := range 62 {
		if got := last(strconv.Itoa(i), strconv.Itoa(i), 16); got != "" {
			t.Fatalf("caller %d: %q", i, got)
		}
	}
	if got := last("c", "c", 1); got != iam.CodeLimitExceeded {
		t.Errorf("one more than may be: %q", got)
	}
	f.now = f.now.Add(10 * time.Minute)
	if got := last("a", "ann", 16); got != "" {
		t.Errorf("ten minutes later: %q", got)
	}
}

// TestPIVNames: a name is had once, and a user has eight devices at most.
func TestPIVNames(t *testing.T) {
	f := start(t)
	u, _ := f.kit.UserWithKey("ann")
	k := p256(t)
	prove := func(name string) *mfa.Device {
		t.Helper()
		e, err := f.begin("ann", u.ID, name)
		if err != nil {
			t.Fatal(err)
		}
		d, err := f.ProvePIV("ann", u.ID, mfa.PIVProof{Enrollment: e.ID, Slot: "9a", Public: k.der(t), Signature: k.sign(t, e.Message())})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	enrol := func(d *mfa.Device) string {
		return refusal(t, f.kit.DB.Update(t.Context(), func(tx mfa.Tx) error { return f.EnrollPIV(tx, d) }))
	}
	first, second := prove("key"), prove("key")
	if got := enrol(first); got != "" {
		t.Fatal(got)
	}
	if got := enrol(second); got != iam.CodeAlreadyExists {
		t.Errorf("a name that was taken meanwhile: %q", got)
	}
	if _, err := f.begin("ann", u.ID, "key"); refusal(t, err) != iam.CodeAlreadyExists {
		t.Errorf("a name that is taken: %v", err)
	}
	for i := range 7 {
		if got := enrol(prove("key" + strconv.Itoa(i))); got != "" {
			t.Errorf("device %d: %q", i, got)
		}
	}
	if got := enrol(prove("ninth")); got != iam.CodeLimitExceeded {
		t.Errorf("the ninth: %q", got)
	}
}

// TestSignatures: a signature is good for what was signed, and for nothing else.
func TestSignatures(t *testing.T) {
	f := start(t)
	ann, _ := f.kit.UserWithKey("ann")
	bob, _ := f.kit.UserWithKey("bob")
	mine, his := p256(t), p256(t)
	serial, hisSerial := f.enrol(ann.ID, "mine", mine), f.enrol(bob.ID, "his", his)
	phone := f.device("phone")
	phone.enable(ann.ID)
	m := protocol.Message{
		Kind: protocol.KindChallenge, Account: testkit.Account, ID: "1", Nonce: []byte("nonce"), User: "ann", Purpose: "sudo", Device: serial,
	}
	unlock := func() { f.do(func(tx mfa.Tx) error { return errors.Join(f.Unlock(tx, ann.ID), f.Unlock(tx, bob.ID)) }) }
	good := mine.sign(t, m)
	for name, change := range map[string]func(*protocol.Message){
		"kind":    func(m *protocol.Message) { m.Kind = protocol.KindEnrollment },
		"account": func(m *protocol.Message) { m.Account = "111122223334" },
		"id":      func(m *protocol.Message) { m.ID = "2" },
		"nonce":   func(m *protocol.Message) { m.Nonce = []byte("nonsense") },
		"user":    func(m *protocol.Message) { m.User = "bob" },
		"purpose": func(m *protocol.Message) { m.Purpose = "sudo rm" },
		"grants":  func(m *protocol.Message) { m.Grants = protocol.GrantsCredentials },
		"shifted": func(m *protocol.Message) { m.User, m.Purpose = "anns", "udo" },
	} {
		unlock()
		other := m
		change(&other)
		if _, err := f.VerifySignature(t.Context(), ann.ID, serial, other, good); !errors.Is(err, mfa.ErrCode) {
			t.Errorf("another %s: %v", name, err)
		}
	}
	unlock()
	toHis := m
	toHis.Device = hisSerial
	for name, try := range map[string]struct {
		owner, serial string
		m             protocol.Message
		signature     []byte
		want          error
	}{
		"right":                 {ann.ID, serial, m, good, nil},
		"another key":           {ann.ID, serial, m, his.sign(t, m), mfa.ErrCode},
		"empty":                 {ann.ID, serial, m, nil, mfa.ErrCode},
		"truncated":             {ann.ID, serial, m, good[:len(good)-1], mfa.ErrCode},
		"longer":                {ann.ID, serial, m, append(bytes.Clone(good), 0), mfa.ErrCode},
		"another's card":        {ann.ID, hisSerial, toHis, his.sign(t, toHis), mfa.ErrDevice},
		"message of another":    {ann.ID, serial, toHis, mine.sign(t, toHis), mfa.ErrCode},
		"device that shows":     {ann.ID, phone.serial, m, good, mfa.ErrDevice},
		"no device":             {ann.ID, serial + "x", m, good, mfa.ErrDevice},
		"no user":               {"", serial, m, good, mfa.ErrDevice},
		"user without a device": {"AIDAXXXXXXXXXXXXXXXXX", serial, m, good, mfa.ErrDevice},
	} {
		unlock()
		p, err := f.VerifySignature(t.Context(), try.owner, try.serial, try.m, try.signature)
		if !errors.Is(err, try.want) || (err == nil) != (p.Type == mfa.TypePIV) {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
}

// TestSignatureLockout: wrong signatures are counted with wrong codes, slow the next
// down, and lock in the end; a right one forgets them.
func TestSignatureLockout(t *testing.T) {
	f := start(t)
	u, _ := f.kit.UserWithKey("ann")
	k := p256(t)
	serial := f.enrol(u.ID, "key", k)
	m := protocol.Message{Kind: protocol.KindChallenge, Account: testkit.Account, ID: "1", User: "ann", Device: serial}
	good, bad := k.sign(t, m), []byte("bad")
	try := func(signature []byte) error {
		_, err := f.VerifySignature(t.Context(), u.ID, serial, m, signature)
		return err
	}
	blocked := func(err error) bool {
		var b *mfa.BlockedError
		return errors.As(err, &b)
	}
	for range mfa.FreeFailures {
		if err := try(bad); !errors.Is(err, mfa.ErrCode) {
			t.Fatal(err)
		}
	}
	if err := try(good); !blocked(err) {
		t.Errorf("too early: %v", err)
	}
	f.restart()
	if err := try(good); !blocked(err) {
		t.Errorf("after a restart: %v", err)
	}
	f.now = f.now.Add(time.Second)
	if err := try(good); err != nil {
		t.Errorf("later: %v", err)
	}
	for range mfa.LockFailures {
		f.now = f.now.Add(time.Hour)
		if err := try(bad); !errors.Is(err, mfa.ErrCode) {
			t.Fatal(err)
		}
	}
	f.now = f.now.Add(24 * time.Hour)
	if err := try(good); !blocked(err) {
		t.Errorf("locked: %v", err)
	}
	f.do(func(tx mfa.Tx) error { return f.Unlock(tx, u.ID) })
	if err := try(good); err != nil {
		t.Errorf("unlocked: %v", err)
	}
}

// TestSignaturesAtOnce: of many guesses at once, so many are checked as may be.
func TestSignaturesAtOnce(t *testing.T) {
	f := start(t)
	u, _ := f.kit.UserWithKey("ann")
	serial := f.enrol(u.ID, "key", p256(t))
	var mu sync.Mutex
	checked := 0
	var group sync.WaitGroup
	for range 200 {
		group.Go(func() {
			_, err := f.VerifySignature(t.Context(), u.ID, serial, protocol.Message{Device: serial}, []byte("bad"))
			mu.Lock()
			defer mu.Unlock()
			if errors.Is(err, mfa.ErrCode) {
				checked++
			}
		})
	}
	group.Wait()
	if checked != mfa.FreeFailures {
		t.Errorf("%d guesses were checked, want %d", checked, mfa.FreeFailures)
	}
}

// TestMalleated: the other half of an ECDSA signature is as good as the first, and so
// no second answer: a challenge is over with the first.
func TestMalleated(t *testing.T) {
	f := start(t)
	u, _ := f.kit.UserWithKey("ann")
	k := p256(t)
	serial := f.enrol(u.ID, "key", k)
	c := f.challenges()
	made := ask(t, c, about(u.ID, "ann", "sudo", protocol.PIV))
	m := made.Message(protocol.Device{SerialNumber: serial})
	signature := k.sign(t, m)
	var rs struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(signature, &rs); err != nil {
		t.Fatal(err)
	}
	rs.S.Sub(elliptic.P256().Params().N, rs.S)
	twin, err := asn1.Marshal(rs)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.VerifySignature(t.Context(), u.ID, serial, m, twin); err != nil {
		t.Fatalf("the twin is not good: %v; this test shows nothing then", err)
	}
	for i, s := range [][]byte{signature, twin, signature} {
		err := c.Answer(t.Context(), made.ID, protocol.Answer{Device: serial, Signature: s}, released)
		if i == 0 && err != nil || i > 0 && !errors.Is(err, mfa.ErrNoChallenge) {
			t.Errorf("answer %d: %v", i, err)
		}
	}
}
