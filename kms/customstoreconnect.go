package kms

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/keyd-hsm/keyd/hsm"
)

// connections are the tokens of custom key stores, open and logged in. A key of a
// store can be used while its record says Connected and its token is here.
type connections struct {
	mu   sync.RWMutex
	open map[string]hsm.Token // by store id

	logins map[string]*login // by cluster id; never changed
}

// A login is what keeps a wrong password from being tried twice, by requests at
// the same time or before the refusal is stored: tokens lock.
type login struct {
	gate           // of one: a login at a time
	refused []byte // the sealed password that the token refused last; guarded by the gate
}

func newLogins(clusters map[string]Cluster) map[string]*login {
	logins := make(map[string]*login, len(clusters))
	for id := range clusters {
		logins[id] = &login{gate: make(gate, 1)}
	}
	return logins
}

func (c *connections) token(id string) hsm.Token {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.open[id]
}

// StateOf is the connection state of a store as people see it.
func (s *Service) StateOf(st *CustomStore) StoreState {
	if st.State == StoreConnected && s.connections.token(st.ID) == nil {
		return StoreConnecting
	}
	return st.State
}

// A Connection is the attempt to connect a store: its token, logged in, or the
// password refused.
type Connection struct {
	store   *CustomStore
	token   hsm.Token
	refused bool
}

// Refused reports whether the token refused the password.
func (c *Connection) Refused() bool { return c.refused }

// Connect logs in to the token of a store. What came of it counts when
// [Service.Connected] has stored it; then the caller calls Attach, otherwise Drop.
// A token that is not there is a refusal, and changes nothing.
func (s *Service) Connect(ctx context.Context, st *CustomStore) (*Connection, error) {
	if st.State == StoreFailed {
		return nil, refuse(CodeStoreState, "Custom key store %s is FAILED; disconnect it, mend what is wrong, and connect it again.", st.ID)
	}
	c := &Connection{store: st, refused: st.Refused}
	if c.refused || s.StateOf(st) == StoreConnected {
		return c, nil
	}
	var err error
	c.token, err = s.openStore(ctx, st)
	if errors.Is(err, hsm.ErrPIN) {
		c.refused = true
		return c, nil
	}
	return c, err
}

// openStore logs in to the token of a store. The error of a wrong password wraps
// hsm.ErrPIN; the password must not be tried again then.
func (s *Service) openStore(ctx context.Context, st *CustomStore) (hsm.Token, error) {
	cluster, err := s.cluster(st.Cluster)
	if err != nil {
		return nil, refuse(CodeClusterNotActive, "Cluster %s is not in the configuration any more.", st.Cluster)
	}
	token, err := s.login(ctx, st, cluster)
	switch {
	case errors.Is(err, hsm.ErrPIN), ctx.Err() != nil:
		return nil, err
	case err != nil:
		return nil, refuse(CodeClusterNotActive, "The token of cluster %s cannot be opened: %v", st.Cluster, err)
	}
	if err := s.fitForStore(st, token); err != nil {
		return nil, errors.Join(err, token.Close())
	}
	return token, nil
}

func (s *Service) login(ctx context.Context, st *CustomStore, cluster Cluster) (hsm.Token, error) {
	l := s.connections.logins[st.Cluster]
	if err := l.enter(ctx); err != nil {
		return nil, err
	}
	defer l.leave()
	if bytes.Equal(l.refused, st.Password) { // sealed anew with every change of it
		return nil, hsm.ErrPIN
	}
	password, err := s.Unseal(ctx, st.purpose(), st.Password)
	if err != nil {
		return nil, err
	}
	defer clear(password)
	token, err := cluster.Open(ctx, string(password))
	if errors.Is(err, hsm.ErrPIN) {
		l.refused = st.Password
	}
	return token, err
}

// fitForStore refuses a token that cannot hold the keys of a store: the
// appliance's own, that of another store, or one that lacks a mechanism.
func (s *Service) fitForStore(st *CustomStore, token hsm.Token) error {
	wrong := func(why string) error {
		return refuse(CodeClusterConfiguration, "Cluster %s: token %v %s.", st.Cluster, token.Info(), why)
	}
	if token.Info() == s.token.Info() {
		return wrong("is the appliance's own")
	}
	s.connections.mu.RLock()
	defer s.connections.mu.RUnlock()
	for id, other := range s.connections.open {
		if id != st.ID && other.Info() == token.Info() {
			return wrong("is that of custom key store " + id)
		}
	}
	for _, mechanism := range []string{"CKM_GENERIC_SECRET_KEY_GEN", "CKM_SHA256_HMAC"} {
		if !token.Capabilities().Has(mechanism) {
			return wrong("lacks " + mechanism)
		}
	}
	return nil
}

