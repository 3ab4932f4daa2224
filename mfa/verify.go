package mfa

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/keyd-hsm/keyd/iam"
)

// What Verify refuses, beside *BlockedError.
var (
	// ErrDevice: no such device, or not the owner's, or not one that shows codes.
	ErrDevice = errors.New("MFA device is not there, or another's")
	// ErrCode: the code is wrong, too old or too new, or was used before.
	ErrCode = errors.New("wrong MFA code")
)

// Verify checks a code that the owner read off a device. When it returns nil the
// code is spent, and when it returns ErrCode the failure is counted, durably both.
// It returns ErrDevice, ErrCode or a *BlockedError for what is refused, and other
// errors when it could not tell, which is no yes either.
func (s *Service) Verify(ctx context.Context, owner, serial, code string) (Proof, error) {
	if !isCode(code) {
		return Proof{}, ErrCode
	}
	return s.verify(ctx, owner, code, func(tx Tx) ([]*Device, error) {
		d, err := s.held(tx, owner, serial)
		if err == nil && d.Kind() == TypePIV {
			err = ErrDevice
		}
		return []*Device{d}, err
	})
}

// VerifyAny checks a code of any of the owner's devices, or a recovery code, of
// the accepted types ([TypeTOTP], [TypeHOTP], [TypeRecovery]). It refuses with
// ErrCode or a *BlockedError, and counts as Verify does, at every device that it
// looked at. A right code clears the failures of all of those.
//
// Who is told no more than that it was refused cannot tell why, by the time either:
// for an owner who is nobody (""), who has no such device, or whose tries come too
// early, it computes as many codes in the token, of a stand-in, as for somebody with
// one TOTP device, and waits for a write as well.
func (s *Service) VerifyAny(ctx context.Context, owner, code string, accept []string) (Proof, error) {
	if plain, ok := isRecovery(code); ok {
		if !slices.Contains(accept, TypeRecovery) {
			return Proof{}, ErrCode
		}
		return s.verifyRecovery(ctx, owner, plain)
	}
	if !isCode(code) {
		return Proof{}, ErrCode
	}
	p, err := s.verify(ctx, owner, code, func(tx Tx) ([]*Device, error) { return s.oathOf(tx, owner, accept, len(code)) })
	if blocked := (*BlockedError)(nil); errors.Is(err, ErrDevice) || errors.As(err, &blocked) {
		if errors.Is(err, ErrDevice) {
			err = ErrCode
		}
		return Proof{}, errors.Join(err, s.pretend(ctx, true))
	}
	return p, err
}

// oathOf finds the owner's devices of those types that show codes of so many digits;
// ErrDevice if there is none.
func (s *Service) oathOf(tx Tx, owner string, types []string, digits int) (list []*Device, err error) {
	all, err := s.devicesOf(tx, owner)
	for _, d := range all {
		if d.Codes().Digits == digits && slices.Contains(types, d.Kind()) {
			list = append(list, d)
		}
	}
	if err == nil && len(list) == 0 {
		err = ErrDevice
	}
	return list, err
}

// devicesOf are all devices of an owner; none for "".
func (s *Service) devicesOf(tx Tx, owner string) (list []*Device, err error) {
	if owner == "" {
		return nil, nil
	}
	for _, serial := range iam.MFADevices(tx, owner) {
		d, err := s.Device(tx, serial)
		if err != nil {
			return nil, err
		}
		list = append(list, d)
	}
	return list, nil
}

// A candidate is a device that a code may be of, and what it shows about now.
type candidate struct {
	device *Device
	shown  []shownCode
}

// verify checks a code of one of the devices that find gives. It asks twice: first
// to compute what they show, then to decide.
func (s *Service) verify(ctx context.Context, owner, code string, find func(Tx) ([]*Device, error)) (p Proof, err error) {
	now := s.RealTime()
	var seen []*Device
	err = s.DB.View(ctx, func(tx Tx) (err error) {
		seen, err = s.open(tx, owner, now, find)
		return err
	})
	if err != nil {
		return Proof{}, err // for speed: what counts is what judge finds
	}
	list := make([]candidate, len(seen))
	for i, d := range seen {
		list[i].device = d
		if list[i].shown, err = s.codes(ctx, d, d.near(now)); err != nil {
			return Proof{}, err
		}
	}
	verdict := ErrCode
	err = s.DB.Update(ctx, func(tx Tx) (err error) {
		p, verdict = Proof{}, nil
		open, err := s.open(tx, owner, now, find)
		if refused(err) {
			verdict = err
			return nil
		}
		if err == nil {
			p, verdict, err = s.judge(tx, owner, now, open, list, code)
		}
		return err
	})
	if err == nil {
		err = verdict
	}
	if err != nil {
		return Proof{}, err
	}
	return p, nil
}

// refused reports whether an error is a no, and not that it could not be told.
func refused(err error) bool {
	var blocked *BlockedError
	return errors.Is(err, ErrCode) || errors.Is(err, ErrDevice) || errors.As(err, &blocked)
}

// open are those devices at which the owner may try a code now; a *BlockedError if
// there is none of those that find gives.
func (s *Service) open(tx Tx, owner string, now time.Time, find func(Tx) ([]*Device, error)) ([]*Device, error) {
	all, err := find(tx)
	if err != nil {
		return nil, err
	}
	user, err := ofOwner(tx, owner)
	if err != nil {
		return nil, err
	}
	if err := blocked(now, false, user); err != nil {
		return nil, err
	}
	var open []*Device
	for _, d := range all {
		if e := blocked(now, false, d.Failures); e == nil {
			open = append(open, d)
		} else if err == nil {
			err = e
		}
	}
	if len(open) > 0 {
		err = nil
	}
	return open, err
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
func (s *Service) judge(tx Tx, owner string, now time.Time, open []*Device, list []candidate, code string) (p Proof, verdict, err error) {
	var looked []*Device
	var right *Device
	var at int64
	for _, c := range list {
		i := slices.IndexFunc(open, func(d *Device) bool {
			return d.Serial() == c.device.Serial() && bytes.Equal(d.Wrapped, c.device.Wrapped)
		})
		if i < 0 {
			continue // gone since, or made anew, or blocked
		}
		d := open[i]
		looked = append(looked, d)
		if step, ok := match(c.shown, d.near(now), d.Last, code); ok && right == nil {
			right, at = d, step
		}
	}
	switch {
	case right != nil:
		right.spend(at, now)
		return s.proof(right), nil, s.passed(tx, owner, right, looked...)
	case len(looked) == 0:
		return p, ErrDevice, nil
	}
	return p, ErrCode, s.failed(tx, now, owner, looked...)
}

// proof is what a right answer by a device proves.
func (s *Service) proof(d *Device) Proof {
	p := Proof{Serial: d.Serial(), Type: d.Kind(), At: s.Clock().UTC()}
	if d.PIV != nil && d.PIV.Attested {
		p.Attested, p.TouchPolicy = true, d.PIV.TouchPolicy
	}
	return p
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
