package mfa

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/keyd-hsm/keyd/iam"
)

// Fsck checks the service's records and returns what is wrong, a line each: every
// record is whole, and who holds a device is known on both sides.
func Fsck(tx Tx) (problems []string) {
	add := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	owners := make(map[string]string) // by serial number
	for path, value := range tx.Scan(devices, "") {
		var d Device
		if err := json.Unmarshal(value, &d); err != nil || devices+strings.TrimPrefix(d.Path, "/")+d.Name != path || len(d.Wrapped) == 0 {
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
		if err := json.Unmarshal(value, &f); err != nil || len(iam.MFADevices(tx, strings.TrimPrefix(path, failures))) == 0 {
			add("record %s: damaged, or of nobody", path)
		}
	}
	return problems
}
