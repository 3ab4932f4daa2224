// Package piv speaks to YubiKeys: the PIV application of the card, through PC/SC.
//
// Most callers need three calls: [Open] takes a card for the moment of use,
// [Card.Sign] signs with a key of it, and [VerifyAttestation], which needs no
// card, says what a card attested of a key.
//
//	card, err := piv.Open(ctx, 0) // the only one
//	if err != nil { … }
//	defer card.Close()
//	signature, err := card.SignMessage(ctx, slot, piv.KnownPIN(pin), public, message)
//
// An open card is taken from all other programs, so it is opened late and closed
// soon: a person is asked for the PIN before, not meanwhile ([Card.NeedsPIN]).
//
// Every trouble that a person can do something about has its own error, whose
// text says what it is: those below, [PINError] and [SeveralError]. A PIN is
// never tried a second time, and never where one try is left, unless the caller
// insists. PINs are in no error.
//
// The package also has a [Token] for keyd itself, whose keys are worked in memory
// and sealed to a key on a card.
//
// PC/SC cannot call a command back. When a context ends in the middle of one,
// the call returns and says so, and the card stays taken until the command has
// ended: a YubiKey waits fifteen seconds for a touch, and answers everything else
// sooner. Close then closes it when that is over.
//
// A Card is safe for concurrent use; it does one command at a time.
package piv
