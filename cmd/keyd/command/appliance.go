package command

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/keyd-hsm/keyd/audit"
	"github.com/keyd-hsm/keyd/authz"
	"github.com/keyd-hsm/keyd/hsm"
	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/internal/durable"
	"github.com/keyd-hsm/keyd/kms"
	"github.com/keyd-hsm/keyd/mfa"
	"github.com/keyd-hsm/keyd/server"
	"github.com/keyd-hsm/keyd/store"
	"github.com/keyd-hsm/keyd/store/bolt"
	"github.com/keyd-hsm/keyd/sts"
)

// Names inside a data directory.
const (
	stateFile = "state.db"
	auditDir  = "audit"
	lockFile  = "lock"
)

// appliancePath is the record that makes a data directory whole: init writes it
// last.
const appliancePath = "appliance"

// applianceRecord is what init decides for good.
type applianceRecord struct {
	Version int       `json:"v"`
	Account string    `json:"account"`
	Created time.Time `json:"created"`
}

// errNoAppliance: the directory holds no appliance that was made to the end.
var errNoAppliance = errors.New("no appliance here")

// errAppliance: the directory holds one already.
var errAppliance = errors.New("an appliance is here already")

// lockData makes the directory if need be and keeps other daemons out of it.
func lockData(dir string) (*durable.FileLock, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	lock, err := durable.Lock(filepath.Join(dir, lockFile))
	if errors.Is(err, durable.ErrLocked) {
		return nil, hinted(fmt.Errorf("data directory %s: %w", dir, err),
			"another keyd works there; stop it, or name another directory")
	}
	return lock, err
}

// lockExisting is lockData for a directory that must be there.
func lockExisting(dir string) (*durable.FileLock, error) {
	if _, err := os.Stat(filepath.Join(dir, stateFile)); err != nil {
		return nil, hinted(fmt.Errorf("data directory: %w", err), "name the directory that has %s in it", stateFile)
	}
	return lockData(dir)
}

// founding is what init and dev decide about a new appliance.
type founding struct {
	dir         string
	account     string
	credentials iam.Credentials
	token       hsm.Token
	clock       func() time.Time
}

// found makes the state of a new appliance in a locked directory: domain key,
// sealing key, the root user's access key, the audit log. What an interrupted
// found has left is cleared away first; nothing in it was ever told to anyone.
func found(ctx context.Context, f founding) (err error) {
	if err := clearUnfinished(f.dir); err != nil {
		return err
	}
	log, err := audit.Create(filepath.Join(f.dir, auditDir), "keyd/"+f.account)
	if err != nil {
		return err
	}
	if err := log.Close(); err != nil {
		return err
	}
	db, err := bolt.Create(filepath.Join(f.dir, stateFile))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	keys := kmsConfig(f.account, f.token, db, f.clock)
	if err := kms.Create(ctx, keys); err != nil {
		return err
	}
	service, err := kms.Open(ctx, keys)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, service.Close()) }()
	identities := iam.New(iam.Config{Account: f.account, DB: db, Sealer: service, Clock: f.clock})
	defer identities.Close()
	root, err := identities.SealRootKey(ctx, f.credentials)
	if err != nil {
		return err
	}
	return db.Update(ctx, func(tx store.Tx) error {
		if err := identities.PutRootKey(tx, root); err != nil {
			return err
		}
		record, err := json.Marshal(applianceRecord{Version: 1, Account: f.account, Created: f.clock().UTC()})
		if err != nil {
			return err
		}
		return tx.Put(appliancePath, record)
	})
}

// clearUnfinished removes what an interrupted found left, and refuses a
// directory with a whole appliance.
func clearUnfinished(dir string) error {
	path := filepath.Join(dir, stateFile)
	db, err := bolt.Open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	default:
		_, err = readAppliance(db)
		if err = errors.Join(err, db.Close()); err == nil {
			return errAppliance
		}
		if !errors.Is(err, errNoAppliance) {
			return err
		}
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	return os.RemoveAll(filepath.Join(dir, auditDir))
}

func readAppliance(db store.DB) (applianceRecord, error) {
	var r applianceRecord
	err := db.View(context.Background(), func(tx store.Tx) error {
		value, err := tx.Get(appliancePath)
		if errors.Is(err, store.ErrNotFound) {
			return errNoAppliance
		}
		if err != nil {
			return err
		}
		return json.Unmarshal(value, &r)
	})
	return r, err
}

