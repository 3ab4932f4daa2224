package pkcs11

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	p11 "github.com/miekg/pkcs11"

	"github.com/keyd-hsm/keyd/hsm"
)

// Token is a token behind a PKCS#11 module; it implements [hsm.Token].
type Token struct {
	module *module
	config Config
	info   hsm.Info
	caps   hsm.Capabilities
	// wrapping is the mechanism for RFC 5649, nil when the token has none.
	wrapping []*p11.Mechanism

	// making bounds how many key pairs are made at a time.
	making places
	// ids are those of resident keys that are being made.
	ids reservations

	// epoch is the current one, over or not; written with the module's turn.
	epoch atomic.Pointer[epoch]

	mu sync.Mutex // guards what follows
	// recovering is closed when the recovery under way ends; nil when none is.
	recovering chan struct{}
	// failure is why the last recovery failed, at failedAt.
	failure  error
	failedAt time.Time
	// refused is set once the token refuses the PIN, and answers every call
	// from then on: another try might lock the token.
	refused error
	// closing is closed by the first Close; closed when it is done.
	closing bool
	closed  chan struct{}
	result  error
}

var _ hsm.Token = (*Token)(nil)

// Open opens the token that c describes and logs in. It refuses with ErrPIN
// when the token does not take the PIN, and with ErrNotFound when no token, or
// more than one, is what c describes. An Open whose context ends first lets
// the token go by itself.
func Open(ctx context.Context, c Config) (*Token, error) {
	c, err := c.complete()
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	opened := make(chan *Token)
	failed := make(chan error, 1)
	go func() {
		t, err := open(ctx, c)
		if err != nil {
			failed <- err
			return
		}
		select {
		case opened <- t:
		case <-ctx.Done():
			_ = t.Close()
		}
	}()
	select {
	case t := <-opened:
		return t, nil
	case err := <-failed:
		return nil, err
	case <-ctx.Done():
		return nil, ended(ctx)
	}
}

func open(ctx context.Context, c Config) (*Token, error) {
	m, err := load(c.Module)
	if err != nil {
		return nil, err
	}
	if err := m.take(ctx); err != nil {
		return nil, err
	}
	defer m.give()
	t := &Token{module: m, config: c, making: newPlaces(), closed: make(chan struct{})}
	if err := t.start(); err != nil {
		return nil, errors.Join(explain(err), m.finalize())
	}
	m.tokens[t] = struct{}{}
	return t, nil
}

// start finds the token for the first time. The caller has the module's turn.
func (t *Token) start() error {
	if err := t.module.initialize(); err != nil {
		return err
	}
	s, err := choose(t.module.Ctx, t.config.Token)
	if errors.Is(err, errNoToken) {
		return fmt.Errorf("%w: %w", hsm.ErrNotFound, err)
	}
	if err != nil {
		return err
	}
	list, err := t.module.GetMechanismList(s.id)
	if err != nil {
		return called("C_GetMechanismList", err)
	}
	t.info, t.caps = s.info, capabilities(list)
	t.wrapping, _ = keyWrap(t.caps)
	e, err := begin(t.module.Ctx, s, t.config.PIN, t.config.MaxSessions, t.config.MaxHandles)
	if err != nil {
		return fmt.Errorf("token %v: %w", t.info, err)
	}
	t.epoch.Store(e)
	return nil
}

// Info says which token this is.
func (t *Token) Info() hsm.Info { return t.info }

// Capabilities says what the token can do.
func (t *Token) Capabilities() hsm.Capabilities {
	return hsm.Capabilities{Mechanisms: append([]string(nil), t.caps.Mechanisms...)}
}

// Close destroys working copies, closes the sessions (which logs out, unless
// another Token of this process has sessions with the same token), and
// finalises the module when no other Token uses it. Calls under way finish
// first; when one hangs in the module, Close leaves the module as it is and
// says so. A second Close waits for the first and answers the same.
func (t *Token) Close() error {
	t.mu.Lock()
	if t.closing {
		t.mu.Unlock()
		<-t.closed
		return t.result
	}
	t.closing = true
	t.mu.Unlock()
	defer close(t.closed)
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	t.result = t.close(ctx)
	return t.result
}

// closeTime bounds how long Close waits for calls inside the module, and
// makingTime for those that make a key pair: an RSA-4096 key takes SoftHSM2 four
// seconds, and at times three times as long.
const (
	closeTime  = 5 * time.Second
	makingTime = time.Minute
)

func (t *Token) close(ctx context.Context) error {
	if err := t.module.take(ctx); err != nil {
		return fmt.Errorf("token %v: close: %w", t.info, err)
	}
	defer t.module.give()
	e := t.epoch.Load()
	if err := e.end(closeTime); err != nil {
		return fmt.Errorf("token %v: close: %w", t.info, err)
	}
	e.close()
	delete(t.module.tokens, t)
	return explain(t.module.finalize())
}