// Connected stores what came of Connect.
func (s *Service) Connected(tx Tx, st *CustomStore, c *Connection) error {
	if st.Changes != c.store.Changes {
		return refuse(CodeStoreState, "Custom key store %s was changed at the same time; try again.", st.ID)
	}
	return changeStore(tx, st, func(st *CustomStore) {
		st.State, st.Failure, st.Refused = StoreConnected, "", false
		if c.refused {
			st.State, st.Failure, st.Refused = StoreFailed, ReasonRefused, true
		}
	})
}

// Attach puts a connection to use after its commit, unless the store has been
// disconnected or changed since. Then it destroys what was to be destroyed while
// the store was disconnected.
func (s *Service) Attach(ctx context.Context, c *Connection) error {
	if c.token == nil {
		return nil
	}
	attached, err := s.attach(ctx, c)
	if !attached {
		return errors.Join(err, c.token.Close())
	}
	return s.Reap(ctx)
}

func (s *Service) attach(ctx context.Context, c *Connection) (bool, error) {
	s.connections.mu.Lock()
	defer s.connections.mu.Unlock()
	if s.connections.open[c.store.ID] != nil {
		return false, nil
	}
	var now *CustomStore
	err := s.db.View(ctx, func(tx Tx) (err error) {
		now, err = s.CustomStore(ctx, tx, c.store.Region, c.store.ID)
		return err
	})
	if err != nil || now.State != StoreConnected || now.Cluster != c.store.Cluster {
		return false, err
	}
	s.connections.open[c.store.ID] = c.token
	return true, nil
}

// Drop lets go of a connection that is not to be used.
func (c *Connection) Drop() error {
	if c.token == nil {
		return nil
	}
	return c.token.Close()
}

// DisconnectStore makes the keys of a store unusable. After the commit the caller
// calls Detach.
func (s *Service) DisconnectStore(tx Tx, st *CustomStore) error {
	if st.State == StoreDisconnected {
		return refuse(CodeStoreState, "Custom key store %s is DISCONNECTED already.", st.ID)
	}
	return changeStore(tx, st, func(st *CustomStore) { st.State, st.Failure = StoreDisconnected, "" })
}

// Detach logs out of the token of a disconnected store; calls that are in it
// finish first.
func (s *Service) Detach(st *CustomStore) error {
	s.connections.mu.Lock()
	token := s.connections.open[st.ID]
	delete(s.connections.open, st.ID)
	s.connections.mu.Unlock()
	if token == nil {
		return nil
	}
	return token.Close()
}

// Reconnect opens the tokens of connected stores that are not open: after a start,
// or because the token was away. The refused are those whose token does not take
// the password any more; the caller stores that with [Service.Connected], so that
// it is not tried again. The error tells of tokens that are still away. Each token
// has a time of its own, so that one which hangs keeps none of the others away.
func (s *Service) Reconnect(ctx context.Context) (refused []*Connection, err error) {
	var stores []*CustomStore
	err = s.db.View(ctx, func(tx Tx) error {
		for path, value := range tx.Scan(storePrefix, "") {
			st := new(CustomStore)
			if err := json.Unmarshal(value, st); err != nil {
				return fmt.Errorf("record %s: %w", path, err)
			}
			stores = append(stores, st)
		}
		return nil
	})
	for _, st := range stores {
		// Not while the store of records is being read: attach reads it with the
		// connections locked.
		if s.StateOf(st) != StoreConnecting {
			continue
		}
		c, e := s.reconnect(ctx, st)
		if e == nil && c.refused {
			refused = append(refused, c)
		}
		if e != nil {
			err = errors.Join(err, fmt.Errorf("custom key store %s: %w", st.ID, e))
		}
	}
	return refused, err
}

// reconnectTime bounds one look at one token.
const reconnectTime = 20 * time.Second

func (s *Service) reconnect(ctx context.Context, st *CustomStore) (*Connection, error) {
	ctx, cancel := context.WithTimeout(ctx, reconnectTime)
	defer cancel()
	c, err := s.Connect(ctx, st)
	if err != nil || c.refused {
		return c, err
	}
	return c, s.Attach(ctx, c)
}

// Store is the custom key store that a connection is of.
func (c *Connection) Store() *CustomStore { return c.store }

// close logs out of all tokens.
func (c *connections) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for id, token := range c.open {
		errs = append(errs, token.Close())
		delete(c.open, id)
	}
	return errors.Join(errs...)
}
