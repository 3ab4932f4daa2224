package server_test

import (
	"context"
	"encoding/hex"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyd-hsm/keyd/internal/testkit"
	keydkms "github.com/keyd-hsm/keyd/kms"
	"github.com/keyd-hsm/keyd/store"
)

// Cluster ids of the tests.
const (
	firstCluster  = "cluster-aaaaaaaaaaa"
	secondCluster = "cluster-bbbbbbbbbbb"
)

// stored is an appliance with a second token, and a custom key store of it.
type stored struct {
	*testkit.Kit
	t       *testing.T
	c       *kms.Client
	cluster *testkit.Cluster
	store   string // its id
}

func startStored(t *testing.T) *stored {
	t.Helper()
	cluster := testkit.NewCluster(t, firstCluster)
	s := &stored{t: t, cluster: cluster, Kit: testkit.Start(t, testkit.WithClusters(cluster))}
	s.c = s.KMS(region)
	s.store = *must(s.c.CreateCustomKeyStore(t.Context(), &kms.CreateCustomKeyStoreInput{
		CustomKeyStoreName: new("second"), CloudHsmClusterId: &cluster.ID, KeyStorePassword: &cluster.PIN,
		TrustAnchorCertificate: new("anything"),
	})).CustomKeyStoreId
	return s
}

func (s *stored) connect() error {
	_, err := s.c.ConnectCustomKeyStore(s.t.Context(), &kms.ConnectCustomKeyStoreInput{CustomKeyStoreId: &s.store})
	return err
}

func (s *stored) disconnect() error {
	_, err := s.c.DisconnectCustomKeyStore(s.t.Context(), &kms.DisconnectCustomKeyStoreInput{CustomKeyStoreId: &s.store})
	return err
}

func (s *stored) remove() error {
	_, err := s.c.DeleteCustomKeyStore(s.t.Context(), &kms.DeleteCustomKeyStoreInput{CustomKeyStoreId: &s.store})
	return err
}

func (s *stored) update(in kms.UpdateCustomKeyStoreInput) error {
	in.CustomKeyStoreId = &s.store
	_, err := s.c.UpdateCustomKeyStore(s.t.Context(), &in)
	return err
}

func (s *stored) ok(what string, err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatalf("%s: %v", what, err)
	}
}

// described is what DescribeCustomKeyStores says of the store.
func (s *stored) described() types.CustomKeyStoresListEntry {
	s.t.Helper()
	return must(s.c.DescribeCustomKeyStores(s.t.Context(), &kms.DescribeCustomKeyStoresInput{CustomKeyStoreId: &s.store})).CustomKeyStores[0]
}

func (s *stored) wantState(want types.ConnectionStateType) {
	s.t.Helper()
	if e := s.described(); e.ConnectionState != want {
		s.t.Errorf("store is %s (%s), want %s", e.ConnectionState, e.ConnectionErrorCode, want)
	}
}

func (s *stored) newKey() (string, error) {
	out, err := s.c.CreateKey(s.t.Context(), &kms.CreateKeyInput{Origin: types.OriginTypeAwsCloudhsm, CustomKeyStoreId: &s.store})
	if err != nil {
		return "", err
	}
	return *out.KeyMetadata.KeyId, nil
}

// objectID is how pkcs11-tool shows the id of an object.
var objectID = regexp.MustCompile(`[0-9a-f]{60,}`)

// objects is what pkcs11-tool shows of the second token, with ids as text.
func (s *stored) objects() string {
	s.t.Helper()
	token := s.cluster.Token
	cmd := exec.Command("pkcs11-tool", "--module", token.Module, "--token-label", token.Info.Label, "--login", "--pin", s.cluster.PIN, "-O")
	cmd.Env = append(os.Environ(), "SOFTHSM2_CONF="+token.ConfigFile())
	out, err := cmd.CombinedOutput()
	s.ok("pkcs11-tool: "+string(out), err)
	return objectID.ReplaceAllStringFunc(string(out), func(id string) string {
		text, err := hex.DecodeString(id)
		if err != nil {
			return id
		}
		return string(text)
	})
}

