package main

import (
	"context"
	"errors"
	"os"
	"sync/atomic"

	"github.com/keyd-hsm/keyd/hsm"
	"github.com/keyd-hsm/keyd/hsm/pkcs11"
	"github.com/keyd-hsm/keyd/softhsm"
)

const domainKey = "bench"

// rawToken is a token without anything around it, in this process.
type rawToken struct {
	cached   hsm.Token    // keeps the handles of its keys
	uncached hsm.Token    // the same token, keeping one handle: each use unwraps
	keys     [256]hsm.Key // more than are in use at a time
	turn     atomic.Uint64
}

// rawOperation is one thing that a token does.
type rawOperation struct {
	name string
	do   func(ctx context.Context) error
}

// target is the operation in this process.
func (o rawOperation) target(ctx context.Context) target {
	return target{os.Getpid(), func() (func() error, func(), error) {
		return func() error { return o.do(ctx) }, func() {}, nil
	}}
}

func openToken(ctx context.Context, dir string) (_ *rawToken, err error) {
	made, err := softhsm.Create(ctx, dir, softhsm.Options{})
	if err != nil {
		return nil, err
	}
	t := new(rawToken)
	defer func() {
		if err != nil {
			err = join(err, t.Close)
		}
	}()
	config := made.Config()
	if t.cached, err = pkcs11.Open(ctx, config); err != nil {
		return nil, err
	}
	config.MaxHandles = 1
	if t.uncached, err = pkcs11.Open(ctx, config); err != nil {
		return nil, err
	}
	if err = t.cached.CreateDomainKey(ctx, domainKey); err != nil {
		return nil, err
	}
	for i := range t.keys {
		wrapped, err := t.cached.Generate(ctx, domainKey, hsm.HMACSHA256)
		if err != nil {
			return nil, err
		}
		t.keys[i] = hsm.Key{Type: hsm.HMACSHA256, Domain: domainKey, Wrapped: wrapped}
	}
	return t, nil
}

// operations are those that keyd's are made of. The message is as long as what
// one message key is derived from.
func (t *rawToken) operations() []rawOperation {
	message := make([]byte, 64)
	return []rawOperation{
		{"MAC, cached handle", func(ctx context.Context) error {
			_, err := t.cached.MAC(ctx, t.keys[0], message)
			return err
		}},
		{"unwrap and MAC", func(ctx context.Context) error {
			_, err := t.uncached.MAC(ctx, t.keys[t.turn.Add(1)%uint64(len(t.keys))], message)
			return err
		}},
		{"Random(32)", func(ctx context.Context) error {
			_, err := t.cached.Random(ctx, 32)
			return err
		}},
		{"Generate", func(ctx context.Context) error {
			_, err := t.cached.Generate(ctx, domainKey, hsm.HMACSHA256)
			return err
		}},
	}
}

// Close closes what is open.
func (t *rawToken) Close() error {
	var errs []error
	for _, token := range []hsm.Token{t.uncached, t.cached} {
		if token != nil {
			errs = append(errs, token.Close())
		}
	}
	return errors.Join(errs...)
}
