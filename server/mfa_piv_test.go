package server_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	iamclient "github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/keyd-hsm/keyd/api/mfaapi"
	"github.com/keyd-hsm/keyd/hsm/piv"
	"github.com/keyd-hsm/keyd/hsm/piv/pivtest"
	"github.com/keyd-hsm/keyd/internal/testkit"
	"github.com/keyd-hsm/keyd/mfa"
	"github.com/keyd-hsm/keyd/mfa/protocol"
	"github.com/keyd-hsm/keyd/store"
)

// A wallet is the virtual card of somebody, and the appliance that they use it with.
type wallet struct {
	*pivtest.Card
	t   *testing.T
	kit *testkit.Kit
}

// newWallet has a kit that trusts the virtual card.
func newWallet(t *testing.T, rules mfa.PIVRules, options ...pivtest.Option) *wallet {
	t.Helper()
	c := pivtest.Start(t, options...)
	c.Setenv(t)
	return &wallet{c, t, testkit.Start(t, testkit.WithPIV(rules, c.CA().Root()))}
}

// with opens the card for the moment of use.
func (w *wallet) with(use func(*piv.Card) error) {
	w.t.Helper()
	c, err := piv.Open(w.t.Context(), 0)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := errors.Join(use(c), c.Close()); err != nil {
		w.t.Fatal(err)
	}
}

// generate makes a key on the card.
func (w *wallet) generate(s piv.Slot, a piv.Algorithm, touch piv.TouchPolicy) (public crypto.PublicKey) {
	w.t.Helper()
	w.with(func(c *piv.Card) (err error) {
		public, err = c.Generate(w.t.Context(), w.ManagementKey(), s, a, piv.PINOnce, touch)
		return err
	})
	return public
}

func (w *wallet) sign(s piv.Slot, public crypto.PublicKey, message []byte) (signature []byte) {
	w.t.Helper()
	w.with(func(c *piv.Card) (err error) {
		signature, err = c.SignMessage(w.t.Context(), s, piv.KnownPIN([]byte(pivtest.DefaultPIN)), public, message)
		return err
	})
	return signature
}

func (w *wallet) attest(s piv.Slot) (of, by []byte) {
	w.t.Helper()
	w.with(func(c *piv.Card) error {
		certificate, intermediate, err := c.Attest(w.t.Context(), s)
		if err == nil {
			of, by = certificate.Raw, intermediate.Raw
		}
		return err
	})
	return of, by
}

// begun is an enrolment that was begun, and the message that the key signs.
type begun struct {
	mfaapi.BeginPIVEnrollmentResponse
	name string
}

func (b begun) message() []byte {
	return protocol.Message{
		Kind: protocol.KindEnrollment, Account: *b.Account, ID: *b.EnrollmentId, Nonce: b.Nonce, User: *b.UserName, Purpose: b.name, Device: *b.SerialNumber,
	}.Bytes()
}

// begin begins an enrolment; user nil is who asks.
func (w *wallet) begin(as aws.CredentialsProvider, user *string, name string) begun {
	w.t.Helper()
	b := begun{name: name}
	in := mfaapi.BeginPIVEnrollmentRequest{UserName: user, DeviceName: &name}
	if code := mfaCall(w.t, w.kit, as, "BeginPIVEnrollment", in, &b.BeginPIVEnrollmentResponse); code != "" {
		w.t.Fatal(code)
	}
	return b
}

// request is what ends an enrolment, with the key in a slot.
func (w *wallet) request(b begun, s piv.Slot, public crypto.PublicKey) mfaapi.EnrollPIVDeviceRequest {
	w.t.Helper()
	of, by := w.attest(s)
	return mfaapi.EnrollPIVDeviceRequest{
		EnrollmentId: b.EnrollmentId, Slot: aws.String(s.String()), PublicKey: done(x509.MarshalPKIXPublicKey(public))(w.t),
		Signature: w.sign(s, public, b.message()), AttestationCertificate: of, IntermediateCertificate: by,
	}
}

