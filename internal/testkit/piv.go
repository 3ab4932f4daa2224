package testkit

import (
	"crypto/x509"

	"github.com/keyd-hsm/keyd/hsm/piv"
	"github.com/keyd-hsm/keyd/mfa"
)

// WithPIV sets what the appliance asks of security keys, and which authorities it
// trusts beside Yubico's.
func WithPIV(rules mfa.PIVRules, roots ...*x509.Certificate) Option {
	return func(o *options) {
		o.piv = rules
		o.piv.Attestor = attestor(roots)
	}
}

// attestor trusts authorities beside Yubico's.
type attestor []*x509.Certificate

func (a attestor) Attest(certificate, intermediate []byte) (mfa.Attested, error) {
	roots := x509.NewCertPool()
	for _, c := range a {
		roots.AddCert(c)
	}
	said, err := piv.VerifyAttestation(certificate, intermediate, roots)
	if err != nil {
		return mfa.Attested{}, err
	}
	return mfa.Attested{
		Public: said.Public, Slot: said.Slot.String(), Card: said.Serial, Firmware: said.Firmware,
		PINPolicy: string(said.PINPolicy), TouchPolicy: string(said.TouchPolicy),
	}, nil
}