// TestCustomKeyStore: keys of a custom key store are objects of its token that
// never leave it, can be used while it is connected, and come back with it.
func TestCustomKeyStore(t *testing.T) {
	s := startStored(t)
	ctx := t.Context()
	s.wantState(types.ConnectionStateTypeDisconnected)
	_, err := s.newKey()
	refused(t, "key in a disconnected store", err, "CustomKeyStoreInvalidStateException", "is DISCONNECTED")
	s.ok("connect", s.connect())
	s.ok("connect again", s.connect())
	s.wantState(types.ConnectionStateTypeConnected)
	id, err := s.newKey()
	s.ok("CreateKey", err)

	shown := s.objects()
	if !strings.Contains(shown, id) || !strings.Contains(shown, "never extractable") || !strings.Contains(shown, "sensitive") ||
		strings.Count(shown, "Access:") != strings.Count(shown, "never extractable") {
		t.Errorf("pkcs11-tool shows\n%s", shown)
	}
	m := must(s.c.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &id})).KeyMetadata
	if m.Origin != types.OriginTypeAwsCloudhsm || *m.CustomKeyStoreId != s.store || *m.CloudHsmClusterId != firstCluster || m.KeyState != types.KeyStateEnabled {
		t.Errorf("described as %+v", m)
	}
	encrypt := func() ([]byte, error) {
		out, err := s.c.Encrypt(ctx, &kms.EncryptInput{KeyId: &id, Plaintext: []byte("m")})
		if err != nil {
			return nil, err
		}
		return out.CiphertextBlob, nil
	}
	blob := must(encrypt())
	opens := func() error {
		_, err := s.c.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob})
		return err
	}
	s.ok("Decrypt", opens())
	if b := must(s.c.GenerateRandom(ctx, &kms.GenerateRandomInput{NumberOfBytes: new(int32(24)), CustomKeyStoreId: &s.store})); len(b.Plaintext) != 24 {
		t.Errorf("%d random bytes", len(b.Plaintext))
	}

	s.ok("disconnect", s.disconnect())
	refused(t, "use while disconnected", opens(), "KMSInvalidStateException", id+" is unavailable.")
	_, err = s.c.GenerateRandom(ctx, &kms.GenerateRandomInput{NumberOfBytes: new(int32(24)), CustomKeyStoreId: &s.store})
	refused(t, "random while disconnected", err, "CustomKeyStoreInvalidStateException", "must be CONNECTED")
	state := func() types.KeyState {
		return must(s.c.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &id})).KeyMetadata.KeyState
	}
	if state() != types.KeyStateUnavailable {
		t.Errorf("while disconnected: %s", state())
	}
	must(s.c.DisableKey(ctx, &kms.DisableKeyInput{KeyId: &id}))
	if state() != types.KeyStateUnavailable {
		t.Errorf("disabled while disconnected: %s", state())
	}
	s.ok("connect", s.connect())
	if state() != types.KeyStateDisabled {
		t.Errorf("connected again: %s", state())
	}
	must(s.c.EnableKey(ctx, &kms.EnableKeyInput{KeyId: &id}))
	s.ok("Decrypt", opens())

	s.Restart()
	s.wantState(types.ConnectionStateTypeConnecting)
	refused(t, "use before its token is opened", opens(), "KMSInvalidStateException", "is unavailable.")
	s.ok("Reconnect", s.Server.Reconnect(ctx))
	s.wantState(types.ConnectionStateTypeConnected)
	s.ok("Decrypt after a restart", opens())

	s.ok("disconnect", s.disconnect())
	s.Restart()
	s.ok("Reconnect", s.Server.Reconnect(ctx))
	s.wantState(types.ConnectionStateTypeDisconnected) // a restart connects nothing that was not
}

