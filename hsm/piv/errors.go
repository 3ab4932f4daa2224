package piv

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-piv/piv-go/v2/piv"
)

// What can be wrong with a card and its reader.
var (
	// ErrNoService: nothing answers for PC/SC.
	ErrNoService = errors.New("the smart card service does not run: start pcscd")
	// ErrNoCard: no YubiKey, or not the one that was asked for.
	ErrNoCard = errors.New("no YubiKey is plugged in")
	// ErrSeveralCards: there are several, and none was chosen; see [SeveralError].
	ErrSeveralCards = errors.New("several YubiKeys are plugged in: choose one by its serial number")
	// ErrInUse: another program has the card, as GnuPG's scdaemon likes to.
	ErrInUse = errors.New("the YubiKey is in use by another program")
	// ErrRemoved: the card was pulled, or reset, in the middle.
	ErrRemoved = errors.New("the YubiKey was unplugged")
	// ErrNoPIV: a YubiKey whose PIV application is switched off.
	ErrNoPIV = errors.New("the YubiKey has no PIV application, or it is switched off")
)

// What a card can refuse.
var (
	// ErrPINNeeded: the key wants a PIN, and none was given.
	ErrPINNeeded = errors.New("the key needs the PIN of the YubiKey")
	// ErrPINForm: the text cannot be a PIN; it was not tried.
	ErrPINForm = errors.New("a PIN has six to eight characters; it was not tried")
	// ErrLastTry: one try is left, and was not used; see [Card.UseLastTry].
	ErrLastTry = errors.New("one try of the PIN is left before it is blocked, and was not used")
	// ErrPINBlocked: too many wrong PINs.
	ErrPINBlocked = errors.New("the PIN of the YubiKey is blocked: unblock it with the PUK, or reset the PIV application")
	// ErrTouch: nobody touched the card in time.
	ErrTouch = errors.New("the YubiKey was not touched in time")
	// ErrManagementKey: the management key is not right.
	ErrManagementKey = errors.New("wrong management key of the YubiKey")
	// ErrNoKey: the slot is empty.
	ErrNoKey = errors.New("no key in this slot of the YubiKey")
	// ErrOtherKey: the slot has another key than the one that was expected.
	ErrOtherKey = errors.New("the slot of the YubiKey has another key than expected")
	// ErrAlgorithm: a kind of key that is not used here, or that the card does not have.
	ErrAlgorithm = errors.New("kind of key not supported")
	// ErrSlot: not the name of a slot for keys.
	ErrSlot = errors.New("no such slot: 9a, 9c, 9d, 9e and 82 to 95 are")
	// ErrNoAttestation: the key was imported, or the card is too old to attest.
	ErrNoAttestation = errors.New("the YubiKey cannot attest this key: it was not made on it, or the YubiKey is older than 4.3")
	// ErrUnderWay: the context ended while the card was at work, and it still is.
	ErrUnderWay = errors.New("gave up waiting for the YubiKey, which is still at work")
)

// PINError is a wrong PIN.
type PINError struct {
	Tries int // left before the PIN is blocked
}

func (e *PINError) Error() string {
	if e.Tries == 1 {
		return "wrong PIN: one try left before it is blocked"
	}
	return fmt.Sprintf("wrong PIN: %d tries left", e.Tries)
}

// SeveralError says which cards there are; it is ErrSeveralCards.
type SeveralError struct {
	Serials []uint32
}

func (e *SeveralError) Error() string {
	names := make([]string, len(e.Serials))
	for i, n := range e.Serials {
		names[i] = strconv.FormatUint(uint64(n), 10)
	}
	return ErrSeveralCards.Error() + ": " + strings.Join(names, ", ")
}

// Is makes a SeveralError an ErrSeveralCards.
func (e *SeveralError) Is(target error) bool { return target == ErrSeveralCards }

// Status words of the card (ISO 7816-4) that mean something to a person.
const (
	statusSecurity = 0x6982 // security status not satisfied
	statusBlocked  = 0x6983
	statusAbsent   = 0x6a88
	statusData     = 0x6a80
	statusFunction = 0x6a81
	statusP1P2     = 0x6a86
	statusINS      = 0x6d00
)

// status is the card's answer in an error of piv-go, 0 if it has none.
func status(err error) uint16 {
	var word interface {
		error
		Status() uint16
	}
	if errors.As(err, &word) {
		return word.Status()
	}
	return 0
}

// pcsc is what PC/SC says, by its number and in piv-go's words: its errors have no
// exported type.
var pcsc = []struct {
	code uint32 // 0 for what only piv-go says
	text string
	err  error
}{
	{0x8010001d, "the Smart card resource manager is not running", ErrNoService},
	{0x8010001e, "the Smart card resource manager has shut down", ErrNoService},
	{0x80100018, "the operation has been aborted to allow the server application to exit", ErrNoService},
	{0x80100013, "an internal communications error has been detected", ErrNoService},
	{0x8010002e, "cannot find a smart card reader", ErrNoCard},
	{0x8010000b, "the smart card cannot be accessed because of other connections outstanding", ErrInUse},
	{0x80100069, "the smart card has been removed", ErrRemoved},
	{0x80100068, "the smart card has been reset", ErrRemoved},
	{0x80100067, "power has been removed from the smart card", ErrRemoved},
	{0x8010000c, "no Smart Card is currently in the device", ErrRemoved},
	{0x80100017, "the specified reader is not currently available for use", ErrRemoved},
	{0x80100009, "the specified reader name is not recognized", ErrRemoved},
	{0x8010002f, "a communications error with the smart card", ErrRemoved},
	{0x80100066, "the smart card is not responding to a reset", ErrRemoved},
	{0x80100010, "the reader or smart card is not ready to accept commands", ErrRemoved},
	{0x80100003, "the supplied handle was invalid", ErrRemoved},
	{0x80100016, "an attempt was made to end a non-existent transaction", ErrRemoved},
	{0, "scard response too short", ErrRemoved},
}

// scard gives a number of PC/SC's the name that it has here.
func scard(code uint32) error {
	for _, p := range pcsc {
		if p.code == code {
			return p.err
		}
	}
	return fmt.Errorf("%w: PC/SC error %#x", errUnnamed, code)
}

// errUnnamed goes before errors that have no name here.
var errUnnamed = errors.New("YubiKey")

// explain gives an error of piv-go the name that it has here.
func explain(err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	text := err.Error()
	for _, p := range pcsc {
		if strings.Contains(text, p.text) {
			return p.err
		}
	}
	if status(err) == statusBlocked {
		return ErrPINBlocked
	}
	if errors.Is(err, piv.ErrNotFound) || status(err) == statusAbsent {
		return ErrNoKey
	}
	return fmt.Errorf("%w: %w", errUnnamed, err)
}
