package piv

import (
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"

	"github.com/go-piv/piv-go/v2/piv"
)

// Attestation is what a card says of a key that was made on it.
type Attestation struct {
	Public      crypto.PublicKey
	Slot        Slot
	Serial      uint32 // of the card
	Firmware    string // as "5.4.3"
	PINPolicy   PINPolicy
	TouchPolicy TouchPolicy
}

// What VerifyAttestation refuses, each with more words.
var (
	// ErrCertificate: no certificate, or one that is too long.
	ErrCertificate = errors.New("no certificate")
	// ErrChain: the certificates lead to no authority that is trusted.
	ErrChain = errors.New("not certified by Yubico, nor by an authority of the operator")
	// ErrNotAttested: the chain is good, and the certificate is no attestation of a key.
	ErrNotAttested = errors.New("certificate is not an attestation of a key")
)

// MaxCertificate is how long a certificate may be, in bytes, to be looked at. A
// card's are below 1,200, and a data object of a card holds up to 3,052.
const MaxCertificate = 8192

var (
	oidFirmware = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 41482, 3, 3}
	oidSerial   = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 41482, 3, 7}
	oidPolicy   = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 41482, 3, 8}
)

// VerifyAttestation checks the certificate of a slot and that of its card, both in
// DER, up to one of Yubico's authorities or, if roots is not nil, one of the
// operator's. It says nothing of who sent them: an attestation can be sent again
// by anyone who saw it, so the attested key has to sign something new.
func VerifyAttestation(slotDER, intermediateDER []byte, roots *x509.CertPool) (Attestation, error) {
	certificate, err := parse(slotDER)
	if err != nil {
		return Attestation{}, fmt.Errorf("attestation certificate: %w", err)
	}
	card, err := parse(intermediateDER)
	if err != nil {
		return Attestation{}, fmt.Errorf("intermediate certificate: %w", err)
	}
	// A card's keys sign what its holder likes. Were one of their certificates
	// taken for that of a card, the holder could attest anything: piv-go lets
	// certificates without basic constraints issue others, for the sake of old cards.
	if extension(card, oidPolicy) != nil || extension(card, oidSerial) != nil {
		return Attestation{}, fmt.Errorf("intermediate certificate: %w: it is of a key in a slot", ErrChain)
	}
	// With roots of its own, a Verifier forgets the intermediates of Yubico.
	found, err := piv.Verify(card, certificate)
	if err != nil && roots != nil {
		verifier := piv.Verifier{Roots: roots}
		found, err = verifier.Verify(card, certificate)
	}
	if err != nil {
		return Attestation{}, fmt.Errorf("%w: %s", ErrChain, reason(err))
	}
	// The chain may lead past the card: what an authority itself certified is no
	// word of the card's.
	if err := certificate.CheckSignatureFrom(card); err != nil {
		return Attestation{}, fmt.Errorf("%w: not signed by the card", ErrChain)
	}
	return facts(certificate, found)
}

func parse(der []byte) (*x509.Certificate, error) {
	if len(der) == 0 {
		return nil, fmt.Errorf("%w: it is missing", ErrCertificate)
	}
	if len(der) > MaxCertificate {
		return nil, fmt.Errorf("%w: it has %d bytes, more than %d", ErrCertificate, len(der), MaxCertificate)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCertificate, err)
	}
	return c, nil
}

// reason is what package x509 has against a chain, without what it quotes of it.
func reason(err error) string {
	var (
		unknown x509.UnknownAuthorityError
		invalid x509.CertificateInvalidError
	)
	switch {
	case errors.As(err, &unknown):
		return "unknown authority"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "expired, or not valid yet"
	}
	return "chain not valid"
}

// facts are the extensions of a certificate whose chain is good; all of them must
// be there.
func facts(certificate *x509.Certificate, found *piv.Attestation) (Attestation, error) {
	a := Attestation{
		Public: certificate.PublicKey, Slot: Slot(found.Slot.Key), Serial: found.Serial,
		Firmware:  fmt.Sprintf("%d.%d.%d", found.Version.Major, found.Version.Minor, found.Version.Patch),
		PINPolicy: named(pinPolicies, found.PINPolicy), TouchPolicy: named(touchPolicies, found.TouchPolicy),
	}
	switch {
	case !a.Slot.valid():
		return Attestation{}, fmt.Errorf("%w: it names no slot", ErrNotAttested)
	case a.PINPolicy == "" || a.TouchPolicy == "":
		return Attestation{}, fmt.Errorf("%w: it does not say when the key wants PIN and touch", ErrNotAttested)
	case extension(certificate, oidFirmware) == nil:
		return Attestation{}, fmt.Errorf("%w: it does not say which firmware the card has", ErrNotAttested)
	}
	if _, err := AlgorithmOf(a.Public); err != nil {
		return Attestation{}, err
	}
	return a, nil
}

// extension is the value of one, nil if it is not there.
func extension(c *x509.Certificate, id asn1.ObjectIdentifier) []byte {
	for _, e := range c.Extensions {
		if e.Id.Equal(id) {
			return e.Value
		}
	}
	return nil
}

// policies are those in the attestation of a key, of which nothing is verified.
func policies(c *x509.Certificate) (PINPolicy, TouchPolicy) {
	e := extension(c, oidPolicy)
	if len(e) != 2 {
		return "", ""
	}
	pins := map[byte]PINPolicy{1: PINNever, 2: PINOnce, 3: PINAlways, 4: PINMatchOnce, 5: PINMatchAlways}
	touches := map[byte]TouchPolicy{1: TouchNever, 2: TouchAlways, 3: TouchCached}
	return pins[e[0]], touches[e[1]]
}
