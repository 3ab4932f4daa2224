package iam

import (
	"slices"
	"strings"
)

// What MFA devices are, package mfa knows; here stands whose they are, so that a
// user who has one is not deleted, and reports can say so.

const mfaOf = prefix + "mfa-of/" // <unique id, or the account>/<serial number>: nothing

// AttachMFA gives the device of that serial number to a user, by the unique id, or
// to the root user, by the account. LimitExceeded when they have as many as may be.
func (s *Service) AttachMFA(tx Tx, owner, serial string) error {
	if len(MFADevices(tx, owner)) >= s.limits.MFADevicesPerUser {
		return refuse(CodeLimitExceeded, "Cannot exceed quota for MFADevicesPerUser: %d", s.limits.MFADevicesPerUser)
	}
	return tx.Put(mfaOf+owner+"/"+serial, nil)
}

// DetachMFA takes a device away from its owner.
func (s *Service) DetachMFA(tx Tx, owner, serial string) error {
	return tx.Delete(mfaOf + owner + "/" + serial)
}

// MFADevices are the serial numbers of the devices of a user, by the unique id, or
// of the root user, by the account.
func MFADevices(tx Tx, owner string) []string {
	return slices.Collect(names(tx, mfaOf+owner+"/"))
}

// MFAHolders yields who holds which device.
func MFAHolders(tx Tx) func(yield func(owner, serial string) bool) {
	return func(yield func(owner, serial string) bool) {
		for entry := range names(tx, mfaOf) {
			owner, serial, _ := strings.Cut(entry, "/")
			if !yield(owner, serial) {
				return
			}
		}
	}
}

// MayHoldMFA reports whether an owner is there: a user of that unique id, or the
// root user of the account.
func MayHoldMFA(tx Tx, owner string) bool {
	if isAccount(owner) {
		return true
	}
	there, err := exists(tx, uniqueIDs+owner)
	return err == nil && there
}

// mfa checks that whoever holds a device is there.
func (f *fsck) mfa() {
	for owner, serial := range MFAHolders(f.tx) {
		if !isAccount(owner) {
			f.wants(mfaOf+owner+"/"+serial, uniqueIDs+owner)
		}
	}
}