// TestCustomKeyStoreAway: the appliance starts and works while the token of a
// connected store is away.
func TestCustomKeyStoreAway(t *testing.T) {
	s := startStored(t)
	ctx := t.Context()
	s.ok("connect", s.connect())
	id, err := s.newKey()
	s.ok("CreateKey", err)
	own := s.NewKey(region)
	s.cluster.Away = true
	s.Restart()
	if err := s.Server.Reconnect(ctx); err == nil {
		t.Error("a token that is away was opened")
	}
	s.wantState(types.ConnectionStateTypeConnecting)
	_, err = s.c.Encrypt(ctx, &kms.EncryptInput{KeyId: &id, Plaintext: []byte("m")})
	refused(t, "its key", err, "KMSInvalidStateException", "is unavailable.")
	must(s.c.Encrypt(ctx, &kms.EncryptInput{KeyId: &own, Plaintext: []byte("m")}))
	s.cluster.Away = false
	s.ok("Reconnect", s.Server.Reconnect(ctx))
	must(s.c.Encrypt(ctx, &kms.EncryptInput{KeyId: &id, Plaintext: []byte("m")}))
	s.ok("disconnect", s.disconnect())
	s.cluster.Away = true
	refused(t, "connect without a token", s.connect(), "CloudHsmClusterNotActiveException", firstCluster)
	s.wantState(types.ConnectionStateTypeDisconnected)
}

// TestCustomKeyStorePassword: a password that the token refuses is never tried a
// second time.
func TestCustomKeyStorePassword(t *testing.T) {
	s := startStored(t)
	ctx := t.Context()
	s.ok("wrong password", s.update(kms.UpdateCustomKeyStoreInput{KeyStorePassword: new("wrong-password")}))
	s.ok("connect", s.connect())
	if e := s.described(); e.ConnectionState != types.ConnectionStateTypeFailed || e.ConnectionErrorCode != types.ConnectionErrorCodeTypeInvalidCredentials {
		t.Errorf("store is %s, %s", e.ConnectionState, e.ConnectionErrorCode)
	}
	refused(t, "connect a failed store", s.connect(), "CustomKeyStoreInvalidStateException", "is FAILED")
	refused(t, "update a failed store", s.update(kms.UpdateCustomKeyStoreInput{KeyStorePassword: &s.cluster.PIN}), "CustomKeyStoreInvalidStateException", "must be DISCONNECTED")
	s.ok("disconnect", s.disconnect())
	s.ok("connect", s.connect())
	s.wantState(types.ConnectionStateTypeFailed)
	s.Restart()
	s.ok("Reconnect", s.Server.Reconnect(ctx))
	s.wantState(types.ConnectionStateTypeFailed)
	if s.cluster.Logins != 1 {
		t.Errorf("the wrong password was tried %d times", s.cluster.Logins)
	}
	s.ok("disconnect", s.disconnect())
	s.ok("right password", s.update(kms.UpdateCustomKeyStoreInput{KeyStorePassword: &s.cluster.PIN}))
	s.ok("connect", s.connect())
	s.wantState(types.ConnectionStateTypeConnected)

	// The PIN is changed on the token while the appliance is down.
	s.cluster.Changed = true
	s.Restart()
	before := s.Log.Size()
	s.ok("Reconnect", s.Server.Reconnect(ctx))
	s.ok("Reconnect", s.Server.Reconnect(ctx))
	s.wantState(types.ConnectionStateTypeFailed)
	if s.cluster.Logins != 3 {
		t.Errorf("tokens were asked %d times", s.cluster.Logins)
	}
	events := s.Events(before)
	if len(events) < 1 || !strings.Contains(string(events[0]), "INVALID_CREDENTIALS") {
		t.Errorf("events %s", events)
	}
}

