package command

import (
	"errors"

	"github.com/keyd-hsm/keyd/hsm/piv"
)

// unsealCodes are the codes of errors of sealing and unsealing, in the order in
// which they are looked for.
var unsealCodes = []struct {
	err  error
	code string
}{
	{errBusy, "busy"},
	{errStopping, "stopping"},
	{errOpenAlready, "open_already"},
	{piv.ErrNoService, "no_service"},
	{piv.ErrNoCard, "no_card"},
	{piv.ErrInUse, "in_use"},
	{piv.ErrRemoved, "removed"},
	{piv.ErrNoPIV, "no_piv"},
	{piv.ErrPINNeeded, "pin_needed"},
	{piv.ErrPINForm, "pin_form"},
	{piv.ErrLastTry, "last_try"},
	{piv.ErrPINBlocked, "pin_blocked"},
	{piv.ErrTouch, "not_touched"},
	{piv.ErrNoKey, "other_key"},
	{piv.ErrOtherKey, "other_key"},
	{piv.ErrAltered, "altered"},
	// Who asked has gone. The next finds the card at work still.
	{piv.ErrUnderWay, "busy"},
}

// unsealCode is the code of an error, and how many wrong PINs the card still
// bears, -1 if that was not told.
func unsealCode(err error) (code string, tries int) {
	if wrong := (*piv.PINError)(nil); errors.As(err, &wrong) {
		return "wrong_pin", wrong.Tries
	}
	for _, c := range unsealCodes {
		if errors.Is(err, c.err) {
			return c.code, -1
		}
	}
	return "failed", -1
}
