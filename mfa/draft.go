package mfa

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"image/png"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"

	"github.com/keyd-hsm/keyd/iam"
)

// Shown is what the person who enrols a device is shown, once. Nothing of it is
// kept, and it prints as [redacted].
type Shown struct {
	Base32 []byte // the seed, to be typed
	PNG    []byte // the same as a QR code
}

func (Shown) String() string { return "[redacted]" }

// GoString keeps %#v from showing it.
func (Shown) GoString() string { return "[redacted]" }

const (
	seedSize = 20 // bytes: what RFC 4226, section 4, recommends, and as long as SHA-1's output
	qrSize   = 300
)

// NewDevice is what Draft is told. Path "" means "/".
type NewDevice struct {
	Name, Path string
	Tags       []iam.Tag
}

// Draft makes a device with a new seed, ready for [Service.Create]. The seed goes
// into the token and is overwritten here; what is shown of it is the caller's to
// send and forget. It changes nothing.
func (s *Service) Draft(ctx context.Context, in NewDevice) (*Device, Shown, error) {
	path, err := iam.CheckPath(in.Path)
	if err != nil {
		return nil, Shown{}, err
	}
	tags, err := s.IAM.Tagged(nil, in.Tags)
	if err != nil {
		return nil, Shown{}, err
	}
	d := &Device{Version: 1, Name: in.Name, Path: path, Account: s.Account, Created: s.Clock().UTC(), Tags: tags}
	if len(d.Serial()) > maxSerial {
		return nil, Shown{}, refuse(iam.CodeValidation,
			"The serial number %s would be longer than %d characters.", d.Serial(), maxSerial)
	}
	var seed [seedSize]byte
	defer clear(seed[:])
	_, _ = rand.Read(seed[:]) // never fails: see crypto/rand
	if d.Domain, d.Wrapped, err = s.Seeds.WrapSeed(ctx, seed[:]); err != nil {
		return nil, Shown{}, fmt.Errorf("seed: %w", err)
	}
	shown, err := show(d, seed[:])
	return d, shown, err
}

// Forget lets the token forget a device that is gone, or that came to nothing.
func (s *Service) Forget(d *Device) { s.Seeds.ForgetSeed(d.Domain, d.Wrapped) }

// show makes the text and the picture. Strings in between cannot be overwritten
// and are left to the garbage collector, as the answer itself is.
func show(d *Device, seed []byte) (Shown, error) {
	key, err := totp.Generate(totp.GenerateOpts{
		Issuer: "keyd", AccountName: d.Name + "@" + d.Account, Secret: seed,
		Period: stepSeconds, Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1,
	})
	if err != nil {
		return Shown{}, fmt.Errorf("otpauth URI: %w", err)
	}
	picture, err := key.Image(qrSize, qrSize)
	if err != nil {
		return Shown{}, fmt.Errorf("QR code: %w", err)
	}
	var out bytes.Buffer
	if err := png.Encode(&out, picture); err != nil {
		return Shown{}, err
	}
	encoding := base32.StdEncoding.WithPadding(base32.NoPadding)
	return Shown{Base32: encoding.AppendEncode(nil, seed), PNG: out.Bytes()}, nil
}
