package mfa

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/store"
)

// Where records stand in the store.
const (
	devices  = "mfa/device/"   // <path and name>: Device
	failures = "mfa/failures/" // <owner>: Failures of all devices of the owner
	recovery = "mfa/recovery/" // <owner>: recoveryCodes
	standIns = "mfa/stand-in"  // standIn
)

// Device is an MFA device. It is shared and must not be changed.
type Device struct {
	Version int               `json:"v"`
	Name    string            `json:"name"`
	Path    string            `json:"path"` // "/" or "/a/b/"
	Account string            `json:"account"`
	Created time.Time         `json:"created"`
	Tags    map[string]string `json:"tags,omitempty"`
	// Type is TypeTOTP, TypeHOTP or TypePIV; "" in records of before there were others is TOTP.
	Type string `json:"type,omitempty"`
	// OATH is what codes are made by; nil for the default of each, and for PIV.
	OATH *OATH `json:"oath,omitempty"`
	// PIV is the key of a PIV device; nil for all others.
	PIV *PIVKey `json:"piv,omitempty"`
	// Wrapped is the seed, wrapped under the domain key of that id. None for PIV.
	Domain  string `json:"domain,omitempty"`
	Wrapped []byte `json:"wrapped,omitempty"`
	// Owner is the unique id of the user who has it, the account for the root user,
	// and "" while nobody has; Enabled is since when.
	Owner   string    `json:"owner,omitempty"`
	Enabled time.Time `json:"enabled,omitzero"`
	// Last is the step or counter of the last code that was spent, one less than the
	// first counter while none was: none at or before it is good any more, whoever
	// has the device.
	Last int64 `json:"last,omitempty"`
	// Drift is by how many steps the device's clock was ahead when two consecutive
	// codes were shown, and Learned by how many more it has been since, 1 at most, or
	// -1: see spend.
	Drift    int64    `json:"drift,omitempty"`
	Learned  int64    `json:"learned,omitempty"`
	Failures Failures `json:"failures,omitzero"`
}

// OATH is how a device makes its codes.
type OATH struct {
	Digits    int    `json:"digits"`           // 6 or 8
	Algorithm string `json:"algorithm"`        // SHA1, SHA256 or SHA512
	Period    int    `json:"period,omitempty"` // seconds: 30 or 60; none for HOTP
}

// Kind is the device's type, [TypeTOTP] and so on.
func (d *Device) Kind() string { return cmp.Or(d.Type, TypeTOTP) }

// Codes is how the device makes its codes; the zero OATH for a security key.
func (d *Device) Codes() OATH {
	switch {
	case d.OATH != nil:
		return *d.OATH
	case d.Kind() == TypeTOTP:
		return OATH{Digits: 6, Algorithm: SHA1, Period: 30}
	case d.Kind() == TypeHOTP:
		return OATH{Digits: 6, Algorithm: SHA1}
	}
	return OATH{}
}

// Locked reports whether too many wrong answers were given for the device.
func (d *Device) Locked() bool { return d.Failures.locked() }

// PIVKey is the key of a PIV device, and what its card attested of it.
type PIVKey struct {
	Public      []byte `json:"public"`         // SubjectPublicKeyInfo, DER
	Slot        string `json:"slot"`           // hexadecimal, as "9a"
	Card        uint32 `json:"card,omitempty"` // serial number of the card, if attested
	Attested    bool   `json:"attested,omitempty"`
	Firmware    string `json:"firmware,omitempty"` // as "5.4.3"
	PINPolicy   string `json:"pin_policy,omitempty"`
	TouchPolicy string `json:"touch_policy,omitempty"`
}

// Serial is the device's serial number, which is its ARN.
func (d *Device) Serial() string { return arnPrefix(d.Account) + d.Path + d.Name }

func arnPrefix(account string) string { return "arn:aws:iam::" + account + ":mfa" }

// Codes of refusals beside those of package iam, in AWS's words.
const (
	CodeInvalidCode = "InvalidAuthenticationCode"
	maxSerial       = 256 // characters of a serial number, in every operation that takes one
)

