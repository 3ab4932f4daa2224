package server_test

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/api/kmsapi"
	"github.com/keyd-hsm/keyd/hsm"
	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/internal/testkit"
	keydkms "github.com/keyd-hsm/keyd/kms"
	"github.com/keyd-hsm/keyd/server"
)

// operations is an appliance with keys in all states, for tests that walk every
// operation of the model.
type operations struct {
	t    *testing.T // of the row
	kit  *testkit.Kit
	c    *kms.Client
	late *late

	symmetric, disabled, pending       string // key ids
	ecc, agreement, hmac               string
	imported, importing, importedGone  string // with material, without, pending deletion
	primary                            string // with a replica in westRegion
	sealed, sealedDisabled, sealedGone []byte // under symmetric, disabled, pending
	signature, mac, peer               []byte
	params                             *kms.GetParametersForImportOutput // of imported
	importInput                        kms.ImportKeyMaterialInput
	connected, unconnected, failed     string // custom key stores; the first two have a key each
	clusters                           map[string]*testkit.Cluster
	mark                               int
}

// late stands in the place of the token and the store. On demand neither answers
// in time.
type late struct {
	hsm.Token
	server.State
	on atomic.Bool
}

func (l *late) err(what string) error {
	if l.on.Load() {
		return fmt.Errorf("%s: %w", what, context.DeadlineExceeded)
	}
	return nil
}

func (l *late) View(ctx context.Context, fn func(keydkms.Tx) error) error {
	if err := l.err("store"); err != nil {
		return err
	}
	return l.State.View(ctx, fn)
}

func (l *late) Update(ctx context.Context, fn func(keydkms.Tx) error) error {
	if err := l.err("store"); err != nil {
		return err
	}
	return l.State.Update(ctx, fn)
}

func (l *late) MAC(ctx context.Context, k hsm.Key, data []byte) ([]byte, error) {
	if err := l.err("token"); err != nil {
		return nil, err
	}
	return l.Token.MAC(ctx, k, data)
}

func (l *late) Sign(ctx context.Context, k hsm.Key, s hsm.Signing, data []byte) ([]byte, error) {
	if err := l.err("token"); err != nil {
		return nil, err
	}
	return l.Token.Sign(ctx, k, s, data)
}

func (l *late) Derive(ctx context.Context, k hsm.Key, point []byte) ([]byte, error) {
	if err := l.err("token"); err != nil {
		return nil, err
	}
	return l.Token.Derive(ctx, k, point)
}

func (l *late) Random(ctx context.Context, n int) ([]byte, error) {
	if err := l.err("token"); err != nil {
		return nil, err
	}
	return l.Token.Random(ctx, n)
}

func (l *late) GeneratePair(ctx context.Context, domain string, t hsm.KeyType, u hsm.Use) (wrapped, public []byte, err error) {
	if err := l.err("token"); err != nil {
		return nil, nil, err
	}
	return l.Token.GeneratePair(ctx, domain, t, u)
}

// The clusters of the tests, beside firstCluster and secondCluster, whose stores
// have keys. The twin is the token of the first under another name.
const (
	brokenCluster = "cluster-ccccccccccc"
	absentCluster = "cluster-ddddddddddd"
	twinCluster   = "cluster-eeeeeeeeeee"
	freeCluster   = "cluster-fffffffffff"
	noCluster     = "cluster-zzzzzzzzzzz"
	noStore       = "cks-00000000000000000"
	noKey         = "00000000-0000-4000-8000-000000000000"
)

