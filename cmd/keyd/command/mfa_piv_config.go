package command

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/keyd-hsm/keyd/hsm/piv"
	"github.com/keyd-hsm/keyd/mfa"
)

// PIVConfig is what is asked of security keys when they are enrolled.
type PIVConfig struct {
	// RequireAttestation refuses keys of which no card says that they were made on
	// it. Default: false.
	RequireAttestation bool `yaml:"require_attestation"`
	// Touch are the touch policies that are accepted: always, cached, never. It
	// implies RequireAttestation. Default: all, and keys that are not attested.
	Touch []string `yaml:"touch"`
	// Roots is a PEM file with authorities that are trusted beside Yubico's.
	// Default: none.
	Roots string `yaml:"roots"`
}

func (c PIVConfig) check() error {
	for _, p := range c.Touch {
		if !slices.Contains([]piv.TouchPolicy{piv.TouchAlways, piv.TouchCached, piv.TouchNever}, piv.TouchPolicy(p)) {
			return fmt.Errorf("mfa: piv: touch %q: want always, cached or never", p)
		}
	}
	return nil
}

// rules reads the file of authorities. One that cannot be read is an error: keys
// that it certifies would be refused.
func (c PIVConfig) rules() (mfa.PIVRules, error) {
	var files []string
	if c.Roots != "" {
		files = []string{c.Roots}
	}
	roots, err := loadRoots(files)
	if err != nil {
		return mfa.PIVRules{}, usage(fmt.Errorf("mfa: piv: roots: %w", err), rootsHint)
	}
	return mfa.PIVRules{Attestor: attestor{roots}, RequireAttestation: c.RequireAttestation, Touch: c.Touch}, nil
}

const rootsHint = "name a PEM file with the certificates of authorities"

// loadRoots reads certificates; nil if there is no file.
func loadRoots(files []string) (*x509.CertPool, error) {
	if len(files) == 0 {
		return nil, nil
	}
	roots := x509.NewCertPool()
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		if err := addRoots(roots, text); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	return roots, nil
}

// addRoots adds every certificate of a PEM file, which must hold some and nothing
// else that looks like PEM: what is passed over in silence would be missed later.
func addRoots(roots *x509.CertPool, text []byte) error {
	found := 0
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return fmt.Errorf("holds a %s, and not only certificates", block.Type)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return err
		}
		roots.AddCert(c)
		found++
	}
	if found == 0 || bytes.Contains(text, []byte("-----BEGIN")) {
		return errors.New("not a PEM file with certificates")
	}
	return nil
}

// attestor joins package mfa with the card code.
type attestor struct {
	roots *x509.CertPool // beside Yubico's; may be nil
}

func (a attestor) Attest(certificate, intermediate []byte) (mfa.Attested, error) {
	said, err := piv.VerifyAttestation(certificate, intermediate, a.roots)
	if err != nil {
		return mfa.Attested{}, err
	}
	return mfa.Attested{
		Public: said.Public, Slot: said.Slot.String(), Card: said.Serial, Firmware: said.Firmware,
		PINPolicy: string(said.PINPolicy), TouchPolicy: string(said.TouchPolicy),
	}, nil
}
