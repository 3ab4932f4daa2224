package mfa

import (
	"crypto"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"

	"github.com/keyd-hsm/keyd/iam"
)

// Codes of what EnrollPIV refuses.
const (
	CodeNoSuchChallenge    = "NoSuchChallenge"
	CodeInvalidSignature   = "InvalidSignature"
	CodeInvalidAttestation = "InvalidAttestation"
	CodeInvalidInput       = "InvalidInput"
)

func refusePIV(code string, status int, format string, args ...any) error {
	return &iam.Error{Code: code, Message: fmt.Sprintf(format, args...), Status: status}
}

// PIVProof is what a person sends to end an enrolment.
type PIVProof struct {
	Enrollment   string // id
	Slot         string // as "9a"
	Public       []byte // SubjectPublicKeyInfo, DER
	Signature    []byte // over [Enrollment.Message]
	Certificate  []byte // attestation of the key, DER; none if it is not attested
	Intermediate []byte // the card's, DER
	Tags         []iam.Tag
}

// ProvePIV ends the enrolment that the caller began for the owner, and makes the
// device that EnrollPIV gives to its owner. The enrolment is spent then, whatever
// comes of it. It refuses with NoSuchChallenge, InvalidInput, InvalidSignature or
// InvalidAttestation, and says what is wrong: whoever sent it holds the card.
func (s *Service) ProvePIV(caller, owner string, in PIVProof) (*Device, error) {
	e, ok := s.enrollments.take(in.Enrollment, caller, owner, s.RealTime())
	if !ok {
		return nil, refusePIV(CodeNoSuchChallenge, 404,
			"The enrollment does not exist, is not yours, was used or has expired. Begin a new one with BeginPIVEnrollment.")
	}
	tags, err := s.IAM.Tagged(nil, in.Tags)
	if err != nil {
		return nil, err
	}
	public, _, err := parsePublic(in.Public)
	if err != nil {
		return nil, refusePIV(CodeInvalidInput, 400, "The public key is of no kind that is supported: %v.", err)
	}
	if !signed(public, e.Message().Bytes(), in.Signature) {
		return nil, refusePIV(CodeInvalidSignature, 403,
			"The signature is not that of the public key over this enrollment.")
	}
	key, err := s.attest(public, in)
	if err != nil {
		return nil, err
	}
	return &Device{
		Version: 1, Name: e.Name, Path: e.Path, Account: e.Account, Created: s.Clock().UTC(), Tags: tags,
		Type: TypePIV, PIV: key, Owner: e.Owner,
	}, nil
}

// attest makes the record of a key, with what its card says of it.
func (s *Service) attest(public crypto.PublicKey, in PIVProof) (*PIVKey, error) {
	der, err := x509.MarshalPKIXPublicKey(public) // one form, however it was sent
	if err != nil {
		return nil, err
	}
	key := &PIVKey{Public: der, Slot: in.Slot}
	if len(in.Certificate) == 0 {
		if s.PIV.RequireAttestation || len(s.PIV.Touch) > 0 {
			return nil, refuseAttestation("This account accepts attested keys only, and no attestation was sent. " +
				"Make the key on the card: keys that were imported cannot be attested.")
		}
		return key, nil
	}
	if s.PIV.Attestor == nil {
		return nil, refuseAttestation("Attestations are not checked here.")
	}
	a, err := s.PIV.Attestor.Attest(in.Certificate, in.Intermediate)
	if err != nil {
		return nil, refuseAttestation("The attestation was not accepted: %v.", err)
	}
	same, ok := a.Public.(interface{ Equal(crypto.PublicKey) bool })
	switch {
	case !ok || !same.Equal(public):
		return nil, refuseAttestation("The attestation is of another key than the one that signed.")
	case a.Slot != in.Slot:
		return nil, refuseAttestation("The attestation is of slot %s, and not of slot %s.", a.Slot, in.Slot)
	case len(s.PIV.Touch) > 0 && !slices.Contains(s.PIV.Touch, a.TouchPolicy):
		return nil, refuseAttestation("Touch policy %s of the key is not accepted here. Make a key with touch policy %s.",
			a.TouchPolicy, strings.Join(s.PIV.Touch, " or "))
	}
	key.Attested, key.Card, key.Firmware, key.PINPolicy, key.TouchPolicy = true, a.Card, a.Firmware, a.PINPolicy, a.TouchPolicy
	return key, nil
}

func refuseAttestation(format string, args ...any) error {
	return refusePIV(CodeInvalidAttestation, 400, format, args...)
}

// EnrollPIV stores a device that ProvePIV made and gives it to its owner.
// EntityAlreadyExists if its name is taken by now, LimitExceeded if the owner has
// as many devices as may be.
func (s *Service) EnrollPIV(tx Tx, d *Device) error {
	if err := s.free(tx, d.Serial()); err != nil {
		return err
	}
	if err := s.IAM.AttachMFA(tx, d.Owner, d.Serial()); err != nil {
		return err
	}
	d.Enabled = s.Clock().UTC()
	return s.put(tx, d)
}