func startOperations(t *testing.T) *operations {
	t.Helper()
	f := &operations{t: t, late: new(late), clusters: map[string]*testkit.Cluster{
		firstCluster: testkit.NewCluster(t, firstCluster), secondCluster: testkit.NewCluster(t, secondCluster),
		absentCluster: {ID: absentCluster, Away: true}, freeCluster: {ID: freeCluster, Away: true},
	}}
	f.clusters[brokenCluster] = testkit.NewCluster(t, brokenCluster)
	f.clusters[brokenCluster].Changed = true
	f.clusters[twinCluster] = &testkit.Cluster{ID: twinCluster, Token: f.clusters[firstCluster].Token}
	all := make([]*testkit.Cluster, 0, 16)
	for _, c := range f.clusters {
		all = append(all, c)
	}
	for i := range 10 {
		all = append(all, &testkit.Cluster{ID: spareCluster(i), Away: true})
	}
	f.kit = testkit.Start(t, testkit.WithClusters(all...), testkit.WithTrustAnchor(absentCluster, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
		testkit.WithLimits(keydkms.Limits{GrantsPerKey: 3, AliasesPerKey: 3, TagsPerKey: 3, PolicyBytes: 4096}, iam.Limits{}),
		testkit.WithToken(func(tok hsm.Token) hsm.Token { f.late.Token = tok; return f.late }))
	cfg := f.kit.Server.Config
	f.late.State, cfg.State = cfg.State, f.late
	f.c = clientOf(f.kit, serve(t, cfg).URL)
	f.makeKeys()
	f.makeStores()
	return f
}

func spareCluster(i int) string { return "cluster-" + strings.Repeat(string(rune('m'+i)), 11) }

// newKey makes a key with the kinds of CreateKey's input.
func (f *operations) newKey(change func(*kms.CreateKeyInput)) string {
	in := &kms.CreateKeyInput{}
	if change != nil {
		change(in)
	}
	return *must(f.c.CreateKey(f.t.Context(), in)).KeyMetadata.KeyId
}

func (f *operations) ofSpec(spec types.KeySpec, usage types.KeyUsageType) string {
	return f.newKey(func(in *kms.CreateKeyInput) { in.KeySpec, in.KeyUsage = spec, usage })
}

func (f *operations) external() string {
	return f.newKey(func(in *kms.CreateKeyInput) { in.Origin = types.OriginTypeExternal })
}

func (f *operations) multiRegion() string {
	return f.newKey(func(in *kms.CreateKeyInput) { in.MultiRegion = new(true) })
}

func (f *operations) seal(key string) []byte {
	return must(f.c.Encrypt(f.t.Context(), &kms.EncryptInput{KeyId: &key, Plaintext: []byte("m")})).CiphertextBlob
}

func (f *operations) schedule(key string) {
	must(f.c.ScheduleKeyDeletion(f.t.Context(), &kms.ScheduleKeyDeletionInput{KeyId: &key}))
}

func (f *operations) makeKeys() {
	ctx := f.t.Context()
	f.symmetric, f.disabled, f.pending = f.newKey(nil), f.newKey(nil), f.newKey(nil)
	f.ecc, f.agreement = f.ofSpec("ECC_NIST_P256", "SIGN_VERIFY"), f.ofSpec("ECC_NIST_P256", "KEY_AGREEMENT")
	f.hmac = f.ofSpec("HMAC_256", "GENERATE_VERIFY_MAC")
	f.imported, f.importing, f.importedGone = f.external(), f.external(), f.external()
	f.primary = f.multiRegion()
	must(f.c.ReplicateKey(ctx, &kms.ReplicateKeyInput{KeyId: &f.primary, ReplicaRegion: new(westRegion)}))
	f.sealed, f.sealedDisabled, f.sealedGone = f.seal(f.symmetric), f.seal(f.disabled), f.seal(f.pending)
	must(f.c.DisableKey(ctx, &kms.DisableKeyInput{KeyId: &f.disabled}))
	f.schedule(f.pending)
	f.schedule(f.importedGone)
	f.signature = must(f.c.Sign(ctx, &kms.SignInput{KeyId: &f.ecc, Message: []byte("m"), SigningAlgorithm: "ECDSA_SHA_256"})).Signature
	f.mac = must(f.c.GenerateMac(ctx, &kms.GenerateMacInput{KeyId: &f.hmac, Message: []byte("m"), MacAlgorithm: "HMAC_SHA_256"})).Mac
	f.peer = must(f.c.GetPublicKey(ctx, &kms.GetPublicKeyInput{KeyId: &f.agreement})).PublicKey
	f.params = must(f.c.GetParametersForImport(ctx, &kms.GetParametersForImportInput{
		KeyId: &f.imported, WrappingAlgorithm: "RSAES_OAEP_SHA_256", WrappingKeySpec: "RSA_2048",
	}))
	f.importInput = kms.ImportKeyMaterialInput{
		KeyId: &f.imported, ImportToken: f.params.ImportToken, EncryptedKeyMaterial: f.wrapped('m'),
		ExpirationModel: types.ExpirationModelTypeKeyMaterialDoesNotExpire,
	}
	must(f.c.ImportKeyMaterial(ctx, &f.importInput))
}

// wrapped is key material for the key imported: that byte, 32 times.
func (f *operations) wrapped(b byte) []byte {
	return seal(f.t, f.params, types.AlgorithmSpecRsaesOaepSha256, []byte(strings.Repeat(string(b), 32)))
}

func (f *operations) makeStores() {
	f.connected, f.unconnected, f.failed = f.newStore(firstCluster), f.newStore(secondCluster), f.newStore(brokenCluster)
	for _, id := range []string{f.connected, f.unconnected, f.failed} {
		f.connect(id)
	}
	for _, id := range []string{f.connected, f.unconnected} {
		f.newKey(func(in *kms.CreateKeyInput) { in.Origin, in.CustomKeyStoreId = types.OriginTypeAwsCloudhsm, &id })
	}
	f.disconnect(f.unconnected)
}

// newStore makes a custom key store, named as its cluster.
func (f *operations) newStore(cluster string) string {
	password := "password"
	if c := f.clusters[cluster]; c != nil && c.PIN != "" {
		password = c.PIN
	}
	return *must(f.c.CreateCustomKeyStore(f.t.Context(), &kms.CreateCustomKeyStoreInput{
		CustomKeyStoreName: &cluster, CloudHsmClusterId: &cluster, KeyStorePassword: &password,
	})).CustomKeyStoreId
}

func (f *operations) connect(id string) {
	must(f.c.ConnectCustomKeyStore(f.t.Context(), &kms.ConnectCustomKeyStoreInput{CustomKeyStoreId: &id}))
}

// disconnect leaves a store disconnected, which it may be already.
func (f *operations) disconnect(id string) {
	_, err := f.c.DisconnectCustomKeyStore(f.t.Context(), &kms.DisconnectCustomKeyStoreInput{CustomKeyStoreId: &id})
	if code := codeOf(err); code != "" && code != "CustomKeyStoreInvalidStateException" {
		f.t.Fatal(err)
	}
}

// call calls the operation that the input is for.
func (f *operations) call(in any) (any, error) {
	name := strings.TrimSuffix(reflect.TypeOf(in).Elem().Name(), "Input")
	out := reflect.ValueOf(f.c).MethodByName(name).Call([]reflect.Value{reflect.ValueOf(f.t.Context()), reflect.ValueOf(in)})
	err, _ := out[1].Interface().(error)
	return out[0].Interface(), err
}

// each runs a test for every operation of the model.
func (f *operations) each(t *testing.T, test func(op api.Operation, in any)) {
	if len(kmsapi.Service.Operations) < 56 {
		t.Errorf("%d operations in the model", len(kmsapi.Service.Operations))
	}
	for _, op := range kmsapi.Service.Operations {
		t.Run(op.Name, func(t *testing.T) {
			f.t = t
			ordinary := ordinaryUse[op.Name]
			if ordinary == nil {
				t.Fatal("no ordinary use in the table")
			}
			test(op, ordinary(f))
		})
	}
	f.t = t
}

// TestOrdinaryUse has every operation of the model succeed in its ordinary use, by
// AWS's client. Where the token lacks what the operation needs, that is a clear
// refusal.
func TestOrdinaryUse(t *testing.T) {
	f := startOperations(t)
	f.each(t, func(op api.Operation, in any) {
		out, err := f.call(in)
		if want := unservedUse[op.Name]; codeOf(err) != want {
			f.t.Errorf("answered %v, want %q", err, want)
		}
		if err == nil && op.NewOutput != nil && reflect.ValueOf(out).Elem().NumField() > 1 && isEmpty(out) {
			f.t.Errorf("an empty answer: %+v", out)
		}
	})
	_, err := f.c.CreateKey(t.Context(), &kms.CreateKeyInput{KeySpec: "ML_KEM_768", KeyUsage: "ENCAPSULATE_DECAPSULATE"})
	refused(t, "a key to encapsulate with", err, "UnsupportedOperationException", "CKM_ML_KEM")
}

// isEmpty reports whether an output says nothing but the SDK's own metadata.
func isEmpty(out any) bool {
	v := reflect.ValueOf(out).Elem()
	for i := range v.NumField() {
		if field := v.Type().Field(i); field.IsExported() && field.Name != "ResultMetadata" && !v.Field(i).IsZero() {
			return false
		}
	}
	return v.NumField() > 2
}
