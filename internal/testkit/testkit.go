// Package testkit starts keyd for tests: all of it but the process, on a real
// SoftHSM2 token, with a real disk under it.
//
//	kit := testkit.Start(t)
//	out, err := kit.KMS("eu-1").CreateKey(t.Context(), &kms.CreateKeyInput{})
//
// When the test ends, the audit log is verified and the records are checked.
package testkit

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	kmsclient "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/keyd-hsm/keyd/audit"
	"github.com/keyd-hsm/keyd/authz"
	"github.com/keyd-hsm/keyd/hsm"
	"github.com/keyd-hsm/keyd/hsm/pkcs11"
	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/kms"
	"github.com/keyd-hsm/keyd/mfa"
	"github.com/keyd-hsm/keyd/server"
	"github.com/keyd-hsm/keyd/softhsm"
	"github.com/keyd-hsm/keyd/store"
	"github.com/keyd-hsm/keyd/store/bolt"
	"github.com/keyd-hsm/keyd/sts"
)

// Account is the account of every Kit.
const Account = "111122223333"

// A Kit is a running appliance.
type Kit struct {
	URL         string
	Credentials iam.Credentials
	Server      *server.Server
	Service     *kms.Service
	DB          *bolt.DB
	Log         *audit.Log
	Dir         string // state.db and audit/
	Offset      atomic.Int64
	OATHOffset  atomic.Int64
	Registry    *prometheus.Registry
	Identities  *iam.Service
	Sessions    *sts.Service
	MFA         *mfa.Service

	t        testing.TB
	options  options
	hardware hsm.Token
	current  atomic.Pointer[server.Server] // the one that requests go to
	issuers  issuers
}

// Option changes how Start puts the parts together.
type Option func(*options)

type options struct {
	token   func(hsm.Token) hsm.Token
	timeout time.Duration
	regions func(string) bool

	guardrails authz.Guardrails
	limits     kms.Limits
	identities iam.Limits
	logger     *slog.Logger
	clusters   map[string]kms.Cluster
	rsaPool    int
	piv        mfa.PIVRules
}

// WithToken puts something between the appliance and its token.
func WithToken(wrap func(hsm.Token) hsm.Token) Option {
	return func(o *options) { o.token = wrap }
}

// WithGuardrails limits everybody.
func WithGuardrails(g authz.Guardrails) Option { return func(o *options) { o.guardrails = g } }

// WithLimits sets numbers that AWS fixes.
func WithLimits(keys kms.Limits, identities iam.Limits) Option {
	return func(o *options) { o.limits, o.identities = keys, identities }
}

// WithLogger gives the daemon's log a place.
func WithLogger(l *slog.Logger) Option { return func(o *options) { o.logger = l } }

// WithTimeout bounds the work on one request.
func WithTimeout(d time.Duration) Option { return func(o *options) { o.timeout = d } }

// WithRSAPool has the appliance make RSA keys in advance, when it is told to:
// k.Service.AddToPool.
func WithRSAPool(size int) Option { return func(o *options) { o.rsaPool = size } }

// WithRegions has the appliance serve these regions only, instead of any.
func WithRegions(names ...string) Option {
	return func(o *options) {
		o.regions = func(region string) bool { return slices.Contains(names, region) }
	}
}

// Start makes an appliance and serves it until the test ends.
func Start(t testing.TB, opts ...Option) *Kit {
	t.Helper()
	o := options{
		token:   func(tok hsm.Token) hsm.Token { return tok },
		regions: regexp.MustCompile(`^[a-z0-9-]+$`).MatchString,
		logger:  slog.New(slog.DiscardHandler),
	}
	for _, opt := range opts {
		opt(&o)
	}
	k := &Kit{Dir: t.TempDir(), Credentials: iam.NewCredentials(), Registry: prometheus.NewRegistry(), t: t}
	k.options, k.hardware = o, o.token(openToken(t))
	db, err := bolt.Create(filepath.Join(k.Dir, "state.db"))
	k.must(err)
	t.Cleanup(func() { k.must(db.Close()) })
	k.DB = db
	k.openLog()
	k.must(kms.Create(t.Context(), k.keys()))
	t.Cleanup(k.checkRecords)
	k.open()
	t.Cleanup(k.close)
	root, err := k.Identities.SealRootKey(t.Context(), k.Credentials)
	k.must(err)
	k.must(db.Update(t.Context(), func(tx store.Tx) error { return k.Identities.PutRootKey(tx, root) }))
	hs := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { k.current.Load().ServeHTTP(w, r) }))
	t.Cleanup(hs.Close)
	k.URL = hs.URL
	return k
}