// TestCustomKeyStoreWrongPasswordOnce: a wrong password is tried once, however many
// connect at a time, and also while the refusal cannot be stored. Tokens lock.
func TestCustomKeyStoreWrongPasswordOnce(t *testing.T) {
	s := startStored(t)
	s.ok("wrong password", s.update(kms.UpdateCustomKeyStoreInput{KeyStorePassword: new("wrong-password")}))
	ctx := t.Context()
	st := must(s.Service.CustomStore(ctx, nil, region, s.store))
	group := new(sync.WaitGroup)
	for range 8 {
		group.Go(func() {
			if c, err := s.Service.Connect(ctx, st); err != nil || !c.Refused() {
				t.Errorf("connection %+v, %v", c, err)
			}
		})
	}
	group.Wait()
	if s.cluster.Logins != 1 {
		t.Errorf("the wrong password was tried %d times", s.cluster.Logins)
	}
	s.ok("right password", s.update(kms.UpdateCustomKeyStoreInput{KeyStorePassword: &s.cluster.PIN}))
	s.ok("connect", s.connect())
	s.wantState(types.ConnectionStateTypeConnected)
}

// TestCustomKeyStoreGone: no key comes into a store that was deleted while the
// token made it.
func TestCustomKeyStoreGone(t *testing.T) {
	s := startStored(t)
	s.ok("connect", s.connect())
	draft := must(s.Service.Draft(keydkms.NewKey{
		Region: region, Policy: s.Service.DefaultPolicy(), Store: must(s.Service.StoreForKey(t.Context(), region, s.store)),
	}))
	s.ok("disconnect", s.disconnect())
	s.ok("delete", s.remove())
	_, err := s.Service.MakeKey(t.Context(), draft)
	if refusal := (*keydkms.Error)(nil); !errors.As(err, &refusal) || refusal.Code != keydkms.CodeStoreNotFound {
		t.Errorf("made in a store that is gone: %v", err)
	}
}

// TestCustomKeyStoreDeletion: material of a deleted key is destroyed on the token,
// at the next connection where the store was disconnected; and a store with keys
// stays.
func TestCustomKeyStoreDeletion(t *testing.T) {
	s := startStored(t)
	ctx := t.Context()
	s.ok("connect", s.connect())
	first, second := must(s.newKey()), must(s.newKey())
	remove := func(id string, days int) {
		t.Helper()
		must(s.c.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &id, PendingWindowInDays: new(int32(7))}))
		s.Offset.Store(int64(time.Duration(days) * 24 * time.Hour))
		s.ok("Sweep", s.Server.Sweep(context.WithoutCancel(ctx)))
	}
	remove(first, 8)
	if shown := s.objects(); strings.Contains(shown, first) || !strings.Contains(shown, second) {
		t.Errorf("after the first was deleted pkcs11-tool shows\n%s", shown)
	}
	refused(t, "delete a connected store with a key", s.remove(), "CustomKeyStoreHasCMKsException", "contains KMS keys")
	s.ok("disconnect", s.disconnect())
	refused(t, "delete a store with a key", s.remove(), "CustomKeyStoreHasCMKsException", "contains KMS keys")
	remove(second, 16)
	if !strings.Contains(s.objects(), second) {
		t.Error("destroyed on a token that is disconnected")
	}
	s.ok("connect", s.connect())
	if strings.Contains(s.objects(), second) {
		t.Error("not destroyed when connected again")
	}
	refused(t, "delete a connected store", s.remove(), "CustomKeyStoreInvalidStateException", "must be DISCONNECTED")
	third := must(s.newKey())
	s.ok("disconnect", s.disconnect())
	remove(third, 24)
	s.ok("delete", s.remove())
	if notes := s.doomed(); notes != 0 {
		t.Errorf("%d notes of a store that is gone", notes)
	}
	refused(t, "delete again", s.remove(), "CustomKeyStoreNotFoundException", s.store)
}

// doomed counts the notes of objects that are still to be destroyed.
func (s *stored) doomed() (n int) {
	s.t.Helper()
	s.ok("View", s.DB.View(s.t.Context(), func(tx store.Tx) error {
		for range tx.Scan("kms/doomed/", "") {
			n++
		}
		return nil
	}))
	return n
}
