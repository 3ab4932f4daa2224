// Package pkcs11 keeps the promise of package hsm with any PKCS#11 module:
// SoftHSM2, a CloudHSM-class device, a smart card.
//
// [Open] finds the token, logs in and returns a [Token], which is an hsm.Token;
// [ParseURI] reads the usual way to name one (RFC 7512). [InitToken] makes a
// token of a free slot.
//
// Keys. A domain key is an AES-256 token object that can wrap and unwrap and
// nothing else, sensitive and never extractable. A key to be stored is made in
// the token, wrapped there (RFC 5649) and destroyed; to be used it is
// unwrapped into a session object that can do what its hsm.Use is and nothing
// else. A new pair, and a private key that was imported, does its work once
// before it is given out. No value of a key is ever read, and no object is made
// from a value; what key agreement yields is read, because it is the answer.
//
// Concurrency. Only as many calls are inside the module as there are sessions
// ([Config].MaxSessions, one that creates keys, and three that make pairs); the
// others wait, and leave when their contexts end. C cannot be interrupted. A
// call that makes, unwraps or looks for keys, or works with an RSA key, therefore
// runs on a goroutine of its own, so that its caller can leave. Quicker work
// with a key that is in the cache (a MAC, an ECDSA signature, key agreement), and
// Random, run on the goroutine of the caller, who returns when the module does.
// So a module that hangs holds at most that many goroutines and callers. A pair,
// which may take seconds, is made in a session for that alone: nobody else waits
// for it, recovery included, but to finalise the module does.
//
// Recovery. When sessions or the token are lost, the next call begins a new
// epoch: sessions are opened, the PIN is given again, handles of the old epoch
// are dropped, and the call is made once more. Others wait meanwhile, as long
// as their contexts let them. While recovery fails it is tried every 200 ms at
// most, and calls in between are refused at once with hsm.ErrUnavailable. A
// token that refuses the PIN is not asked again before a new Open.
//
// A module belongs to the whole process. Several Tokens of one module work
// side by side; but other code in the process must not finalise and initialise
// it under this package, because handles are then given anew.
package pkcs11

import (
	"errors"
	"fmt"
)

// Config says which token to open and how much of it to use.
type Config struct {
	// Module is the path of the PKCS#11 module. Empty: the URI's module-path.
	Module string
	// Token says which token of the module is meant. It must match exactly one.
	Token URI
	// PIN is the user PIN. There is no default.
	PIN PIN
	// MaxSessions bounds the calls that are in the token at a time. 0 means 16;
	// the token's own limit comes before it.
	MaxSessions int
	// MaxHandles bounds the unwrapped keys that wait in the token for their
	// next use; one takes about 8 KB in SoftHSM2. 0 means 17,000.
	MaxHandles int
}

const (
	defaultSessions = 16
	defaultHandles  = 17_000
)

// complete checks c and fills in what was left to this package.
func (c Config) complete() (Config, error) {
	switch {
	case c.Module == "":
		c.Module = c.Token.ModulePath
	case c.Token.ModulePath != "" && c.Token.ModulePath != c.Module:
		return c, fmt.Errorf("pkcs11 config: module %q, but the URI's module-path is %q", c.Module, c.Token.ModulePath)
	}
	switch {
	case c.Module == "":
		return c, errors.New("pkcs11 config: no module: give the path of the PKCS#11 library")
	case c.PIN.IsZero():
		return c, errors.New("pkcs11 config: no PIN")
	case c.MaxSessions < 0 || c.MaxHandles < 0:
		return c, errors.New("pkcs11 config: a limit is negative")
	}
	if c.MaxSessions == 0 {
		c.MaxSessions = defaultSessions
	}
	if c.MaxHandles == 0 {
		c.MaxHandles = defaultHandles
	}
	c.Token.ModulePath = ""
	return c, nil
}