// statuses are the HTTP statuses that AWS gives codes.
var statuses = map[string]int{
	iam.CodeNoSuchEntity: 404, iam.CodeAlreadyExists: 409, iam.CodeDeleteConflict: 409, iam.CodeValidation: 400, CodeInvalidCode: 403,
	CodeInvalidInput: 400,
}

func refuse(code, format string, args ...any) *iam.Error {
	return &iam.Error{Code: code, Message: fmt.Sprintf(format, args...), Status: statuses[code]}
}

func noSuch(serial string) error {
	return refuse(iam.CodeNoSuchEntity, "VirtualMFADevice with serial number %s does not exist.", serial)
}

// Device finds a device by its serial number; NoSuchEntity if there is none. The
// record is the caller's own.
func (s *Service) Device(tx Tx, serial string) (*Device, error) {
	place, ok := strings.CutPrefix(serial, arnPrefix(s.Account)+"/")
	if !ok || place == "" || len(serial) > maxSerial {
		return nil, noSuch(serial)
	}
	b, err := tx.Get(devices + place)
	if errors.Is(err, store.ErrNotFound) {
		return nil, noSuch(serial)
	}
	if err != nil {
		return nil, err
	}
	d := new(Device)
	if err := json.Unmarshal(b, d); err != nil {
		return nil, fmt.Errorf("record %s%s: %w", devices, place, err)
	}
	return d, nil
}

func (s *Service) put(tx Tx, d *Device) error {
	return put(tx, devices+strings.TrimPrefix(d.Path, "/")+d.Name, d)
}

func put(tx Tx, path string, record any) error {
	b, err := json.Marshal(record)
	if err != nil {
		return err
	}
	return tx.Put(path, b)
}

// Create stores a device that Draft made. EntityAlreadyExists if its name is taken.
func (s *Service) Create(tx Tx, d *Device) error {
	if err := s.free(tx, d.Serial()); err != nil {
		return err
	}
	return s.put(tx, d)
}

func isNoSuch(err error) bool {
	var refusal *iam.Error
	return errors.As(err, &refusal) && refusal.Code == iam.CodeNoSuchEntity
}

// Delete removes a device that nobody has, its seed with it, and returns what it
// was; DeleteConflict if somebody has it. After the commit the caller calls Forget.
func (s *Service) Delete(tx Tx, serial string) (*Device, error) {
	d, err := s.Device(tx, serial)
	if err != nil {
		return nil, err
	}
	if d.Owner != "" {
		return nil, refuse(iam.CodeDeleteConflict, "MFA VirtualDevice in use. Must deactivate first.")
	}
	if len(d.Wrapped) > 0 {
		if err := s.Seeds.DropSeed(tx); err != nil {
			return nil, err
		}
	}
	return d, tx.Delete(devices + strings.TrimPrefix(d.Path, "/") + d.Name)
}

// List gives one page of the devices that wanted picks, by path and name.
func (s *Service) List(tx Tx, wanted func(*Device) bool, p iam.Page) ([]*Device, string, error) {
	return iam.List(tx, devices, p, func(_ string, value []byte) (*Device, bool, error) {
		d := new(Device)
		if err := json.Unmarshal(value, d); err != nil {
			return nil, false, err
		}
		return d, wanted(d), nil
	})
}

// Count is the number of devices, whoever has them.
func (s *Service) Count(tx Tx) (n int32) {
	for range tx.Scan(devices, "") {
		n++
	}
	return n
}

// Tag puts tags on a device.
func (s *Service) Tag(tx Tx, serial string, tags []iam.Tag) error {
	d, err := s.Device(tx, serial)
	if err != nil {
		return err
	}
	if d.Tags, err = s.IAM.Tagged(d.Tags, tags); err != nil {
		return err
	}
	return s.put(tx, d)
}

// Untag takes tags off a device; keys that are not there are no error.
func (s *Service) Untag(tx Tx, serial string, keys []string) error {
	d, err := s.Device(tx, serial)
	if err != nil {
		return err
	}
	d.Tags = iam.Untagged(d.Tags, keys)
	return s.put(tx, d)
}
