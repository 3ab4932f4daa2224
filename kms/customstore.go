package kms

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/keyd-hsm/keyd/hsm"
	"github.com/keyd-hsm/keyd/store"
)

// OriginCloudHSM is the origin of keys in a custom key store.
const OriginCloudHSM = "AWS_CLOUDHSM"

// maxStores bounds the custom key stores of a region, as AWS does.
const maxStores = 10

// A Cluster is a further token, which a custom key store can be made of.
type Cluster struct {
	// TrustAnchor is the PEM certificate that CreateCustomKeyStore must name; empty:
	// any or none.
	TrustAnchor string
	// Open logs in to the token. The error keeps the contract of package hsm.
	Open func(ctx context.Context, pin string) (hsm.Token, error)
}

// StoreState is the connection state of a custom key store, in AWS's words.
type StoreState string

// Connection states. A store that is to be connected and whose token is away, as
// may be at start, is Connecting; AWS's DISCONNECTING is never seen here.
const (
	StoreConnected    StoreState = "CONNECTED"
	StoreConnecting   StoreState = "CONNECTING"
	StoreDisconnected StoreState = "DISCONNECTED"
	StoreFailed       StoreState = "FAILED"
)

// ReasonRefused is why a store is Failed, in AWS's words: the token refused the
// password.
const ReasonRefused = "INVALID_CREDENTIALS"

// CustomStore is a custom key store: a further token, whose keys are resident on it
// and can be used while the store is connected. It is shared and must not be
// changed.
type CustomStore struct {
	Version     int        `json:"v"`
	ID          string     `json:"id"` // "cks-" and 17 hex digits
	Region      string     `json:"region"`
	Name        string     `json:"name"`
	Cluster     string     `json:"cluster"` // id of the token in the configuration
	TrustAnchor string     `json:"trust_anchor,omitempty"`
	Password    []byte     `json:"password"` // the token's user PIN, sealed
	State       StoreState `json:"state"`    // never Connecting
	Failure     string     `json:"failure,omitempty"`
	// Refused: the token did not take the password. It is not tried again until it
	// has been changed, because tokens lock.
	Refused bool      `json:"refused,omitempty"`
	Changes int       `json:"changes"` // how often the store was changed
	Created time.Time `json:"created"`
}

// Where the stores stand, and an index of their keys.
const (
	storePrefix   = prefix + "store/"
	storeKeyIndex = prefix + "store-key/"
)

func storePath(region, id string) string { return storePrefix + region + "/" + id }

func storeKeyPath(storeID, region, id string) string {
	return storeKeyIndex + storeID + "/" + region + "/" + id
}

// CustomStore finds a custom key store of a region, from the transaction or, with
// nil, the cache.
func (s *Service) CustomStore(ctx context.Context, tx Tx, region, id string) (*CustomStore, error) {
	if tx != nil {
		return loadStore(tx, region, id)
	}
	return store.Cached(ctx, s.cache, storePath(region, id), func(tx Tx) (*CustomStore, error) {
		return loadStore(tx, region, id)
	})
}

func loadStore(tx Tx, region, id string) (*CustomStore, error) {
	st := new(CustomStore)
	err := get(tx, storePath(region, id), st)
	if errors.Is(err, store.ErrNotFound) {
		return nil, refuse(CodeStoreNotFound, "Custom key store %s does not exist.", id)
	}
	return st, err
}

// ListStores lists the custom key stores of a region by id.
func (s *Service) ListStores(ctx context.Context, region string, p Page) (stores []*CustomStore, next string, err error) {
	next, err = s.list(ctx, storePath(region, ""), p, func(_ Tx, _ string, value []byte) error {
		st := new(CustomStore)
		stores = append(stores, st)
		return json.Unmarshal(value, st)
	})
	return stores, next, err
}

// StoreNamed finds the custom key store of that name.
func (s *Service) StoreNamed(ctx context.Context, region, name string) (*CustomStore, error) {
	stores, _, err := s.ListStores(ctx, region, Page{Limit: maxStores})
	if err != nil {
		return nil, err
	}
	for _, st := range stores {
		if st.Name == name {
			return st, nil
		}
	}
	return nil, refuse(CodeStoreNotFound, "Custom key store %s does not exist.", name)
}

// NewStore says what CreateCustomKeyStore is to make.
type NewStore struct{ Region, Name, Cluster, TrustAnchor, Password string }

// DraftStore checks what is asked for and returns the store as it will be,
// disconnected, with its password sealed. It does not ask the token: whether the
// password is right is seen when the store is connected.
func (s *Service) DraftStore(ctx context.Context, n NewStore) (*CustomStore, error) {
	cluster, err := s.cluster(n.Cluster)
	if err != nil {
		return nil, err
	}
	if cluster.TrustAnchor != "" && !sameCertificate(cluster.TrustAnchor, n.TrustAnchor) {
		return nil, refuse(CodeTrustAnchor, "The trust anchor certificate is not that of cluster %s.", n.Cluster)
	}
	raw, err := s.randomBytes(9)
	if err != nil {
		return nil, err
	}
	st := &CustomStore{
		Version: 1, ID: "cks-" + hex.EncodeToString(raw)[:17], Region: n.Region, Name: n.Name, Cluster: n.Cluster,
		TrustAnchor: n.TrustAnchor, State: StoreDisconnected, Created: s.now(),
	}
	st.Password, err = s.Seal(ctx, st.purpose(), []byte(n.Password))
	return st, err
}

