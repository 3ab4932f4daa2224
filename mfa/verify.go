package mfa

import (
	"bytes"
	"context"
	"errors"
	"time"
)

// What Verify refuses, beside *BlockedError.
var (
	// ErrDevice: no such device, or not the owner's.
	ErrDevice = errors.New("MFA device is not there, or another's")
	// ErrCode: the code is wrong, too old or too new, or was used before.
	ErrCode = errors.New("wrong MFA code")
)

// Verify checks a code that the owner read off a device. When it returns nil the
// code is spent, and when it returns ErrCode the failure is counted, durably both.
// It returns ErrDevice, ErrCode or a *BlockedError for what is refused, and other
// errors when it could not tell, which is no yes either.
func (s *Service) Verify(ctx context.Context, owner, serial, code string) error {
	now := s.RealTime()
	d, err := s.look(ctx, owner, serial, now)
	if err != nil {
		return err
	}
	if !isCode(code) {
		return ErrCode
	}
	center := stepOf(now) + d.Drift
	all, err := s.codes(ctx, d, center-window, center+window)
	if err != nil {
		return err
	}
	verdict := ErrCode
	err = s.DB.Update(ctx, func(tx Tx) error {
		var err error
		verdict, err = s.judge(tx, d, now, all, code)
		return err
	})
	if err != nil {
		return err
	}
	return verdict
}

// look reads the device and refuses what need not bother the token. That is for
// speed: what counts is what judge finds.
func (s *Service) look(ctx context.Context, owner, serial string, now time.Time) (d *Device, err error) {
	err = s.DB.View(ctx, func(tx Tx) error {
		if d, err = s.held(tx, owner, serial); err != nil {
			return err
		}
		user, err := ofOwner(tx, owner)
		if err != nil {
			return err
		}
		return blocked(now, false, d.Failures, user)
	})
	return d, err
}

// held finds a device that the owner has.
func (s *Service) held(tx Tx, owner, serial string) (*Device, error) {
	d, err := s.Device(tx, serial)
	if isNoSuch(err) || err == nil && (owner == "" || d.Owner != owner) {
		return nil, ErrDevice
	}
	return d, err
}

// judge decides on a code and writes down what it decided. Transactions come one
// after the other: of many tries at once, each finds the failures of those before
// it, and only the first finds a code unspent.
func (s *Service) judge(tx Tx, seen *Device, now time.Time, all []shownCode, code string) (verdict, err error) {
	d, err := s.held(tx, seen.Owner, seen.Serial())
	if errors.Is(err, ErrDevice) || err == nil && !bytes.Equal(d.Wrapped, seen.Wrapped) {
		return ErrDevice, nil // gone since, or made anew
	}
	if err != nil {
		return nil, err
	}
	user, err := ofOwner(tx, d.Owner)
	if err != nil {
		return nil, err
	}
	if err := blocked(now, false, d.Failures, user); err != nil {
		return err, nil
	}
	center := stepOf(now) + d.Drift
	step, ok := match(all, center-window, center+window, d.Last, code)
	if !ok {
		return ErrCode, s.failed(tx, d, user, now)
	}
	d.Last, d.Failures = step, Failures{}
	if drift := step - stepOf(now); drift >= -maxDrift && drift <= maxDrift {
		d.Drift = drift
	}
	return nil, errors.Join(s.put(tx, d), tx.Delete(failures+d.Owner))
}

// Holds reports whether the owner has the device, in the transaction or, with nil,
// as things stand.
func (s *Service) Holds(ctx context.Context, tx Tx, owner, serial string) (held bool, err error) {
	find := func(tx Tx) error {
		_, err := s.held(tx, owner, serial)
		held = err == nil
		if errors.Is(err, ErrDevice) {
			return nil
		}
		return err
	}
	if tx != nil {
		return held, find(tx)
	}
	err = s.DB.View(ctx, find)
	return held, err
}