// refused wants a refusal with a message for the person.
func (w *wallet) refused(name string, as aws.CredentialsProvider, in mfaapi.EnrollPIVDeviceRequest, code, says string) {
	w.t.Helper()
	before := w.kit.Log.Size()
	got := mfaCall(w.t, w.kit, as, "EnrollPIVDevice", in, nil)
	events := w.kit.Events(before)
	var e struct{ ErrorCode, ErrorMessage string }
	if err := json.Unmarshal(events[len(events)-1], &e); err != nil {
		w.t.Fatal(err)
	}
	if got != code || e.ErrorCode != code || !strings.Contains(e.ErrorMessage, says) {
		w.t.Errorf("%s: %s, %s: %s; want %s: %s", name, got, e.ErrorCode, e.ErrorMessage, code, says)
	}
}

func root(kit *testkit.Kit) aws.CredentialsProvider { return testkit.LongTerm(kit.Credentials) }

// TestEnrollPIV: the life of a security key, for each kind of key.
func TestEnrollPIV(t *testing.T) {
	w := newWallet(t, mfa.PIVRules{RequireAttestation: true, Touch: []string{"always", "cached"}}, pivtest.Firmware(5, 7, 2), pivtest.Serial(12345678))
	ann, _ := w.kit.UserWithKey("ann")
	slot := piv.FirstRetired
	for _, a := range []piv.Algorithm{piv.P256, piv.P384, piv.RSA2048, piv.Ed25519} {
		public := w.generate(slot, a, piv.TouchAlways)
		name := "ann-" + string(a)
		b := w.begin(root(w.kit), aws.String("ann"), name)
		if left := time.Until(b.Expiration.Time); left > 10*time.Minute || left < 0 || *b.UserName != "ann" || *b.Account != testkit.Account {
			t.Errorf("%+v", b)
		}
		in := w.request(b, slot, public)
		in.UserName = aws.String("ann")
		in.Tags = []mfaapi.Tag{{Key: aws.String("team"), Value: aws.String("ops")}}
		before := w.kit.Log.Size()
		var out mfaapi.EnrollPIVDeviceResponse
		if code := mfaCall(t, w.kit, root(w.kit), "EnrollPIVDevice", in, &out); code != "" {
			t.Fatalf("%s: %s", a, code)
		}
		d := out.Device
		if print := sha256.Sum256(in.PublicKey); *d.SerialNumber != "arn:aws:iam::111122223333:mfa/"+name || *d.UserName != "ann" || *d.Type != "PIV" ||
			*d.Slot != slot.String() || *d.KeyAlgorithm != string(a) || !*d.Attested || *d.CardSerial != 12345678 || *d.Firmware != "5.7.2" ||
			*d.PINPolicy != "once" || *d.TouchPolicy != "always" || d.EnableDate == nil || !bytes.Equal(d.PublicKeySHA256, print[:]) {
			t.Errorf("%s: %+v", a, d)
		}
		event := string(w.kit.Events(before)[0])
		for _, fact := range []string{`"eventSource":"mfa.keyd"`, `"eventName":"EnrollPIVDevice"`, `"cardSerial":12345678`, `"touchPolicy":"always"`, `"slot":"` + slot.String() + `"`, name} {
			if !strings.Contains(event, fact) {
				t.Errorf("the event lacks %s: %s", fact, event)
			}
		}
		if len(event) > 3000 || strings.Contains(strings.ToLower(event), "certificate") {
			t.Errorf("the event has certificates: %s", event)
		}
		slot++
	}
	w.life(ann.ID)
}