// keys is what the key service stands on.
func (k *Kit) keys() kms.Config {
	return kms.Config{
		Account: Account, Token: k.hardware, DB: k.DB, Clock: k.Now, Random: rand.Reader, Clusters: k.options.clusters,
		RSAPool: k.options.rsaPool, Limits: k.options.limits,
	}
}

// open joins the appliance from its state.
func (k *Kit) open() {
	var err error
	k.Service, err = kms.Open(k.t.Context(), k.keys())
	k.must(err)
	identities := iam.New(iam.Config{Account: Account, DB: k.DB, Sealer: k.Service, Clock: k.Now, Limits: k.options.identities})
	sessions := k.sessions(identities)
	k.Server, err = server.New(k.t.Context(), server.Config{
		Account: Account, Region: k.options.regions, State: k.DB, KMS: k.Service, IAM: identities, STS: sessions, MFA: k.MFA,
		Gate: authz.New(Account, identities, k.Service, k.options.guardrails), Log: k.Log, Clock: k.Now, SignatureClock: time.Now,
		Logger: k.options.logger, Metrics: server.NewMetrics(k.Registry), Timeout: k.options.timeout,
	})
	k.must(err)
	k.current.Store(k.Server)
}

func (k *Kit) close() {
	k.Identities.Close()
	k.must(k.Service.Close())
}

// Restart ends the appliance and starts it again on the same state and token. No
// request may be under way.
func (k *Kit) Restart() {
	k.t.Helper()
	k.must(k.Server.Close(context.Background()))
	k.close()
	k.Registry = prometheus.NewRegistry()
	k.open()
}

// Now is the appliance's clock: real time moved by Offset nanoseconds.
func (k *Kit) Now() time.Time { return time.Now().Add(time.Duration(k.Offset.Load())) }

func (k *Kit) openLog() {
	dir := filepath.Join(k.Dir, "audit")
	log, err := audit.Create(dir, "keyd/"+Account)
	k.must(err)
	k.Log = log
	k.t.Cleanup(func() {
		k.must(log.Close())
		if _, err := audit.Verify(dir); err != nil {
			k.t.Errorf("audit log: %v", err)
		}
	})
}

func (k *Kit) checkRecords() {
	k.must(k.DB.View(context.Background(), func(tx store.Tx) error {
		for _, problem := range slices.Concat(kms.Fsck(tx), iam.Fsck(tx), mfa.Fsck(tx)) {
			k.t.Errorf("fsck: %s", problem)
		}
		return nil
	}))
}

func (k *Kit) must(err error) {
	k.t.Helper()
	if err != nil {
		k.t.Fatal(err)
	}
}

// KMS is AWS's client for the appliance, without retries.
func (k *Kit) KMS(region string) *kmsclient.Client {
	return kmsclient.New(kmsclient.Options{
		BaseEndpoint: &k.URL, Region: region, Credentials: k.provider(), RetryMaxAttempts: 1,
	})
}

func (k *Kit) provider() aws.CredentialsProvider {
	return credentials.NewStaticCredentialsProvider(k.Credentials.ID, string(k.Credentials.Secret), "")
}

func openToken(t testing.TB) hsm.Token {
	t.Helper()
	token, err := pkcs11.Open(t.Context(), softhsm.Test(t).Config())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := token.Close(); err != nil {
			t.Error(err)
		}
	})
	return token
}

// Sign signs r with the kit's credentials, as an AWS client does.
func (k *Kit) Sign(r *http.Request, body []byte, service, region string) {
	k.t.Helper()
	sum := sha256.Sum256(body)
	c, err := k.provider().Retrieve(context.Background())
	k.must(err)
	k.must(v4.NewSigner().SignHTTP(context.Background(), c, r, hex.EncodeToString(sum[:]), service, region, time.Now()))
}

// Events returns the audit events from index on.
func (k *Kit) Events(from int64) [][]byte {
	k.t.Helper()
	var events [][]byte
	for r, err := range k.Log.Records(from) {
		k.must(err)
		events = append(events, bytes.Clone(r.Record))
	}
	return events
}

// Presign makes a URL that carries its signature, for a GET.
func (k *Kit) Presign(pathAndQuery, service, region string) string {
	k.t.Helper()
	r, err := http.NewRequest(http.MethodGet, k.URL+"/"+pathAndQuery, nil)
	k.must(err)
	c, err := k.provider().Retrieve(context.Background())
	k.must(err)
	sum := sha256.Sum256(nil)
	url, _, err := v4.NewSigner().PresignHTTP(context.Background(), c, r, hex.EncodeToString(sum[:]), service, region, time.Now())
	k.must(err)
	return url
}

// NewKey makes a key and returns its id.
func (k *Kit) NewKey(region string) string {
	k.t.Helper()
	out, err := k.KMS(region).CreateKey(context.Background(), &kmsclient.CreateKeyInput{})
	k.must(err)
	return *out.KeyMetadata.KeyId
}
