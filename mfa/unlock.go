package mfa

import (
	"errors"
	"slices"
)

// Status is how it stands with the devices of an owner.
type Status struct {
	Devices []*Device
	// Failures are wrong answers since the last right one, at whatever device.
	Failures int
	// Locked: there were too many, and no code or signature is looked at.
	Locked bool
	// RecoveryCodesLeft are those that were made and not used.
	RecoveryCodesLeft int
}

// Describe says how it stands with the devices of an owner.
func (s *Service) Describe(tx Tx, owner string) (Status, error) {
	list, err := s.devicesOf(tx, owner)
	if err != nil {
		return Status{}, err
	}
	user, err := ofOwner(tx, owner)
	if err != nil {
		return Status{}, err
	}
	codes, err := recoveryOf(tx, owner)
	return Status{Devices: list, Failures: user.Count, Locked: user.locked(), RecoveryCodesLeft: len(codes.Hashes)}, err
}

// MethodsOf are the types of devices that an owner can answer by, and the security
// keys among them. Nobody (""), and who has nothing, looks like somebody with a
// TOTP device.
func (s *Service) MethodsOf(tx Tx, owner string) (types []string, keys []*Device, err error) {
	status, err := s.Describe(tx, owner)
	if err != nil {
		return nil, nil, err
	}
	for _, d := range status.Devices {
		if !slices.Contains(types, d.Kind()) {
			types = append(types, d.Kind())
		}
		if d.Kind() == TypePIV {
			keys = append(keys, d)
		}
	}
	if status.RecoveryCodesLeft > 0 {
		types = append(types, TypeRecovery)
	}
	if len(types) == 0 {
		types = []string{TypeTOTP}
	}
	return types, keys, nil
}

// Unlock forgets the failures of an owner, of its devices and of its recovery codes.
func (s *Service) Unlock(tx Tx, owner string) error {
	r, err := recoveryOf(tx, owner)
	if err != nil {
		return err
	}
	if r.Failures != (Failures{}) {
		r.Failures = Failures{}
		if err := put(tx, recovery+owner, r); err != nil {
			return err
		}
	}
	return s.unlock(tx, owner)
}

// unlock forgets the failures of an owner and its devices.
func (s *Service) unlock(tx Tx, owner string) error {
	list, err := s.devicesOf(tx, owner)
	if err != nil {
		return err
	}
	for _, d := range list {
		if d.Failures == (Failures{}) {
			continue
		}
		d.Failures = Failures{}
		if err := s.put(tx, d); err != nil {
			return err
		}
	}
	return tx.Delete(failures + owner)
}

// Gone drops what is known of an owner that is deleted, and has no devices any more.
func (s *Service) Gone(tx Tx, owner string) error {
	return errors.Join(tx.Delete(failures+owner), tx.Delete(recovery+owner))
}
