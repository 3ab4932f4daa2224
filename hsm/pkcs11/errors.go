package pkcs11

import (
	"context"
	"errors"
	"fmt"

	p11 "github.com/miekg/pkcs11"

	"github.com/keyd-hsm/keyd/hsm"
)

// errClosed answers calls on a closed Token.
var errClosed = fmt.Errorf("%w: closed", hsm.ErrUnavailable)

// errRefused: the token is well and refused what it was asked.
var errRefused = errors.New("token refused")

// errMisfit: a key on the token is not of the type that it was called.
var errMisfit = errors.New("key on the token is of another type")

// called names the PKCS#11 function that answered err.
func called(function string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", function, err)
}

// is reports whether the module answered err with one of the codes.
func is(err error, codes ...p11.Error) bool {
	var code p11.Error
	if !errors.As(err, &code) {
		return false
	}
	for _, c := range codes {
		if code == c {
			return true
		}
	}
	return false
}

// lost reports whether err says that sessions or handles are dead, so that
// only a new epoch helps. Handles are the token's own: that one is invalid
// means that the token forgot it.
func lost(err error) bool {
	return errors.Is(err, errEpochOver) || vague(err) || is(err,
		p11.CKR_SESSION_HANDLE_INVALID, p11.CKR_SESSION_CLOSED,
		p11.CKR_DEVICE_ERROR, p11.CKR_DEVICE_REMOVED,
		p11.CKR_TOKEN_NOT_PRESENT, p11.CKR_TOKEN_NOT_RECOGNIZED, p11.CKR_SLOT_ID_INVALID,
		p11.CKR_USER_NOT_LOGGED_IN,
		p11.CKR_OBJECT_HANDLE_INVALID, p11.CKR_KEY_HANDLE_INVALID,
		p11.CKR_WRAPPING_KEY_HANDLE_INVALID, p11.CKR_UNWRAPPING_KEY_HANDLE_INVALID,
		p11.CKR_CRYPTOKI_NOT_INITIALIZED)
}

// vague reports whether err may mean anything. SoftHSM2 answers
// CKR_GENERAL_ERROR both for a wrapped key that was altered and for a token
// whose directory is gone.
func vague(err error) bool {
	return is(err, p11.CKR_GENERAL_ERROR, p11.CKR_FUNCTION_FAILED)
}

// badWrapped reports whether the module blames the wrapped key.
func badWrapped(err error) bool {
	return is(err,
		p11.CKR_WRAPPED_KEY_INVALID, p11.CKR_WRAPPED_KEY_LEN_RANGE,
		p11.CKR_ENCRYPTED_DATA_INVALID, p11.CKR_ENCRYPTED_DATA_LEN_RANGE,
		p11.CKR_DATA_INVALID, p11.CKR_DATA_LEN_RANGE, p11.CKR_KEY_SIZE_RANGE)
}

// pinRefused reports whether the token refused the PIN.
func pinRefused(err error) bool {
	return is(err,
		p11.CKR_PIN_INCORRECT, p11.CKR_PIN_INVALID, p11.CKR_PIN_LEN_RANGE,
		p11.CKR_PIN_EXPIRED, p11.CKR_PIN_LOCKED, p11.CKR_USER_PIN_NOT_INITIALIZED)
}

// explain puts the sentinel that callers look for in front of what the module
// said.
func explain(err error) error {
	for _, sentinel := range []error{
		hsm.ErrUnavailable, hsm.ErrUnsupported, hsm.ErrNotFound, hsm.ErrExists, hsm.ErrWrapped, hsm.ErrMaterial, hsm.ErrPIN,
	} {
		if errors.Is(err, sentinel) {
			return err
		}
	}
	switch {
	case err == nil, errors.Is(err, errRefused):
		return err
	case pinRefused(err):
		return fmt.Errorf("%w: %w", hsm.ErrPIN, err)
	case is(err, p11.CKR_MECHANISM_INVALID, p11.CKR_FUNCTION_NOT_SUPPORTED, p11.CKR_KEY_NOT_WRAPPABLE):
		return fmt.Errorf("%w: %w", hsm.ErrUnsupported, err)
	case lost(err), is(err, p11.CKR_DEVICE_MEMORY, p11.CKR_HOST_MEMORY, p11.CKR_SESSION_COUNT):
		return fmt.Errorf("%w: %w", hsm.ErrUnavailable, err)
	}
	return err
}

// ended says that a context ended while the token was waited for. Only a
// deadline says something about the token.
func ended(ctx context.Context) error {
	err := ctx.Err()
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%w: no answer in time: %w", hsm.ErrUnavailable, err)
	}
	return err
}
