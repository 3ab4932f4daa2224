package mfa

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/store"
)

// Fsck checks the service's records and returns what is wrong, a line each: every
// record is whole, and who holds a device is known on both sides.
func Fsck(tx Tx) (problems []string) {
	add := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	owners := make(map[string]string) // by serial number
	for path, value := range tx.Scan(devices, "") {
		var d Device
		if err := json.Unmarshal(value, &d); err != nil || devices+strings.TrimPrefix(d.Path, "/")+d.Name != path || d.check() != nil {
			add("record %s: damaged", path)
			continue
		}
		owners[d.Serial()] = d.Owner
		if d.Owner != "" && !slices.Contains(iam.MFADevices(tx, d.Owner), d.Serial()) {
			add("record %s: %s has it, and does not know", path, d.Owner)
		}
	}
	for owner, serial := range iam.MFAHolders(tx) {
		if owners[serial] != owner {
			add("MFA device %s of %s: missing, or another's", serial, owner)
		}
	}
	for path, value := range tx.Scan(failures, "") {
		var f Failures
		owner := strings.TrimPrefix(path, failures)
		if err := json.Unmarshal(value, &f); err != nil || len(iam.MFADevices(tx, owner)) == 0 {
			add("record %s: damaged, or of nobody", path)
		}
	}
	for path, value := range tx.Scan(recovery, "") {
		var r recoveryCodes
		if err := json.Unmarshal(value, &r); err != nil || r.check() != nil || !iam.MayHoldMFA(tx, strings.TrimPrefix(path, recovery)) {
			add("record %s: damaged, or of nobody", path)
		}
	}
	if d, err := readStandIn(tx); err != nil && !errors.Is(err, store.ErrNotFound) || err == nil && len(d.Wrapped) == 0 {
		add("record %s: damaged", standIns)
	}
	return problems
}

var errDamaged = errors.New("damaged record")

// check refuses a record that the service cannot work with.
func (d *Device) check() error {
	if d.Kind() == TypePIV {
		if d.PIV == nil {
			return errDamaged
		}
		return d.PIV.check()
	}
	_, _, err := NewDevice{Type: d.Type, OATH: d.Codes()}.codes()
	if len(d.Wrapped) == 0 {
		err = errDamaged
	}
	return err
}

// check refuses a record that no code can be held against.
func (r *recoveryCodes) check() error {
	whole := r.Version == 1 && len(r.Salt) == recoverySalt && len(r.Hashes) <= recoveryCount
	for _, h := range r.Hashes {
		whole = whole && len(h) == sha256.Size
	}
	if !whole {
		return errDamaged
	}
	return nil
}
