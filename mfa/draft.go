package mfa

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"image/png"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"github.com/pquerna/otp/totp"

	"github.com/keyd-hsm/keyd/iam"
)

// Shown is what the person who enrols a device is shown, once. Nothing of it is
// kept, and it prints as [redacted]. It is empty for a seed that was imported:
// whoever sent it has it.
type Shown struct {
	Base32 []byte // the seed, to be typed
	PNG    []byte // the same as a QR code
	URI    string // that the QR code shows: otpauth://…
}

func (Shown) String() string { return "[redacted]" }

// GoString keeps %#v from showing it.
func (Shown) GoString() string { return "[redacted]" }

const (
	seedSize = 20 // bytes: what RFC 4226, section 4, recommends, and as long as SHA-1's output
	qrSize   = 300
)

// NewDevice is what Draft is told. Zero values mean "/", TOTP, six digits, SHA1 and,
// for TOTP, 30 s.
type NewDevice struct {
	Name, Path string
	Tags       []iam.Tag
	Type       string
	OATH       OATH
	// Seed is the caller's own, as of a hardware token, and the caller's to
	// overwrite; with none, a new one is made. Counter is the next one of HOTP.
	Seed    []byte
	Counter int64
}

// String keeps the seed out of logs.
func (d NewDevice) String() string { return d.Path + d.Name }

// GoString keeps %#v from showing it.
func (d NewDevice) GoString() string { return d.String() }

// Draft makes a device that shows codes, ready for [Service.Create]. The seed goes
// into the token and what was made of it here is overwritten; what is shown of it is
// the caller's to send and forget. It changes nothing.
func (s *Service) Draft(ctx context.Context, in NewDevice) (*Device, Shown, error) {
	path, err := iam.CheckPath(in.Path)
	if err != nil {
		return nil, Shown{}, err
	}
	tags, err := s.IAM.Tagged(nil, in.Tags)
	if err != nil {
		return nil, Shown{}, err
	}
	kind, oath, err := in.codes()
	if err != nil {
		return nil, Shown{}, err
	}
	d := &Device{
		Version: 1, Name: in.Name, Path: path, Account: s.Account, Created: s.Clock().UTC(), Tags: tags, Type: kind, OATH: &oath,
	}
	if kind == TypeHOTP {
		d.Last = in.Counter - 1
	}
	if len(d.Serial()) > maxSerial {
		return nil, Shown{}, refuse(iam.CodeValidation,
			"The serial number %s would be longer than %d characters.", d.Serial(), maxSerial)
	}
	if len(in.Seed) > 0 {
		d.Domain, d.Wrapped, err = s.Seeds.WrapSeed(ctx, oath.hash(), in.Seed)
		return d, Shown{}, err
	}
	// As long as the hash, as RFC 6238, section 5.1, recommends, and no shorter than
	// AWS's for SHA-1.
	seed := make([]byte, oath.hash().Size())
	defer clear(seed)
	_, _ = rand.Read(seed) // never fails: see crypto/rand
	if d.Domain, d.Wrapped, err = s.Seeds.WrapSeed(ctx, oath.hash(), seed); err != nil {
		return nil, Shown{}, fmt.Errorf("seed: %w", err)
	}
	shown, err := show(d, seed)
	return d, shown, err
}

// codes fills in what was left out, and refuses what no device does.
func (d NewDevice) codes() (kind string, o OATH, err error) {
	kind = cmp.Or(d.Type, TypeTOTP)
	o = OATH{Digits: cmp.Or(d.OATH.Digits, 6), Algorithm: cmp.Or(d.OATH.Algorithm, SHA1), Period: d.OATH.Period}
	switch {
	case kind != TypeTOTP && kind != TypeHOTP:
		return "", o, refuse(CodeInvalidInput, "The type must be %s or %s.", TypeTOTP, TypeHOTP)
	case modulus[o.Digits] == 0:
		return "", o, refuse(CodeInvalidInput, "A code must have 6 or 8 digits.")
	case o.hash() == 0:
		return "", o, refuse(CodeInvalidInput, "The algorithm must be %s, %s or %s.", SHA1, SHA256, SHA512)
	case kind == TypeHOTP && o.Period != 0:
		return "", o, refuse(CodeInvalidInput, "A device that counts has no period.")
	case kind == TypeTOTP && d.Counter != 0:
		return "", o, refuse(CodeInvalidInput, "A device that goes by the clock has no counter.")
	case d.Counter < 0:
		return "", o, refuse(CodeInvalidInput, "The counter must not be negative.")
	case d.Counter != 0 && len(d.Seed) == 0:
		return "", o, refuse(CodeInvalidInput, "A counter is given with the seed that it belongs to; new seeds begin at 0.")
	}
	if kind == TypeTOTP {
		o.Period = cmp.Or(o.Period, 30)
		if o.Period != 30 && o.Period != 60 {
			return "", o, refuse(CodeInvalidInput, "The period must be 30 or 60 seconds.")
		}
	}
	return kind, o, nil
}

// Forget lets the token forget a device that is gone, or that came to nothing.
func (s *Service) Forget(d *Device) {
	if len(d.Wrapped) > 0 {
		s.Seeds.ForgetSeed(d.Codes().hash(), d.Domain, d.Wrapped)
	}
}

// show makes the text and the picture. Strings in between cannot be overwritten
// and are left to the garbage collector, as the answer itself is.
func show(d *Device, seed []byte) (Shown, error) {
	key, err := enrolment(d, seed)
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
	return Shown{Base32: encoding.AppendEncode(nil, seed), PNG: out.Bytes(), URI: key.URL()}, nil
}

var otpAlgorithms = map[string]otp.Algorithm{SHA1: otp.AlgorithmSHA1, SHA256: otp.AlgorithmSHA256, SHA512: otp.AlgorithmSHA512}

func enrolment(d *Device, seed []byte) (*otp.Key, error) {
	const issuer = "keyd"
	o, account := d.Codes(), d.Name+"@"+d.Account
	if d.Kind() == TypeHOTP {
		key, err := hotp.Generate(hotp.GenerateOpts{
			Issuer: issuer, AccountName: account, Secret: seed, Digits: otp.Digits(o.Digits), Algorithm: otpAlgorithms[o.Algorithm],
		})
		if err != nil {
			return nil, err
		}
		return otp.NewKeyFromURL(key.URL() + "&counter=0") // which Google's format demands, and pquerna/otp leaves out
	}
	return totp.Generate(totp.GenerateOpts{
		Issuer: issuer, AccountName: account, Secret: seed,
		Period: uint(o.Period), Digits: otp.Digits(o.Digits), Algorithm: otpAlgorithms[o.Algorithm],
	})
}
