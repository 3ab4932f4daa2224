// Package server speaks AWS's wire protocols: it takes a request from a
// listener and gives the answer an AWS client expects.
//
// Callers need two calls: [New] joins the rooms behind it, and the result is an
// [http.Handler]; [Server.Run] does what is due without a request. The listener
// is package server/listen, the signature check server/sigv4, the bytes of the
// protocols server/wire.
//
// Every request takes the same path: limits, route, signature, decoding and
// constraints, what it needs, the gate, the operation on the very keys that
// were authorized, a durable audit record, the answer. routes.go lists the
// operations.
//
// A Server is safe for concurrent use. No answer leaves it before its audit
// event is on disk.
package server

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/keyd-hsm/keyd/audit"
	"github.com/keyd-hsm/keyd/authz"
	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/kms"
	"github.com/keyd-hsm/keyd/mfa"
	"github.com/keyd-hsm/keyd/server/sigv4"
	"github.com/keyd-hsm/keyd/sts"
)

// State is where the appliance keeps what it must not lose. Update is durable
// on return, and View sees it from then on.
type State interface {
	View(ctx context.Context, fn func(tx kms.Tx) error) error
	Update(ctx context.Context, fn func(tx kms.Tx) error) error
}

// Config joins a server. Every field is needed unless it says otherwise.
type Config struct {
	Account string
	// Region reports whether requests may name the region in their credential scope.
	Region func(string) bool
	State  State
	KMS    *kms.Service
	IAM    *iam.Service
	STS    *sts.Service
	MFA    *mfa.Service
	Gate   *authz.Gate
	Log    *audit.Log
	// Clock is the appliance's clock: event times, dates, schedules.
	Clock func() time.Time
	// SignatureClock is real time, for the skew check of signatures.
	SignatureClock func() time.Time
	Logger         *slog.Logger
	Metrics        *Metrics
	// Timeout bounds the work on one request; 0 means DefaultTimeout.
	Timeout time.Duration
}

// DefaultTimeout bounds the work on one request, the wait for the token
// included. AWS's SDKs give up after a minute or never.
const DefaultTimeout = 30 * time.Second

// keyTime is what a request has beside that if an RSA key must be made for it: most
// take seconds, but there is no bound, and several wait for each other. Together
// they stay below the minute after which AWS's CLI and the listener give up.
const keyTime = 25 * time.Second

// Server answers requests. See [New].
type Server struct {
	Config
	routes   map[string]map[string]*route // by signing name and operation
	targets  map[string]string            // signing name by X-Amz-Target prefix
	versions map[string]string            // signing name by API version, query protocol
	verifier *sigv4.Verifier
	keys     *accessKeys
	outbox   outbox
	// challenges are those of the MFA socket, sessions those of CreateSessionChallenge:
	// one crowd does not keep the other out.
	challenges, sessions *mfa.Challenges

	// commits counts changes; settled is held for reading while an answer that
	// was checked against the present state is on its way to the audit log. A
	// change passes it once for writing before it returns: by then every answer
	// given by the old state is out, and the next one is checked against the new.
	commits atomic.Uint64
	settled sync.RWMutex
	// together is held for reading by changes that may share a commit, and for
	// writing by one that must have its own.
	together sync.RWMutex
}

// New joins a server from its parts and moves the audit events that a crash
// left in the outbox to the log.
func New(ctx context.Context, cfg Config) (*Server, error) {
	if cfg.Timeout == 0 {
		cfg.Timeout = DefaultTimeout
	}
	s := &Server{Config: cfg}
	s.index(routes())
	s.verifier = s.newVerifier()
	s.challenges = mfa.NewChallenges(s.Account, s.MFA, s.MFA.RealTime)
	s.sessions = mfa.NewChallenges(s.Account, s.MFA, s.MFA.RealTime)
	if err := s.recover(ctx); err != nil {
		return nil, err
	}
	// Before the first request: imported material is not used past its time.
	if err := eachDue(ctx, s.KMS.DueExpiries, s.expire); err != nil {
		return nil, err
	}
	return s, nil
}

var _ http.Handler = (*Server)(nil)
