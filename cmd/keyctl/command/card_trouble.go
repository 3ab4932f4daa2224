package command

import (
	"errors"

	"github.com/keyd-hsm/keyd/hsm/piv"
)

// cardAnswers say what to do about a card's troubles, the first that fits.
var cardAnswers = []struct {
	err  error
	exit exit
	hint string
}{
	{errNotEnrolled, exitRefused, `enrol its key: keyctl mfa enroll piv NAME; "keyctl mfa list" shows what is enrolled`},
	{piv.ErrNoService, exitUnavailable, "systemctl start pcscd.socket; on Debian it is the package pcscd"},
	{piv.ErrNoCard, exitUnavailable, "plug it in, and try again"},
	{piv.ErrSeveralCards, exitUsage, "name it with --card, or leave one plugged in"},
	{piv.ErrInUse, exitUnavailable, `GnuPG keeps cards: gpgconf --kill scdaemon`},
	{piv.ErrRemoved, exitUnavailable, "plug it in again; nothing was signed"},
	{piv.ErrNoPIV, exitUnavailable, "switch it on: ykman config usb --enable piv"},
	{piv.ErrTouch, exitRefused, "nothing was signed; start again, and touch it while it blinks"},
	{piv.ErrPINBlocked, exitRefused, "unblock it with the PUK: ykman piv access unblock-pin"},
	{piv.ErrLastTry, exitRefused, "be sure of the PIN, and give it to ykman piv access verify-pin, which sets the tries back"},
	{piv.ErrPINNeeded, exitUsage, hintPIN},
	{piv.ErrPINForm, exitUsage, ""},
	{piv.ErrManagementKey, exitRefused, "name the file that has it: --management-key-file FILE"},
	{piv.ErrNoKey, exitNotFound, "make one with --generate, or name another --slot"},
	{piv.ErrOtherKey, exitState, "the key was replaced; enrol the new one: keyctl mfa enroll piv NAME"},
	{piv.ErrAlgorithm, exitUsage, "P256, P384 and RSA2048 are, and Ed25519 from firmware 5.7"},
	{piv.ErrSlot, exitUsage, ""},
	{piv.ErrUnderWay, exitUnavailable, "unplug the YubiKey to end it"},
}

// explainCard is for troubles with a card; nil if err is no such thing.
func explainCard(err error) *failure {
	if wrong, ok := errors.AsType[*piv.PINError](err); ok {
		return &failure{wrong, "it was not tried again", exitRefused}
	}
	for _, a := range cardAnswers {
		if errors.Is(err, a.err) {
			return &failure{err, a.hint, a.exit}
		}
	}
	return nil
}