// life lists the device, uses it, takes it away and deletes it.
func (w *wallet) life(owner string) {
	w.t.Helper()
	t, ctx, c := w.t, w.t.Context(), w.kit.IAM()
	serial := "arn:aws:iam::111122223333:mfa/ann-P-256"
	list := done(c.ListMFADevices(ctx, &iamclient.ListMFADevicesInput{UserName: aws.String("ann")}))(t)
	if len(list.MFADevices) != 4 {
		t.Errorf("%+v", list.MFADevices)
	}
	if virtual := done(c.ListVirtualMFADevices(ctx, &iamclient.ListVirtualMFADevicesInput{}))(t); len(virtual.VirtualMFADevices) > 0 {
		t.Errorf("virtual: %+v", virtual.VirtualMFADevices)
	}
	tags := done(c.ListMFADeviceTags(ctx, &iamclient.ListMFADeviceTagsInput{SerialNumber: &serial}))(t)
	if len(tags.Tags) != 1 || *tags.Tags[0].Value != "ops" {
		t.Errorf("%+v", tags.Tags)
	}
	_, err := c.EnableMFADevice(ctx, &iamclient.EnableMFADeviceInput{
		UserName: aws.String("ann"), SerialNumber: &serial, AuthenticationCode1: aws.String("123456"), AuthenticationCode2: aws.String("654321")})
	if err == nil {
		t.Error("a security key was enabled with codes")
	}
	done(c.DeactivateMFADevice(ctx, &iamclient.DeactivateMFADeviceInput{UserName: aws.String("ann"), SerialNumber: &serial}))(t)
	m := protocol.Message{Device: serial}
	if _, err := w.kit.MFA.VerifySignature(ctx, owner, serial, m, w.sign(piv.FirstRetired, w.public(piv.FirstRetired), m.Bytes())); !errors.Is(err, mfa.ErrDevice) {
		t.Errorf("a device that was taken away: %v", err)
	}
	_, err = c.EnableMFADevice(ctx, &iamclient.EnableMFADeviceInput{
		UserName: aws.String("ann"), SerialNumber: &serial, AuthenticationCode1: aws.String("123456"), AuthenticationCode2: aws.String("654321")})
	iamCase{"InvalidAuthenticationCode", 403, "Authentication code for device is not valid."}.check(t, err)
	done(c.DeleteVirtualMFADevice(ctx, &iamclient.DeleteVirtualMFADeviceInput{SerialNumber: &serial}))(t)
	if list := done(c.ListMFADevices(ctx, &iamclient.ListMFADevicesInput{UserName: aws.String("ann")}))(t); len(list.MFADevices) != 3 {
		t.Errorf("%+v", list.MFADevices)
	}
}

func (w *wallet) public(s piv.Slot) (public crypto.PublicKey) {
	w.t.Helper()
	w.with(func(c *piv.Card) (err error) {
		public, err = c.Public(w.t.Context(), s)
		return err
	})
	return public
}