// kmsConfig is what the key service stands on; further tokens are added to it.
func kmsConfig(account string, token hsm.Token, db store.DB, clock func() time.Time) kms.Config {
	return kms.Config{Account: account, Token: token, DB: db, Clock: clock, Random: rand.Reader}
}

// An appliance is everything between the listeners and the disk, open.
type appliance struct {
	account string
	db      *bolt.DB
	log     *audit.Log
	kms     *kms.Service
	iam     *iam.Service
	server  *server.Server
	local   *server.Socket // answers on the MFA socket
}

// opening says how to open an appliance.
type opening struct {
	dir     string
	token   hsm.Token
	region  func(string) bool
	clock   func() time.Time
	timeout time.Duration
	issuers map[string]string // files with the keys of OIDC issuers
	// clusters are further tokens, opened as custom key stores ask for them
	clusters map[string]kms.Cluster
	rsaPool  int // RSA keys of each size made in advance
	logger   *slog.Logger
	metrics  *server.Metrics

	guardrails authz.Guardrails
	limits     LimitsConfig
	local      server.SocketConfig // of the MFA socket
	piv        mfa.PIVRules
}

// openAppliance opens the state and log in a locked directory and joins the
// server. The token stays the caller's.
func openAppliance(ctx context.Context, o opening) (_ *appliance, err error) {
	a := new(appliance)
	defer func() {
		if err != nil {
			err = errors.Join(err, a.Close())
		}
	}()
	if a.db, err = bolt.Open(filepath.Join(o.dir, stateFile)); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s: %w", o.dir, errNoAppliance)
		}
		return nil, err
	}
	record, err := readAppliance(a.db)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.dir, err)
	}
	a.account = record.Account
	if err := a.openLog(filepath.Join(o.dir, auditDir), o.logger); err != nil {
		return nil, err
	}
	keys := kmsConfig(a.account, o.token, a.db, o.clock)
	keys.Clusters, keys.RSAPool, keys.Limits = o.clusters, o.rsaPool, o.limits.keys()
	if a.kms, err = kms.Open(ctx, keys); err != nil {
		return nil, err
	}
	a.iam = iam.New(iam.Config{
		Account: a.account, DB: a.db, Sealer: a.kms, Clock: o.clock, Limits: o.limits.identities(),
	})
	issuers, err := newIssuerKeys(o.issuers, o.logger)
	if err != nil {
		return nil, usage(err, "name the file of a JSON Web Key Set for each issuer")
	}
	devices := mfa.New(mfa.Config{
		Account: a.account, DB: a.db, IAM: a.iam, Seeds: a.kms, Clock: o.clock, RealTime: time.Now,
		PIV: o.piv,
	})
	sessions := sts.New(sts.Config{
		Account: a.account, IAM: a.iam, Sealer: a.kms, MFA: devices, Clock: o.clock, RealTime: time.Now, IssuerKeys: issuers.Keys,
	})
	a.server, err = server.New(ctx, server.Config{
		Account: a.account, Region: o.region, State: a.db, KMS: a.kms, IAM: a.iam, STS: sessions, MFA: devices,
		Gate: authz.New(a.account, a.iam, a.kms, o.guardrails), Log: a.log, Clock: o.clock, SignatureClock: time.Now,
		Logger: o.logger, Metrics: o.metrics, Timeout: o.timeout,
	})
	if err != nil {
		return nil, err
	}
	a.local = a.server.Socket(o.local)
	return a, nil
}

func (a *appliance) openLog(dir string, logger *slog.Logger) error {
	log, recovery, err := audit.Open(dir)
	if err != nil {
		return hinted(err, "the audit log does not agree with itself; keyctl audit verify %s says where", dir)
	}
	a.log = log
	if recovery.Cut > 0 {
		logger.Warn("audit log: the end of a write that a crash cut short, never acknowledged, was removed",
			"file", recovery.File, "bytes", recovery.Cut)
	}
	return nil
}

// ready reports why the appliance cannot do its work now, nil if it can.
func (a *appliance) ready(ctx context.Context) error {
	return errors.Join(a.kms.Check(ctx), a.log.Err())
}

// Close closes what is open, last opened first.
func (a *appliance) Close() error {
	var errs []error
	if a.server != nil {
		errs = append(errs, a.server.Close(context.Background()))
	}
	if a.iam != nil {
		a.iam.Close()
	}
	if a.kms != nil {
		errs = append(errs, a.kms.Close())
	}
	if a.log != nil {
		errs = append(errs, a.log.Close())
	}
	if a.db != nil {
		errs = append(errs, a.db.Close())
	}
	return errors.Join(errs...)
}
