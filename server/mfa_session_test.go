package server_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	iamclient "github.com/aws/aws-sdk-go-v2/service/iam"
	stsclient "github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/keyd-hsm/keyd/internal/testkit"
	"github.com/keyd-hsm/keyd/mfa"
	"github.com/keyd-hsm/keyd/mfa/client"
	"github.com/keyd-hsm/keyd/mfa/protocol"
	"github.com/keyd-hsm/keyd/store"
)

// A card is a security key without a card around it.
type card struct {
	*ecdsa.PrivateKey
	serial string
}

// newCard gives a security key to a user, past the API.
func newCard(t *testing.T, kit *testkit.Kit, owner, name string) card {
	t.Helper()
	private := done(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	d := &mfa.Device{
		Version: 1, Name: name, Path: "/", Account: testkit.Account, Created: kit.Now(), Type: mfa.TypePIV, Owner: owner,
		PIV: &mfa.PIVKey{Public: done(x509.MarshalPKIXPublicKey(private.Public()))(t), Slot: "9a", Card: 12345678,
			Attested: true, Firmware: "5.4.3", PINPolicy: "once", TouchPolicy: "always"},
	}
	kit.Update(func(tx store.Tx) error { return kit.MFA.EnrollPIV(tx, d) })
	return card{private, d.Serial()}
}

func (k card) sign(t *testing.T, m protocol.Message) []byte {
	t.Helper()
	m.Device = k.serial
	digest := sha256.Sum256(m.Bytes())
	return done(ecdsa.SignASN1(rand.Reader, k.PrivateKey, digest[:]))(t)
}

// mfaCall calls one of keyd's own operations, as whom, and reads the output; it
// returns the code of the error.
func mfaCall(t *testing.T, kit *testkit.Kit, as aws.CredentialsProvider, operation string, in, out any) (code string) {
	t.Helper()
	body := done(json.Marshal(in))(t)
	r := done(http.NewRequestWithContext(t.Context(), http.MethodPost, kit.URL+"/", bytes.NewReader(body)))(t)
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", "KeydMFA."+operation)
	sum := sha256.Sum256(body)
	c := done(as.Retrieve(t.Context()))(t)
	if err := v4.NewSigner().SignHTTP(context.Background(), c, r, hex.EncodeToString(sum[:]), "keyd", region, time.Now()); err != nil {
		t.Fatal(err)
	}
	resp := done(http.DefaultClient.Do(r))(t)
	text := readAll(t, resp)
	if resp.StatusCode != http.StatusOK {
		return errorCode(text)
	}
	if text == "" {
		return "" // an operation without output
	}
	if err := json.Unmarshal([]byte(text), out); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return ""
}

type nothing struct{}

// sessionChallenge is what CreateSessionChallenge answers.
type sessionChallenge struct {
	ChallengeId, Account, UserName, Purpose string
	Nonce                                   []byte
	Devices                                 []struct {
		SerialNumber, Slot, Type string
		PublicKeySHA256          []byte
		CardSerial               int64
	}
}

// message is what a card signs, from what the person is shown.
func (c sessionChallenge) message() protocol.Message {
	return protocol.Message{Kind: protocol.KindChallenge, Account: c.Account, ID: c.ChallengeId, Nonce: c.Nonce,
		User: c.UserName, Purpose: c.Purpose, Grants: protocol.GrantsCredentials}
}

type challengeAnswer struct {
	ChallengeId, SerialNumber string
	Signature                 []byte
	DurationSeconds           int `json:",omitempty"`
}

type challengeToken struct {
	Credentials struct {
		AccessKeyId, SecretAccessKey, SessionToken string
		Expiration                                 float64
	}
}

// TestSessionChallenge: what GetSessionToken gives for a code, a signature gives
// too, with the facts of the key.
func TestSessionChallenge(t *testing.T) {
	kit := testkit.Start(t)
	u, alice := kit.UserWithKey("alice")
	k := newCard(t, kit, u.ID, "alice-key")
	done(kit.IAM().PutUserPolicy(t.Context(), &iamclient.PutUserPolicyInput{UserName: aws.String("alice"), PolicyName: aws.String("p"),
		PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:ListMFADevices","Resource":"*",
			"Condition":{"Bool":{"keyd:MFADeviceAttested":"true"},"StringEquals":{"keyd:MFATouchPolicy":"always","keyd:MFADeviceType":"PIV"}}}}`)}))(t)
	var c sessionChallenge
	if code := mfaCall(t, kit, alice, "CreateSessionChallenge", nothing{}, &c); code != "" {
		t.Fatal(code)
	}
	if c.Purpose != "session of arn:aws:iam::111122223333:user/alice" || c.UserName != "alice" || len(c.Devices) != 1 ||
		c.Devices[0].SerialNumber != k.serial || c.Devices[0].CardSerial != 12345678 || c.Devices[0].Type != "PIV" {
		t.Errorf("%+v", c)
	}
	in := challengeAnswer{ChallengeId: c.ChallengeId, SerialNumber: k.serial, Signature: k.sign(t, c.message()), DurationSeconds: 900}
	before := kit.Log.Size()
	var out challengeToken
	if code := mfaCall(t, kit, alice, "GetChallengeSessionToken", in, &out); code != "" {
		t.Fatal(code)
	}
	if events := kit.Events(before); len(events) != 1 || strings.Contains(string(events[0]), out.Credentials.SecretAccessKey) ||
		!strings.Contains(string(events[0]), "GetChallengeSessionToken") || !strings.Contains(string(events[0]), out.Credentials.AccessKeyId) ||
		strings.Contains(string(events[0]), out.Credentials.SessionToken) {
		t.Errorf("%s", events)
	}
	session := credentials.NewStaticCredentialsProvider(out.Credentials.AccessKeyId, out.Credentials.SecretAccessKey, out.Credentials.SessionToken)
	who := done(kit.STSWith(region, session).GetCallerIdentity(t.Context(), &stsclient.GetCallerIdentityInput{}))(t)
	if !strings.HasSuffix(*who.Arn, ":user/alice") {
		t.Error(*who.Arn)
	}
	done(kit.IAMWith(session).ListMFADevices(t.Context(), &iamclient.ListMFADevicesInput{}))(t)

	for name, code := range map[string]string{
		"a used challenge":       mfaCall(t, kit, alice, "GetChallengeSessionToken", in, &out),
		"a session that asks":    mfaCall(t, kit, session, "CreateSessionChallenge", nothing{}, &c),
		"a session that answers": mfaCall(t, kit, session, "GetChallengeSessionToken", in, &out),
	} {
		if want := map[bool]string{true: "NoSuchChallengeException", false: "AccessDeniedException"}[name == "a used challenge"]; code != want {
			t.Errorf("%s: %q", name, code)
		}
	}
}

// TestSessionChallengeRefused: signatures that are right, but not for this.
func TestSessionChallengeRefused(t *testing.T) {
	kit := testkit.Start(t)
	u, alice := kit.UserWithKey("alice")
	v, bob := kit.UserWithKey("bob")
	k, bobs := newCard(t, kit, u.ID, "alice-key"), newCard(t, kit, v.ID, "bob-key")
	local := client.New(kit.Socket(testkit.Everything()))
	create := func(as aws.CredentialsProvider) (c sessionChallenge) {
		t.Helper()
		if code := mfaCall(t, kit, as, "CreateSessionChallenge", nothing{}, &c); code != "" {
			t.Fatal(code)
		}
		return c
	}
	get := func(as aws.CredentialsProvider, id string, by card, m protocol.Message) string {
		t.Helper()
		return mfaCall(t, kit, as, "GetChallengeSessionToken", challengeAnswer{ChallengeId: id, SerialNumber: by.serial, Signature: by.sign(t, m)}, &challengeToken{})
	}
	made := puts(t, local, protocol.Ask{User: "alice", Purpose: "sudo", Methods: []string{protocol.PIV}, TTLSeconds: 600})
	c := create(alice)
	if code := get(alice, made.ID, k, made.Message(protocol.Device{})); code != "NoSuchChallengeException" {
		t.Errorf("a challenge of the socket: %q", code)
	}
	if err := local.Answer(t.Context(), c.ChallengeId, protocol.Answer{Device: k.serial, Signature: k.sign(t, c.message())}); !is(err, protocol.CodeNoSuch) {
		t.Errorf("on the socket: %v", err)
	}
	if code := get(bob, c.ChallengeId, bobs, c.message()); code != "NoSuchChallengeException" {
		t.Errorf("another's challenge: %q", code)
	}
	forSudo := made.Message(protocol.Device{})
	for name, code := range map[string]string{
		"another purpose": get(alice, c.ChallengeId, k, forSudo),
		"another's card":  get(alice, c.ChallengeId, bobs, c.message()),
	} {
		if code != "InvalidSignatureException" {
			t.Errorf("%s: %q", name, code)
		}
	}
	second := create(alice)
	kit.OATHOffset.Add(int64(time.Minute))
	if code := get(alice, second.ChallengeId, k, second.message()); code != "NoSuchChallengeException" {
		t.Errorf("expired: %q", code)
	}
	for range 16 {
		create(alice)
	}
	if code := mfaCall(t, kit, alice, "CreateSessionChallenge", nothing{}, &c); code != "LimitExceededException" {
		t.Errorf("one too many: %q", code)
	}
	create(bob)
}

// TestSessionChallengeOnce: of many at once that are right, one gets a session.
func TestSessionChallengeOnce(t *testing.T) {
	kit := testkit.Start(t)
	u, alice := kit.UserWithKey("alice")
	k := newCard(t, kit, u.ID, "alice-key")
	var c sessionChallenge
	if code := mfaCall(t, kit, alice, "CreateSessionChallenge", nothing{}, &c); code != "" {
		t.Fatal(code)
	}
	in := challengeAnswer{ChallengeId: c.ChallengeId, SerialNumber: k.serial, Signature: k.sign(t, c.message())}
	var group sync.WaitGroup
	codes := make([]string, 16)
	for i := range codes {
		group.Go(func() { codes[i] = mfaCall(t, kit, alice, "GetChallengeSessionToken", in, &challengeToken{}) })
	}
	group.Wait()
	counts := map[string]int{}
	for _, code := range codes {
		counts[code]++
	}
	if counts[""] != 1 || counts["NoSuchChallengeException"] != len(codes)-1 {
		t.Errorf("%v", counts)
	}
}

// TestMFASessionsClosed: rule 10.3 holds for keyd's own operations: sessions without
// MFA, and federated users, do not administer devices.
func TestMFASessionsClosed(t *testing.T) {
	kit := testkit.Start(t)
	_, alice := kit.UserWithKey("alice")
	const all = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`
	done(kit.IAM().PutUserPolicy(t.Context(), &iamclient.PutUserPolicyInput{UserName: aws.String("alice"), PolicyName: aws.String("p"), PolicyDocument: aws.String(all)}))(t)
	s := done(kit.STSWith(region, alice).GetSessionToken(t.Context(), &stsclient.GetSessionTokenInput{}))(t).Credentials
	f := done(kit.STSWith(region, alice).GetFederationToken(t.Context(),
		&stsclient.GetFederationTokenInput{Name: aws.String("fed"), Policy: aws.String(all)}))(t).Credentials
	for name, as := range map[string]aws.CredentialsProvider{
		"session":   credentials.NewStaticCredentialsProvider(*s.AccessKeyId, *s.SecretAccessKey, *s.SessionToken),
		"federated": credentials.NewStaticCredentialsProvider(*f.AccessKeyId, *f.SecretAccessKey, *f.SessionToken),
	} {
		for _, operation := range []string{"CreateRecoveryCodes", "UnlockMFA", "DescribeMFADevices"} {
			if code := mfaCall(t, kit, as, operation, map[string]string{"UserName": "alice"}, &nothing{}); code != "AccessDeniedException" {
				t.Errorf("%s: %s: %q", name, operation, code)
			}
		}
	}
	if code := mfaCall(t, kit, alice, "UnlockMFA", map[string]string{"UserName": "alice"}, &nothing{}); code != "" {
		t.Error(code)
	}
}