// TestEnrollPIVRefused: each attestation that is not of this very key, in this slot,
// made on a card that is trusted, as the operator wants it.
func TestEnrollPIVRefused(t *testing.T) {
	w := newWallet(t, mfa.PIVRules{RequireAttestation: true, Touch: []string{"always", "cached"}})
	as := root(w.kit)
	good, never, other := w.generate(piv.Authentication, piv.P256, piv.TouchAlways), w.generate(piv.Signature, piv.P256, piv.TouchNever),
		w.generate(piv.FirstRetired, piv.P256, piv.TouchCached)
	stranger := pivtest.New(t) // of an authority that nobody trusts
	sibling := pivtest.New(t, pivtest.AttestedBy(w.CA()), pivtest.Serial(2))
	mine := w.Card
	attestationOf := func(c *pivtest.Card) (of, by []byte) {
		w.t.Helper()
		if err := w.Swap(c); err != nil {
			t.Fatal(err)
		}
		w.Card = c
		w.generate(piv.Authentication, piv.P256, piv.TouchAlways)
		return w.attest(piv.Authentication)
	}
	type try struct {
		name       string
		slot       piv.Slot
		public     crypto.PublicKey
		change     func(*mfaapi.EnrollPIVDeviceRequest)
		code, says string
	}
	ofOther, _ := w.attest(piv.FirstRetired)
	strangerOf, strangerBy := attestationOf(stranger)
	siblingOf, siblingBy := attestationOf(sibling)
	if err := mine.Insert(); err != nil {
		t.Fatal(err)
	}
	w.Card = mine
	const no = "InvalidAttestationException"
	same := func(*mfaapi.EnrollPIVDeviceRequest) {}
	for _, try := range []try{
		{"touch never", piv.Signature, never, same, no, "Touch policy never of the key is not accepted here. Make a key with touch policy always or cached."},
		{"none", piv.Authentication, good, func(in *mfaapi.EnrollPIVDeviceRequest) {
			in.AttestationCertificate, in.IntermediateCertificate = nil, nil
		}, no, "attested keys only"},
		{"no intermediate", piv.Authentication, good, func(in *mfaapi.EnrollPIVDeviceRequest) { in.IntermediateCertificate = nil }, no, "intermediate certificate"},
		{"of another slot", piv.Authentication, good, func(in *mfaapi.EnrollPIVDeviceRequest) { in.AttestationCertificate = ofOther }, no, "another key"},
		{"of another card, sent again", piv.Authentication, good, func(in *mfaapi.EnrollPIVDeviceRequest) {
			in.AttestationCertificate, in.IntermediateCertificate = siblingOf, siblingBy
		}, no, "another key"},
		{"of another card's certificate", piv.Authentication, good, func(in *mfaapi.EnrollPIVDeviceRequest) { in.IntermediateCertificate = siblingBy }, no, "not certified by Yubico"},
		{"unknown authority", piv.Authentication, good, func(in *mfaapi.EnrollPIVDeviceRequest) {
			in.AttestationCertificate, in.IntermediateCertificate = strangerOf, strangerBy
		}, no, "not certified by Yubico"},
		{"another slot named", piv.Authentication, good, func(in *mfaapi.EnrollPIVDeviceRequest) { in.Slot = aws.String("9c") }, no, "is of slot 9a, and not of slot 9c"},
		{"truncated", piv.Authentication, good, func(in *mfaapi.EnrollPIVDeviceRequest) {
			in.AttestationCertificate = in.AttestationCertificate[:100]
		}, no, "no certificate"},
		{"oversized", piv.Authentication, good, func(in *mfaapi.EnrollPIVDeviceRequest) { in.AttestationCertificate = make([]byte, 8193) }, "ValidationException", ""},
		{"largest", piv.Authentication, good, func(in *mfaapi.EnrollPIVDeviceRequest) { in.AttestationCertificate = make([]byte, 8192) }, no, "no certificate"},
		{"slot not allowed", piv.Authentication, good, func(in *mfaapi.EnrollPIVDeviceRequest) { in.Slot = aws.String("9d") }, "ValidationException", ""},
		{"no such slot", piv.Authentication, good, func(in *mfaapi.EnrollPIVDeviceRequest) { in.Slot = aws.String("f9") }, "ValidationException", ""},
		{"another public key", piv.Authentication, good, func(in *mfaapi.EnrollPIVDeviceRequest) {
			in.PublicKey = done(x509.MarshalPKIXPublicKey(other))(t)
		}, "InvalidSignatureException", "not that of the public key"},
		{"a kind not supported", piv.Authentication, good, func(in *mfaapi.EnrollPIVDeviceRequest) {
			k := done(rsa.GenerateKey(rand.Reader, 3072))(t)
			in.PublicKey = done(x509.MarshalPKIXPublicKey(k.Public()))(t)
		}, "InvalidInputException", "P-256, P-384, RSA-2048 or Ed25519"},
		{"a tag that may not be", piv.Authentication, good, func(in *mfaapi.EnrollPIVDeviceRequest) {
			in.Tags = []mfaapi.Tag{{Key: aws.String("aws:x"), Value: aws.String("")}}
		}, "InvalidInputException", "reserved"},
	} {
		in := w.request(w.begin(as, nil, "key"), try.slot, try.public)
		try.change(&in)
		w.refused(try.name, as, in, try.code, try.says)
	}
	in := w.request(w.begin(as, nil, "key"), piv.Authentication, good)
	if code := mfaCall(t, w.kit, as, "EnrollPIVDevice", in, new(mfaapi.EnrollPIVDeviceResponse)); code != "" {
		t.Errorf("what is as it should be: %s", code)
	}
	w.refused("the same again", as, in, "NoSuchChallengeException", "BeginPIVEnrollment")
	name := aws.String("key")
	if code := mfaCall(t, w.kit, as, "BeginPIVEnrollment", mfaapi.BeginPIVEnrollmentRequest{DeviceName: name}, nil); code != "EntityAlreadyExistsException" {
		t.Errorf("a name that is taken: %s", code)
	}
	b := w.begin(as, nil, "late")
	in = w.request(b, piv.Authentication, good)
	w.kit.OATHOffset.Add(int64(10 * time.Minute))
	w.refused("eleven minutes later", as, in, "NoSuchChallengeException", "expired")
	w.kit.Update(func(tx store.Tx) error {
		if n := w.kit.MFA.Count(tx); n != 1 {
			t.Errorf("%d devices", n)
		}
		return nil
	})
}