// purpose is what the password is sealed for.
func (st *CustomStore) purpose() string { return "custom key store " + st.ID }

func (s *Service) cluster(id string) (Cluster, error) {
	c, ok := s.clusters[id]
	if !ok {
		return c, refuse(CodeClusterNotFound, "Cluster %s is not in the configuration.", id)
	}
	return c, nil
}

// sameCertificate compares PEM files by what they hold.
func sameCertificate(a, b string) bool {
	x, _ := pem.Decode([]byte(a))
	y, _ := pem.Decode([]byte(b))
	return x != nil && y != nil && bytes.Equal(x.Bytes, y.Bytes)
}

// CreateStore stores a store that DraftStore made.
func (s *Service) CreateStore(tx Tx, st *CustomStore) error {
	n := 0
	for range tx.Scan(storePath(st.Region, ""), "") {
		n++
	}
	if n >= maxStores {
		return refuse(CodeLimitExceeded, "A region has at most %d custom key stores.", maxStores)
	}
	return s.putStore(tx, st)
}

// putStore stores a new or changed store, whose name and token are its own: names
// within the region, tokens in the whole appliance.
func (s *Service) putStore(tx Tx, st *CustomStore) error {
	for path, value := range tx.Scan(storePrefix, "") {
		var other CustomStore
		if err := json.Unmarshal(value, &other); err != nil {
			return fmt.Errorf("record %s: %w", path, err)
		}
		switch {
		case other.ID == st.ID:
		case other.Region == st.Region && other.Name == st.Name:
			return refuse(CodeStoreNameInUse, "A custom key store with the name %s exists already.", st.Name)
		case other.Cluster == st.Cluster:
			return refuse(CodeClusterInUse, "Cluster %s belongs to another custom key store.", st.Cluster)
		}
	}
	return put(tx, storePath(st.Region, st.ID), st)
}

// changeStore stores a changed copy of st.
func changeStore(tx Tx, st *CustomStore, change func(*CustomStore)) error {
	changed := *st
	changed.Changes++
	change(&changed)
	return put(tx, storePath(st.Region, st.ID), &changed)
}

// DeleteStore deletes a store that is disconnected and has no keys. Objects of
// destroyed keys that the store was never connected again to remove stay on the
// token, for its operator to delete, as in AWS.
func (s *Service) DeleteStore(tx Tx, st *CustomStore) error {
	for range tx.Scan(storeKeyIndex+st.ID+"/", "") {
		return refuse(CodeStoreHasKeys, "Custom key store %s contains KMS keys: delete them first and wait for the end of their windows.", st.ID)
	}
	if err := st.disconnected(); err != nil {
		return err
	}
	if err := forgetDoomed(tx, st.ID); err != nil {
		return err
	}
	return tx.Delete(storePath(st.Region, st.ID))
}

// disconnected refuses a store in any other state.
func (st *CustomStore) disconnected() error {
	if st.State != StoreDisconnected {
		return refuse(CodeStoreState, "Custom key store %s is %s; it must be DISCONNECTED.", st.ID, st.State)
	}
	return nil
}

// checkStores reports custom key stores and keys in them that do not agree.
func (f *fsck) checkStores() {
	stores := make(map[string]*CustomStore)
	each(f, storePrefix, func(name string, st *CustomStore) {
		stores[st.Region+"/"+st.ID] = st
		switch {
		case name != st.Region+"/"+st.ID:
			f.report("custom key store %s: stands under the name %s", st.ID, name)
		case st.State != StoreConnected && st.State != StoreDisconnected && st.State != StoreFailed:
			f.report("custom key store %s: unknown state %q", st.ID, st.State)
		case st.Cluster == "" || len(st.Password) == 0:
			f.report("custom key store %s: incomplete", st.ID)
		}
	})
	for _, k := range f.keys {
		if (k.CustomStore != "") != (k.Origin == OriginCloudHSM) {
			f.report("key %s: origin %s and custom key store %q disagree", k.ARN(), k.Origin, k.CustomStore)
		}
		if k.CustomStore == "" {
			continue
		}
		if stores[k.Region+"/"+k.CustomStore] == nil {
			f.report("key %s: its custom key store %s is not there", k.ARN(), k.CustomStore)
		}
		if _, err := f.tx.Get(storeKeyPath(k.CustomStore, k.Region, k.ID)); err != nil {
			f.report("key %s: not among the keys of its custom key store: %v", k.ARN(), err)
		}
	}
	for path := range f.tx.Scan(storeKeyIndex, "") {
		id, name, _ := strings.Cut(strings.TrimPrefix(path, storeKeyIndex), "/")
		if k := f.keys[name]; k == nil || k.CustomStore != id {
			f.report("record %s: no such key in a custom key store", path)
		}
	}
}
