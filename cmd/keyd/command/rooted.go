package command

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/keyd-hsm/keyd/hsm"
	"github.com/keyd-hsm/keyd/hsm/piv"
	"github.com/keyd-hsm/keyd/server"
	"github.com/keyd-hsm/keyd/server/listen"
)

// rooted is a daemon whose token is sealed to a card. It begins sealed, and opens
// the appliance once the token is open.
type rooted struct {
	sealed  *piv.SealedToken
	working int // unwrapped keys that the token keeps
	// open opens the appliance on the token.
	open   func(context.Context, hsm.Token) (*appliance, error)
	door   *door
	region string // of audit events
	logger *slog.Logger

	// turn is held by who unseals or seals; what follows it is theirs.
	turn    chan struct{}
	tries   []server.Unsealing // not in the audit log yet
	dropped int                // how many more there were
	stop    func() error       // ends the open appliance's work; nil while sealed

	// broken has why the open appliance's work ended by itself.
	broken chan error

	mu   sync.Mutex // guards what follows
	life context.Context
}

// maxTries is how many tries are kept for the audit log while it cannot be written
// to, the latest ones.
const maxTries = 64

func newRooted(sealed *piv.SealedToken, working int, region string, logger *slog.Logger, open func(context.Context, hsm.Token) (*appliance, error)) *rooted {
	return &rooted{
		sealed: sealed, working: working, open: open, door: new(door), region: region, logger: logger, turn: make(chan struct{}, 1), broken: make(chan error, 1),
	}
}

// try is one attempt to unseal.
type try struct {
	pin     []byte
	lastTry bool
	// peer gave the PIN; nil when it stood in the configuration.
	peer  *listen.Peer
	touch func(key string)
}

var (
	// errBusy: somebody else is at it.
	errBusy = errors.New("somebody else is unsealing or sealing at this moment")
	// errStopping: the daemon ends.
	errStopping = errors.New("keyd is stopping, or has not started yet")
	// errOpenAlready: nothing to do.
	errOpenAlready = errors.New("keyd is open already")
)

// take takes the turn, or refuses at once.
func (r *rooted) take() (give func(), err error) {
	select {
	case r.turn <- struct{}{}:
		return func() { <-r.turn }, nil
	default:
		return nil, errBusy
	}
}

// state is what a daemon is in.
func (r *rooted) state() controlState {
	s := controlState{State: stateSealed, Token: r.sealed.Info().String()}
	for _, k := range r.sealed.Keys() {
		s.Keys = append(s.Keys, k.String())
	}
	a, leave := r.door.enter()
	defer leave()
	if a != nil {
		s.State = stateOpen
	} else if len(r.turn) > 0 {
		s.State = stateUnsealing
	}
	return s
}

// unseal opens the token with the card, and then the appliance. When it returns
// without an error, requests are served. Every try is in the audit log by then.
func (r *rooted) unseal(ctx context.Context, t try) error {
	give, err := r.take()
	if err != nil {
		return err
	}
	defer give()
	life, err := r.alive()
	if err != nil {
		return err
	}
	if r.stop != nil {
		return errOpenAlready
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(life, cancel)()
	token, err := r.sealed.UnsealWithCard(ctx, piv.Unsealing{
		PIN: piv.KnownPIN(t.pin), LastTry: t.lastTry, Working: r.working,
		Touch: func(k piv.CardKey) { t.touch(k.String()) },
	})
	if err != nil {
		if life.Err() != nil && errors.Is(err, context.Canceled) {
			err = fmt.Errorf("%w: %w", errStopping, err)
		}
		r.note(t.peer, err)
		r.logger.Warn("not unsealed", "error", err)
		return err
	}
	a, err := r.open(life, token)
	if err != nil {
		err = fmt.Errorf("the token is open, but not the appliance: %w", err)
		r.note(t.peer, err)
		r.logger.Error("not unsealed", "error", err)
		return errors.Join(err, token.Close())
	}
	tries := append(slices.Clone(r.tries), newUnsealing(t.peer, nil))
	if err := a.server.RecordUnsealings(r.sealed.Info().String(), r.region, tries, r.dropped); err != nil {
		err = fmt.Errorf("audit log: %w", err)
		r.note(t.peer, err)
		return errors.Join(err, a.Close(), token.Close())
	}
	r.tries, r.dropped = nil, 0
	r.start(life, a, token)
	r.logger.Info("unsealed", "account", a.account)
	return nil
}

// note keeps a try that failed for the audit log. The caller has the turn.
func (r *rooted) note(peer *listen.Peer, err error) {
	if len(r.tries) >= maxTries {
		r.tries = r.tries[1:]
		r.dropped++
	}
	r.tries = append(r.tries, newUnsealing(peer, err))
}

// newUnsealing is a try for the audit log; nil is that it opened.
func newUnsealing(peer *listen.Peer, err error) server.Unsealing {
	u := server.Unsealing{At: time.Now()}
	if peer != nil {
		u.UID, u.PID = &peer.UID, peer.PID
	}
	if err != nil {
		u.Code, _ = unsealCode(err)
		u.Message = err.Error()
	}
	return u
}

// start lets requests in, and the appliance work. The caller has the turn.
func (r *rooted) start(life context.Context, a *appliance, token *piv.Token) {
	working, cancel := context.WithCancel(life)
	done := make(chan error, 1)
	go func() {
		err := a.work(working, r.logger)
		if err != nil {
			select {
			case r.broken <- err:
			default:
			}
		}
		done <- err
	}()
	r.door.open(a)
	r.stop = func() error {
		wait := r.door.shut()
		cancel() // ends what requests wait for, too
		err := <-done
		wait()
		return errors.Join(err, a.Close(), token.Close())
	}
}

// seal closes the appliance and wipes the token's keys. Requests under way are
// answered first.
func (r *rooted) seal(peer *listen.Peer) error {
	give, err := r.take()
	if err != nil {
		return err
	}
	defer give()
	if r.stop == nil {
		return nil
	}
	a, leave := r.door.enter()
	u := server.Unsealing{At: time.Now(), Seal: true, UID: &peer.UID, PID: peer.PID}
	err = a.server.RecordUnsealings(r.sealed.Info().String(), r.region, []server.Unsealing{u}, 0)
	leave()
	err = errors.Join(err, r.stop()) // sealed in any case: that is the safe side
	r.stop = nil
	debug.FreeOSMemory() // with what the heap still holds of private keys
	r.logger.Info("sealed", "error", err)
	return err
}

func (r *rooted) alive() (context.Context, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.life == nil || r.life.Err() != nil {
		return nil, errStopping
	}
	return r.life, nil
}

// work lets the daemon be unsealed until ctx ends. A PIN that is known from the
// beginning is tried once, and never again: cards lock.
func (r *rooted) work(ctx context.Context, pin []byte) error {
	r.mu.Lock()
	r.life = ctx
	r.mu.Unlock()
	if len(pin) > 0 {
		err := r.unseal(ctx, try{pin: pin, touch: func(key string) { r.logger.Warn("touch the card now", "key", key) }})
		clear(pin)
		if err != nil {
			r.logger.Warn("stays sealed; keyctl unseal opens it, and the PIN of the configuration is not tried again")
		}
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-r.broken:
		return err
	}
}

// close ends what is open. Call it when no request is served any more.
func (r *rooted) close() error {
	r.turn <- struct{}{} // whoever unseals finishes first
	defer func() { <-r.turn }()
	if r.stop == nil {
		return nil
	}
	err := r.stop()
	r.stop = nil
	return err
}
