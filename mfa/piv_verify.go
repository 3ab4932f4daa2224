package mfa

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"sync"
	"time"

	"github.com/keyd-hsm/keyd/mfa/protocol"
)

// VerifySignature checks a security key's signature over m, which the caller has
// made anew from what it asked for, never from what was sent. The caller sees to
// it that no m comes twice: a signature that was right once is right again.
//
// It counts failures, and refuses, as [Service.Verify] does: ErrDevice, ErrCode or
// a *BlockedError. Whoever is told no more than that it was refused cannot tell why,
// by the time either: an owner or a device that is not there, and tries that come too
// early, take the work of a signature that is wrong.
func (s *Service) VerifySignature(ctx context.Context, owner, serial string, m protocol.Message, signature []byte) (Proof, error) {
	now := s.RealTime()
	var seen *Device
	var refusal error
	err := s.DB.View(ctx, func(tx Tx) (err error) {
		seen, err = s.openPIV(tx, owner, serial, now)
		if refused(err) { // for speed: what counts is what judgeSignature finds
			refusal, err = err, nil
		}
		return err
	})
	if err != nil {
		return Proof{}, err
	}
	var public crypto.PublicKey = decoy()
	if seen != nil {
		if public, _, err = parsePublic(seen.PIV.Public); err != nil {
			return Proof{}, err // the record is damaged
		}
	}
	good := signed(public, m.Bytes(), signature) && m.Device == serial
	var proof Proof
	if refusal == nil {
		err = s.DB.Update(ctx, func(tx Tx) (err error) {
			proof, refusal, err = s.judgeSignature(tx, seen, now, good)
			return err
		})
	}
	if err != nil {
		return Proof{}, err
	}
	if refusal != nil && !errors.Is(refusal, ErrCode) {
		return Proof{}, errors.Join(refusal, s.pretend(ctx, false))
	}
	return proof, refusal
}

// decoy is the key of devices that are not there. Nobody has its other half.
var decoy = sync.OnceValue(func() *ecdsa.PublicKey {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err) // never: see crypto/rand
	}
	return &k.PublicKey
})

// openPIV finds a security key that the owner has and may try now: ErrDevice if
// there is none, a *BlockedError if it comes too early, with the key all the same.
func (s *Service) openPIV(tx Tx, owner, serial string, now time.Time) (*Device, error) {
	d, err := s.held(tx, owner, serial)
	if err != nil {
		return nil, err
	}
	if d.Kind() != TypePIV || d.PIV == nil {
		return nil, ErrDevice
	}
	user, err := ofOwner(tx, owner)
	if err != nil {
		return nil, err
	}
	return d, blocked(now, false, user, d.Failures)
}

// judgeSignature decides in the transaction that counts, as judge does for codes.
func (s *Service) judgeSignature(tx Tx, seen *Device, now time.Time, good bool) (p Proof, refusal, err error) {
	d, err := s.openPIV(tx, seen.Owner, seen.Serial(), now)
	switch {
	case refused(err):
		return p, err, nil
	case err != nil:
		return p, nil, err
	case !bytes.Equal(d.PIV.Public, seen.PIV.Public):
		return p, ErrDevice, nil // deleted since, and made anew
	case !good:
		return p, ErrCode, s.failed(tx, now, d.Owner, d)
	}
	d.Failures = Failures{}
	return s.proof(d), nil, errors.Join(s.put(tx, d), tx.Delete(failures+d.Owner))
}