// TestEnrollPIVUnattested: without rules of the operator's, a key may do without.
func TestEnrollPIVUnattested(t *testing.T) {
	w := newWallet(t, mfa.PIVRules{})
	public := w.generate(piv.Authentication, piv.P256, piv.TouchNever)
	in := w.request(w.begin(root(w.kit), nil, "key"), piv.Authentication, public)
	in.AttestationCertificate, in.IntermediateCertificate = nil, nil
	var out mfaapi.EnrollPIVDeviceResponse
	if code := mfaCall(t, w.kit, root(w.kit), "EnrollPIVDevice", in, &out); code != "" {
		t.Fatal(code)
	}
	if d := out.Device; *d.Attested || d.TouchPolicy != nil || d.PINPolicy != nil || d.Firmware != nil || d.CardSerial != nil || *d.UserName != "root" {
		t.Errorf("%+v", d)
	}
}

// TestEnrollPIVAllowed: policies decide who enrols for whom, and what was begun by
// one is not ended by another.
func TestEnrollPIVAllowed(t *testing.T) {
	w := newWallet(t, mfa.PIVRules{})
	_, ann := w.kit.UserWithKey("ann")
	w.kit.UserWithKey("bob")
	public := w.generate(piv.Authentication, piv.P256, piv.TouchCached)
	begin := func(user *string) string {
		return mfaCall(t, w.kit, ann, "BeginPIVEnrollment", mfaapi.BeginPIVEnrollmentRequest{UserName: user, DeviceName: aws.String("x")}, new(mfaapi.BeginPIVEnrollmentResponse))
	}
	if code := begin(nil); code != "AccessDeniedException" {
		t.Errorf("without a policy: %q", code)
	}
	policy := func(text string) {
		done(w.kit.IAM().PutUserPolicy(t.Context(), &iamclient.PutUserPolicyInput{
			UserName: aws.String("ann"), PolicyName: aws.String("p"), PolicyDocument: &text}))(t)
	}
	policy(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["keyd:BeginPIVEnrollment","keyd:EnrollPIVDevice"],
		"Resource":["arn:aws:iam::*:user/${aws:username}","arn:aws:iam::*:mfa/x","arn:aws:iam::*:mfa/own","arn:aws:iam::*:mfa/late"]}}`)
	if code := mfaCall(t, w.kit, ann, "BeginPIVEnrollment", mfaapi.BeginPIVEnrollmentRequest{
		DeviceName: aws.String("bob")}, nil); code != "AccessDeniedException" {
		t.Errorf("with a name that is not hers to take: %q", code)
	}
	for user, want := range map[string]string{"ann": "", "bob": "AccessDeniedException", "root": "AccessDeniedException", "ghost": "AccessDeniedException"} {
		if code := begin(aws.String(user)); code != want {
			t.Errorf("for %s: %q", user, code)
		}
	}
	if code := mfaCall(t, w.kit, root(w.kit), "BeginPIVEnrollment", mfaapi.BeginPIVEnrollmentRequest{
		UserName: aws.String("ghost"), DeviceName: aws.String("x")}, nil); code != "NoSuchEntityException" {
		t.Errorf("for nobody: %q", code)
	}

	byRoot := w.request(w.begin(root(w.kit), aws.String("ann"), "key"), piv.Authentication, public)
	w.refused("begun by another", ann, byRoot, "NoSuchChallengeException", "not yours")
	byRoot.UserName = aws.String("bob")
	w.refused("for another", root(w.kit), byRoot, "NoSuchChallengeException", "does not exist")
	byRoot.UserName = aws.String("ann")
	if code := mfaCall(t, w.kit, root(w.kit), "EnrollPIVDevice", byRoot, new(mfaapi.EnrollPIVDeviceResponse)); code != "" {
		t.Errorf("by who began it: %q", code)
	}

	own := w.request(w.begin(ann, nil, "own"), piv.Authentication, public)
	own.Tags = []mfaapi.Tag{{Key: aws.String("team"), Value: aws.String("ops")}}
	w.refused("with tags", ann, own, "AccessDeniedException", "iam:TagMFADevice")
	own.Tags = nil
	if code := mfaCall(t, w.kit, ann, "EnrollPIVDevice", own, new(mfaapi.EnrollPIVDeviceResponse)); code != "" {
		t.Errorf("one's own: %q", code)
	}
	// Who loses the right between the two requests does not get the device.
	late := w.request(w.begin(ann, nil, "late"), piv.Authentication, public)
	policy(`{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"keyd:EnrollPIVDevice","Resource":"*"}}`)
	w.refused("right taken", ann, late, "AccessDeniedException", "keyd:EnrollPIVDevice")
}

// TestPIVWholePath: a card is enrolled over the API, and answers a challenge after a
// touch.
func TestPIVWholePath(t *testing.T) {
	w := newWallet(t, mfa.PIVRules{Touch: []string{"always"}})
	u, ann := w.kit.UserWithKey("ann")
	done(w.kit.IAM().PutUserPolicy(t.Context(), &iamclient.PutUserPolicyInput{UserName: aws.String("ann"), PolicyName: aws.String("p"),
		PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"keyd:*","Resource":"*"}}`)}))(t)
	public := w.generate(piv.Authentication, piv.P256, piv.TouchAlways)
	var out mfaapi.EnrollPIVDeviceResponse
	if code := mfaCall(t, w.kit, ann, "EnrollPIVDevice", w.request(w.begin(ann, nil, "key"), piv.Authentication, public), &out); code != "" {
		t.Fatal(code)
	}

	challenges := mfa.NewChallenges(testkit.Account, w.kit.MFA, w.kit.OATHTime)
	made := done(challenges.Ask(mfa.Question{From: "uid:0", Owner: u.ID, Challenge: protocol.Challenge{
		User: "ann", Purpose: "sudo on db1", Methods: []string{protocol.PIV}}}))(t)
	message := made.Message(protocol.Device{SerialNumber: *out.Device.SerialNumber}).Bytes()

	touched := w.TouchesAsked()
	w.Touch(false)
	w.with(func(c *piv.Card) error {
		_, err := c.SignMessage(t.Context(), piv.Authentication, piv.KnownPIN([]byte(pivtest.DefaultPIN)), public, message)
		if !errors.Is(err, piv.ErrTouch) {
			t.Errorf("without a touch: %v", err)
		}
		return nil
	})
	w.Touch(true)
	answer := protocol.Answer{Device: *out.Device.SerialNumber, Signature: w.sign(piv.Authentication, public, message)}
	if n := w.TouchesAsked() - touched; n != 2 {
		t.Errorf("asked for %d touches", n)
	}
	var proof mfa.Proof
	err := challenges.Answer(t.Context(), made.ID, answer, func(p mfa.Proof, refusal error) error {
		proof = p
		return refusal
	})
	if err != nil || proof.Serial != answer.Device || proof.Type != mfa.TypePIV || !proof.Attested || proof.TouchPolicy != "always" {
		t.Errorf("%+v, %v", proof, err)
	}
	if r := done(challenges.Wait(t.Context(), "uid:0", made.ID, 0))(t); r.State != protocol.Verified || r.Device != answer.Device {
		t.Errorf("%+v", r)
	}
	err = challenges.Answer(t.Context(), made.ID, answer, func(_ mfa.Proof, refusal error) error { return refusal })
	if !errors.Is(err, mfa.ErrNoChallenge) {
		t.Errorf("the answer again: %v", err)
	}
}
