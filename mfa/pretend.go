package mfa

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"time"

	"github.com/keyd-hsm/keyd/store"
)

// A standIn is looked at in place of a device that is not there, so that the time an
// answer takes does not tell who has one. Its codes open nothing.
type standIn struct {
	Version int    `json:"v"`
	Domain  string `json:"domain"`
	Wrapped []byte `json:"wrapped"`
	// Count is how often it was looked at, and Last when: what is written is not
	// needed, writing it is.
	Count int       `json:"n"`
	Last  time.Time `json:"last"`
}

// pretend does the work that a wrong code takes: with codes, what a TOTP device shows
// near now is computed in the token; and something is written durably.
func (s *Service) pretend(ctx context.Context, codes bool) error {
	d, err := s.standIn(ctx)
	if err != nil {
		return err
	}
	now := s.RealTime()
	if codes {
		of := &Device{Domain: d.Domain, Wrapped: d.Wrapped}
		if _, err := s.codes(ctx, of, of.near(now)); err != nil {
			return err
		}
	}
	return s.DB.Update(ctx, func(tx Tx) error { return touch(tx, now) })
}

// touch writes as much as is written of a wrong answer.
func touch(tx Tx, now time.Time) error {
	d, err := readStandIn(tx)
	if err != nil {
		return err
	}
	d.Count++
	d.Last = now.UTC()
	return put(tx, standIns, d)
}

func readStandIn(tx Tx) (d standIn, err error) {
	b, err := tx.Get(standIns)
	if err != nil {
		return d, err
	}
	return d, json.Unmarshal(b, &d)
}

// standIn finds the stand-in, and makes it when there is none: once in the life of an appliance.
func (s *Service) standIn(ctx context.Context) (d standIn, err error) {
	err = s.DB.View(ctx, func(tx Tx) error {
		d, err = readStandIn(tx)
		return err
	})
	if !errors.Is(err, store.ErrNotFound) {
		return d, err
	}
	var seed [seedSize]byte
	_, _ = rand.Read(seed[:]) // never fails: see crypto/rand
	d = standIn{Version: 1}
	if d.Domain, d.Wrapped, err = s.Seeds.WrapSeed(ctx, hashes[SHA1], seed[:]); err != nil {
		return d, err
	}
	err = s.DB.Update(ctx, func(tx Tx) error {
		first, err := readStandIn(tx)
		if err == nil {
			d = first // somebody was faster
			return nil
		}
		if !errors.Is(err, store.ErrNotFound) {
			return err
		}
		return put(tx, standIns, d)
	})
	return d, err
}
