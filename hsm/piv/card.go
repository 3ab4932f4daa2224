package piv

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/go-piv/piv-go/v2/piv"
)

// Card is an open card, taken from all other programs until it is closed.
type Card struct {
	info    Info
	version piv.Version

	turn chan struct{} // holds one token while no command is under way
	yk   *piv.YubiKey  // whoever has the turn

	mu      sync.Mutex // guards what follows
	closed  bool
	lastTry bool
	shown   bool // the card knows that the PIN was shown
}

// open opens the card in a reader and asks who it is. ErrRemoved: none is in it.
func open(reader string) (*Card, error) {
	if err := selects(reader); err != nil {
		return nil, err
	}
	yk, err := piv.Open(reader)
	if err != nil {
		if s := status(err); s != 0 {
			return nil, ErrNoPIV // switched off this very moment
		}
		return nil, explain(err)
	}
	c := &Card{yk: yk, version: yk.Version(), turn: make(chan struct{}, 1)}
	c.turn <- struct{}{}
	c.info = Info{Reader: reader, Firmware: fmt.Sprintf("%d.%d.%d", c.version.Major, c.version.Minor, c.version.Patch)}
	if c.info.Serial, err = yk.Serial(); err != nil {
		return nil, errors.Join(explain(err), yk.Close())
	}
	return c, nil
}

// Info says which card it is.
func (c *Card) Info() Info { return c.info }

// UseLastTry lets the last try of the PIN be used, for a person who insists.
func (c *Card) UseLastTry() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lastTry = true
}

// Close gives the card back. While a command is under way that nobody waits for
// any more, it is given back when that has ended, and Close does not wait.
func (c *Card) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	c.closed = true
	shown := c.shown
	select {
	case <-c.turn:
		return c.release(shown)
	default:
	}
	go func() { // ends with the command: see the package comment
		<-c.turn
		_ = c.release(shown) // nobody is there to be told
	}()
	return nil
}

// release closes the connection; whoever waits for the card still finds it closed.
// The PIN would be good for the next program that opens the card, so the card has
// to forget it. A card that is gone needs no closing.
func (c *Card) release(shown bool) error {
	defer func() { c.turn <- struct{}{} }()
	if shown {
		forget(c.yk)
	}
	if err := explain(c.yk.Close()); err != nil && !errors.Is(err, ErrRemoved) && !errors.Is(err, ErrNoService) {
		return err
	}
	return nil
}

// forget has the card forget the PIN that it was shown: it does when another of its
// applications is selected, as piv-go does to ask for the form factor.
func forget(yk *piv.YubiKey) { _, _ = yk.FormFactor() }

// errClosed is a fault of the caller's.
var errClosed = errors.New("card is closed")

// do runs a command when the card is free. When ctx ends first, it returns, and
// the card is free again when the command has ended.
func do[T any](ctx context.Context, c *Card, command func(*piv.YubiKey) (T, error)) (out T, err error) {
	select {
	case <-c.turn:
	case <-ctx.Done():
		return out, fmt.Errorf("%w: %w", ErrUnderWay, ctx.Err())
	}
	c.mu.Lock()
	closed := c.closed
	c.mu.Unlock()
	if closed {
		c.turn <- struct{}{}
		return out, errClosed
	}
	return await(ctx, nil, func() (T, error) {
		defer func() { c.turn <- struct{}{} }()
		return command(c.yk)
	})
}

// await runs fn and waits for it, or for ctx; what fn gives after that goes to
// late, which may be nil. A card that answers nonsense makes piv-go panic at
// times, which is an error here.
func await[T any](ctx context.Context, late func(T), fn func() (T, error)) (out T, err error) {
	if err := ctx.Err(); err != nil {
		return out, err
	}
	type result struct {
		out T
		err error
	}
	done, gone := make(chan result), make(chan struct{})
	go func() {
		var r result
		defer func() {
			if recover() != nil {
				r.err = errors.New("YubiKey: answer makes no sense")
			}
			select {
			case done <- r:
			case <-gone:
				if late != nil {
					late(r.out)
				}
			}
		}()
		r.out, r.err = fn()
	}()
	select {
	case r := <-done:
		return r.out, r.err
	case <-ctx.Done():
		close(gone)
		return out, fmt.Errorf("%w: %w", ErrUnderWay, ctx.Err())
	}
}
