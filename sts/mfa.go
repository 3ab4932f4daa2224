package sts

import (
	"context"
	"errors"

	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/mfa"
)

// MFA is a device and the code that it shows; the zero MFA says that none was
// given.
type MFA struct {
	Serial, Code string
}

// Given reports whether there is a device and a code.
func (m MFA) Given() bool { return m.Serial != "" && m.Code != "" }

// check refuses one without the other.
func (m MFA) check() error {
	if !m.Given() && m != (MFA{}) {
		return refuse(CodeAccessDenied,
			"MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code.")
	}
	return nil
}

// Prove refuses a code that is not one of the caller's now. One that is good is
// spent: it is to be asked about once in a call. That none was given is no error,
// and proves nothing.
func (s *Service) Prove(ctx context.Context, caller iam.Principal, m MFA) (mfa.Proof, error) {
	if err := m.check(); err != nil || !m.Given() {
		return mfa.Proof{}, err
	}
	proof, err := s.MFA.Verify(ctx, mfa.OwnerOf(caller), m.Serial, m.Code)
	var blocked *mfa.BlockedError
	switch {
	case errors.Is(err, mfa.ErrDevice):
		err = UnknownDevice()
	case errors.Is(err, mfa.ErrCode):
		err = refuse(CodeAccessDenied, "MultiFactorAuthentication failed with invalid MFA one time pass code. ")
	case errors.As(err, &blocked):
		err = refuse(CodeAccessDenied, "MultiFactorAuthentication failed, %v.", blocked)
	}
	return proof, err
}

// UnknownDevice is the refusal of a device that is not there, or not the caller's.
func UnknownDevice() error {
	return refuse(CodeAccessDenied, "MultiFactorAuthentication failed, unable to validate MFA code.  "+
		"Please verify your MFA serial number is valid and associated with this user.")
}
