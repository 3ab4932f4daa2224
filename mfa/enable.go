package mfa

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/keyd-hsm/keyd/iam"
)

// Pair is two consecutive codes of a device that were found to be right. It is
// good for one Enable or Resync.
type Pair struct {
	wrapped []byte
	owner   string
	drift   int64
}

// Prove checks two consecutive codes of a device that the owner has, or with "" of
// one that nobody has. They are spent when it returns, and wrong ones counted. It
// refuses with InvalidAuthenticationCode; the caller's Enable or Resync refuses
// what else is wrong.
func (s *Service) Prove(ctx context.Context, owner, serial, first, second string) (Pair, error) {
	now := s.RealTime()
	var d *Device
	err := s.DB.View(ctx, func(tx Tx) (err error) {
		if d, err = s.assigned(tx, owner, serial); err != nil {
			return err
		}
		return s.mayProve(tx, d)
	})
	if err != nil {
		return Pair{}, err
	}
	if !isCode(first) || !isCode(second) {
		return Pair{}, errCodes
	}
	in := d.far(now)
	all, err := s.codes(ctx, d, span{in.from, in.to + 1})
	if err != nil {
		return Pair{}, err
	}
	p := Pair{wrapped: d.Wrapped, owner: owner}
	verdict := error(errCodes)
	err = s.DB.Update(ctx, func(tx Tx) error {
		verdict = errCodes
		d, err := s.same(tx, p, serial)
		if err != nil {
			return err
		}
		if err := s.mayProve(tx, d); err != nil {
			return err
		}
		step, ok := match(all, d.far(now), d.Last, first, second)
		if !ok {
			return s.failed(tx, now, d.Owner, d)
		}
		verdict, p.drift, d.Last = nil, d.ahead(step+1, now), step+1
		return s.put(tx, d)
	})
	if err == nil {
		err = verdict
	}
	return p, err
}

var errCodes = refuse(CodeInvalidCode, "Authentication code for device is not valid.")

// assigned finds a device that the owner has, or with "" nobody, in AWS's words.
func (s *Service) assigned(tx Tx, owner, serial string) (*Device, error) {
	d, err := s.Device(tx, serial)
	switch {
	case err != nil:
		return nil, err
	case d.Owner == owner:
		return d, nil
	case owner == "":
		return nil, refuse(iam.CodeAlreadyExists, "The MFA device with serial number %s is already in use.", serial)
	}
	return nil, refuse(iam.CodeNoSuchEntity, "The MFA device with serial number %s is not assigned to this user.", serial)
}

// same is assigned for the device that was proved, with the same seed.
func (s *Service) same(tx Tx, p Pair, serial string) (*Device, error) {
	d, err := s.assigned(tx, p.owner, serial)
	if err == nil && !bytes.Equal(d.Wrapped, p.wrapped) {
		return nil, noSuch(serial) // deleted and made anew since
	}
	return d, err
}

// mayProve refuses tries that come too early, and devices that show no codes.
func (s *Service) mayProve(tx Tx, d *Device) error {
	if d.Kind() == TypePIV {
		return errCodes
	}
	user, err := ofOwner(tx, d.Owner)
	if err != nil {
		return err
	}
	if err := blocked(s.RealTime(), true, d.Failures, user); err != nil {
		return refuse(CodeInvalidCode, "Authentication code for device is not valid: %v.", err)
	}
	return nil
}

// Enable gives a device, of which p was proved while nobody had it, to an owner.
func (s *Service) Enable(tx Tx, owner, serial string, p Pair) error {
	d, err := s.same(tx, p, serial)
	if err != nil {
		return err
	}
	if err := s.IAM.AttachMFA(tx, owner, serial); err != nil {
		return err
	}
	d.Owner, d.Enabled = owner, s.Clock().UTC()
	d.Drift, d.Learned, d.Failures = p.drift, 0, Failures{} // the owner's failures at other devices stay
	return s.put(tx, d)
}

// Resync sets a device, of which p was proved, to the time that it shows, and
// unlocks it.
func (s *Service) Resync(tx Tx, serial string, p Pair) error {
	d, err := s.same(tx, p, serial)
	if err != nil {
		return err
	}
	d.Drift, d.Learned, d.Failures = p.drift, 0, Failures{}
	return errors.Join(s.put(tx, d), tx.Delete(failures+d.Owner))
}

// Deactivate takes a device away from its owner. Codes that were spent stay spent.
func (s *Service) Deactivate(tx Tx, owner, serial string) error {
	d, err := s.assigned(tx, owner, serial)
	if err != nil {
		return err
	}
	d.Owner, d.Enabled = "", time.Time{}
	if err := s.IAM.DetachMFA(tx, owner, serial); err != nil {
		return err
	}
	if len(iam.MFADevices(tx, owner)) == 0 {
		if err := tx.Delete(failures + owner); err != nil {
			return err
		}
	}
	return s.put(tx, d)
}
